"""The life of a work order: what it may become, and the order as it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from app.model.errors import ObservatoryError
from app.model.work_order import OrderState, WorkOrder

#: States that an order never leaves.
ENDED = frozenset({OrderState.DONE, OrderState.DONE_WITH_PROBLEMS, OrderState.FAILED, OrderState.CANCELLED})

#: What an order may become; RUNNING goes back to WAITING when its processor was killed.
TRANSITIONS: Mapping[OrderState, frozenset[OrderState]] = MappingProxyType(
    {
        OrderState.WAITING: frozenset({OrderState.RUNNING, OrderState.CANCELLED}),
        OrderState.RUNNING: ENDED | {OrderState.CANCELLING, OrderState.WAITING},
        OrderState.CANCELLING: ENDED,
        **{state: frozenset() for state in ENDED},
    }
)


class UnknownOrder(ObservatoryError):
    """No work order, or more than one, answers to that identity."""


class OrderEnded(ObservatoryError):
    """The work order has ended, so there is nothing to cancel."""


def may_become(state: OrderState, then: OrderState) -> bool:
    """Whether an order in `state` may be in state `then` next."""
    return then in TRANSITIONS[state]


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """A work order as the database keeps it.

    Attributes
    ----------
    key : int
        Number in the database.
    order : WorkOrder
        What was ordered.
    state : OrderState
        Where it is in its life.
    received_at, started_at, ended_at : datetime
        UTC; None when it did not happen yet.
    result : dict
        What came of it, JSON; empty until it ended.
    reason : str or None
        Why it failed or was cancelled, in one sentence.
    """

    key: int
    order: WorkOrder
    state: OrderState
    received_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: dict[str, Any] = field(default_factory=dict, hash=False)
    reason: str | None = None

    @property
    def name(self) -> str:
        """Identity as operators write it: ``user/id``."""
        return f"{self.order.user}/{self.order.id}"
