"""The front desk: every order comes in here, is checked whole, and is kept before it is answered."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from app.model.clock import Clock
from app.model.errors import FieldProblem, OrderRefused, UnknownBatch
from app.model.order_life import StoredOrder
from app.model.schedule import priority
from app.model.settings import Site
from app.model.work_order import Request, WorkOrder, parse_work_order, source_of_url
from app.store.batches import Batches
from app.store.journal import Journal
from app.store.work_orders import WorkOrders

log = logging.getLogger(__name__)


#: What an operator says of an exposure, as people read it.
VERDICTS: dict[bool | None, str] = {True: "use", False: "leave out", None: "as found"}


class FrontDesk:
    """Takes orders in, the same way for command line, window and HTTP.

    Parameters
    ----------
    orders, batches, journal
        The store.
    site : Site
        For the priority of observations; they have none without a site.
    clock : Clock
        Time of receipt.
    """

    def __init__(self, orders: WorkOrders, batches: Batches, journal: Journal, site: Site, clock: Clock) -> None:
        self._orders = orders
        self._batches = batches
        self._journal = journal
        self._site = site
        self._clock = clock

    def take_in(self, payload: object, who: str) -> tuple[StoredOrder, bool]:
        """Check and keep an order.

        Parameters
        ----------
        payload : object
            Decoded JSON.
        who : str
            Who brought it, for the journal.

        Returns
        -------
        StoredOrder, bool
            The order as kept, and whether it is new: the same identity and content twice is one order.

        Raises
        ------
        OrderRefused
            With every problem; the refusal is recorded.
        """
        try:
            order = parse_work_order(payload)
            self._require_known_batch(order)
            stored, is_new = self._orders.add(self._with_priority(order), self._clock.utc())
        except OrderRefused as refusal:
            log.warning("%s", refusal)
            detail = {"payload": payload, "problems": [str(problem) for problem in refusal.problems]}
            self._journal.record(who, "order refused", _identity(payload), detail)
            raise
        if is_new:
            self._journal.record(who, "order taken in", stored.name, {"request": order.request})
        return stored, is_new

    def cancel(self, order_id: str, who: str) -> StoredOrder:
        """Cancel a waiting or held order, or ask a running one to stop.

        Raises
        ------
        ObservatoryError
            No such order, or it has ended.
        """
        return self._changed(order_id, who, "order cancelled", self._orders.request_cancel)

    def hold(self, order_id: str, who: str) -> StoredOrder:
        """Keep a waiting order from being taken until it is released.

        Raises
        ------
        ObservatoryError
            No such order, or it has begun.
        """
        return self._changed(order_id, who, "order held", self._orders.hold)

    def release(self, order_id: str, who: str) -> StoredOrder:
        """Let a held order wait again, at its old place.

        Raises
        ------
        ObservatoryError
            No such order, or it has begun.
        """
        return self._changed(order_id, who, "order released", self._orders.release)

    def decide(self, checksum: str, is_used: bool | None, who: str, file: str) -> None:
        """Remember whether an operator wants an exposure in stacks, whatever is found; None takes it back.

        Parameters
        ----------
        checksum : str
            Of the raw file.
        file : str
            Its name.
        """
        before = self._batches.override(checksum, is_used, who, file)
        self._journal.record(who, "frame verdict", file, {"before": VERDICTS[before], "after": VERDICTS[is_used]})

    def _changed(self, order_id: str, who: str, what: str, change: Callable[[int], object]) -> StoredOrder:
        """The order after a change by somebody, which the journal has."""
        key = self._orders.by_id(order_id).key
        change(key)
        stored = self._orders.by_key(key)
        self._journal.record(who, what, stored.name, {"state": stored.state})
        return stored

    def _require_known_batch(self, order: WorkOrder) -> None:
        if order.request not in (Request.RESUME, Request.RESTART):
            return
        try:
            self._batches.by_name_or_source(order.batch, order.url and source_of_url(order.url))
        except UnknownBatch as unknown:
            field, value = ("batch", order.batch) if order.batch else ("url", order.url)
            problem = FieldProblem(field, repr(value), str(unknown))
            raise OrderRefused(f"Work order {order.id!r} refused", (problem,)) from unknown

    def _with_priority(self, order: WorkOrder) -> WorkOrder:
        if order.ra_deg is None or order.dec_deg is None or order.priority is not None:
            return order
        if self._site == Site():
            log.warning("No site in the settings: observation %s/%s has no priority", order.user, order.id)
            return order
        score = priority(order.ra_deg, order.dec_deg, self._site, order.ordered_at, self._clock.utc())
        return replace(order, priority=score)


def _identity(payload: object) -> str:
    if isinstance(payload, dict):
        return f"{payload.get('user')}/{payload.get('id')}"[:200]
    return type(payload).__name__
