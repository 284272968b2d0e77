"""A simulated camera whose images are small and known. Pure physics: whoever asks hands in the simulated time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from app.sim.alpaca_device import AlpacaError, ErrorNumber

WIDTH_PX, HEIGHT_PX = 64, 48
READOUT_S = 0.5
LONGEST_S = 3600.0
BIAS_ADU, FULL_ADU = 1000, 65535


class CameraState(IntEnum):
    """ASCOM's CameraStates, as far as it knows them."""

    IDLE = 0
    EXPOSING = 2
    READING = 3


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the sensor, in pixels from its corner."""

    start_x: int = 0
    start_y: int = 0
    columns: int = WIDTH_PX
    rows: int = HEIGHT_PX

    @property
    def is_on_sensor(self) -> bool:
        """Whether the sensor has it all."""
        return (
            min(self.start_x, self.start_y) >= 0
            and min(self.columns, self.rows) > 0
            and self.start_x + self.columns <= WIDTH_PX
            and self.start_y + self.rows <= HEIGHT_PX
        )


@dataclass(frozen=True, slots=True)
class Exposure:
    """One exposure: when it began, simulated seconds and time of the sky, and of what."""

    began_s: float
    began_at: datetime
    duration_s: float
    has_light: bool
    area: Area


class SimulatedCamera:
    """A camera of which every moment is known.

    Attributes
    ----------
    area : Area
        What the next exposure shows.
    """

    def __init__(self) -> None:
        self.area = Area()
        self._exposure: Exposure | None = None

    def expose(self, now_s: float, at: datetime, duration_s: float, has_light: bool) -> None:
        """Begin an exposure; raises 0x401 for a time or an area that cannot be, 0x40B while it is busy."""
        if not 0.0 <= duration_s <= LONGEST_S:
            raise AlpacaError(ErrorNumber.INVALID_VALUE, f"Duration {duration_s:g} s is outside of 0 to {LONGEST_S:g}")
        if not self.area.is_on_sensor:
            raise AlpacaError(ErrorNumber.INVALID_VALUE, f"The area is not within {WIDTH_PX} x {HEIGHT_PX} pixels")
        if self.state(now_s) is not CameraState.IDLE:
            raise AlpacaError(ErrorNumber.INVALID_OPERATION, "The camera exposes: wait for the image, or abort it")
        self._exposure = Exposure(now_s, at, duration_s, has_light, self.area)

    def abort(self, now_s: float) -> None:
        """Throw the exposure under way away; an image that is ready stays."""
        if self.state(now_s) is not CameraState.IDLE:
            self._exposure = None

    def state(self, now_s: float) -> CameraState:
        """What it does."""
        if self._exposure is None or self.is_ready(now_s):
            return CameraState.IDLE
        elapsed_s = now_s - self._exposure.began_s
        return CameraState.EXPOSING if elapsed_s < self._exposure.duration_s else CameraState.READING

    def is_ready(self, now_s: float) -> bool:
        """Whether an image can be fetched."""
        one = self._exposure
        return one is not None and now_s >= one.began_s + one.duration_s + READOUT_S

    def percent_completed(self, now_s: float) -> int:
        """How much of the exposure is done; 0 without one."""
        if self._exposure is None:
            return 0
        share = (now_s - self._exposure.began_s) / (self._exposure.duration_s + READOUT_S)
        return min(100, int(100.0 * share))

    def last(self, now_s: float) -> Exposure:
        """The exposure whose image is ready; raises 0x40B when there is none."""
        if self._exposure is None or not self.is_ready(now_s):
            raise AlpacaError(ErrorNumber.INVALID_OPERATION, "There is no image: expose, and wait until it is ready")
        return self._exposure

    def image(self, now_s: float) -> list[list[int]]:
        """Counts by column and row: a bias, and with light a slope that grows with the time."""
        one = self.last(now_s)
        per_px = int(one.duration_s) if one.has_light else 0
        area = one.area
        return [
            [min(BIAS_ADU + per_px * (x + y), FULL_ADU) for y in range(area.start_y, area.start_y + area.rows)]
            for x in range(area.start_x, area.start_x + area.columns)
        ]
