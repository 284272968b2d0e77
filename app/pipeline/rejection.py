"""How outliers are kept out of a stack of lights: one class for each method, named in `METHODS`.

This is the one file to change for a new method: write the class and add it to `METHODS`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from app.pipeline.kernels import stack
from app.pipeline.kernels.noise_clip import noise_clip
from app.pipeline.kernels.stack import Method, StackRule

Pixels = NDArray[np.float32]
Counts = NDArray[np.uint16]
PerFrame = NDArray[np.float64]

#: Fewer frames than this have no scatter that could tell an outlier.
_SCATTER_FRAMES = 6


class Rejection(Protocol):
    """Decides which values of a pixel take part in its weighted mean."""

    #: As in the settings and in the product's header.
    name: ClassVar[str]
    #: So many rows above and below a pixel have a say in what is kept of it.
    reach_rows: ClassVar[int]

    def combine(
        self,
        frames: Pixels,
        weights: PerFrame,
        noise_adu: PerFrame,
        out: Pixels,
        count: Counts,
        error: Pixels | None = None,
    ) -> None:
        """Weighted mean of the accepted values of each pixel.

        The outermost `reach_rows` of a band are as if the image ended there: whoever cuts an image into bands lets
        them overlap by so many rows, and drops these.

        Parameters
        ----------
        frames : ndarray, float32, shape (frames, rows, columns), C-contiguous
            Aligned lights on one scale, adu; NaN where a frame has no value.
        weights, noise_adu : ndarray, float64, shape (frames,)
            Weight of each frame, and noise of its sky on that scale.
        out : ndarray, float32, shape (rows, columns)
            Takes the mean, adu; NaN where nothing was accepted.
        count : ndarray, uint16, shape (rows, columns)
            Takes the number of values in each mean.
        error : ndarray, float32, shape (rows, columns), optional
            Takes the standard error of each mean.
        """
        ...


@dataclass(frozen=True, slots=True)
class NoiseClip:
    """For few frames, whose scatter says nothing: distance from the median in units of the sky's noise.

    A star scatters by seeing, trailing and its place on the pixels more than by noise, at its flanks above all, so a
    part of the highest signal next to a pixel is allowed too (after the part of the local gradient of Fruchter and Hook
    2002, PASP 114, 144).

    Attributes
    ----------
    sigmas : float
        Allowed distance in standard deviations of the frame's sky noise.
    signal_part : float
        Distance allowed besides, as a part of the greatest median signal of the 3 x 3 pixels around.
    """

    sigmas: float = 5.0
    signal_part: float = 0.5
    name: ClassVar[str] = "noise clip"
    reach_rows: ClassVar[int] = 1

    def combine(
        self,
        frames: Pixels,
        weights: PerFrame,
        noise_adu: PerFrame,
        out: Pixels,
        count: Counts,
        error: Pixels | None = None,
    ) -> None:
        """Values near the median; of two in the middle, near the lower. The error by the noise."""
        allowed_adu = self.sigmas * noise_adu * np.sqrt(1.0 + 1.0 / len(frames))
        errors = np.empty((0, 0), np.float32) if error is None else error
        noise_clip(frames, allowed_adu, self.signal_part, weights, noise_adu**2, out, count, errors)


@dataclass(frozen=True, slots=True)
class _ByScatter:
    """A method of `app.pipeline.kernels.stack`, which knows nothing but the values; the error by their scatter.

    Attributes
    ----------
    low, high : float
        Limits as in `StackRule`.
    """

    low: float = 3.0
    high: float = 3.0
    name: ClassVar[str]
    method: ClassVar[Method]
    reach_rows: ClassVar[int] = 0

    def combine(
        self,
        frames: Pixels,
        weights: PerFrame,
        noise_adu: PerFrame,
        out: Pixels,
        count: Counts,
        error: Pixels | None = None,
    ) -> None:
        """Weighted mean of the values that stay."""
        rule = StackRule(self.method, self.low, self.high)
        stack.combine(frames, rule, out, weights=weights, count=count, error=error)


class KeepAll(_ByScatter):
    """No rejection: every finite value."""

    name, method = "none", Method.MEAN


class SigmaClip(_ByScatter):
    """Iterated clipping about the median by the population standard deviation, to convergence."""

    name, method = "sigma clip", Method.SIGMA_CLIP


class Winsorized(_ByScatter):
    """Clipping by a standard deviation for which outliers were moved to a limit, so that one cannot hide itself."""

    name, method = "winsorized", Method.WINSORIZED


class MinMax(_ByScatter):
    """All but so many of the lowest and of the highest values, one each."""

    name, method = "min/max", Method.MIN_MAX


#: Every method by its name in the settings.
METHODS: dict[str, Rejection] = {
    method.name: method for method in (KeepAll(), NoiseClip(), SigmaClip(), Winsorized(), MinMax(1, 1))
}


def method_for(name: str, frames: int, low: float = 3.0, high: float = 3.0) -> Rejection:
    """The method of that name, with the limits of the clips; ``auto`` suits the number of frames.

    That is noise clip under 6 frames, where a scatter cannot be known, and sigma clip from there on.
    """
    if name == "auto":
        name = "noise clip" if frames < _SCATTER_FRAMES else "sigma clip"
    method = METHODS[name]
    return replace(method, low=low, high=high) if isinstance(method, SigmaClip | Winsorized) else method
