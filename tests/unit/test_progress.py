"""Progress counts bytes of the whole batch, never goes back, and says how long the rest takes once it can know."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from app.model.batch import Status
from app.model.frame import FrameKind
from app.pipeline.events import Event, Progress, StepEnded, StepStarted
from app.pipeline.progress import COSTS, BatchProgress
from app.pipeline.recipe import calibration_recipe

GIGABYTE = 10**9
DARKS, LIGHTS = "dark stacks", "flat-dark correction"


class ByHand:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def utc(self) -> datetime:
        return datetime(2026, 3, 14, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.now_s


class Run:
    """Steps that are played, and what is told of them."""

    def __init__(self, **gigabytes: float) -> None:
        self.clock = ByHand()
        self.told: list[Progress] = []
        self.progress = BatchProgress(self._take, self.clock)
        sizes = {FrameKind[name.upper()]: int(size * GIGABYTE) for name, size in gigabytes.items()}
        self.progress.expect((DARKS, LIGHTS), sizes)

    def _take(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.told.append(event)

    def begin(self, name: str, items: int) -> None:
        self.progress.take(StepStarted(name, 0, 2))
        self.progress.take(Progress(name, 0, items, "the first"))

    def end(self, name: str) -> None:
        self.progress.take(StepEnded(name, Status.DONE, 1.0, None))

    def work(self, seconds: float, count: Callable[[], object]) -> None:
        self.clock.now_s += seconds
        count()


def test_every_step_with_a_cost_is_a_step_of_the_recipe() -> None:
    assert set(COSTS) <= {step.name for step in calibration_recipe()}


def test_bands_of_one_product_move_the_bar_and_the_time_left_follows_the_pace() -> None:
    run = Run(dark=1.0, light=1.0)
    run.begin(DARKS, 1)
    assert (run.told[-1].bytes_total, run.told[-1].left_s) == (2 * GIGABYTE, None)
    slow = 10.0  # times what was measured
    with run.progress.product(GIGABYTE):
        run.work(slow * COSTS[DARKS][1] / 2, lambda: run.progress.reached(0.5))
        assert run.told[-1].bytes_done == GIGABYTE / 2
        assert run.told[-1].left_s == pytest.approx(slow * (COSTS[DARKS][1] / 2 + COSTS[LIGHTS][1]))


def test_what_was_there_already_counts_as_done_and_says_nothing_of_the_pace() -> None:
    run = Run(dark=1.0, light=4.0)
    run.begin(DARKS, 1)
    run.work(0.1, lambda: run.progress.add(GIGABYTE, is_work=False))
    run.end(DARKS)
    run.begin(LIGHTS, 4)
    assert (run.told[-1].bytes_done, run.told[-1].left_s) == (GIGABYTE, None)
    run.work(7.0, lambda: run.progress.add(GIGABYTE))
    run.progress.take(Progress(LIGHTS, 1, 4, "the second"))
    assert run.told[-1].left_s == pytest.approx(21.0)


def test_steps_that_make_no_products_count_by_their_items() -> None:
    run = Run(light=4.0)
    run.begin(LIGHTS, 4)
    run.work(5.0, lambda: run.progress.take(Progress(LIGHTS, 2, 4, "the third")))
    assert (run.told[-1].bytes_done, run.told[-1].left_s) == (2 * GIGABYTE, pytest.approx(5.0))


def test_bytes_never_go_back_nor_beyond_and_a_batch_that_is_not_done_has_a_second_left() -> None:
    run = Run(light=1.0)
    run.begin(LIGHTS, 2)
    with run.progress.product(GIGABYTE):
        for part in (0.9, 0.2, 1.0):  # a second pass begins anew
            run.work(3.0, lambda part=part: run.progress.reached(part))
    run.progress.add(GIGABYTE)
    run.progress.take(Progress(LIGHTS, 2, 2, ""))
    counts = [told.bytes_done for told in run.told]
    assert counts == sorted(counts)
    assert (counts[-1], run.told[-1].left_s) == (GIGABYTE, 1.0)


def test_a_step_that_left_frames_out_is_whole_when_it_ends() -> None:
    run = Run(dark=1.0, light=1.0)
    run.begin(DARKS, 1)
    run.progress.add(GIGABYTE // 2)
    run.end(DARKS)
    run.begin(LIGHTS, 1)
    assert run.told[-1].bytes_done == GIGABYTE


def test_bands_are_told_a_few_times_a_second() -> None:
    run = Run(light=1.0)
    run.begin(LIGHTS, 1)
    with run.progress.product(GIGABYTE):
        for band in range(1000):
            run.work(0.001, lambda band=band: run.progress.reached(band / 1000))
    assert 3 <= len(run.told) <= 7


def test_a_clock_that_is_set_back_harms_nothing() -> None:
    run = Run(light=1.0)
    run.begin(LIGHTS, 2)
    run.work(4.0, lambda: run.progress.add(GIGABYTE // 4))
    run.work(-100.0, lambda: run.progress.add(GIGABYTE // 4))
    run.progress.take(Progress(LIGHTS, 1, 2, "the second"))
    assert run.told[-1].left_s == pytest.approx(4.0)
