"""A simulated mirror cover without a lamp. Pure physics: whoever asks hands in the simulated time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import IntEnum
from math import inf

from app.sim.alpaca_device import AlpacaDevice, Call, Identity, fixed

COVER_TRAVEL_S = 6.0
_NO_CALIBRATOR = 0
_MISSING = ("brightness", "calibratoroff", "calibratoron", "maxbrightness")


class CoverState(IntEnum):
    """ASCOM's CoverStatus."""

    CLOSED = 1
    MOVING = 2
    OPEN = 3
    UNKNOWN = 4


class SimulatedCover:
    """A cover of which every moment is known."""

    def __init__(self, *, is_open: bool = True) -> None:
        self._goal = CoverState.OPEN if is_open else CoverState.CLOSED
        self._rest_s = -inf

    def state(self, now_s: float) -> CoverState:
        """As its driver says it."""
        return CoverState.MOVING if now_s < self._rest_s else self._goal

    def move(self, now_s: float, *, opens: bool) -> None:
        """Begin to open or to close; it takes the whole travel, wherever it is."""
        goal = CoverState.OPEN if opens else CoverState.CLOSED
        if goal is not self._goal:
            self._goal, self._rest_s = goal, now_s + COVER_TRAVEL_S

    def halt(self, now_s: float) -> None:
        """Stop at once: on its way, its place is not known then."""
        if now_s < self._rest_s:
            self._goal, self._rest_s = CoverState.UNKNOWN, -inf


def alpaca_cover(
    cover: SimulatedCover, now_s: Callable[[], float], utc: Callable[[], datetime], *, is_platform_7: bool = True
) -> AlpacaDevice:
    """The cover as its driver shows it.

    Parameters
    ----------
    cover : SimulatedCover
        The physics.
    now_s : callable
        Simulated seconds.
    utc : callable
        Time of the sky.
    is_platform_7 : bool
        ASCOM's ICoverCalibratorV2, or the one before, which has no CoverMoving and CalibratorChanging.
    """
    identity = Identity(
        kind="CoverCalibrator",
        name="Cupola simulated mirror cover",
        description="SIMULATED mirror cover, no hardware",
        interface_version=2 if is_platform_7 else 1,
        unique_id="5c0f6d0e-8a55-4b0e-9a53-2f4dc1f8a006",
    )
    reads: dict[str, Callable[[], object]] = {
        "calibratorstate": fixed(_NO_CALIBRATOR),
        "coverstate": lambda: int(cover.state(now_s())),
    }
    if is_platform_7:
        reads |= {
            "calibratorchanging": fixed(False),
            "covermoving": lambda: cover.state(now_s()) is CoverState.MOVING,
        }
    return AlpacaDevice(
        identity,
        reads=reads,
        calls={
            ("PUT", "closecover"): Call(lambda: cover.move(now_s(), opens=False)),
            ("PUT", "haltcover"): Call(lambda: cover.halt(now_s())),
            ("PUT", "opencover"): Call(lambda: cover.move(now_s(), opens=True)),
        },
        missing=_MISSING,
        state=("CalibratorState", "CoverState") + (("CalibratorChanging", "CoverMoving") if is_platform_7 else ()),
        utc=utc,
        is_platform_7=is_platform_7,
    )
