"""Pixels of a light that a stack must not use, before and after they were warped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.model.flags import Dq
from app.pipeline.kernels.compiled import compiled

_NO_DATA, _REJECTED, _SATURATED = int(Dq.NO_DATA), int(Dq.REJECTED), int(Dq.SATURATED)


@compiled
def mask_rows(
    rows: NDArray[np.float32],
    is_sharp: NDArray[np.bool_],
    flags: NDArray[np.uint8],
    bad: np.uint8,
    saturated: np.uint8,
    saturation_adu: np.float32,
    sky_adu: np.float32,
    is_saturated: NDArray[np.bool_],
) -> int:
    """Subtract the sky and make NaN of what is not to be trusted, in place.

    Parameters
    ----------
    rows : ndarray, float32, shape (rows, columns)
        adu.
    is_sharp : ndarray, bool, shape (rows, columns)
        Pixels that no optics can make.
    flags : ndarray, uint8, shape (rows, columns) or (0, 0)
        Bits of `app.model.flags.Dq`, if there are any.
    bad, saturated : uint8
        Bits not to be trusted, and the one of them that says saturated.
    saturation_adu, sky_adu : float32
        Values at or over the first are saturated; the second is subtracted.
    is_saturated : ndarray, bool, shape (rows, columns)
        Takes which pixels are.

    Returns
    -------
    int
        Saturated pixels.
    """
    found = 0
    for row in range(rows.shape[0]):
        for column in range(rows.shape[1]):
            value = rows[row, column]
            over = value >= saturation_adu
            is_saturated[row, column] = over
            found += over
            rows[row, column] = np.nan if over | is_sharp[row, column] else value - sky_adu
        if flags.size:
            for column in range(rows.shape[1]):
                flag = flags[row, column]
                if flag & bad:
                    rows[row, column] = np.nan
                    found += (flag & saturated) != 0 and not is_saturated[row, column]
                    is_saturated[row, column] |= (flag & saturated) != 0
    return found


@compiled
def count_saturated(
    band: NDArray[np.float32],
    is_saturated: NDArray[np.bool_],
    top: int,
    inverse: NDArray[np.float64],
    first_row: int,
    counts: NDArray[np.uint16],
) -> None:
    """Count one for each pixel without a value whose nearest one in the moving frame is saturated.

    Parameters
    ----------
    band : ndarray, float32, shape (rows, columns)
        What `resample` made.
    is_saturated : ndarray, bool, shape (rows, columns)
        Rows of the moving frame from `top` on.
    inverse : ndarray, float64, shape (2, 3)
        As in `resample`.
    first_row : int
        Of the band.
    counts : ndarray, uint16, shape (rows, columns)
        Of the band.
    """
    for row in range(band.shape[0]):
        for column in range(band.shape[1]):
            if np.isnan(band[row, column]):
                y = int(np.rint(inverse[1, 0] * column + inverse[1, 1] * (first_row + row) + inverse[1, 2])) - top
                x = int(np.rint(inverse[0, 0] * column + inverse[0, 1] * (first_row + row) + inverse[0, 2]))
                if 0 <= y < is_saturated.shape[0] and 0 <= x < is_saturated.shape[1] and is_saturated[y, x]:
                    counts[row, column] += 1


@compiled
def flag_pixels(
    frames: NDArray[np.float32], count: NDArray[np.uint16], saturated: NDArray[np.uint16], flags: NDArray[np.uint8]
) -> None:
    """Flag what has no value, what lost most of its values, and what is saturated more often than not.

    Parameters
    ----------
    frames : ndarray, float32, shape (frames, rows, columns)
        What was combined.
    count, saturated : ndarray, uint16, shape (rows, columns)
        Accepted values, and frames that are saturated there.
    flags : ndarray, uint8, shape (rows, columns)
        Takes bits of `app.model.flags.Dq`.
    """
    for row in range(count.shape[0]):
        for column in range(count.shape[1]):
            flag = 0
            if count[row, column] < len(frames):
                finite = 0
                for frame in range(len(frames)):
                    finite += abs(frames[frame, row, column]) < np.inf
                if count[row, column] == 0:
                    flag |= _NO_DATA
                if 2 * count[row, column] < finite:
                    flag |= _REJECTED
                if saturated[row, column] > finite:
                    flag |= _SATURATED
            flags[row, column] = flag


def warm() -> None:
    """Compile for the types of a light stack."""
    frames, flags, counts = np.zeros((1, 8, 8), np.float32), np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint16)
    is_bad, zero = np.zeros((8, 8), np.bool_), np.float32(0.0)
    mask_rows(frames[0], is_bad, flags, np.uint8(0), np.uint8(0), np.float32(1.0), zero, is_bad)
    count_saturated(frames[0], is_bad, 0, np.eye(2, 3), 0, counts)
    flag_pixels(frames, counts, counts, flags)
