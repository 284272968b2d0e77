"""A weighted mean of few frames, whose own scatter says nothing: the noise of their sky tells outliers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from app.pipeline.kernels.compiled import compiled


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
    frames : ndarray, float32, shape (frames, pixels)
        adu on one scale; what is not finite takes no part.
    allowed_adu : ndarray, float64, shape (frames,)
        How far a value may lie from the middle,
    signal_part : float
        and which part of the middle, where that is positive, it may lie further.
    weights, variances_adu2 : ndarray, float64, shape (frames,)
        In the mean, and of the sky's noise.
    out : ndarray, float32, shape (pixels,)
        Takes the weighted mean; NaN where nothing was accepted.
    count : ndarray, uint16, shape (pixels,)
        Takes the number of accepted values.
    error : ndarray, float32, shape (pixels,) or (0,)
        Takes the standard error of the mean by the sky's noise.
    """
    number = len(frames)
    ordered = np.empty(number, np.float32)
    for pixel in range(len(out)):
        finite = 0
        for frame in range(number):
            value = frames[frame, pixel]
            if abs(value) < np.inf:
                place = finite
                while place > 0 and ordered[place - 1] > value:
                    ordered[place] = ordered[place - 1]
                    place -= 1
                ordered[place] = value
                finite += 1
        # Of two in the middle the lower one: outliers are cosmic rays and satellites.
        middle = np.float64(ordered[(finite - 1) // 2]) if finite else 0.0
        further = signal_part * max(middle, 0.0)
        weight, total, variance, accepted = 0.0, 0.0, 0.0, 0
        for frame in range(number):
            distance = frames[frame, pixel] - middle
            if abs(distance) <= allowed_adu[frame] + further:  # never so for NaN
                weight += weights[frame]
                total += weights[frame] * distance
                variance += weights[frame] * weights[frame] * variances_adu2[frame]
                accepted += 1
        out[pixel] = middle + total / weight if accepted else np.nan
        count[pixel] = accepted
        if len(error) > 0:
            error[pixel] = math.sqrt(variance) / weight if accepted else np.nan


def warm() -> None:
    """Compile for the types of a stack."""
    frames, one = np.zeros((2, 1), np.float32), np.ones(2)
    out, count = np.empty(1, np.float32), np.empty(1, np.uint16)
    noise_clip(frames, one, 0.3, one, one, out, count, np.empty(0, np.float32))
