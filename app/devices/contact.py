"""One contact of a switch device on the wire: shutter closed, mount parked, mains there."""

from __future__ import annotations

from alpaca.switch import Switch  # type: ignore[import-untyped]

from app.devices.address import Address
from app.devices.answers import checked_flag
from app.devices.transport import Wire


class AlpacaContact:
    """A `ContactClient` over Alpaca, for the thread of one lane; connects itself at the first call.

    Parameters
    ----------
    server : str or Address
        ``HOST:PORT``, or an address that several clients share.
    device : int
        Number of the switch device at that server, unless an address is given.
    contact : int
        Number of the contact within the device.
    is_inverted : bool
        Whether the contact is off when what it stands for is so.
    """

    def __init__(self, server: str | Address, device: int = 0, contact: int = 0, *, is_inverted: bool = False) -> None:
        self._wire = Wire(server, "switch", device)
        self._switch = self._wire.carry(Switch(*self._wire.address.place))
        self._contact = contact
        self._is_inverted = is_inverted

    def read(self) -> bool:
        """Whether it is on, or off where it is inverted."""
        value = self._wire.connected(lambda: self._switch.GetSwitch(self._contact))
        return checked_flag(self._wire.subject, f"contact {self._contact}", value) is not self._is_inverted

    def close(self) -> None:
        """Let the connection to the server go."""
        self._wire.close()
