"""A mount on the wire."""

from __future__ import annotations

from alpaca.telescope import Telescope  # type: ignore[import-untyped]

from app.devices.transport import Wire
from app.model.surroundings import MountSample

_DEG_PER_HOUR = 15.0
_NUMBERS = ("azimuth", "altitude", "rightascension", "declination")
_FLAGS = ("tracking", "slewing", "atpark")


class AlpacaMount:
    """A `MountClient` over Alpaca, for the thread of one lane; connects itself at the first call.

    Parameters
    ----------
    server : str
        ``HOST:PORT``.
    device : int
        Number of the telescope at that server.
    """

    def __init__(self, server: str, device: int) -> None:
        self._wire = Wire(server, "telescope", device)
        self._mount = self._wire.carry(Telescope(server, device))

    def read(self) -> MountSample:
        """Everything that changes, in one request where the server can."""
        wire = self._wire
        with wire.connected():
            values = wire.values(_NUMBERS + _FLAGS)
        numbers = {member: wire.optional_number(member, values[member]) for member in _NUMBERS}
        flags = {member: wire.optional_flag(member, values[member]) for member in _FLAGS}
        ra_hours = numbers["rightascension"]
        return MountSample(
            azimuth_deg=numbers["azimuth"],
            altitude_deg=numbers["altitude"],
            ra_deg=None if ra_hours is None else ra_hours * _DEG_PER_HOUR,
            dec_deg=numbers["declination"],
            is_tracking=flags["tracking"],
            is_slewing=flags["slewing"],
            is_parked=flags["atpark"],
        )

    def abort_slew(self) -> None:
        """Stop a slew."""
        self._mount.AbortSlew()

    def close(self) -> None:
        """Let the connection to the server go."""
        self._wire.close()
