"""The life of a work order: what it may become, and the order as it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from app.model.errors import ObservatoryError, OrderRefused
from app.model.work_order import OrderState, WorkOrder

#: States that an order never leaves.
ENDED = frozenset({OrderState.DONE, OrderState.DONE_WITH_PROBLEMS, OrderState.FAILED, OrderState.CANCELLED})

#: States of an order that nobody took yet.
NOT_BEGUN = frozenset({OrderState.WAITING, OrderState.HELD})

#: What an order may become; RUNNING goes back to WAITING when its processor was killed.
TRANSITIONS: Mapping[OrderState, frozenset[OrderState]] = MappingProxyType(
    {
        OrderState.WAITING: frozenset({OrderState.RUNNING, OrderState.HELD, OrderState.CANCELLED}),
        OrderState.HELD: frozenset({OrderState.WAITING, OrderState.CANCELLED}),
        OrderState.RUNNING: ENDED | {OrderState.CANCELLING, OrderState.WAITING},
        OrderState.CANCELLING: ENDED,
        **{state: frozenset() for state in ENDED},
    }
)


class UnknownOrder(ObservatoryError):
    """No work order, or more than one, answers to that identity."""


class OrderEnded(ObservatoryError):
    """The work order has ended, so there is nothing to cancel."""


class OrderBegun(ObservatoryError):
    """The work order has begun or ended, so it can neither be held nor released."""


class IdTaken(OrderRefused):
    """The user gave the id to another order before."""


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

    @property
    def as_json(self) -> dict[str, Any]:
        """The order for other programs; times are ISO 8601."""
        return {
            "id": self.order.id,
            "user": self.order.user,
            "request": str(self.order.request),
            "state": str(self.state),
            "priority": self.order.priority,
            "received": self.received_at.isoformat(),
            "started": self.started_at and self.started_at.isoformat(),
            "ended": self.ended_at and self.ended_at.isoformat(),
            "reason": self.reason,
            "order": self.order.payload,
            "result": self.result or None,
        }
