"""A safety monitor on the wire."""

from __future__ import annotations

from alpaca.safetymonitor import SafetyMonitor  # type: ignore[import-untyped]

from app.devices.transport import Wire
from app.model.dome import DeviceError


class AlpacaSafety:
    """A `SafetyClient` over Alpaca, for the thread of one lane; connects itself at the first call.

    IsSafe has no age of its own: how old its reasons are, only the monitor knows.

    Parameters
    ----------
    server : str
        ``HOST:PORT``.
    device : int
        Number of the safety monitor at that server.
    """

    def __init__(self, server: str, device: int) -> None:
        self._wire = Wire(server, "safetymonitor", device)
        self._monitor = self._wire.carry(SafetyMonitor(server, device))
        self._is_connected = False

    def read(self) -> bool:
        """Whether it says that all is safe; a monitor that is not connected is never asked, for it would say False."""
        try:
            if not self._is_connected:
                self._wire.connect()
            is_safe = self._wire.flag("issafe", self._monitor.IsSafe)
        except DeviceError:
            self._is_connected = False
            raise
        self._is_connected = True
        return is_safe

    def close(self) -> None:
        """Let the connection to the server go."""
        self._wire.close()
