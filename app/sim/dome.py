"""A simulated dome: turns with ramps, coasts, opens and closes, and obeys commands as an ASCOM dome does.

Pure physics: whoever asks hands in the simulated time, which only goes forward. What the driver says of it, and what it
hides, is `app.sim.alpaca_dome`'s and `app.sim.driver_lies`' business.
"""

from __future__ import annotations

from math import copysign
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.model.angles import turn_deg, wrapped_deg
from app.model.dome import ShutterState
from app.sim.alpaca_device import AlpacaError, ErrorNumber
from app.sim.motion import Drive, Motion
from app.sim.shutter import SHUTTER_TRAVEL_S, SimulatedShutter

TURNING = Drive(speed_deg_s=6.0, acceleration_deg_s2=3.0)
#: An abort takes the current away: the dome stops faster than it does with a ramp.
BRAKING = Drive(speed_deg_s=6.0, acceleration_deg_s2=6.0)
HOME_DEG, PARK_DEG = 75.0, 255.0
_HOME_SENSOR_DEG = 0.5
_CONTACTS_REACH_DEG = 1.0
_FOLLOWS_FROM_DEG = 1.0


class DomeModel(BaseModel):
    """What kind of dome it is.

    Attributes
    ----------
    kind : str
        A dome with a slit; a roll-off roof, which has a shutter and nothing else; a dome with a slit whose shutter has
        power at one azimuth alone.
    contacts_deg : float
        That azimuth.
    has_altitude : bool
        Whether the opening can be raised and lowered.
    can_slave : bool
        Whether its driver can follow the mount.
    coast_deg : float
        So much further than wanted it comes to rest after a slew or an abort; parking and homing creep to their ends.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["slit", "roll-off", "contacts"] = "slit"
    contacts_deg: Annotated[float, Field(ge=0.0, lt=360.0)] = PARK_DEG
    has_altitude: bool = False
    can_slave: bool = False
    coast_deg: Annotated[float, Field(ge=0.0, le=30.0)] = 0.0
    speed_deg_s: Annotated[float, Field(gt=0.0, le=90.0)] = TURNING.speed_deg_s
    shutter_travel_s: Annotated[float, Field(ge=0.0)] = SHUTTER_TRAVEL_S


class SimulatedDome:
    """A dome of which every moment is known.

    Parameters
    ----------
    azimuth_deg : float
        Where it stands; by default parked.
    shutter : ShutterState
        OPEN, CLOSED or ERROR.
    model : DomeModel
        What kind of dome it is.

    Attributes
    ----------
    coast_deg : float
        As the model has it, until somebody changes it.
    """

    def __init__(
        self,
        azimuth_deg: float = PARK_DEG,
        shutter: ShutterState = ShutterState.CLOSED,
        model: DomeModel | None = None,
    ) -> None:
        self.model = model or DomeModel()
        self.shutter = SimulatedShutter(shutter, self.model.shutter_travel_s)
        self.coast_deg = self.model.coast_deg
        self._drive = Drive(self.model.speed_deg_s, TURNING.acceleration_deg_s2)
        self._turn = Motion.at_rest(azimuth_deg)
        self._left_deg = azimuth_deg
        self._raise = Motion.at_rest(0.0)
        self._raise_when_open_deg: float | None = None
        self._park_deg = PARK_DEG
        self._parks = azimuth_deg == PARK_DEG
        self._brakes = False
        self._is_slaved = False
        self._is_motor_dead = False

    def place(self, azimuth_deg: float) -> None:
        """Put the dome somewhere, at rest and not parked."""
        self._turn, self._parks = Motion.at_rest(azimuth_deg), False

    def azimuth_deg(self, now_s: float) -> float:
        """Where the slit looks, 0 <= azimuth < 360."""
        return wrapped_deg(self._turn.position_deg(now_s))

    def stood_deg(self, now_s: float) -> float:
        """Where it stands, or stood before it began to turn."""
        return self._left_deg if self.is_turning(now_s) else self.azimuth_deg(now_s)

    def altitude_deg(self, now_s: float) -> float:
        """How high the opening looks, 0 to 90."""
        return self._raise.position_deg(now_s)

    def speed_deg_s(self, now_s: float) -> float:
        """How fast it turns, clockwise positive."""
        return self._turn.speed_deg_s(now_s)

    @property
    def rest_s(self) -> float:
        """When the newest motion came, or comes, to rest; minus infinity when nothing ever moved."""
        return max(self._turn.rest_s, self._raise.rest_s, self.shutter.rest_s)

    @property
    def is_slaved(self) -> bool:
        """Whether its driver follows the mount."""
        return self._is_slaved

    def is_turning(self, now_s: float) -> bool:
        """Whether it turns."""
        return self._turn.is_moving(now_s)

    def is_raising(self, now_s: float) -> bool:
        """Whether the opening is raised or lowered."""
        return self._raise.is_moving(now_s)

    def is_slewing(self, now_s: float) -> bool:
        """Whether an honest driver says that any part moves."""
        return self.is_turning(now_s) or self.is_raising(now_s) or self.shutter.is_moving(now_s)

    def is_moving(self, now_s: float) -> bool:
        """Whether any part moves in truth."""
        return self.is_turning(now_s) or self.is_raising(now_s) or self.shutter.travels(now_s)

    def is_at_park(self, now_s: float) -> bool:
        """Whether the last turn was a park, and is done."""
        return self._parks and not self.is_turning(now_s)

    def is_at_home(self, now_s: float) -> bool:
        """Whether it rests on the home sensor."""
        return not self.is_turning(now_s) and abs(turn_deg(self.azimuth_deg(now_s), HOME_DEG)) <= _HOME_SENSOR_DEG

    def slew(self, now_s: float, azimuth_deg: float) -> None:
        """Begin to turn the shortest way; raises 0x401 outside of 0 <= azimuth < 360, 0x409 while slaved."""
        azimuth = _checked(azimuth_deg)
        self._refuse_slaved()
        self._turn_to(now_s, azimuth, coast_deg=self.coast_deg)

    def slew_to_altitude(self, now_s: float, altitude_deg: float) -> None:
        """Begin to raise the opening, or remember to; raises 0x401 outside of 0 <= altitude <= 90, 0x409 while slaved."""
        if not 0.0 <= altitude_deg <= 90.0:
            raise AlpacaError(ErrorNumber.INVALID_VALUE, f"Altitude {altitude_deg:g} is outside of 0 to 90")
        self._refuse_slaved()
        if self.shutter.state(now_s) in (ShutterState.OPEN, ShutterState.OPENING):
            self._raise_to(now_s, altitude_deg)
        else:
            self._raise_when_open_deg = altitude_deg

    def open_shutter(self, now_s: float) -> None:
        """Begin to open; raises 0x40B when the shutter lost its way, or has no power here."""
        self._refuse_unpowered(now_s)
        if self._is_motor_dead:
            return
        self.shutter.open(now_s)
        if self._raise_when_open_deg is not None:
            self._raise_to(now_s, self._raise_when_open_deg)

    def close_shutter(self, now_s: float) -> None:
        """Begin to close; raises 0x40B when the shutter has no power here."""
        self._refuse_unpowered(now_s)
        if not self._is_motor_dead:
            self.shutter.close(now_s)

    def find_home(self, now_s: float) -> None:
        """Begin to turn to the home sensor; raises 0x409 while slaved."""
        self._refuse_slaved()
        self._turn_to(now_s, HOME_DEG)

    def park(self, now_s: float) -> None:
        """Begin to turn to the park position; the shutter stays as it is; raises 0x409 while slaved."""
        self._refuse_slaved()
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

    def set_slaved(self, wanted: bool) -> None:
        """Have its driver follow the mount, or not; raises 0x400 when it cannot."""
        if wanted and not self.model.can_slave:
            raise AlpacaError(ErrorNumber.NOT_IMPLEMENTED, "This dome cannot be slaved: following is the client's duty")
        self._is_slaved = wanted

    def follow(self, now_s: float, azimuth_deg: float) -> None:
        """What a slaved driver does about the mount's azimuth of now, whenever it looks."""
        end_deg = wrapped_deg(self._turn.end_deg)
        is_off = abs(turn_deg(end_deg, azimuth_deg)) > _FOLLOWS_FROM_DEG
        if self._is_slaved and is_off and not self._is_held(now_s):
            self._turn_to(now_s, azimuth_deg)

    def abort(self, now_s: float) -> None:
        """Stop everything, slaving too: the turn with the brake and what it coasts, the shutter at once."""
        self._is_slaved = False
        if self.is_turning(now_s) and not self._brakes:
            self._brake(now_s, self.coast_deg)
        if self.is_raising(now_s):
            self._raise = Motion.at_rest(self.altitude_deg(now_s))
        self.shutter.abort(now_s)

    def kill_motors(self, now_s: float, is_dead: bool) -> None:
        """Take the motors' power, or give it back: without it commands are taken, and nothing moves."""
        self._is_motor_dead = is_dead
        if not is_dead:
            return
        self.shutter.halt(now_s)
        self._raise = Motion.at_rest(self.altitude_deg(now_s))
        if self.is_turning(now_s):
            self._brake(now_s, 0.0)

    def finish_turn(self) -> None:
        """Be where the turn goes."""
        self._turn = Motion.at_rest(self._turn.end_deg)

    def _turn_to(self, now_s: float, azimuth_deg: float, *, parks: bool = False, coast_deg: float = 0.0) -> None:
        """Turn the shortest way from where the dome could come to rest, so that it never turns back for half a circle."""
        if self._is_held(now_s):
            raise AlpacaError(ErrorNumber.INVALID_OPERATION, "The shutter moves and needs its contacts: wait for it")
        if self._is_motor_dead:
            return
        position, speed = self._turn.position_deg(now_s), self._turn.speed_deg_s(now_s)
        self._left_deg = self.stood_deg(now_s)
        rest = self._drive.brake(now_s, position, speed).end_deg
        turn = rest - position + turn_deg(rest, azimuth_deg)
        turn += copysign(coast_deg, turn) if turn else 0.0
        self._turn, self._parks = self._drive.move(now_s, position, speed, turn), parks
        self._brakes = False

    def _is_held(self, now_s: float) -> bool:
        """Whether the shutter moves and needs its contacts."""
        return self.model.kind == "contacts" and self.shutter.is_moving(now_s)

    def _raise_to(self, now_s: float, altitude_deg: float) -> None:
        self._raise_when_open_deg = None
        if not self._is_motor_dead:
            altitude, speed = self._raise.position_deg(now_s), self._raise.speed_deg_s(now_s)
            self._raise = TURNING.move(now_s, altitude, speed, altitude_deg - altitude)

    def _brake(self, now_s: float, coast_deg: float) -> None:
        position, speed = self._turn.position_deg(now_s), self._turn.speed_deg_s(now_s)
        self._turn = BRAKING.brake(now_s, position, speed, coast_deg)
        self._parks, self._brakes = False, True

    def _refuse_slaved(self) -> None:
        if self._is_slaved:
            raise AlpacaError(ErrorNumber.INVALID_WHILE_SLAVED, "The dome follows the mount: set Slaved to False first")

    def _refuse_unpowered(self, now_s: float) -> None:
        contacts_deg = self.model.contacts_deg
        off_deg = abs(turn_deg(self.azimuth_deg(now_s), contacts_deg))
        if self.model.kind == "contacts" and (self.is_turning(now_s) or off_deg > _CONTACTS_REACH_DEG):
            raise AlpacaError(
                ErrorNumber.INVALID_OPERATION,
                f"The shutter has power at {contacts_deg:g} degrees only: slew there first",
            )


def _checked(azimuth_deg: float) -> float:
    if not 0.0 <= azimuth_deg < 360.0:
        raise AlpacaError(ErrorNumber.INVALID_VALUE, f"Azimuth {azimuth_deg:g} is outside of 0 <= azimuth < 360")
    return azimuth_deg
