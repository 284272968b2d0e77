"""Batches as people read them: the list, and the story of one, put together from the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.model.batch import Combination, Exposure, FileBatch, Status, StepRun
from app.model.errors import ObservatoryError
from app.model.library import MASTERS, better_now
from app.model.order_life import ENDED, StoredOrder
from app.model.quality_trend import trend_of
from app.model.settings import Settings
from app.model.story import (
    BatchLine,
    BatchStory,
    cards_of,
    counts_of,
    groups_of,
    left_out_of,
    night_of,
    troubles_of,
    uses_of,
    verdict_of,
)
from app.model.work_order import OrderState, Request, source_of_url
from app.store.batches import Batches
from app.store.log_records import LogRecords
from app.store.work_orders import WorkOrders

#: Batches whose frames are counted in one look; the others are counted in the next ones.
COUNTED_A_LOOK = 20
RECENT_ORDERS = 200
LOG_LINES = 200


@dataclass(frozen=True, slots=True)
class ReadStory:
    """A story as the database tells it, and its steps before the newest events."""

    story: BatchStory
    runs: tuple[StepRun, ...]


@dataclass(frozen=True, slots=True)
class _Counted:
    batch: FileBatch
    night: str | None
    frames: int
    warnings: int
    errors: int

    @property
    def as_line(self) -> dict[str, Any]:
        """What a line tells of it."""
        return {"night": self.night, "frames": self.frames, "warnings": self.warnings, "errors": self.errors}


class BatchStories:
    """Reads batches and the orders about them; for one thread, but for `forget`.

    Parameters
    ----------
    batches, orders, log_records
        The store.
    settings : Settings
        By which a restart would choose masters.
    """

    def __init__(
        self, batches: Batches, orders: WorkOrders, log_records: LogRecords, settings: Settings | None = None
    ) -> None:
        self._settings = settings or Settings()
        self._batches = batches
        self._orders = orders
        self._log_records = log_records
        self._counted: dict[int, _Counted] = {}

    def forget(self, key: int) -> None:
        """Count a batch anew at the next look; from any thread."""
        self._counted.pop(key, None)

    def lines(self) -> tuple[BatchLine, ...]:
        """Every batch, newest first; orders that wait for a new one stand before them.

        Raises
        ------
        StoreError
            If the database cannot be used; so do the others.
        """
        batches, waiting, recent = self._batches.all(), self._orders.waiting(), self._orders.all(RECENT_ORDERS)
        queue = [*_running(recent), *waiting]
        sources = [_source_of(stored) for stored in queue]
        first: dict[str | None, int] = {}  # place of the first order about a name or a source
        for place, (stored, source) in enumerate(zip(queue, sources, strict=True)):
            first.setdefault(source or stored.order.batch, place)
        budget = COUNTED_A_LOOK
        lines = []
        for batch in batches:
            line = BatchLine(batch.key, batch.name, batch.source, batch.status)
            places = [first[named] for named in (batch.name, batch.source) if named in first]
            if places:
                order = queue[min(places)]
                status = Status.WAITING if order.state is OrderState.WAITING else batch.status
                line = replace(line, status=status, order=order.name, place=min(places))
            counted = self._counted.get(batch.key)
            if (counted is None or counted.batch != batch or batch.status is Status.RUNNING) and budget:
                budget -= 1
                counted = self._counted[batch.key] = self._count(batch)
            lines.append(line if counted is None else replace(line, **counted.as_line))
        known = {batch.source for batch in batches}
        fresh = [
            BatchLine(0, Path(source).name, source, Status.WAITING, stored.name, place)
            for place, (stored, source) in enumerate(zip(queue, sources, strict=True))
            if source is not None and source not in known and stored.state is OrderState.WAITING
            if stored.order.request is Request.CALIBRATE
        ]
        return (*fresh, *lines)

    def _count(self, batch: FileBatch) -> _Counted:
        exposures = self._batches.exposures(batch.key)
        warnings, errors = counts_of(self._batches.steps(batch.key))
        return _Counted(batch, night_of(exposures), len(exposures), warnings, errors)

    def story(self, key: int) -> ReadStory:
        """All that the database knows of one batch."""
        batch = self._batches.batch(key)
        exposures = self._batches.exposures(key)
        runs = self._batches.steps(key)
        is_old_set = batch.status is not Status.RUNNING and 0 < batch.generation < batch.target_generation
        made = self._batches.shown(key) if is_old_set else self._batches.combinations(key)
        others = self._with_masters(made)
        order, place = self._order_about(batch)
        raw = {exposure.key: exposure.path for exposure in exposures}
        story = BatchStory(
            batch,
            night_of(exposures),
            verdict_of(batch, runs, order, place),
            order.name if order is not None and order.state not in ENDED else None,
            groups_of(exposures),
            left_out_of(self._batches.left_out(key)),
            uses_of(made, others, self._better_now(batch, made, exposures)),
            products=cards_of(made, others, raw),
            is_old_set=is_old_set,
            trend=trend_of(made),
            troubles=troubles_of(runs),
            log=self._log_records.of_batch(key, LOG_LINES),
        )
        return ReadStory(story, runs)

    def _with_masters(self, made: Sequence[Combination]) -> dict[int, Combination]:
        """The combinations by key, with the masters that they use: pinned ones stay, also when they were superseded."""
        known = {one.key: one for one in made}
        used = {other for one in made for other in one.uses}
        return known | {one.key: one for one in self._batches.recorded(used - known.keys())}

    def _better_now(
        self, batch: FileBatch, made: Sequence[Combination], exposures: Sequence[Exposure]
    ) -> Callable[[Combination], str]:
        """Tells of a light which masters of other batches a restart would take; of a batch that runs, nothing."""
        if batch.status in (Status.RUNNING, Status.WAITING):
            return lambda light: ""
        facts = {exposure.key: exposure.facts for exposure in exposures}
        own = [one for one in made if one.kind in MASTERS]
        library = [one for kind in MASTERS for one in self._batches.library(kind, batch.key) if one.file.is_file()]

        def told(light: Combination) -> str:
            raw = next((facts[key] for key in light.exposures if key in facts), None)
            return "" if raw is None else better_now(raw, light.uses, own, library, batch.key, self._settings)

        return told

    def _order_about(self, batch: FileBatch) -> tuple[StoredOrder | None, int]:
        """The newest order about a batch, and how many come before it while it waits."""
        waiting, recent = self._orders.waiting(), self._orders.all(RECENT_ORDERS)
        running = _running(recent)
        if not any(_is_about(stored, batch) for stored in running):
            for place, stored in enumerate(waiting, len(running)):
                if _is_about(stored, batch):
                    return stored, place
        return next((stored for stored in (*running, *recent) if _is_about(stored, batch)), None), 0

    def order_under_way(self, key: int) -> str:
        """Name of the order that runs a batch or waits for it.

        Raises
        ------
        ObservatoryError
            If there is none.
        """
        batch = self._batches.batch(key)
        under_way = [stored for stored in self._orders.all(RECENT_ORDERS) if stored.state not in ENDED]
        for stored in (*under_way, *self._orders.waiting()):
            if _is_about(stored, batch):
                return stored.name
        raise ObservatoryError(
            f"batch {batch.name} is run by no order, but by a command on another screen: stop it there"
        )


def _running(orders: Sequence[StoredOrder]) -> list[StoredOrder]:
    """The Processor's orders that run: one at most."""
    under_way = (OrderState.RUNNING, OrderState.CANCELLING)
    return [stored for stored in orders if stored.order.request.for_processor and stored.state in under_way]


def _is_about(stored: StoredOrder, batch: FileBatch) -> bool:
    """Whether an order of the Processor names this batch, by name or by source."""
    order = stored.order
    if not order.request.for_processor:
        return False
    return order.batch == batch.name if order.url is None else _source_of(stored) == batch.source


def _source_of(stored: StoredOrder) -> str | None:
    """The source that an order names, spelled as batches spell theirs."""
    if stored.order.url is None:
        return None
    source = source_of_url(stored.order.url)
    return source if "://" in source else str(Path(source).resolve())
