"""One contract for all batch stores: the fake in memory, SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, true

from app.model.batch import LeftOut, NewCombination, NewExposure, Pins, Problem, ProductKind, Severity, Status
from app.model.errors import UnknownBatch
from app.model.frame import FrameFacts, FrameKind, Recognition
from app.store.batches import Batches
from app.store.engine import open_database
from app.store.tables import Base
from tests.fakes import FakeClock, MemoryBatches

EVENING = datetime(2026, 3, 14, 19, 30, 0, 123456, tzinfo=UTC)

FULL_FACTS = FrameFacts(
    rows=2048,
    columns=3072,
    exposure_s=1 / 3,
    filter="Hα",
    instrument="QHY600M",
    binning=(1, 2),
    gain_setting="26",
    offset_setting="30.5",
    gain_e_per_adu=0.1 + 0.2,
    readout_mode="High Gain",
    temperature_degc=-10.2,
    started_at=EVENING,
    ra_deg=201.365,
    dec_deg=-43.019,
    object_name="NGC 5128",
    pixel_scale_arcsec=0.773,
    pedestal_adu=100.0,
    saturation_adu=65535.0,
    rotator_deg=12.5,
    calibrated_for=frozenset({"bias", "dark"}),
)


@pytest.fixture(scope="session")
def _sqlite(tmp_path_factory):
    database = open_database(f"sqlite:///{tmp_path_factory.mktemp('store') / 'cupola.db'}")
    yield database
    database.close()


@pytest.fixture(scope="session")
def _postgresql(new_postgres_url):
    database = open_database(new_postgres_url())
    yield database
    database.close()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request, clock):
    """An empty store of each kind; a database is opened once, because that takes longest."""
    if request.param == "memory":
        return MemoryBatches(clock)
    database = replace(request.getfixturevalue(f"_{request.param}"), clock=clock)
    with database.writing() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(delete(table).where(table.c.number != 0 if "number" in table.c else true()))
    return Batches(database)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(EVENING + timedelta(hours=5))


@pytest.fixture
def batch(store, tmp_path):
    return store.open_batch("/data/night1", tmp_path / "repository")


def exposure(file: str, kind: FrameKind = FrameKind.LIGHT, **facts) -> NewExposure:
    recognition = Recognition(kind, f"IMAGETYP says {kind}", 0.9)
    return NewExposure(file, Path("/data/night1") / file, f"sha-{file}", FrameFacts(**facts), recognition)


def made(name: str, recipe: str, exposures=(), kind: ProductKind = ProductKind.BIAS_MASTER, **more) -> NewCombination:
    return NewCombination(kind, Path("masters") / name, recipe, f"sha-{name}-{recipe}", FULL_FACTS, exposures, **more)


def keys_of(store, batch) -> tuple[int, ...]:
    return tuple(one.key for one in store.exposures(batch.key))


def show(store, batch) -> None:
    """Promote, so that other batches see what was made."""
    store.promote(batch.key)


def test_a_new_batch_aims_at_its_first_generation(store, tmp_path, clock):
    batch = store.open_batch("/data/night1", tmp_path / "repository")

    assert batch == store.batch(batch.key)
    assert (batch.name, batch.source, batch.folder) == ("night1", "/data/night1", tmp_path / "repository" / "night1")
    assert (batch.status, batch.generation, batch.target_generation) == (Status.WAITING, 0, 1)
    assert batch.created_at == clock.utc()


def test_a_source_is_one_batch_however_it_is_written(store, batch, tmp_path):
    for source in ("/data/night1", "/data/night1/", "file:///data/night1"):
        assert store.open_batch(source, tmp_path / "repository") == batch


def test_batches_of_one_name_are_told_apart(store, batch, tmp_path):
    names = [store.open_batch(f"/{disk}/night1", tmp_path / "repository").name for disk in "ab"]

    assert [batch.name, *names] == ["night1", "night1-2", "night1-3"]


@pytest.mark.parametrize("ask", ["batch", "set_status", "set_exposures", "set_left_out", "begin_run", "promote"])
def test_a_batch_that_is_not_there_is_unknown(store, ask):
    arguments = {"set_status": (Status.DONE,), "set_exposures": ((),), "set_left_out": ((),)}.get(ask, ())
    with pytest.raises(UnknownBatch, match="4711"):
        getattr(store, ask)(4711, *arguments)


def test_status_is_kept(store, batch):
    store.set_status(batch.key, Status.DONE_WITH_PROBLEMS)

    assert store.batch(batch.key).status is Status.DONE_WITH_PROBLEMS


def test_an_exposure_comes_back_as_it_was_given(store, batch):
    assert [field.name for field in fields(FrameFacts) if getattr(FULL_FACTS, field.name) == field.default] == []
    recognition = Recognition(FrameKind.OTHER, "calibrated by the camera's program", 0.75, "calibrated")
    given = NewExposure("a/b c.fits", Path("/copy/b c.fits"), "ab12", FULL_FACTS, recognition)
    bare = exposure("bare.fits")
    store.set_exposures(batch.key, [given, bare])

    full, empty = store.exposures(batch.key)

    assert {name.name: getattr(full, name.name) for name in fields(NewExposure)} == {
        name.name: getattr(given, name.name) for name in fields(NewExposure)
    }
    assert full.facts.started_at.utcoffset() == timedelta(0)
    assert empty.facts == FrameFacts()


def test_exposures_are_exactly_those_set_last_and_keep_their_keys(store, batch):
    store.set_exposures(batch.key, [exposure("a.fits"), exposure("b.fits")])
    before = {one.file: one.key for one in store.exposures(batch.key)}

    store.set_exposures(batch.key, [exposure("b.fits", FrameKind.FLAT, rows=7), exposure("c.fits")])

    after = {one.file: one for one in store.exposures(batch.key)}
    assert sorted(after) == ["b.fits", "c.fits"]
    assert after["b.fits"].key == before["b.fits"]
    assert (after["b.fits"].recognition.kind, after["b.fits"].facts.rows) == (FrameKind.FLAT, 7)

    store.set_exposures(batch.key, [])
    assert store.exposures(batch.key) == ()


def test_a_changed_file_is_another_exposure(store, batch):
    store.set_exposures(batch.key, [exposure("a.fits")])
    (before,) = store.exposures(batch.key)
    store.set_exposures(batch.key, [replace(exposure("a.fits"), checksum="changed")])
    (after,) = store.exposures(batch.key)

    assert after.key != before.key


def test_exposures_are_sorted_by_start_then_file_and_chosen_by_kind(store, batch):
    store.set_exposures(
        batch.key,
        [
            exposure("Z unknown.fits"),
            exposure("late.fits", started_at=EVENING + timedelta(seconds=1)),
            exposure("b.fits", FrameKind.DARK, started_at=EVENING),
            exposure("B.fits", started_at=EVENING),
            exposure("a unknown.fits"),
        ],
    )

    files = [one.file for one in store.exposures(batch.key)]
    assert files == ["B.fits", "b.fits", "late.fits", "Z unknown.fits", "a unknown.fits"]
    assert [one.file for one in store.exposures(batch.key, FrameKind.DARK)] == ["b.fits"]


def test_an_exposure_in_two_batches_has_a_readable_copy_in_each(store, batch, tmp_path):
    other = store.open_batch("/data/copy", tmp_path / "repository")
    one = exposure("a.fits")
    store.set_exposures(batch.key, [one])
    store.set_exposures(other.key, [replace(one, path=Path("/data/copy/a.fits"))])
    store.set_exposures(batch.key, [one])

    assert keys_of(store, batch) == keys_of(store, other)
    assert store.exposures(batch.key)[0].path == Path("/data/night1/a.fits")
    assert store.exposures(other.key)[0].path == Path("/data/copy/a.fits")


def test_files_left_out_are_those_set_last(store, batch):
    store.set_left_out(batch.key, [LeftOut("old.fits", "gone")])
    given = (LeftOut("b.txt", "is no frame"), LeftOut("a.fits", "is cut off"))
    store.set_left_out(batch.key, given)

    assert store.left_out(batch.key) == given

    store.set_left_out(batch.key, ())
    assert store.left_out(batch.key) == ()


def test_the_last_correction_of_a_file_counts(store):
    store.correct("ab12", FrameKind.DARK, "Ada")
    store.correct("cd34", FrameKind.BIAS, "Ada")
    store.correct("ab12", FrameKind.FLAT, "Grace")

    assert store.corrections() == {"ab12": FrameKind.FLAT, "cd34": FrameKind.BIAS}


def test_the_last_word_of_an_operator_counts_until_it_is_taken_back(store):
    assert store.override("ab", False, "Ada", "a.fits") is None
    assert store.override("cd", False, "Ada", "c.fits") is None
    assert store.override("cd", True, "Bob", "c.fits") is False

    assert store.overrides() == {"ab": False, "cd": True}

    assert store.override("ab", None, "Bob", "a.fits") is False
    assert store.override("ab", None, "Bob", "a.fits") is None
    assert store.overrides() == {"cd": True}


def test_what_a_generation_began_with_is_kept(store, batch, tmp_path):
    assert store.pins(batch.key) is None
    other = store.open_batch("/data/other", tmp_path)
    masters = [store.record(other.key, made(name, name)) for name in "ab"]
    pins = Pins((masters[1], masters[0]), ("cam, binning 1x1",), ({"order": 2, "a": [0.1, 0.2]},))
    store.pin(batch.key, pins)

    assert store.pins(batch.key) == pins
    assert store.pins(other.key) is None
    store.pin(batch.key, Pins((masters[0],)))
    assert store.pins(batch.key) == Pins((masters[0],))


def test_pinned_masters_stay_when_their_batch_replaces_them(store, batch, tmp_path):
    pinned, unused = (store.record(batch.key, made(name, name)) for name in ("pinned", "unused"))
    show(store, batch)
    other = store.open_batch("/data/other", tmp_path)
    store.pin(other.key, Pins((pinned,)))

    assert store.is_taken(batch.key, pinned.path, "new recipe")
    store.begin_restart(batch.key)
    assert [one.key for one in store.promote(batch.key)] == [unused.key]
    assert store.library(pinned.kind, other.key) == ()
    assert [one.file for one in store.pins(other.key).masters] == [pinned.file]


def test_a_batch_does_not_hold_its_own_masters(store, batch):
    own = store.record(batch.key, made("own", "own"))
    store.pin(batch.key, Pins((own,)))

    assert not store.is_taken(batch.key, own.path, "new recipe")
    assert store.forget(batch.key, keep=()) == (own,)


def test_a_restart_pins_anew_and_then_lets_the_old_pins_go(store, batch, tmp_path):
    other = store.open_batch("/data/other", tmp_path)
    old, new = (store.record(other.key, made(name, name)) for name in ("old", "new"))
    show(store, other)
    store.pin(batch.key, Pins((old,)))
    store.promote(batch.key)
    assert store.pins(batch.key).masters == (old,)

    store.begin_restart(batch.key)
    assert store.pins(batch.key) is None
    store.pin(batch.key, Pins((new,)))
    store.begin_restart(batch.key)
    assert store.pins(batch.key) is None
    assert store.is_taken(other.key, old.path, "other")  # the shown generation still has it
    store.pin(batch.key, Pins((new,)))
    store.promote(batch.key)

    assert not store.is_taken(other.key, old.path, "other")
    assert store.is_taken(other.key, new.path, "other")


def test_a_batch_in_another_folder_pins_anew(store, batch, tmp_path):
    other = store.open_batch("/data/other", tmp_path / "repository")
    old = store.record(other.key, made("old", "old"))
    store.pin(batch.key, Pins((old,)))

    store.move_to(batch.key, tmp_path / "elsewhere")

    assert store.pins(batch.key) is None
    assert not store.is_taken(other.key, old.path, "other")


def test_a_combination_comes_back_as_it_was_given(store, batch, clock):
    store.set_exposures(batch.key, [exposure("a.fits"), exposure("b.fits")])
    first, second = keys_of(store, batch)
    master = store.record(batch.key, made("bias.fits", "r1", (first,)))
    given = NewCombination(
        ProductKind.CALIBRATED_LIGHT,
        Path("lights/a.fits"),
        "r2",
        "ab12",
        FULL_FACTS,
        (second, first),
        (master.key,),
        {"shift_px": (1.5, -2.0), "clipping": {"low": 3}},
        {"fwhm_px": 3.2},
        {"status": "header"},
    )
    light = store.record(batch.key, given)

    assert light == store.find(batch.key, "r2")
    assert (light.exposures, light.inputs, light.uses) == ((second, first), ("b.fits", "a.fits"), (master.key,))
    assert (light.kind, light.path, light.checksum, light.facts) == (given.kind, given.path, "ab12", FULL_FACTS)
    assert light.parameters == {"shift_px": [1.5, -2.0], "clipping": {"low": 3}}
    assert (light.qc, light.wcs, master.wcs) == ({"fwhm_px": 3.2}, {"status": "header"}, None)
    assert (light.batch, light.file, light.made_at) == (batch.key, batch.folder / "set-1/lights/a.fits", clock.utc())
    assert store.find(batch.key, "r3") is None


def test_combinations_come_in_the_order_of_their_making(store, batch):
    for name, kind in (("z", ProductKind.BIAS_MASTER), ("a", ProductKind.FLAT_MASTER), ("m", ProductKind.BIAS_MASTER)):
        store.record(batch.key, made(name, f"r-{name}", kind=kind))

    assert [one.path.name for one in store.combinations(batch.key)] == ["z", "a", "m"]
    assert [one.path.name for one in store.combinations(batch.key, ProductKind.BIAS_MASTER)] == ["z", "m"]


def test_the_same_recipe_replaces_and_what_was_made_with_it_still_says_so(store, batch, clock):
    store.set_exposures(batch.key, [exposure("a.fits")])
    master = store.record(batch.key, made("bias.fits", "r1", keys_of(store, batch), qc={"old": 1}))
    light = store.record(batch.key, made("light.fits", "r2", uses=(master.key,)))
    clock.advance(minutes=1)

    again = store.record(batch.key, made("other name.fits", "r1"))

    assert again.key == master.key
    assert (again.path.name, again.qc, again.exposures) == ("other name.fits", {}, ())
    assert again.made_at == clock.utc()
    assert store.find(batch.key, "r2").uses == (master.key,)
    assert [one.key for one in store.combinations(batch.key)] == [master.key, light.key]


def test_another_recipe_at_the_same_path_takes_its_place(store, batch):
    old = store.record(batch.key, made("bias.fits", "r1"))
    light = store.record(batch.key, made("light.fits", "r2", uses=(old.key,)))
    new = store.record(batch.key, made("bias.fits", "r3"))

    assert new.key != old.key
    assert store.find(batch.key, "r1") is None
    assert {one.key for one in store.combinations(batch.key)} == {light.key, new.key}
    assert store.find(batch.key, "r2").uses == ()


def test_a_key_is_never_given_twice(store, batch):
    old = store.record(batch.key, made("bias.fits", "r1"))
    store.forget(batch.key, keep=())

    assert store.record(batch.key, made("bias.fits", "r2")).key > old.key


def test_a_measurement_takes_the_place_of_what_was_known(store, batch):
    light = store.record(batch.key, made("light.fits", "r1", qc={"sky_adu": 4.0}))
    wcs = {"status": "solved", "crval": [10.0, 20.0]}

    store.record_measurement(light.key, "new checksum", {"fwhm_px": 2.5}, wcs)

    measured = store.find(batch.key, "r1")
    assert (measured.checksum, measured.qc, measured.wcs) == ("new checksum", {"fwhm_px": 2.5}, wcs)


def test_what_is_not_kept_is_forgotten(store, batch):
    first, second = (store.record(batch.key, made(name, name)) for name in ("a", "b"))

    assert store.forget(batch.key, keep=(second.key,)) == (first,)
    assert store.combinations(batch.key) == (second,)


def test_the_library_has_the_shown_masters_of_other_batches(store, batch, tmp_path):
    others = [store.open_batch(f"/data/other{number}", tmp_path) for number in (1, 2, 3)]
    for other in others:
        store.record(other.key, made("bias.fits", "r1"))
        store.record(other.key, made("flat.fits", "r2", kind=ProductKind.FLAT_MASTER))
    show(store, others[0])
    show(store, others[1])
    store.record(batch.key, made("bias.fits", "r1"))
    show(store, batch)

    library = store.library(ProductKind.BIAS_MASTER, batch.key)

    assert [one.file for one in library] == [
        others[1].folder / "set-1/masters/bias.fits",
        others[0].folder / "set-1/masters/bias.fits",
    ]


def test_a_restart_builds_beside_the_shown_set(store, batch):
    shown = store.record(batch.key, made("bias.fits", "r1"))
    show(store, batch)

    restarted = store.begin_restart(batch.key)

    assert (restarted.generation, restarted.target_generation) == (1, 2)
    assert store.find(batch.key, "r1") is None
    assert store.combinations(batch.key) == ()
    assert [one.file for one in store.shown(batch.key)] == [shown.file] == [batch.folder / "set-1/masters/bias.fits"]
    assert store.record(batch.key, made("bias.fits", "r1")).file == batch.folder / "set-2/masters/bias.fits"


def test_an_unfinished_restart_leaves_nothing(store, batch):
    shown = store.record(batch.key, made("bias.fits", "r1"))
    show(store, batch)
    store.begin_restart(batch.key)
    store.record(batch.key, made("bias.fits", "r2"))

    assert store.begin_restart(batch.key).target_generation == 2
    assert store.combinations(batch.key) == ()
    assert [one.key for one in store.shown(batch.key)] == [shown.key]


def test_promotion_shows_the_new_set_and_removes_the_old(store, batch):
    old = store.record(batch.key, made("bias.fits", "r1"))
    show(store, batch)
    store.begin_restart(batch.key)
    new = store.record(batch.key, made("bias.fits", "r1"))

    assert store.promote(batch.key) == (old,)
    assert store.batch(batch.key).generation == 2
    assert store.combinations(batch.key) == store.shown(batch.key) == (new,)


def test_masters_that_other_batches_used_stay_recorded(store, batch, tmp_path):
    used, unused = (store.record(batch.key, made(name, name)) for name in ("used", "unused"))
    own = store.record(batch.key, made("light", "light", uses=(unused.key,)))
    show(store, batch)
    other = store.open_batch("/data/other", tmp_path)
    light = store.record(other.key, made("light", "light", uses=(used.key,)))
    store.begin_restart(batch.key)

    assert [one.key for one in store.promote(batch.key)] == [unused.key, own.key]
    assert store.find(other.key, "light").uses == (used.key,) == light.uses
    assert store.library(used.kind, other.key) == ()
    assert store.shown(batch.key) == ()


def test_path_of_a_master_that_others_used_is_taken_for_other_recipes(store, batch, tmp_path):
    used, unused = (store.record(batch.key, made(name, name)) for name in ("used", "unused"))
    show(store, batch)
    other = store.open_batch("/data/other", tmp_path)
    store.record(other.key, made("light", "light", uses=(used.key,)))

    assert store.is_taken(batch.key, used.path, "new recipe")
    assert not store.is_taken(batch.key, used.path, used.recipe)
    assert not store.is_taken(batch.key, unused.path, "new recipe")


def test_forgotten_master_that_others_used_stays_and_may_come_back(store, batch, tmp_path):
    used, unused = (store.record(batch.key, made(name, name)) for name in ("used", "unused"))
    show(store, batch)
    other = store.open_batch("/data/other", tmp_path)
    store.record(other.key, made("light", "light", uses=(used.key,)))

    assert store.forget(batch.key, keep=()) == (unused,)
    assert store.combinations(batch.key) == ()
    assert store.find(batch.key, "used") is None
    assert store.find(other.key, "light").uses == (used.key,)
    assert store.record(batch.key, made("used", "used")).key == used.key
    assert [one.key for one in store.combinations(batch.key)] == [used.key]


def test_a_batch_in_another_folder_begins_anew(store, batch, tmp_path):
    used, _ = (store.record(batch.key, made(name, name)) for name in ("used", "unused"))
    show(store, batch)
    other = store.open_batch("/data/other", tmp_path / "repository")
    store.record(other.key, made("light", "light", uses=(used.key,)))
    assert store.open_batch("/data/night1", tmp_path / "elsewhere").folder == batch.folder
    assert store.move_to(batch.key, tmp_path / "repository") == store.batch(batch.key)

    moved = store.move_to(batch.key, tmp_path / "elsewhere")

    assert (moved.key, moved.folder) == (batch.key, tmp_path / "elsewhere" / "night1")
    assert store.combinations(batch.key) == ()
    assert store.library(ProductKind.BIAS_MASTER, other.key) == ()
    assert store.begin_restart(batch.key) == moved
    again = store.record(batch.key, made("used", "used"))
    assert again.file == moved.folder / "set-2/masters/used"
    store.promote(batch.key)
    assert [one.key for one in store.library(ProductKind.BIAS_MASTER, other.key)] == [again.key]


def test_a_step_is_success_or_its_error(store, batch, clock):
    store.begin_run(batch.key)
    problem = Problem(130, Severity.WARNING, "darks", "dark 60 s", "only 2 frames: take 3 or more")
    good = store.begin_step(batch.key, "biases", 120, "biases could not be stacked")
    store.end_step(good, Status.DONE, 1.5, None, ())
    warned = store.begin_step(batch.key, "darks", 130, "darks could not be stacked")
    store.end_step(warned, Status.DONE_WITH_PROBLEMS, 2.5, None, (problem,))
    bad = store.begin_step(batch.key, "flats", 140, "flats could not be stacked")
    store.end_step(bad, Status.FAILED, 0.5, "no flat is bright enough", ())
    store.begin_step(batch.key, "lights", 150, "lights could not be calibrated")

    steps = store.steps(batch.key)

    assert [(step.name, step.status, step.code) for step in steps] == [
        ("biases", Status.DONE, 0),
        ("darks", Status.DONE_WITH_PROBLEMS, 0),
        ("flats", Status.FAILED, 140),
        ("lights", Status.RUNNING, 150),
    ]
    assert [step.seconds for step in steps] == [1.5, 2.5, 0.5, None]
    assert steps[1].problems == (problem,)
    assert (steps[2].error, steps[3].started_at) == ("no flat is bright enough", clock.utc())


def test_a_new_run_has_no_steps_yet(store, batch, tmp_path):
    other = store.open_batch("/data/other", tmp_path)
    store.begin_step(other.key, "biases", 120, "biases could not be stacked")
    store.begin_step(batch.key, "biases", 120, "biases could not be stacked")

    store.begin_run(batch.key)

    assert store.steps(batch.key) == ()
    assert store.steps(other.key)[0].status is Status.RUNNING
    store.begin_step(batch.key, "darks", 130, "darks could not be stacked")
    assert [step.name for step in store.steps(batch.key)] == ["darks"]
