"""A safety monitor on the wire."""

from __future__ import annotations

from alpaca.safetymonitor import SafetyMonitor  # type: ignore[import-untyped]

from app.devices.transport import Wire


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

    def read(self) -> bool:
        """Whether it says that all is safe; a monitor that is not connected is never asked, for it would say False."""
        with self._wire.connected():
            return self._wire.flag("issafe", self._monitor.IsSafe)

    def close(self) -> None:
        """Let the connection to the server go."""
        self._wire.close()
