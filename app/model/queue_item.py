"""One line of the running order: what is done now, or comes next, and why it is not done yet."""

from __future__ import annotations

from dataclasses import dataclass

from app.model.order_queue import OrderLine, target_text
from app.model.work_order import OrderState


@dataclass(frozen=True, slots=True)
class QueueItem:
    """An order or a batch as the night's running order shows it.

    Attributes
    ----------
    name : str
        What people call it, such as the target.
    what : str
        What is done, such as ``"R, 30 x 120 s"``.
    state : str
        One word.
    why : str
        Why not now, or what it does at present; empty when there is nothing to say.
    progress : tuple of int or None
        Done and total; None when it is not counted.
    key : str
        By which the page of orders finds it.
    """

    name: str
    what: str
    state: str
    why: str = ""
    progress: tuple[int, int] | None = None
    key: str = ""


def queue_of(lines: tuple[OrderLine, ...]) -> tuple[QueueItem | None, tuple[QueueItem, ...]]:
    """What runs, and what comes next: the Processor's queue in its order, then observations by priority."""
    running = [line for line in lines if line.stored.state in (OrderState.RUNNING, OrderState.CANCELLING)]
    waiting = [line for line in lines if line.stored.state in (OrderState.WAITING, OrderState.HELD)]
    waiting.sort(key=_rank)
    return (_item(running[0]) if running else None), tuple(map(_item, waiting))


def _rank(line: OrderLine) -> tuple[bool, float, float]:
    """Held orders last; those with a place by it, the others by priority."""
    place = float("inf") if line.place is None else float(line.place)
    return line.stored.state is OrderState.HELD, place, -(line.stored.order.priority or 0.0)


def _item(line: OrderLine) -> QueueItem:
    stored = line.stored
    what = str(stored.order.request).replace("_", " ")
    return QueueItem(target_text(stored), what, str(stored.state), line.reason, key=stored.name)
