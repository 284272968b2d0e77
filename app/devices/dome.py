"""A dome on the wire."""

from __future__ import annotations

from alpaca.dome import Dome  # type: ignore[import-untyped]

from app.devices.address import Address
from app.devices.answers import DOME_ABILITIES, DOME_MEMBERS, dome_facts, dome_members, dome_sample
from app.devices.transport import Wire
from app.model.dome import DomeFacts, DomeSample


class AlpacaDome:
    """A `DomeClient` over Alpaca, for the thread of one lane.

    A device that is not connected any more (0x407), or whose server began anew, fails to be read until `connect` is
    called again: what was proven before is not proven any more.

    Parameters
    ----------
    server : str or Address
        ``HOST:PORT``, or the address that all clients of the dome share; it is not asked before the first call.
    device : int
        Number of the dome at that server, unless an address is given.
    """

    def __init__(self, server: str | Address, device: int = 0) -> None:
        self._wire = Wire(server, "dome", device)
        self._dome = self._wire.carry(Dome(*self._wire.address.place))
        self._members: tuple[str, ...] = DOME_MEMBERS

    def connect(self) -> DomeFacts:
        """Connect the device unless it is connected, wherever it is now, and read what it is and can do."""
        version = self._wire.connect()
        facts = dome_facts(
            str(self._wire.optional("name") or "Dome without a name"), version, self._wire.members(DOME_ABILITIES)
        )
        self._members = dome_members(facts)
        return facts

    def read(self) -> DomeSample:
        """Everything that changes, in one request where the server can."""
        return dome_sample(self._wire.values(self._members))

    def slew_to_azimuth(self, azimuth_deg: float) -> None:
        """Begin to turn; 0 <= azimuth < 360."""
        self._dome.SlewToAzimuth(azimuth_deg)

    def slew_to_altitude(self, altitude_deg: float) -> None:
        """Begin to raise or lower the opening; 0 <= altitude <= 90."""
        self._dome.SlewToAltitude(altitude_deg)

    def set_slaved(self, is_slaved: bool) -> None:
        """Have the driver follow its own telescope, or not."""
        self._dome.Slaved = is_slaved

    def open_shutter(self) -> None:
        """Begin to open."""
        self._dome.OpenShutter()

    def close_shutter(self) -> None:
        """Begin to close."""
        self._dome.CloseShutter()

    def park(self) -> None:
        """Begin to turn to the park position."""
        self._dome.Park()

    def find_home(self) -> None:
        """Begin to look for the home sensor."""
        self._dome.FindHome()

    def abort_slew(self) -> None:
        """Stop everything that moves."""
        self._dome.AbortSlew()

    def warm(self) -> None:
        """Open the connection before it is needed; nothing is sent."""
        self._wire.warm()

    def close(self) -> None:
        """Let the connection to the server go; the device stays as it is."""
        self._wire.close()
