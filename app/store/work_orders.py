"""Work orders in the database; returns values, never rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.model.errors import FieldProblem
from app.model.order_life import (
    ENDED,
    NOT_BEGUN,
    IdTaken,
    OrderBegun,
    OrderEnded,
    StoredOrder,
    UnknownOrder,
    may_become,
)
from app.model.work_order import OrderState, Request, WorkOrder
from app.store.engine import Database
from app.store.tables import WorkOrderRow

_OF_PROCESSOR = tuple(request.value for request in Request if request.for_processor)


@dataclass(frozen=True, slots=True)
class WorkOrders:
    """Work orders in the database; every method is one short transaction.

    All raise `StoreError` when the database cannot be used, and `UnknownOrder` for a key that is not in it.
    """

    database: Database

    def add(self, order: WorkOrder, received_at: datetime) -> tuple[StoredOrder, bool]:
        """Keep an order, once.

        Parameters
        ----------
        order : WorkOrder
            A valid order.
        received_at : datetime
            When it came, UTC.

        Returns
        -------
        StoredOrder, bool
            The order as it is kept, and whether it is new: the same order again is the one that is there.

        Raises
        ------
        IdTaken
            If that user gave that id to another order.
        """
        with self.database.writing() as session:
            row = _same_identity(session, order)
            is_new = row is None
            if row is None:
                try:
                    with session.begin_nested():
                        row = _new_row(order, received_at)
                        session.add(row)
                except IntegrityError:  # it came to another process at the same moment
                    row = _same_identity(session, order)
                    is_new = False
            if row is None or row.payload != order.payload:
                problem = FieldProblem(
                    "id", repr(order.id), f"was given by {order.user} to another order: give a new id"
                )
                raise IdTaken(f"Work order {order.user}/{order.id} refused", (problem,))
            return _stored(row), is_new

    def waiting(self) -> tuple[StoredOrder, ...]:
        """Orders for the Processor that nobody took yet, oldest first."""
        query = (
            select(WorkOrderRow)
            .where(WorkOrderRow.state == OrderState.WAITING.value, WorkOrderRow.request.in_(_OF_PROCESSOR))
            .order_by(WorkOrderRow.received_at, WorkOrderRow.key)
        )
        with self.database.reading() as session:
            return tuple(_stored(row) for row in session.scalars(query))

    def all(self, limit: int) -> tuple[StoredOrder, ...]:
        """The newest orders of any kind and state, newest first."""
        query = select(WorkOrderRow).order_by(WorkOrderRow.received_at.desc(), WorkOrderRow.key.desc()).limit(limit)
        with self.database.reading() as session:
            return tuple(_stored(row) for row in session.scalars(query))

    def by_key(self, key: int) -> StoredOrder:
        """The order with that number."""
        with self.database.reading() as session:
            return _stored(_row(session, key))

    def by_id(self, text: str) -> StoredOrder:
        """The order that people call so: ``user/id``, or the id alone when only one user gave it.

        A whole ``user/id`` wins over an id that looks like one.

        Raises
        ------
        UnknownOrder
            If none is called so, or more than one.
        """
        full_name = WorkOrderRow.user + "/" + WorkOrderRow.id
        query = select(WorkOrderRow).where(or_(WorkOrderRow.id == text, full_name == text)).order_by(WorkOrderRow.key)
        with self.database.reading() as session:
            called = [_stored(row) for row in session.scalars(query)]
        found = [stored for stored in called if stored.name == text] or called
        if not found:
            raise UnknownOrder(f"No work order is called {text!r}: name it by user/id, as the list of orders does")
        if len(found) > 1:
            names = ", ".join(order.name for order in found)
            raise UnknownOrder(f"{len(found)} work orders are called {text!r}: name one of {names}")
        return found[0]

    def take(self, key: int) -> bool:
        """Begin an order; False when it waits no more, because another took it or it was cancelled."""
        with self.database.writing() as session:
            row = _row(session, key, is_locked=True)
            if row.state != OrderState.WAITING:
                return False
            row.state = OrderState.RUNNING.value
            row.started_at = self.database.clock.utc()
            return True

    def finish(self, key: int, state: OrderState, result: dict[str, Any], reason: str | None) -> None:
        """Record how an order that was taken ended.

        Parameters
        ----------
        state : OrderState
            DONE, DONE_WITH_PROBLEMS, FAILED or CANCELLED.
        result : dict
            What came of it, JSON.
        reason : str or None
            Why it failed or was cancelled, in one sentence.

        Raises
        ------
        ValueError
            If the order is not under way, or `state` is no end.
        """
        with self.database.writing() as session:
            row = _row(session, key, is_locked=True)
            now = OrderState(row.state)
            if state not in ENDED or now in NOT_BEGUN or not may_become(now, state):
                raise ValueError(f"Work order {row.user}/{row.id} is {row.state} and cannot end as {state}")
            row.result = result
            self._end(row, state, reason)

    def request_cancel(self, key: int) -> OrderState:
        """Cancel an order that waits or is held, or ask for the end of one that runs; return its state then.

        Raises
        ------
        OrderEnded
            If it has ended already.
        """
        with self.database.writing() as session:
            row = _row(session, key, is_locked=True)
            if OrderState(row.state) in ENDED:
                raise OrderEnded(f"Work order {row.user}/{row.id} has ended ({row.state}): there is nothing to cancel")
            if row.state in NOT_BEGUN:
                self._end(row, OrderState.CANCELLED, "Cancelled before it began")
            else:
                row.state = OrderState.CANCELLING.value
            return OrderState(row.state)

    def hold(self, key: int) -> None:
        """Keep an order that waits from being taken; one that is held stays so.

        Raises
        ------
        OrderBegun
            If it runs or has ended.
        """
        self._set_aside(key, OrderState.HELD, "only an order that waits can be held: cancel it instead")

    def release(self, key: int) -> None:
        """Let a held order wait again, at its old place in the queue; one that waits stays so.

        Raises
        ------
        OrderBegun
            If it runs or has ended.
        """
        self._set_aside(key, OrderState.WAITING, "only an order that is held can be released")

    def is_cancelling(self, key: int) -> bool:
        """Whether the order's end was asked for."""
        query = select(WorkOrderRow.state).where(WorkOrderRow.key == key)
        with self.database.reading() as session:
            return session.scalar(query) == OrderState.CANCELLING

    def requeue_orphans(self) -> tuple[StoredOrder, ...]:
        """Put orders that a killed Processor left behind back into the queue, and end those being cancelled.

        To be called only under the Processor's lock: it takes every order that runs for an orphan.

        Returns
        -------
        tuple of StoredOrder
            The orders concerned, as they are now.
        """
        under_way = (OrderState.RUNNING.value, OrderState.CANCELLING.value)
        query = (
            select(WorkOrderRow)
            .where(WorkOrderRow.state.in_(under_way), WorkOrderRow.request.in_(_OF_PROCESSOR))
            .order_by(WorkOrderRow.key)
            .with_for_update()
        )
        with self.database.writing() as session:
            rows = session.scalars(query).all()
            for row in rows:
                if row.state == OrderState.CANCELLING:
                    self._end(row, OrderState.CANCELLED, "Cancelled; the Processor was killed before it could say so")
                else:
                    row.state = OrderState.WAITING.value
                    row.started_at = None
            return tuple(_stored(row) for row in rows)

    def _set_aside(self, key: int, state: OrderState, remedy: str) -> None:
        with self.database.writing() as session:
            row = _row(session, key, is_locked=True)
            if row.state not in NOT_BEGUN:
                raise OrderBegun(f"Work order {row.user}/{row.id} is {row.state}: {remedy}")
            row.state = state.value

    def _end(self, row: WorkOrderRow, state: OrderState, reason: str | None) -> None:
        row.state = state.value
        row.reason = reason
        row.ended_at = self.database.clock.utc()


def _same_identity(session: Session, order: WorkOrder) -> WorkOrderRow | None:
    return session.scalar(select(WorkOrderRow).where(WorkOrderRow.user == order.user, WorkOrderRow.id == order.id))


def _row(session: Session, key: int, *, is_locked: bool = False) -> WorkOrderRow:
    row = session.get(WorkOrderRow, key, with_for_update=is_locked)
    if row is None:
        raise UnknownOrder(f"No work order has the number {key}: list the orders and name one by user/id")
    return row


def _new_row(order: WorkOrder, received_at: datetime) -> WorkOrderRow:
    return WorkOrderRow(
        user=order.user,
        id=order.id,
        request=order.request.value,
        state=OrderState.WAITING.value,
        ordered_at=order.ordered_at,
        received_at=received_at,
        priority=order.priority,
        url=order.url,
        batch=order.batch,
        ra_deg=order.ra_deg,
        dec_deg=order.dec_deg,
        payload=order.payload,
        result={},
    )


def _stored(row: WorkOrderRow) -> StoredOrder:
    order = WorkOrder(
        row.user,
        row.id,
        Request(row.request),
        row.ordered_at,
        row.payload,
        row.url,
        row.batch,
        row.ra_deg,
        row.dec_deg,
        row.priority,
    )
    state = OrderState(row.state)
    return StoredOrder(row.key, order, state, row.received_at, row.started_at, row.ended_at, row.result, row.reason)
