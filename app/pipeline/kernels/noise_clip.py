"""A weighted mean of few frames, whose own scatter says nothing: the noise of their sky tells outliers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from app.pipeline.kernels.compiled import compiled


@compiled
def _find_middles(
    frames: NDArray[np.float32], row: int, ordered: NDArray[np.float32], middles: NDArray[np.float32]
) -> None:
    """Median of the finite values of each pixel of a row, NaN without any; `ordered` is scratch, one for each frame."""
    for column in range(len(middles)):
        finite = 0
        for frame in range(len(frames)):
            value = frames[frame, row, column]
            if abs(value) < np.inf:
                place = finite
                while place > 0 and ordered[place - 1] > value:
                    ordered[place] = ordered[place - 1]
                    place -= 1
                ordered[place] = value
                finite += 1
        # Of two in the middle the lower one: outliers are cosmic rays and satellites.
        middles[column] = ordered[(finite - 1) // 2] if finite else np.nan


@compiled
def _find_greatest(middles: NDArray[np.float32], greatest: NDArray[np.float32]) -> None:
    """Greatest of each pixel of a row and the two beside it; 0 where none is positive."""
    for column in range(len(middles)):
        highest = np.float32(0.0)
        for near in range(max(column - 1, 0), min(column + 2, len(middles))):
            highest = np.fmax(highest, middles[near])  # never NaN
        greatest[column] = highest


@compiled
def noise_clip(
    frames: NDArray[np.float32],
    allowed_adu: NDArray[np.float64],
    signal_part: float,
    weights: NDArray[np.float64],
    variances_adu2: NDArray[np.float64],
    out: NDArray[np.float32],
    count: NDArray[np.uint16],
    error: NDArray[np.float32],
) -> None:
    """Combine the values of each pixel that lie near their median; of two in the middle, near the lower.

    Parameters
    ----------
    frames : ndarray, float32, shape (frames, rows, columns)
        adu on one scale; what is not finite takes no part.
    allowed_adu : ndarray, float64, shape (frames,)
        How far a value may lie from the middle,
    signal_part : float
        and which part of the greatest middle of the 3 x 3 pixels around, where that is positive, it may lie further.
    weights, variances_adu2 : ndarray, float64, shape (frames,)
        In the mean, and of the sky's noise.
    out : ndarray, float32, shape (rows, columns)
        Takes the weighted mean; NaN where nothing was accepted.
    count : ndarray, uint16, shape (rows, columns)
        Takes the number of accepted values.
    error : ndarray, float32, shape (rows, columns) or (0, 0)
        Takes the standard error of the mean by the sky's noise.
    """
    number, rows, columns = frames.shape
    ordered = np.empty(number, np.float32)
    greatest = np.zeros((3, columns), np.float32)  # of the row above, the row itself and the one below, in turn
    for below in range(rows + 1):
        if below < rows:
            _find_middles(frames, below, ordered, out[below])
            _find_greatest(out[below], greatest[below % 3])
        else:
            greatest[below % 3] = 0.0
        row = below - 1
        if row < 0:
            continue
        for column in range(columns):
            middle = np.float64(out[row, column])
            highest = max(greatest[0, column], greatest[1, column], greatest[2, column])
            further = signal_part * np.float64(highest)
            weight, total, variance, accepted = 0.0, 0.0, 0.0, 0
            for frame in range(number):
                distance = frames[frame, row, column] - middle
                if abs(distance) <= allowed_adu[frame] + further:  # never so for NaN
                    weight += weights[frame]
                    total += weights[frame] * distance
                    variance += weights[frame] * weights[frame] * variances_adu2[frame]
                    accepted += 1
            out[row, column] = middle + total / weight if accepted else np.nan
            count[row, column] = accepted
            if len(error) > 0:
                error[row, column] = math.sqrt(variance) / weight if accepted else np.nan


def warm() -> None:
    """Compile for the types of a stack."""
    frames, one = np.zeros((2, 1, 1), np.float32), np.ones(2)
    out, count = np.empty((1, 1), np.float32), np.empty((1, 1), np.uint16)
    noise_clip(frames, one, 0.5, one, one, out, count, np.empty((0, 0), np.float32))
