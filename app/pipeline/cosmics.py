"""Cosmic rays of one calibrated light, flagged in its DQ plane while it is being made; the pixels keep their values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from app.frames.product_file import Layout
from app.model.flags import Dq
from app.pipeline.kernels.cosmic import REACH_PX, CosmicRule, PixelNoise, find_cosmics
from app.pipeline.workers import Check

#: Pixels of a band; the rows around it that are computed twice are few.
BAND_PIXELS = 1 << 19
#: How far the light of a saturated star, or the charge of a bad pixel, may look like a hit.
_GROW_PX = 2
#: Every so many rows and columns tell the level of the sky; every so many rows its noise.
_SAMPLE = 16
#: The sky where it is darkest, as a part of all pixels.
_DARKEST = 0.01
#: Standard deviation of normal noise over the median difference of two values.
_SIGMA_OVER_DIFFERENCE = 1.4826 / np.sqrt(2.0)


@dataclass(frozen=True, slots=True)
class CosmicSearch:
    """How cosmic rays are looked for.

    Attributes
    ----------
    noise : PixelNoise or None
        Of the light, if it is known; else the noise that is seen in the sky counts for all pixels.
    rule : CosmicRule
        Limits.
    """

    noise: PixelNoise | None = None
    rule: CosmicRule = field(default_factory=CosmicRule)


def flag_cosmics(layout: Layout, plane: int, search: CosmicSearch, check: Check) -> int:
    """Add COSMIC to the DQ plane of a light whose pixels and other flags are written.

    Parameters
    ----------
    layout : Layout
        Of the unfinished light: the pixels first, adu, with the sky in them.
    plane : int
        Number of its DQ plane.
    search : CosmicSearch
        Noise and limits.
    check : callable
        Raises `Cancelled` when the work should stop.

    Returns
    -------
    int
        Pixels that were hit. Nearer to the edge than `REACH_PX` none is found.

    Raises
    ------
    OutputError
        The light cannot be read back or written.
    """
    sky_adu, darkest_adu, sky_noise_adu = _sky(layout, check)
    noise = replace(search.noise or PixelNoise(sky_noise_adu), least_signal_adu=darkest_adu)
    height = max(1, BAND_PIXELS // layout.columns)
    number = 0
    for first in range(REACH_PX, layout.rows - REACH_PX, height):
        check()
        last = min(first + height, layout.rows - REACH_PX)
        rows = layout.read(0, first - REACH_PX, last + REACH_PX)
        flags = layout.read(plane, first - REACH_PX, last + REACH_PX)
        np.copyto(rows, np.float32(sky_adu), where=~np.isfinite(rows))
        hits = np.empty((last - first, layout.columns), np.uint8)
        found = find_cosmics(rows, _grown(flags & np.uint8(0xFF ^ Dq.COSMIC)), noise, search.rule, hits)
        if found:
            layout.write(plane, first, flags[REACH_PX:-REACH_PX] | hits * np.uint8(Dq.COSMIC))
        number += found
    return number


def _sky(layout: Layout, check: Check) -> tuple[float, float, float]:
    """Median and low percentile of a light, and the noise of its pixels, adu; zeros where no pixel has a value."""
    levels, differences = [], []
    for row in range(0, layout.rows, _SAMPLE):
        check()
        values = layout.read(0, row, row + 1)[0]
        steps = np.abs(np.diff(values))
        levels.append(values[::_SAMPLE])
        differences.append(steps[np.isfinite(steps)])
    known, between = np.concatenate(levels), np.concatenate(differences)
    known = known[np.isfinite(known)]
    if not known.size or not between.size:
        return 0.0, 0.0, 0.0
    darkest_adu, sky_adu = np.quantile(known, (_DARKEST, 0.5))
    return float(sky_adu), float(darkest_adu), _SIGMA_OVER_DIFFERENCE * float(np.median(between))


def _grown(flags: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is flagged, and what is near to it."""
    near = flags
    for _ in range(_GROW_PX):
        wider = near.copy()
        wider[:, 1:] |= near[:, :-1]
        wider[:, :-1] |= near[:, 1:]
        near = wider.copy()
        near[1:] |= wider[:-1]
        near[:-1] |= wider[1:]
    return near
