"""Pixels that no optics can make: hot and cold pixels, cosmic-ray hits; and mending them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.pipeline.kernels import stars as kernels

#: Rows and columns on each side that a verdict depends on: bands need this much overlap.
SHARP_REACH_PX = kernels.SHARP_REACH_PX

#: How many times the noise a sharp pixel differs, and which fraction of that its median neighbour has at most.
SHARP_THRESHOLD, SHARP_NARROWEST = 6.0, 0.1


def sharp_pixels(
    image: NDArray[np.float32],
    noise_adu: float,
    *,
    threshold: float = SHARP_THRESHOLD,
    narrowest: float = SHARP_NARROWEST,
) -> NDArray[np.bool_]:
    """Find pixels that differ from their surroundings as no point-spread function allows.

    A star lifts its neighbours too: at a full width at half maximum of 1.5 px and in its worst position within the
    pixel, the median of the 8 neighbours still has 0.12 of the peak, measured from the 16 pixels around those.
    A hot pixel, and the short trail of a cosmic ray, leave that median at the background.

    Parameters
    ----------
    image : ndarray, float32, shape (rows, columns)
        Counts in adu; NaN where a pixel is bad.
    noise_adu : float
        Standard deviation of the background in adu.
    threshold : float
        How many times the noise a pixel must differ; where the surroundings scatter more than the noise, as in the
        flanks of a star, their scatter counts instead.
    narrowest : float
        Fraction of the peak below which the median neighbour must lie; 0.1 keeps stars of 1.5 px and more.

    Returns
    -------
    ndarray, bool, shape (rows, columns)
        True where a pixel is sharp. A verdict depends on the pixels within `SHARP_REACH_PX` only, so that bands which
        overlap by as much give the same verdicts as the whole frame.
    """
    found = np.empty(image.shape, np.bool_)
    kernels.mark_sharp(np.ascontiguousarray(image, np.float32), noise_adu, threshold, narrowest, found)
    return found


def mend(image: NDArray[np.float32], *, reach_px: int = 4) -> NDArray[np.float32]:
    """Fill NaN pixels with the mean of their valid neighbours, growing inwards.

    Parameters
    ----------
    image : ndarray, float32, shape (rows, columns)
        Counts in adu; NaN where a pixel is bad.
    reach_px : int
        How far from a valid pixel a hole is filled; what lies deeper becomes 0.

    Returns
    -------
    ndarray, float32, shape (rows, columns)
        A copy without NaN. A filled value depends on the pixels within `reach_px` only.
    """
    mended = np.array(image, np.float32, order="C")
    kernels.fill(mended, reach_px, False)
    return mended
