"""A simulated dome: turns with ramps, opens and closes, and speaks as an ASCOM dome of interface version 3.

Pure physics: whoever asks hands in the simulated time, which only goes forward.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from app.model.angles import turn_deg, wrapped_deg
from app.model.dome import ShutterState
from app.sim.alpaca_device import (
    AlpacaDevice,
    AlpacaError,
    Call,
    ErrorNumber,
    Identity,
    Parameter,
    as_boolean,
    as_number,
    fixed,
)
from app.sim.motion import Drive, Motion

TURNING = Drive(speed_deg_s=6.0, acceleration_deg_s2=3.0)
#: An abort takes the current away: the dome stops faster than it does with a ramp.
BRAKING = Drive(speed_deg_s=6.0, acceleration_deg_s2=6.0)
SHUTTER_TRAVEL_S = 8.0
HOME_DEG, PARK_DEG = 75.0, 255.0
_HOME_SENSOR_DEG = 0.5

#: ASCOM's numbers of the shutter's states, in order.
_SHUTTER_NUMBERS = (
    ShutterState.OPEN,
    ShutterState.CLOSED,
    ShutterState.OPENING,
    ShutterState.CLOSING,
    ShutterState.ERROR,
)
_IDENTITY = Identity(
    kind="Dome",
    name="Cupola simulated dome",
    description="SIMULATED dome with a slit, no hardware",
    interface_version=3,
    unique_id="5c0f6d0e-8a55-4b0e-9a53-2f4dc1f8a001",
)


class SimulatedShutter:
    """A shutter that travels at an even pace, and loses its way when it is stopped on it."""

    def __init__(self, state: ShutterState = ShutterState.CLOSED) -> None:
        self._began_s = 0.0
        self._start = 0.0
        self._is_lost = False
        self._opens = False
        self.place(state)

    def place(self, state: ShutterState) -> None:
        """Put it into one of its states of rest; OPENING and CLOSING count as their ends."""
        self._opens = state in (ShutterState.OPEN, ShutterState.OPENING)
        self._is_lost = state is ShutterState.ERROR
        self._start = 0.5 if self._is_lost else float(self._opens)

    def state(self, now_s: float) -> ShutterState:
        """As the driver says it."""
        if self._is_lost:
            return ShutterState.ERROR
        opening = self.opening(now_s)
        if self._opens:
            return ShutterState.OPEN if opening >= 1.0 else ShutterState.OPENING
        return ShutterState.CLOSED if opening <= 0.0 else ShutterState.CLOSING

    def opening(self, now_s: float) -> float:
        """How far it is open, 0 to 1."""
        if self._is_lost:
            return self._start
        travelled = (now_s - self._began_s) / SHUTTER_TRAVEL_S
        return min(max(self._start + (travelled if self._opens else -travelled), 0.0), 1.0)

    def is_moving(self, now_s: float) -> bool:
        """Whether it is on its way."""
        return self.state(now_s) in (ShutterState.OPENING, ShutterState.CLOSING)

    def open(self, now_s: float) -> None:
        """Begin to open; raises 0x40B when it lost its way."""
        if self._is_lost:
            raise AlpacaError(
                ErrorNumber.INVALID_OPERATION, "The shutter was stopped midway: close it before it can be opened"
            )
        self._travel(now_s, opens=True)

    def close(self, now_s: float) -> None:
        """Begin to close, from wherever it is."""
        self._travel(now_s, opens=False)

    def abort(self, now_s: float) -> None:
        """Stop at once; midway, its place is lost."""
        if self.is_moving(now_s):
            self._start = self.opening(now_s)
            self._is_lost = True

    def _travel(self, now_s: float, *, opens: bool) -> None:
        self._start = self.opening(now_s)
        self._began_s, self._opens, self._is_lost = now_s, opens, False


class SimulatedDome:
    """A dome of which every moment is known.

    Parameters
    ----------
    azimuth_deg : float
        Where it stands; by default parked.
    shutter : ShutterState
        OPEN, CLOSED or ERROR.
    """

    def __init__(self, azimuth_deg: float = PARK_DEG, shutter: ShutterState = ShutterState.CLOSED) -> None:
        self.shutter = SimulatedShutter(shutter)
        self._turn = Motion.at_rest(azimuth_deg)
        self._park_deg = PARK_DEG
        self._parks = azimuth_deg == PARK_DEG

    def place(self, azimuth_deg: float) -> None:
        """Put the dome somewhere, at rest and not parked."""
        self._turn, self._parks = Motion.at_rest(azimuth_deg), False

    def azimuth_deg(self, now_s: float) -> float:
        """Where the slit looks, 0 <= azimuth < 360."""
        return wrapped_deg(self._turn.position_deg(now_s))

    def speed_deg_s(self, now_s: float) -> float:
        """How fast it turns, clockwise positive."""
        return self._turn.speed_deg_s(now_s)

    def is_turning(self, now_s: float) -> bool:
        """Whether it turns."""
        return self._turn.is_moving(now_s)

    def is_slewing(self, now_s: float) -> bool:
        """Whether any part moves."""
        return self.is_turning(now_s) or self.shutter.is_moving(now_s)

    def is_at_park(self, now_s: float) -> bool:
        """Whether the last turn was a park, and is done."""
        return self._parks and not self.is_turning(now_s)

    def is_at_home(self, now_s: float) -> bool:
        """Whether it rests on the home sensor."""
        return not self.is_turning(now_s) and abs(turn_deg(self.azimuth_deg(now_s), HOME_DEG)) <= _HOME_SENSOR_DEG

    def slew(self, now_s: float, azimuth_deg: float) -> None:
        """Begin to turn the shortest way; raises 0x401 outside of 0 <= azimuth < 360."""
        self._turn_to(now_s, _checked(azimuth_deg))

    def find_home(self, now_s: float) -> None:
        """Begin to turn to the home sensor."""
        self._turn_to(now_s, HOME_DEG)

    def park(self, now_s: float) -> None:
        """Begin to turn to the park position; the shutter stays as it is."""
        if not self.is_at_park(now_s):
            self._turn_to(now_s, self._park_deg, parks=True)

    def set_park(self, now_s: float) -> None:
        """Take the azimuth of now as the park position."""
        self._park_deg = self.azimuth_deg(now_s)

    def sync(self, now_s: float, azimuth_deg: float) -> None:
        """Call the azimuth of now another one, without motion; raises 0x401 as `slew`, 0x40B while it turns."""
        azimuth = _checked(azimuth_deg)
        if self.is_turning(now_s):
            raise AlpacaError(ErrorNumber.INVALID_OPERATION, "The dome turns: wait until it stands, then sync")
        self.place(azimuth)

    def abort(self, now_s: float) -> None:
        """Stop everything: the turn with the brake, the shutter at once."""
        if self.is_turning(now_s):
            self._parks = False
            self._turn = BRAKING.brake(now_s, self._turn.position_deg(now_s), self._turn.speed_deg_s(now_s))
        self.shutter.abort(now_s)

    def _turn_to(self, now_s: float, azimuth_deg: float, *, parks: bool = False) -> None:
        """Turn the shortest way from where the dome could come to rest, so that it never turns back for half a circle."""
        position, speed = self._turn.position_deg(now_s), self._turn.speed_deg_s(now_s)
        rest = TURNING.brake(now_s, position, speed).end_deg
        turn = rest - position + turn_deg(rest, azimuth_deg)
        self._turn, self._parks = TURNING.move(now_s, position, speed, turn), parks


def alpaca_dome(dome: SimulatedDome, now_s: Callable[[], float], utc: Callable[[], datetime]) -> AlpacaDevice:
    """The dome as ASCOM's IDomeV3, without altitude and without slaving.

    Parameters
    ----------
    dome : SimulatedDome
        The physics.
    now_s : callable
        Simulated seconds.
    utc : callable
        Time of the sky.
    """
    azimuth = Parameter("Azimuth", as_number)
    abilities = {
        "canfindhome": True,
        "canpark": True,
        "cansetaltitude": False,
        "cansetazimuth": True,
        "cansetpark": True,
        "cansetshutter": True,
        "canslave": False,
        "cansyncazimuth": True,
    }
    return AlpacaDevice(
        _IDENTITY,
        reads={
            **{name: fixed(value) for name, value in abilities.items()},
            "athome": lambda: dome.is_at_home(now_s()),
            "atpark": lambda: dome.is_at_park(now_s()),
            "azimuth": lambda: dome.azimuth_deg(now_s()),
            "shutterstatus": lambda: _SHUTTER_NUMBERS.index(dome.shutter.state(now_s())),
            "slaved": fixed(False),
            "slewing": lambda: dome.is_slewing(now_s()),
        },
        calls={
            ("PUT", "abortslew"): Call(lambda: dome.abort(now_s())),
            ("PUT", "closeshutter"): Call(lambda: dome.shutter.close(now_s())),
            ("PUT", "findhome"): Call(lambda: dome.find_home(now_s())),
            ("PUT", "openshutter"): Call(lambda: dome.shutter.open(now_s())),
            ("PUT", "park"): Call(lambda: dome.park(now_s())),
            ("PUT", "setpark"): Call(lambda: dome.set_park(now_s())),
            ("PUT", "slaved"): Call(_slave, Parameter("Slaved", as_boolean)),
            ("PUT", "slewtoaltitude"): Call(_no_altitude, Parameter("Altitude", as_number)),
            ("PUT", "slewtoazimuth"): Call(lambda azimuth_deg: dome.slew(now_s(), azimuth_deg), azimuth),
            ("PUT", "synctoazimuth"): Call(lambda azimuth_deg: dome.sync(now_s(), azimuth_deg), azimuth),
            ("GET", "altitude"): Call(_no_altitude),
        },
        missing=(),
        state=("AtHome", "AtPark", "Azimuth", "ShutterStatus", "Slewing"),
        utc=utc,
    )


def _checked(azimuth_deg: float) -> float:
    if not 0.0 <= azimuth_deg < 360.0:
        raise AlpacaError(ErrorNumber.INVALID_VALUE, f"Azimuth {azimuth_deg:g} is outside of 0 <= azimuth < 360")
    return azimuth_deg


def _slave(wanted: bool) -> None:
    if wanted:
        raise AlpacaError(ErrorNumber.NOT_IMPLEMENTED, "This dome cannot be slaved: following is the client's duty")


def _no_altitude(*_: object) -> None:
    raise AlpacaError(ErrorNumber.NOT_IMPLEMENTED, "This dome has no altitude")
