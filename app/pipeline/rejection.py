"""How outliers are kept out of a stack of lights: one class for each method, named in `METHODS`.

This is the one file to change for a new method: write the class and add it to `METHODS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.pipeline.kernels.plain import median

Values = NDArray[np.float64]


class Rejection(Protocol):
    """Decides which values of a pixel take part."""

    @property
    def name(self) -> str:
        """As in the settings and in the product's header."""
        ...

    def accepted(self, stack: Values, noise_adu: Values) -> NDArray[np.bool_]:
        """Which values to keep.

        Parameters
        ----------
        stack : ndarray, shape (frames, rows, columns)
            Aligned lights on one scale, adu; NaN where a frame has no value.
        noise_adu : ndarray, shape (frames,)
            Noise of each frame's sky on that scale.

        Returns
        -------
        ndarray of bool, shape (frames, rows, columns)
            Never True at NaN.
        """
        ...


@dataclass(frozen=True, slots=True)
class KeepAll:
    """No rejection."""

    name: str = "none"

    def accepted(self, stack: Values, noise_adu: Values) -> NDArray[np.bool_]:
        """Every finite value."""
        return np.isfinite(stack)


@dataclass(frozen=True, slots=True)
class NoiseClip:
    """For few frames, whose scatter says nothing: distance from the median in units of the sky's noise.

    A bright star scatters by seeing more than by noise, so a part of its signal is allowed too.

    Attributes
    ----------
    sigmas : float
        Allowed distance in standard deviations of the frame's sky noise.
    signal_part : float
        Allowed distance as a part of the pixel's median signal.
    """

    sigmas: float = 5.0
    signal_part: float = 0.3
    name: str = "noise clip"

    def accepted(self, stack: Values, noise_adu: Values) -> NDArray[np.bool_]:
        """Values near the median; from two values, both unless one is far above, and then the lower."""
        finite = np.isfinite(stack)
        centre = median(stack).astype(np.float64)
        if len(stack) == 2:
            centre = np.fmin(stack[0], stack[1])
        allowed = self.sigmas * noise_adu[:, None, None] * np.sqrt(1.0 + 1.0 / len(stack))
        allowed = allowed + self.signal_part * np.maximum(centre, 0.0)
        with np.errstate(invalid="ignore"):
            near: NDArray[np.bool_] = finite & (np.abs(stack - centre) <= allowed)
        return near


@dataclass(frozen=True, slots=True)
class SigmaClip:
    """Iterated clipping about the median by the population standard deviation, to convergence.

    Attributes
    ----------
    low, high : float
        Allowed distance under and over the median in standard deviations.
    """

    low: float = 3.0
    high: float = 3.0
    name: str = "sigma clip"

    def accepted(self, stack: Values, noise_adu: Values) -> NDArray[np.bool_]:
        """Values within the limits of the values that remain."""
        kept = np.isfinite(stack)
        while True:
            values = np.where(kept, stack, np.nan)
            centre = median(values).astype(np.float64)
            count = np.maximum(kept.sum(axis=0), 1)
            mean = np.where(kept, stack, 0.0).sum(axis=0) / count
            spread = np.sqrt((np.where(kept, stack - mean, 0.0) ** 2).sum(axis=0) / count)
            with np.errstate(invalid="ignore"):
                inside = (stack >= centre - self.low * spread) & (stack <= centre + self.high * spread)
            remaining = kept & (inside | (spread == 0.0))
            if np.array_equal(remaining, kept):
                return kept
            kept = remaining


#: Every method by its name in the settings.
METHODS: dict[str, Rejection] = {method.name: method for method in (KeepAll(), NoiseClip(), SigmaClip())}


def method_for(name: str, frames: int) -> Rejection:
    """The method of that name; ``auto`` is noise clip under 6 frames, where a scatter cannot be known."""
    if name == "auto":
        return METHODS["noise clip" if frames < 6 else "sigma clip"]
    return METHODS[name]


def combine(
    stack: Values, weights: Values, noise_adu: Values, rejection: Rejection
) -> tuple[NDArray[Any], NDArray[np.int16]]:
    """Weighted mean of the accepted values of each pixel.

    Parameters
    ----------
    stack : ndarray, shape (frames, rows, columns)
        Aligned lights on one scale, adu.
    weights, noise_adu : ndarray, shape (frames,)
        Weight and sky noise of each frame.
    rejection : Rejection
        Which values take part.

    Returns
    -------
    mean : ndarray, float32, shape (rows, columns)
        adu; NaN where nothing was accepted.
    count : ndarray, int16, shape (rows, columns)
        Values in each mean.
    """
    accepted = rejection.accepted(stack, noise_adu)
    weight = np.where(accepted, weights[:, None, None], 0.0)
    total = weight.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (np.where(accepted, stack, 0.0) * weight).sum(axis=0) / total
    return np.where(total > 0.0, mean, np.nan).astype(np.float32), accepted.sum(axis=0).astype(np.int16)
