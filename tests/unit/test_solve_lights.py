"""Which lights are measured, and for which of them the whole sky is searched; what is remembered of lenses."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.model.batch import NewCombination, NewExposure, ProductKind
from app.model.flags import Qc
from app.model.frame import FrameFacts, FrameKind, Recognition
from app.model.settings import Settings
from app.pipeline.library import lenses
from app.pipeline.measure import Measurement
from app.pipeline.step import CancelToken, Context, Findings
from app.pipeline.steps import solve_lights
from app.pipeline.steps.solve_lights import SolveLights
from tests.fakes import MemoryBatches

FACTS = FrameFacts(10, 10, instrument="Cam", object_name="M 57", started_at=datetime(2026, 7, 1, 22, tzinfo=UTC))
LENS = {"camera": "Cam", "binning": None, "filter": "R", "rows": 10, "columns": 10, "order": 2}
LENS |= {"a": [1e-6, 0.0, 0.0], "b": [0.0, 0.0, 1e-6]}


@pytest.fixture
def store():
    return MemoryBatches()


def night(store, folder, count=5, source="/data/tonight"):
    batch = store.open_batch(source, folder)
    facts = [replace(FACTS, started_at=FACTS.started_at.replace(minute=n)) for n in range(count)]
    sure = Recognition(FrameKind.LIGHT, "a test", 1.0)
    raw = [NewExposure(f"{n}.fits", folder / f"{n}.fits", f"{source}{n}", one, sure) for n, one in enumerate(facts)]
    store.set_exposures(batch.key, raw)
    kind = ProductKind.UNCALIBRATED_LIGHT
    kept = {
        store.record(batch.key, NewCombination(kind, Path(f"{n}.fits"), f"{n}", "sha", one.facts, (one.key,))).key
        for n, one in enumerate(store.exposures(batch.key))
    }
    return Context(store, store.batch(batch.key), Settings(), lambda _: None, CancelToken(), kept=kept)


def run(context, monkeypatch, is_found, findings=None):
    """Jobs that were done: number of the light, and whether the whole sky was searched for it."""
    done = []

    def measure_file(job, check):
        number = int(job.path.stem)
        done.append((number, job.settings.astrometry.blind, job.flags))
        reason = "found nowhere" if job.settings.astrometry.blind else "not found"
        return Measurement("new", {}, {"status": "solved"} if is_found else {"status": "unsolved", "reason": reason})

    monkeypatch.setattr(solve_lights, "measure_file", measure_file)
    SolveLights().run(context, findings or Findings("astrometry", 170))
    return sorted(done)


@pytest.mark.logs_warnings
def test_the_whole_sky_is_searched_for_two_lights_of_a_target_when_these_are_not_found(store, tmp_path, monkeypatch):
    done = run(night(store, tmp_path), monkeypatch, is_found=False)
    assert [(number, blind) for number, blind, _ in done] == [(0, True), (1, False), (2, True), (3, False), (4, False)]


@pytest.mark.logs_warnings
def test_lights_that_were_not_searched_for_are_told_with_the_reason_of_those_that_were(store, tmp_path, monkeypatch):
    findings = Findings("astrometry", 170)
    run(night(store, tmp_path), monkeypatch, is_found=False, findings=findings)
    assert [(problem.subject, problem.message) for problem in findings.problems] == [
        ("0.fits and 4 more", "unsolved: found nowhere")
    ]


def test_it_is_searched_for_all_when_one_was_found(store, tmp_path, monkeypatch):
    done = run(night(store, tmp_path), monkeypatch, is_found=True)
    assert all(blind for _, blind, _ in done)
    assert {flags for *_, flags in done} == {Qc.UNCALIBRATED}


@pytest.mark.logs_warnings
def test_what_was_measured_is_not_measured_again_until_something_changes(store, tmp_path, monkeypatch):
    context = night(store, tmp_path)
    run(context, monkeypatch, is_found=False)
    assert run(context, monkeypatch, is_found=False) == []
    other = replace(context, settings=Settings(astrometry={"blind": False}))
    assert len(run(other, monkeypatch, is_found=True)) == 5
    assert run(context, monkeypatch, is_found=True) == []


def test_a_batch_remembers_the_lenses_that_it_began_with(store, tmp_path):
    def stacked(source, lens):
        batch = store.open_batch(source, tmp_path)
        made = NewCombination(ProductKind.LIGHT_STACK, Path("s.fits"), source, "sha", FACTS, ())
        key = store.record(batch.key, made).key
        store.record_measurement(key, "sha", {}, {"status": "solved", "distortion": lens})
        store.promote(batch.key)

    stacked("/data/older", LENS)
    stacked("/data/damaged", LENS | {"a": [1.0]})
    context = night(store, tmp_path)
    (lens,) = lenses(context, FACTS)
    assert (lens.camera, lens.filter, lens.a) == ("Cam", "R", (1e-6, 0.0, 0.0))
    stacked("/data/newer", LENS | {"filter": "B"})
    assert lenses(context, FACTS) == (lens,)
