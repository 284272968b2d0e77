"""A mount on the wire."""

from __future__ import annotations

from typing import Any

from alpaca.telescope import Telescope  # type: ignore[import-untyped]

from app.devices.address import Address
from app.devices.answers import Answers, checked_number, nonsense
from app.devices.transport import SLOW_TIMEOUT_S, Wire
from app.model.dome import DeviceRefused
from app.model.surroundings import MountSample, PierSide

_DEG_PER_HOUR = 15.0
_MEMBERS = (
    "azimuth",
    "altitude",
    "rightascension",
    "declination",
    "tracking",
    "slewing",
    "atpark",
    "sideofpier",
)
#: ASCOM's numbers; -1 is unknown.
_PIER_SIDES = {0: PierSide.EAST, 1: PierSide.WEST, -1: None}


class AlpacaMount:
    """A `MountClient` over Alpaca, for the thread of one lane; connects itself at the first call but `abort_slew`.

    Parameters
    ----------
    server : str or Address
        ``HOST:PORT``, or the address that all clients of the mount share.
    device : int
        Number of the telescope at that server, unless an address is given.
    """

    def __init__(self, server: str | Address, device: int = 0) -> None:
        self._wire = Wire(server, "telescope", device)
        self._mount = self._wire.carry(Telescope(*self._wire.address.place))

    def read(self) -> MountSample:
        """Everything that changes, in one request where the server can; during a slew its end in three more."""
        return self._wire.connected(self._read)

    def abort_slew(self) -> None:
        """Stop a slew."""
        self._mount.AbortSlew()

    def park(self) -> None:
        """Begin to slew to the park position; a mount that is parked already stays so."""
        self._wire.connected(self._park)

    def stop_tracking(self) -> None:
        """Let the sky go by."""
        self._wire.connected(lambda: self._wire.put("tracking", Tracking=False))

    def close(self) -> None:
        """Let the connection to the server go."""
        self._wire.close()

    def _read(self) -> MountSample:
        answers = self._wire.values(_MEMBERS)
        is_slewing = answers.optional_flag("slewing")
        target_ra_deg, target_dec_deg, target_side = self._target() if is_slewing else (None, None, None)
        return MountSample(
            azimuth_deg=answers.optional_number("azimuth", 0.0, 360.0),
            altitude_deg=answers.optional_number("altitude", -90.0, 90.0),
            ra_deg=_ra_deg(answers),
            dec_deg=answers.optional_number("declination", -90.0, 90.0),
            is_tracking=answers.optional_flag("tracking"),
            is_slewing=is_slewing,
            is_parked=answers.optional_flag("atpark"),
            pier_side=self._pier_side("sideofpier", answers.values["sideofpier"]),
            target_ra_deg=target_ra_deg,
            target_dec_deg=target_dec_deg,
            target_pier_side=target_side,
        )

    def _target(self) -> tuple[float | None, float | None, PierSide | None]:
        """Where the slew goes and on which side it ends; None where no target was set, or the mount does not tell."""
        wire = self._wire
        try:
            ra_hours = checked_number(wire.subject, "targetrightascension", wire.get("targetrightascension"))
            dec_deg = checked_number(wire.subject, "targetdeclination", wire.get("targetdeclination"))
        except DeviceRefused:  # not set (0x402): a slew by the hand box, or home
            return None, None, None
        try:
            side = wire.optional("destinationsideofpier", RightAscension=ra_hours, Declination=dec_deg)
        except DeviceRefused:  # the target has set since
            side = None
        return ra_hours * _DEG_PER_HOUR, dec_deg, self._pier_side("destinationsideofpier", side)

    def _pier_side(self, member: str, value: Any) -> PierSide | None:
        if value is None:
            return None
        number = checked_number(self._wire.subject, member, value)
        if number not in _PIER_SIDES:
            raise nonsense(self._wire.subject, member, value)
        return _PIER_SIDES[int(number)]

    def _park(self) -> None:
        """Drivers of older versions answer late, and some refuse to park a parked mount."""
        try:
            self._wire.put("park", SLOW_TIMEOUT_S)
        except DeviceRefused:
            if not self._wire.flag("atpark"):
                raise


def _ra_deg(answers: Answers) -> float | None:
    ra_hours = answers.optional_number("rightascension", 0.0, 24.0)
    return None if ra_hours is None else ra_hours * _DEG_PER_HOUR
