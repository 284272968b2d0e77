"""Where a device is: one address for all of its clients, followed when the server gives it another number or place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from time import monotonic

from app.devices.discovery import devices_of, discover, pick
from app.model.dome import DeviceError, DeviceUnreachable
from app.model.found_device import FoundDevice

log = logging.getLogger(__name__)

#: A device that is not where it was is called for on the network again after so long.
SEARCH_EVERY_S = 10.0
_SEARCH_S = 1.0


class Address:
    """Where one device is now, for all clients of it: who finds it elsewhere moves all of them.

    Parameters
    ----------
    server : str
        ``HOST:PORT`` where it was last.
    device : int
        Its number there.
    unique_id : str
        Its UniqueID, or its name where the server gives none; empty to take whatever has that number.
    search : callable, optional
        Finds devices on the network, instead of a call into every local network.
    """

    def __init__(
        self, server: str, device: int, unique_id: str = "", search: Callable[[], Sequence[FoundDevice]] | None = None
    ) -> None:
        self.unique_id = unique_id
        self._place = (server, device)  # replaced whole: read by other threads
        self._search = search or (lambda: discover(_SEARCH_S, lambda sentence: log.debug("Search: %s", sentence)))
        self._search_due_s = 0.0

    def __str__(self) -> str:
        return "{}/{}".format(*self._place)

    @property
    def place(self) -> tuple[str, int]:
        """Server and number, from any thread."""
        return self._place

    def confirm(self, kind: str) -> None:
        """See that the device is where it was, or move to where it is now; for the thread of one lane.

        The server is asked for its list; when it gives none, or one without the device, the networks are searched, at
        most every `SEARCH_EVERY_S`. A server that gives no list is believed otherwise: the next request tells more.

        Parameters
        ----------
        kind : str
            Alpaca's device type in lower case.

        Raises
        ------
        DeviceUnreachable
            If the server lists other devices, and this one is not found elsewhere.
        """
        if not self.unique_id:
            return
        server, _ = self._place
        try:
            listed = devices_of(server)
        except DeviceError as error:
            log.debug("%s gives no list: %s", server, error)
            found = self._searched(kind) if isinstance(error, DeviceUnreachable) else None
        else:
            found = pick(listed, kind, self.unique_id) or self._searched(kind)
            if found is None:
                raise DeviceUnreachable(
                    f"Server {server} has no {kind} {self.unique_id!r}, and no other server that answers has it; look "
                    "for it on the settings page, and save it anew"
                )
        if found is not None:
            self._search_due_s = monotonic() + SEARCH_EVERY_S
            self._move_to(kind, (found.server, found.number))

    def _move_to(self, kind: str, place: tuple[str, int]) -> None:
        if place != self._place:
            log.info("The %s that was %s is found again as %s/%d", kind, self, *place)
            self._place = place

    def _searched(self, kind: str) -> FoundDevice | None:
        """The device as the networks show it, when a search is due."""
        if monotonic() < self._search_due_s:
            return None
        found = pick(self._search(), kind, self.unique_id)
        self._search_due_s = monotonic() + SEARCH_EVERY_S
        return found


def address_of(server: str | Address, device: int) -> Address:
    """The address that clients share, or one of its own for a client alone."""
    return server if isinstance(server, Address) else Address(server, device)
