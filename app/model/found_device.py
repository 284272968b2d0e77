"""What a search of the network finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A device that a server on the network offers.

    Attributes
    ----------
    server : str
        ``HOST:PORT``.
    kind : str
        Alpaca's device type in lower case, such as ``"dome"`` or ``"observingconditions"``.
    number : int
        Counts the devices of that kind at that server.
    unique_id : str
        Stays the same when address or number change; empty when the server gives none.
    """

    server: str
    kind: str
    number: int
    name: str
    unique_id: str
