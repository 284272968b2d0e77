"""The queue of work orders as people read it: each order's place, its window, and why it waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath
from statistics import median

from app.model.order_life import StoredOrder
from app.model.schedule import LOWEST_ALTITUDE_DEG, Span, night_of, window_of
from app.model.settings import Site
from app.model.wording import declination_text, right_ascension_text
from app.model.work_order import OrderState

#: How long an order takes is asked of the newest that were done.
_ASKED = 10

_DONE = (OrderState.DONE, OrderState.DONE_WITH_PROBLEMS)
_UNDER_WAY = (OrderState.RUNNING, OrderState.CANCELLING)


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One work order in its queue.

    Attributes
    ----------
    stored : StoredOrder
        The order.
    reason : str
        Why it waits, is held, failed or was cancelled, in one sentence; empty when there is nothing to say.
    place : int or None
        How many orders the Processor does before it; None when it does not wait for the Processor.
    starts_at : datetime or None
        When it begins if orders take as long as they did before, UTC; None when nobody knows.
    window : Span or None
        When its target can be observed in the present or coming night; None when there is no target, or never.
    """

    stored: StoredOrder
    reason: str = ""
    place: int | None = None
    starts_at: datetime | None = None
    window: Span | None = None


def order_lines(
    orders: Sequence[StoredOrder], site: Site, sky_now: datetime, now: datetime, processor_failure: str = ""
) -> tuple[OrderLine, ...]:
    """Say of each order where it stands.

    Parameters
    ----------
    orders : sequence of StoredOrder
        All that are known, in any order.
    site : Site
        For the windows of observations; the site of default settings is none, and gives none.
    sky_now : datetime
        Time of the sky, for the windows.
    now : datetime
        Time of the records, for when orders begin; another one only under a simulated sky.
    processor_failure : str
        Why the Processor takes no orders at all; empty when it does.

    Returns
    -------
    tuple of OrderLine
        In the order of `orders`.
    """
    queue = sorted(filter(_waits_for_processor, orders), key=lambda one: (one.received_at, one.key))
    places = {one.key: place for place, one in enumerate(queue)}
    running = next((one for one in orders if one.state in _UNDER_WAY), None)
    typical = _typical(orders)
    night = None if site == Site() else night_of(site, sky_now)

    def line(one: StoredOrder) -> OrderLine:
        place = places.get(one.key)
        if place is None:
            window = _window(one, site, night)
            return OrderLine(one, _reason(one, window, night), window=window)
        if processor_failure:
            return OrderLine(one, processor_failure, place)
        starts_at = None if typical is None else _free_at(running, typical, now) + place * typical
        return OrderLine(one, _place_reason(place, running), place, starts_at)

    return tuple(map(line, orders))


def _waits_for_processor(one: StoredOrder) -> bool:
    return one.state is OrderState.WAITING and one.order.request.for_processor


def _typical(orders: Sequence[StoredOrder]) -> timedelta | None:
    """How long an order takes: the median of the newest that were done."""
    ends = sorted((one.ended_at, one.started_at) for one in orders if one.state in _DONE and one.ended_at)
    seconds = [(ended - started).total_seconds() for ended, started in ends[-_ASKED:] if started is not None]
    return timedelta(seconds=median(seconds)) if seconds else None


def _free_at(running: StoredOrder | None, typical: timedelta, now: datetime) -> datetime:
    """When the Processor can begin another order, to the minute, so that it does not change at every look."""
    whole_minute = now.replace(second=0, microsecond=0)
    if running is None or running.started_at is None:
        return whole_minute
    return max(running.started_at + typical, whole_minute)


def _place_reason(place: int, running: StoredOrder | None) -> str:
    if place == 0:
        return "Next in the queue" if running is None else f"Next, after {running.name}"
    return "1 order is before it" if place == 1 else f"{place} orders are before it"


def _window(one: StoredOrder, site: Site, night: Span | None) -> Span | None:
    order = one.order
    is_open = one.state in (OrderState.WAITING, OrderState.HELD)
    if night is None or order.ra_deg is None or order.dec_deg is None or not is_open:
        return None
    return window_of(order.ra_deg, order.dec_deg, site, night)


def _reason(one: StoredOrder, window: Span | None, night: Span | None) -> str:
    if one.state is OrderState.HELD:
        return "Held: release it to go on"
    if one.state is OrderState.WAITING:
        if night is not None and window is None:
            return f"Its target stays below {LOWEST_ALTITUDE_DEG:.0f}° this night"
        return "No telescope takes orders yet"
    if one.state is OrderState.CANCELLING:
        return "Stopping: ends after the work in hand"
    if one.state is OrderState.DONE_WITH_PROBLEMS and not one.reason:
        return _problems_text(one)
    return one.reason or ""


def _problems_text(one: StoredOrder) -> str:
    problems = one.result.get("problems") or []
    if not problems:
        return ""
    message = str(problems[0].get("message", ""))
    return message if len(problems) == 1 else f"{len(problems)} problems, the first: {message}"


def target_text(stored: StoredOrder) -> str:
    """What an order is about: its batch, the last part of its folder, or its position."""
    order = stored.order
    if order.ra_deg is not None and order.dec_deg is not None:
        name = order.payload.get("target") or order.payload.get("object") or order.payload.get("name")
        if isinstance(name, str) and name.strip():
            return name.strip()
        return f"{right_ascension_text(order.ra_deg)}  {declination_text(order.dec_deg)}"
    return order.batch or PurePath(order.url or "").name or order.url or ""
