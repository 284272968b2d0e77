"""The pre-flight says what a run then does, finds what is wrong before it, and leaves no trace."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.frames.fits_io import checksum
from app.model.batch import FileBatch, ProductKind, Severity
from app.model.frame import FrameKind
from app.model.library import MASTERS
from app.model.preflight import Preflight
from app.model.settings import Calibration, Camera, Settings
from app.pipeline.preflight import Known, preflight
from app.pipeline.products import promote
from app.pipeline.step import CancelToken, Context, Findings
from app.pipeline.steps.calibrate_lights import CalibrateLights
from app.pipeline.steps.ingest import Ingest
from app.pipeline.steps.stack_bias import StackBias
from app.pipeline.steps.stack_dark import StackDark
from app.pipeline.steps.stack_flat import StackFlat
from app.pipeline.steps.transfer import Transfer
from tests.builders import SIDE, SmallNight, frame, small_night
from tests.fakes import MemoryBatches

ROOM = 10**12
GAIN = Settings(cameras=(Camera(instrument="small camera", gain_e_per_adu=1.0),))


class Desk:
    """Looks at batches, and runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = MemoryBatches()

    def batch(self, source: Path) -> FileBatch:
        return self.store.open_batch(str(source), self.folder / "products")

    def known(self, source: Path) -> Known:
        batch = self.batch(source)
        library = tuple(master for kind in MASTERS for master in self.store.library(kind, batch.key))
        return Known(batch, pins=self.store.pins(batch.key), library=library)

    def look(self, source: Path, settings: Settings = GAIN, free: int = ROOM, **known: Any) -> Preflight:
        return preflight(replace(self.known(source), **known), settings, 2, free)

    def run(self, source: Path) -> FileBatch:
        """As far as the matching decides anything: stacks of lights are not made."""
        batch = self.batch(source)
        context = Context(self.store, batch, GAIN, lambda _: None, CancelToken())
        for step in (Transfer(), Ingest(), StackBias(), StackDark(), StackFlat(), CalibrateLights()):
            step.run(context, Findings(step.name, step.code))
        promote(context, has_errors=False)
        return self.store.batch(batch.key)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def night(tmp_path: Path) -> SmallNight:
    return small_night(tmp_path / "night")


def messages(found: Preflight) -> str:
    return "\n".join(f"{doubt.severity}: {doubt.subject}: {doubt.message}" for doubt in found.doubts)


def blank(path: Path, kind: str, exposure_s: float, **cards: Any) -> Path:
    return frame(path, np.full((SIDE, SIDE), 900.0), kind, exposure_s, **cards)


@pytest.mark.logs_warnings
def test_it_says_what_the_run_then_does(desk: Desk, night: SmallNight) -> None:
    blank(night.folder / "blue.fits", "LIGHT", 60.0, FILTER="B", OBJECT="field", DATE_OBS="2026-03-14T23:00:00")
    half = np.full((SIDE // 2, SIDE // 2), 300.0)
    frame(night.folder / "bias_bin2.fits", half, "BIAS", 0.0, XBINNING=2, YBINNING=2)
    (night.folder / "again.fits").write_bytes((night.folder / "light_1.fits").read_bytes())

    found = desk.look(night.folder)
    batch = desk.run(night.folder)

    lights = desk.store.combinations(batch.key, ProductKind.CALIBRATED_LIGHT)
    did = {
        (one.parameters["subtracted"], one.parameters["subtracted_because"], one.parameters["flat_because"])
        for one in lights
    }
    told = [match for match in found.matches if match.kind is FrameKind.LIGHT]
    assert {(match.subtracted, match.subtracted_because, match.flat_because) for match in told} == did
    assert [match.frames for match in told] == ["light R 30 s (3 frames)", "light B 60 s (1 frame)"]
    assert set(found.left_out) == set(desk.store.left_out(batch.key))
    assert found.frames == len(desk.store.exposures(batch.key))
    made = desk.store.combinations(batch.key)
    masters = [group for group in found.groups if group.kind is not FrameKind.LIGHT]
    assert len(masters) == sum(one.kind in MASTERS for one in made)
    assert len([group for group in found.groups if "1 stack" in group.makes]) == 1
    written = sum(one.file.stat().st_size for one in made) * (len(made) + 1) / len(made)  # with the stack
    assert 0.8 * written < found.disk.needed_bytes < 1.3 * written


def test_it_leaves_no_trace(desk: Desk, night: SmallNight, tmp_path: Path) -> None:
    packed = night.folder / "light_0.fits"
    packed.with_name("light_0.fits.gz").write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    found = desk.look(night.folder)

    assert found.frames == 12
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert desk.store.pins(desk.batch(night.folder).key) is None


def test_a_gzipped_frame_is_not_unpacked_and_its_copy_needs_room(desk: Desk, night: SmallNight) -> None:
    whole = (night.folder / "light_0.fits").read_bytes()
    packed = gzip.compress(whole)
    (night.folder / "late.fits.gz").write_bytes(packed[: len(packed) // 2])  # its header is all that is read

    found = desk.look(night.folder)

    assert found.frames == 13
    assert found.disk.unpacked_bytes == SIDE * SIDE * 2


def test_errors_come_first_and_stop_it(desk: Desk, night: SmallNight) -> None:
    found = desk.look(night.folder, free=10**6)

    assert not found.is_ready
    assert found.doubts[0].severity is Severity.ERROR
    assert "are free: free " in found.doubts[0].message
    assert found.verdict == "Cannot run: 1 error"
    assert desk.look(night.folder).is_ready


@pytest.mark.parametrize("content", [None, "nothing", "words"])
def test_a_source_without_frames_cannot_run(desk: Desk, tmp_path: Path, content: str | None) -> None:
    source = tmp_path / "source"
    if content is not None:
        source.mkdir()
    if content == "words":
        (source / "words.fits").write_text("these are only words")

    found = desk.look(source)

    assert not found.is_ready
    assert found.frames == 0
    assert len(found.left_out) == (content == "words")


def test_what_an_operator_should_know_is_told_once(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "night"
    for n, degc in enumerate((-10.0, -7.0)):
        blank(folder / f"dark_{n}.fits", "DARK", 30.0, CCD_TEMP=degc)
    for n in range(3):
        blank(folder / f"light_{n}.fits", "LIGHT", 60.0, FILTER="R", OBJECT="x")

    told = messages(desk.look(folder, Settings()))

    assert "warning: dark 30 s: only 2 frames, a good master takes 3: take more" in told
    assert "warning: dark 30 s: temperatures span 3.0 degC, the limit is 1 degC: let the camera settle" in told
    assert "light_0.fits and 2 more: no dark of 60 s: there is 30 s; no bias: take darks of 60 s" in told
    assert "light_0.fits and 2 more: no flat: take flats of this filter" in told
    assert "light_0.fits and 2 more: the gain of small camera is not known" in told
    assert "light_0.fits and 2 more: the header has no position: it is looked for on the whole sky" in told
    assert "the gain of" not in messages(desk.look(folder))


def test_a_flat_that_keeps_its_bias_is_told(desk: Desk, tmp_path: Path) -> None:
    blank(tmp_path / "night" / "flat.fits", "FLAT", 1.0, FILTER="R")

    told = messages(desk.look(tmp_path / "night"))

    assert "flat.fits: no dark; no bias: the flat keeps its bias: take bias or flat-darks" in told
    assert "batch: has no lights: only masters are made" in told


def test_kinds_and_frames_that_an_operator_decided_about(desk: Desk, night: SmallNight) -> None:
    odd, out = blank(night.folder / "odd.fits", "LIGHT", 5.0), night.folder / "light_1.fits"
    decided = {
        "corrections": {checksum(odd): FrameKind.DARK},
        "overrides": {checksum(out): False, checksum(night.folder / "light_0.fits"): True},
    }

    names = frozenset({"odd.fits", "light_1.fits", "light_0.fits"})
    found = desk.look(night.folder, decided_names=names, **decided)
    assert [(one.file, one.reason) for one in found.left_out] == [("light_1.fits", "an operator left it out")]
    assert {group.title for group in found.groups} == {"light R 30 s field", "bias", "dark 30 s", "dark 5 s", "flat R"}
    assert desk.look(night.folder, decided_names=frozenset({None}), **decided) == found


@pytest.mark.logs_warnings
def test_a_light_that_an_operator_left_out_takes_no_part_until_it_is_taken_back(desk: Desk, night: SmallNight) -> None:
    out = night.folder / "light_1.fits"
    desk.store.override(checksum(out), False, "Ada", out.name)
    batch = desk.run(night.folder)
    assert [(one.file, one.reason) for one in desk.store.left_out(batch.key)] == [
        ("light_1.fits", "an operator left it out")
    ]
    assert len(desk.store.combinations(batch.key, ProductKind.CALIBRATED_LIGHT)) == 2

    desk.store.override(checksum(out), None, "Ada", out.name)
    desk.run(night.folder)
    assert len(desk.store.combinations(batch.key, ProductKind.CALIBRATED_LIGHT)) == 3


@pytest.mark.logs_warnings
def test_masters_of_other_nights_are_told_with_their_age_as_the_batch_began_with_them(
    desk: Desk, night: SmallNight, tmp_path: Path
) -> None:
    desk.run(night.folder)
    other = tmp_path / "other"
    blank(other / "light.fits", "LIGHT", 30.0, FILTER="R", OBJECT="x", DATE_OBS="2026-03-20T22:00:00")

    (match,) = desk.look(other).matches
    assert match.masters == (f"dark_30s_{SIDE}x{SIDE}_bin1x1.fits", f"flat_R_{SIDE}x{SIDE}_bin1x1.fits")
    assert match.subtracted_because == "dark of the same exposure, 30 s; of an unknown night, from 3 frames"
    assert "is of an unknown night, from 3 frames: take masters of this night" in messages(desk.look(other))

    batch = desk.run(other)
    (light,) = desk.store.combinations(batch.key, ProductKind.CALIBRATED_LIGHT)
    assert light.parameters["subtracted_because"] == match.subtracted_because
    desk.store.begin_restart(desk.batch(night.folder).key)  # the other batch replaces its masters
    desk.store.promote(desk.batch(night.folder).key)
    assert desk.look(other).matches == (match,)


def test_it_is_json_and_text(desk: Desk, night: SmallNight) -> None:
    found = desk.look(night.folder, Settings(calibration=Calibration(few_frames=4)), free=10**6)

    told = json.loads(json.dumps(found.as_json))
    assert (told["ready"], told["batch"], told["source"]) == (False, "night", str(night.folder))
    assert told["disk"]["needed_bytes"] == found.disk.needed_bytes > 10**6
    assert told["matches"][0]["masters"] == ["own bias (3 frames)"]
    lines = found.text.splitlines()
    assert lines[0] == f"Cannot run: 1 error: {night.folder}"
    assert lines[4].startswith("  error: disk: ")
    assert lines.index("Problems:") < lines.index("Frames:") < lines.index("Masters:")
    assert "of 1.0 MB free" in lines[1]
