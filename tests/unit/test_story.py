"""The story of a batch is told from what the database knows, and from the newest events."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.model.batch import Combination, Exposure, FileBatch, LeftOut, Problem, ProductKind, Severity, Status, StepRun
from app.model.frame import FrameFacts, FrameKind, Recognition
from app.model.order_life import StoredOrder
from app.model.story import (
    RunNow,
    cards_of,
    counts_of,
    eta_s,
    groups_of,
    left_out_of,
    night_of,
    steps_of,
    troubles_of,
    uses_of,
    verdict_of,
)
from app.model.work_order import OrderState, parse_work_order

NOON = datetime(2026, 3, 15, 1, 0, tzinfo=UTC)
FACTS = FrameFacts(rows=100, columns=200, exposure_s=30.0, filter="R", binning=(1, 1), temperature_degc=-10.0)
BATCH = FileBatch(7, "night", "/data/night", Path("/products/night"), Status.RUNNING, 0, 1, NOON)


def exposure(file, kind=FrameKind.LIGHT, confidence=1.0, **facts):
    recognition = Recognition(kind, "the header says so", confidence)
    return Exposure(file, Path("/data/night") / file, file, replace(FACTS, **facts), recognition, hash(file) % 1000)


def combination(key, kind, uses=(), **changes):
    path = Path(f"{kind}_{key}.fits")
    made = Combination(kind, path, f"r{key}", f"c{key}", FACTS, (key,), uses, key=key, batch=7, file=Path("/p") / path)
    return replace(made, **changes)


def step(name, status=Status.DONE, problems=(), error=None, code=0):
    return StepRun(name, status, NOON, None if status is Status.RUNNING else 2.0, code, error, tuple(problems))


def test_exposures_are_grouped_as_the_pipeline_uses_them():
    found = groups_of(
        [
            exposure("l1", exposure_s=300.0),
            exposure("l2", exposure_s=300.1),
            exposure("l3", filter="B"),
            exposure("d1", FrameKind.DARK, filter="R"),
            exposure("d2", FrameKind.DARK, filter=None, exposure_s=60.0),
            exposure("f1", FrameKind.FLAT, exposure_s=1.0),
            exposure("f2", FrameKind.FLAT, exposure_s=2.0),
        ]
    )
    assert [(group.title, group.count) for group in found] == [
        ("light R 300 s", 2),
        ("light B 30 s", 1),
        ("flat R", 2),
        ("dark 30 s", 1),
        ("dark 60 s", 1),
    ]


def test_odd_ones_out_are_named():
    frames = [exposure(f"d{n}", FrameKind.DARK) for n in range(4)]
    frames += [exposure("warm", FrameKind.DARK, temperature_degc=-7.1), exposure("strange", FrameKind.DARK, 0.6)]
    (group,) = groups_of(frames)
    assert group.odd == (
        "warm was taken at −7.1 °C, the others at −10.0 °C",
        "strange is recognised with 60% only: the header says so",
    )
    assert group.temperature == "−10.0 to −7.1 °C"


def test_night_is_the_evening_of_the_lights():
    morning = datetime(2026, 3, 15, 3, 0, tzinfo=UTC)
    old_dark = exposure("d", FrameKind.DARK, started_at=datetime(2025, 1, 1, tzinfo=UTC))
    assert night_of([old_dark, exposure("l", started_at=morning)]) == "2026-03-14"
    assert night_of([old_dark]) == "2024-12-31"
    assert night_of([exposure("l")]) is None


def test_masters_and_reasons_are_told_once_for_alike_lights():
    dark, flat = combination(1, ProductKind.DARK_MASTER), combination(2, ProductKind.FLAT_MASTER, batch=3)
    why = {"subtracted": "dark", "subtracted_because": "dark of 30 s", "flat_because": "flat of filter R"}
    lights = [combination(n, ProductKind.CALIBRATED_LIGHT, (1, 2), parameters=why) for n in (10, 11)]
    lights.append(combination(12, ProductKind.CALIBRATED_LIGHT, (1,), parameters=why | {"flat_because": "no flat"}))
    first, second = uses_of([dark, *lights], {1: dark, 2: flat})
    assert (first.lights, second.lights) == ("R 30 s (2)", "R 30 s (1)")
    assert [name for name, _ in first.masters] == [dark.path.name, flat.path.name]
    assert (first.is_foreign, second.is_foreign) == (True, False)
    assert (second.subtracted_why, second.flat_why) == ("dark of 30 s", "no flat")


def test_master_that_is_gone_is_said():
    (use,) = uses_of([combination(10, ProductKind.CALIBRATED_LIGHT, (99,))], {})
    assert use.masters == (("a master that is recorded no more", Path()),)
    assert use.is_foreign


def test_products_come_with_numbers_and_units_stacks_first():
    solved = {"status": "solved", "rms_arcsec": 0.214}
    stack = combination(
        5,
        ProductKind.LIGHT_STACK,
        qc={"L1FWHM": 2.312, "FWHMPIX": 4.1, "L1MEDIAN": 1812.4},
        wcs=solved,
        inputs=("a", "b"),
    )
    light = combination(4, ProductKind.CALIBRATED_LIGHT, wcs={"status": "unsolved", "reason": "no position"})
    flat = combination(3, ProductKind.FLAT_MASTER)
    cards = cards_of([flat, light, stack], {}, {4: Path("/data/raw.fits")})
    assert [card.key for card in cards] == [5, 4, 3]
    assert (cards[0].fwhm, cards[0].sky, cards[0].wcs) == ("2.31″ (4.1 px)", "1\u2009812 adu", "solved, 0.21″ rms")
    assert cards[1].is_unsolved
    assert not cards[0].is_unsolved
    assert [card.raw_path for card in cards] == [None, Path("/data/raw.fits"), None]


@pytest.mark.parametrize(
    ("done", "elapsed_s", "left_s"), [(0, 5.0, None), (3, 12.0, 16.0), (7, 28.0, 0.0), (8, 1.0, None)]
)
def test_time_left_follows_from_the_pieces_done(done, elapsed_s, left_s):
    assert eta_s(done, 7, elapsed_s) == left_s


def test_running_step_shows_what_the_events_said():
    runs = (step("ingest"), step("astrometry", Status.RUNNING))
    run = RunNow(7).begun("astrometry", 1, 3, now_s=100.0).progressed("astrometry", 2, 8, "light_3.fits")
    run = run.progressed("ingest", 99, 99, "late")
    steps, more = steps_of(runs, Status.RUNNING, run, now_s=110.0)
    line = steps[1]
    assert (line.done, line.total, line.what, line.seconds, line.eta_s) == (2, 8, "light_3.fits", 10.0, 30.0)
    assert (len(steps), more) == (2, 1)


def test_step_that_began_since_the_database_was_read_is_shown_and_planned_ones_follow():
    run = RunNow(7).begun("astrometry", 1, 3, now_s=100.0)
    steps, more = steps_of((step("ingest"),), Status.RUNNING, run, 101.0, ("ingest", "astrometry", "light stacks"))
    assert [(line.title, line.status) for line in steps] == [
        ("Ingest", Status.DONE),
        ("Astrometry", Status.RUNNING),
        ("Light stacks", Status.WAITING),
    ]
    assert more == 0


def test_step_of_a_dead_process_does_not_seem_to_run():
    steps, more = steps_of((step("ingest", Status.RUNNING),), Status.FAILED, None, 0.0, ("ingest", "astrometry"))
    assert [(line.status, line.what) for line in steps] == [(Status.FAILED, "was cut off before it ended")]
    assert more == 0


def test_same_problem_of_many_frames_is_told_once_errors_first():
    unsolved = [Problem(170, Severity.WARNING, "astrometry", f"l{n}.fits", "unsolved: no position") for n in range(5)]
    runs = [step("astrometry", problems=unsolved), step("light stacks", Status.FAILED, error="the disk is full")]
    failure, warning = troubles_of(runs)
    assert (failure.severity, failure.message) == (Severity.ERROR, "the disk is full")
    assert warning.subject == "l0.fits and 4 more"
    assert counts_of(runs) == (5, 1)
    (left_out,) = left_out_of([LeftOut("a", "no image"), LeftOut("b", "no image")])
    assert left_out.subjects == ("a", "b")


def test_verdict_names_the_failure_with_its_remedy():
    failed = replace(BATCH, status=Status.FAILED)
    runs = [step("transfer", Status.FAILED, error="source /x has no FITS files: check the path")]
    assert verdict_of(failed, runs, None, 0) == "Transfer failed: source /x has no FITS files: check the path."
    killed = stored(OrderState.FAILED, "the process was killed by signal 9: resume the batch")
    assert "killed by signal 9: resume the batch" in verdict_of(failed, [], killed, 0)
    assert "Resume" in verdict_of(replace(BATCH, status=Status.CANCELLED), [], None, 0)


def test_verdict_says_why_an_order_waits():
    waiting = stored(OrderState.WAITING)
    assert verdict_of(BATCH, [], waiting, 0) == "It waits for the Processor and is the next."
    assert "2 orders are before it" in verdict_of(BATCH, [], waiting, 2)
    assert "being cancelled" in verdict_of(BATCH, [], stored(OrderState.CANCELLING), 0)


def stored(state, reason=None):
    order = parse_work_order(
        {"id": "1", "user": "u", "request": "resume_file_batch", "batch": "night", "datetime": "2026-03-15T00:00:00"}
    )
    return StoredOrder(1, order, state, NOON, reason=reason)
