"""A mirror cover on the wire."""

from __future__ import annotations

from alpaca.covercalibrator import CoverCalibrator  # type: ignore[import-untyped]

from app.devices.address import Address
from app.devices.answers import checked_number, nonsense
from app.devices.transport import Wire

#: ASCOM's CoverStatus.
_STATES = dict(enumerate(("not there", "closed", "moving", "open", "in an unknown state", "in error")))


class AlpacaCover:
    """A `CoverClient` over Alpaca, for the thread of one lane; connects itself at the first call.

    Parameters
    ----------
    server : str or Address
        ``HOST:PORT``, or an address that several clients share.
    device : int
        Number of the cover (CoverCalibrator) at that server, unless an address is given.
    """

    def __init__(self, server: str | Address, device: int = 0) -> None:
        self._wire = Wire(server, "covercalibrator", device)
        self._cover = self._wire.carry(CoverCalibrator(*self._wire.address.place))

    def state(self) -> str:
        """How the cover is, in words for people."""
        value = self._wire.connected(lambda: self._wire.get("coverstate"))
        number = checked_number(self._wire.subject, "coverstate", value)
        if number not in _STATES:
            raise nonsense(self._wire.subject, "coverstate", value)
        return _STATES[int(number)]

    def close_cover(self) -> None:
        """Begin to close it."""
        self._wire.connected(self._cover.CloseCover)

    def close(self) -> None:
        """Let the connection to the server go."""
        self._wire.close()
