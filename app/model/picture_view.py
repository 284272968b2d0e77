"""What is shown of a frame: which part, how stretched, and what is known of it.

Positions are FITS pixel coordinates throughout: the centre of the first pixel is (1, 1), x counts columns to the
right, y counts rows upwards (FITS Standard 4.0, section 8.1). The picture has the first row at the bottom.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Stretch(StrEnum):
    """How values between the limits become shades."""

    LINEAR = "linear"
    ASINH = "asinh"
    LOG = "log"
    SQRT = "sqrt"


@dataclass(frozen=True, slots=True)
class View:
    """A part of a frame on a screen.

    Attributes
    ----------
    centre_x, centre_y : float
        Frame position in the middle of the screen.
    zoom : float
        Screen pixels for one frame pixel.
    width, height : int
        Size in screen pixels.
    low, high : float
        Values that are black and white.
    """

    centre_x: float
    centre_y: float
    zoom: float
    width: int
    height: int
    low: float
    high: float
    stretch: Stretch = Stretch.ASINH

    @property
    def shading(self) -> tuple[float, float, Stretch]:
        """Low, high and stretch."""
        return self.low, self.high, self.stretch

    def frame_at(self, screen_x: float, screen_y: float) -> tuple[float, float]:
        """Frame position under a screen position; screen rows count downwards."""
        return (
            self.centre_x + (screen_x - self.width / 2.0) / self.zoom,
            self.centre_y - (screen_y - self.height / 2.0) / self.zoom,
        )

    def screen_at(self, x: float, y: float) -> tuple[float, float]:
        """Screen position of a frame position."""
        return (
            self.width / 2.0 + (x - self.centre_x) * self.zoom,
            self.height / 2.0 - (y - self.centre_y) * self.zoom,
        )


def fitting_zoom(rows: int, columns: int, width: int, height: int) -> float:
    """The zoom at which a whole frame just fits, at most 8."""
    return min(8.0, max(width, 1) / columns, max(height, 1) / rows)


def opening_limits(zscale: tuple[float, float]) -> tuple[float, float]:
    """Limits for the asinh stretch, in which a frame opens.

    Zscale limits are made for a linear stretch, with the sky in their middle; asinh would show that nearly white.
    With four times the room above, the sky comes to about a third of the brightness, and stars keep their cores.
    """
    low, high = zscale
    return low, low + 4.0 * (high - low)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Numbers of a frame's values, in the unit of the frame; None when no pixel has a value.

    Attributes
    ----------
    sigma : float or None
        Standard deviation of all values, stars included.
    noise : float or None
        1.4826 times the median absolute deviation: that of the sky, stars hardly count.
    blank_percent : float
        Share of pixels without a value.
    every : int
        One pixel in so many, along both axes, was taken; 1 is exact.
    """

    lowest: float | None
    highest: float | None
    mean: float | None
    median: float | None
    sigma: float | None
    noise: float | None
    blank_percent: float
    every: int


@dataclass(frozen=True, slots=True)
class SkyFrame:
    """Where the sky's directions point in the middle of a frame.

    Attributes
    ----------
    scale_arcsec : float
        Arc seconds per pixel.
    north, east : tuple of float
        Unit vectors (x, y) in the frame, y up.
    """

    scale_arcsec: float
    north: tuple[float, float]
    east: tuple[float, float]


@dataclass(frozen=True, slots=True)
class HeaderCard:
    """One card of a header as text."""

    keyword: str
    value: str
    comment: str


@dataclass(frozen=True, slots=True, eq=False)
class FrameOverview:
    """What is known of an opened frame.

    Attributes
    ----------
    description : str
        Kind, target, filter, exposure and camera in one line.
    unit : str
        Of the values, such as ``"adu"``.
    limits : tuple of float
        Low and high by the zscale rule.
    sample : ndarray, float32
        Values with a value, sorted; read-only. Histograms of any range are made of it.
    sky : SkyFrame or None
        None without world coordinates.
    """

    path: Path
    title: str
    description: str
    unit: str
    rows: int
    columns: int
    is_simulated: bool
    statistics: Statistics
    limits: tuple[float, float]
    sample: NDArray[np.float32]
    sky: SkyFrame | None
    cards: tuple[HeaderCard, ...] = field(repr=False)

    def histogram(self, bins: int, low: float, high: float) -> NDArray[Any]:
        """How many values of the sample lie in each of `bins` equal steps from `low` to `high`; shape (bins,)."""
        import numpy as np

        edges = np.linspace(low, high, bins + 1)
        return np.diff(np.searchsorted(self.sample, edges.astype(self.sample.dtype)))


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """A part of a frame as shades.

    Attributes
    ----------
    shades : ndarray, uint8, shape (view.height, view.width)
        Screen rows from the top; 0 outside of the frame and where a pixel has no value; read-only.
    notice : str
        What became of the file since it was opened; empty when it is as it was.
    """

    path: Path
    view: View
    shades: NDArray[np.uint8]
    notice: str = ""


@dataclass(frozen=True, slots=True)
class CursorReading:
    """One pixel and its place in the sky.

    Attributes
    ----------
    value : float or None
        None outside of the frame; NaN where a pixel has no value.
    sky_deg : tuple of float or None
        Right ascension and declination, degrees; None without world coordinates.
    """

    path: Path
    x: float
    y: float
    value: float | None
    sky_deg: tuple[float, float] | None
