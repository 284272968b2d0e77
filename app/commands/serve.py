"""`cupola serve`: the whole observatory without a window, until it is told to end."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.bootstrap.observatory import Observatory, open_observatory
from app.bootstrap.station import open_station
from app.bootstrap.warming import kernels_warming
from app.commands.console import DONE, ProgressLine, give, mails, refuse, say
from app.model.errors import StoreError

log = logging.getLogger(__name__)

_LOOK_S = 0.5
_AFTER_FAILURE_S = 10.0


def run(port: int | None, *, as_json: bool) -> int:
    """Serve orders and the dome over HTTP, look after the drop folder, and run the Processor's orders.

    Parameters
    ----------
    port : int or None
        Of the front desk, instead of the settings'; 0 takes any free one.
    as_json : bool
        Whether the line that says that it is ready is JSON.

    Returns
    -------
    int
        0 after SIGINT or SIGTERM; 1 when the port is taken.

    Raises
    ------
    ObservatoryError
        Another Cupola takes the orders of this database, or something that is needed cannot be opened.
    """
    with (
        _told_to_end() as ended,
        open_observatory() as observatory,
        mails(observatory),
        observatory.processor.on_duty(),
        open_station(observatory, port=port, is_attended=False) as station,
        kernels_warming(),
    ):
        if station.http is None:
            return refuse(station.http_failure or "The front desk cannot listen", as_json=as_json)
        if not station.is_dome_owner:
            say("another Cupola commands the dome: this one takes orders only")
        give(
            {"address": station.http.address, "port": station.http.port, "is_dome_owner": station.is_dome_owner},
            f"Cupola serves on {station.http.address}",
            as_json=as_json,
        )
        sys.stdout.flush()  # whoever started this waits for the line
        _process_orders(observatory, ended)
    return DONE


def _process_orders(observatory: Observatory, ended: threading.Event) -> None:
    """Run orders until told to end; no failure of one order, and none of the database, ends the duty."""
    is_failing = False
    while not ended.is_set():
        try:
            with ProgressLine() as report:
                stored = observatory.processor.run_next(report, ended.is_set)
        except StoreError as error:
            log.log(logging.DEBUG if is_failing else logging.WARNING, "Orders wait: %s", error)
            is_failing = True
            ended.wait(_AFTER_FAILURE_S)
        except Exception:
            log.exception("An order could not be run")
            ended.wait(_AFTER_FAILURE_S)
        else:
            is_failing = False
            if stored is None:
                ended.wait(_LOOK_S)
            else:
                say(f"order {stored.name}: {stored.state.replace('_', ' ')}")


@contextmanager
def _told_to_end() -> Iterator[threading.Event]:
    """Set by Ctrl+C and a polite kill."""
    ended = threading.Event()

    def end(*_: object) -> None:
        say("ending: finished products are kept ...")
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
