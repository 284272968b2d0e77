"""The running order of the Night page."""

from __future__ import annotations

from datetime import UTC, datetime

from app.model.order_life import StoredOrder
from app.model.order_queue import OrderLine
from app.model.queue_item import queue_of
from app.model.work_order import OrderState, parse_work_order

AT = datetime(2024, 8, 5, 21, 0, tzinfo=UTC)


def line(number: int, state: OrderState, *, place: int | None = None, priority: float | None = None) -> OrderLine:
    """An order in its queue: an observation when it has a priority, else the Processor's."""
    about = {"url": f"/data/night-{number}", "request": "calibrate_file_batch"}
    if priority is not None:
        about = {"ra": 10.0, "dec": 20.0, "priority": priority, "request": "observation", "object": f"T{number}"}
    order = parse_work_order({"id": str(number), "user": "ada", "datetime": AT.isoformat(), **about})
    return OrderLine(StoredOrder(number, order, state, AT), f"reason {number}", place)


def test_processor_first_in_its_order_then_observations_by_priority_and_held_ones_last():
    running, upcoming = queue_of(
        (
            line(1, OrderState.HELD, priority=9.0),
            line(2, OrderState.WAITING, priority=3.0),
            line(3, OrderState.WAITING, place=1),
            line(4, OrderState.DONE),
            line(5, OrderState.WAITING, priority=7.0),
            line(6, OrderState.WAITING, place=0),
            line(7, OrderState.RUNNING),
        )
    )
    assert running is not None
    assert (running.name, running.key, running.why) == ("night-7", "ada/7", "reason 7")
    assert [item.name for item in upcoming] == ["night-6", "night-3", "T5", "T2", "T1"]


def test_nothing_runs_and_nothing_waits():
    assert queue_of((line(1, OrderState.DONE),)) == (None, ())
