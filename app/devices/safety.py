"""A safety monitor on the wire."""

from __future__ import annotations

from alpaca.safetymonitor import SafetyMonitor  # type: ignore[import-untyped]

from app.devices.address import Address
from app.devices.answers import checked_flag
from app.devices.transport import Wire


class AlpacaSafety:
    """A `SafetyClient` over Alpaca, for the thread of one lane; connects itself at the first call.

    IsSafe has no age of its own: how old its reasons are, only the monitor knows.

    Parameters
    ----------
    server : str or Address
        ``HOST:PORT``, or an address that several clients share.
    device : int
        Number of the safety monitor at that server, unless an address is given.
    """

    def __init__(self, server: str | Address, device: int = 0) -> None:
        self._wire = Wire(server, "safetymonitor", device)
        self._monitor = self._wire.carry(SafetyMonitor(*self._wire.address.place))

    def read(self) -> bool:
        """Whether it says that all is safe; a monitor that is not connected is never asked, for it would say False."""
        return checked_flag(self._wire.subject, "issafe", self._wire.connected(lambda: self._monitor.IsSafe))

    def close(self) -> None:
        """Let the connection to the server go."""
        self._wire.close()
