"""Files in the drop folder: each becomes one order or one refusal, none is lost."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from app.model.errors import StoreError
from app.model.order_life import StoredOrder
from app.model.work_order import OrderState, parse_work_order
from app.services.drop_folder import DropFolder
from tests.fakes import FakeClock

ORDER = {"id": "1", "user": "Ada", "request": "calibrate_file_batch", "datetime": "2026-03-14", "url": "/data/night"}


class Desk:
    """A front desk that keeps its orders in a list; `failure` is raised instead when it is set."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.failure: Exception | None = None

    def take_in(self, payload: object, who: str) -> tuple[StoredOrder, bool]:
        assert who == "drop folder"
        order = parse_work_order(payload)
        if self.failure is not None:
            raise self.failure
        is_new = payload not in self.taken
        if is_new:
            self.taken.append(payload)
        return StoredOrder(1, order, OrderState.WAITING, FakeClock().utc()), is_new


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "drop").mkdir()
    return tmp_path / "drop"


@pytest.fixture
def drop(folder: Path, desk: Desk) -> DropFolder:
    return DropFolder(folder, desk, FakeClock())


def look(drop: DropFolder, times: int = 2) -> None:
    for _ in range(times):
        drop.look()


def files(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_order_is_taken_in_when_the_file_has_stopped_changing(folder, desk, drop):
    whole = json.dumps(ORDER)
    file = folder / "order.json"
    file.write_text(whole[:20])
    drop.look()
    file.write_text(whole)  # its writer goes on between two looks
    drop.look()
    assert desk.taken == []
    drop.look()
    assert desk.taken == [ORDER]
    assert files(folder) == {"taken/order.json"}
    look(drop)
    assert desk.taken == [ORDER]


def test_folder_is_made(tmp_path, desk):
    DropFolder(tmp_path / "new" / "drop", desk, FakeClock()).look()
    assert (tmp_path / "new" / "drop").is_dir()


@pytest.mark.parametrize("name", ["order.txt", ".order.json", "order.json.part"])
def test_other_files_are_left_alone(folder, desk, drop, name):
    (folder / name).write_text(json.dumps(ORDER))
    (folder / "folder.json").mkdir()
    look(drop)
    assert files(folder) == {name}
    assert (folder / "folder.json").is_dir()


def test_refused_order_lies_beside_all_of_its_problems(folder, desk, drop):
    bad = {"id": "", "request": "observation", "datetime": "yesterday", "ra": 400, "dec": "\ud800", "user": "u"}
    (folder / "bad.json").write_text(json.dumps(bad))
    look(drop)
    assert files(folder) == {"refused/bad.json", "refused/bad.txt"}
    assert json.loads((folder / "refused" / "bad.json").read_text()) == bad
    lines = (folder / "refused" / "bad.txt").read_text().splitlines()
    assert lines[0] == "bad.json was refused at 2026-03-14 20:00:00 UTC:"
    assert [line.split(" = ")[0].strip() for line in lines[1:]] == ["id", "datetime", "ra", "dec"]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"calibrate, please", "no JSON"),
        (b"\xff\xfe\xff", "no JSON"),
        (b"", "no JSON"),
        (b"[" * 5000 + b"]" * 5000, "nested too deeply"),
        (b'{"a": ' + b"[" * 150 + b"]" * 150 + b"}", "nested too deeply"),
        (b" " * 1_000_001, "too large"),
        (b"[]", "must be a JSON object"),
    ],
)
def test_what_is_no_order_is_refused_with_the_reason(folder, desk, drop, sent, reason):
    (folder / "odd.json").write_bytes(sent)
    look(drop)
    assert files(folder) == {"refused/odd.json", "refused/odd.txt"}
    assert reason in (folder / "refused" / "odd.txt").read_text()


def test_same_name_again_replaces_nothing(folder, desk, drop):
    for number in ("1", "2", "3"):
        (folder / "order.json").write_text(json.dumps(ORDER | {"id": number}))
        look(drop)
    kept = [json.loads((folder / "taken" / name).read_text())["id"] for name in ("order.json", "order-2.json")]
    assert (kept, len(files(folder)), len(desk.taken)) == (["1", "2"], 3, 3)


def test_order_waits_for_the_database_and_is_taken_in_once(folder, desk, drop, caplog):
    (folder / "order.json").write_text(json.dumps(ORDER))
    desk.failure = StoreError("The database is locked by another program")
    with caplog.at_level(logging.WARNING):
        look(drop, 5)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "is locked by another program" in caplog.text
    assert files(folder) == {"taking/order.json"}
    desk.failure = None
    look(drop)
    assert files(folder) == {"taken/order.json"}
    assert desk.taken == [ORDER]


def test_order_that_a_killed_program_left_half_done_is_finished_by_the_next(folder, desk):
    (folder / "taking").mkdir()
    (folder / "taking" / "order.json").write_text(json.dumps(ORDER))
    desk.taken.append(ORDER)  # it was kept, but not moved
    DropFolder(folder, desk, FakeClock()).look()
    assert desk.taken == [ORDER]
    assert files(folder) == {"taken/order.json"}


def test_file_that_cannot_be_read_is_told_once_and_taken_in_when_it_can(folder, desk, drop, caplog, monkeypatch):
    file = folder / "order.json"
    file.write_text(json.dumps(ORDER))
    whole_open = Path.open

    def locked(path: Path, *arguments: Any, **more: Any) -> Any:
        if path.name == file.name and path.stat().st_mode & 0o400 == 0:
            raise PermissionError(13, "Permission denied", str(path))
        return whole_open(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", locked)  # root may read everything
    file.chmod(0o000)
    look(drop, 5)
    sentence = f"{folder / 'taking' / 'order.json'} cannot be read: Permission denied: give Cupola the right to read it"
    assert [record.getMessage() for record in caplog.records] == [f"Drop folder: {sentence}"]
    (folder / "other.json").write_text(json.dumps(ORDER | {"id": "2"}))
    look(drop)
    assert [order["id"] for order in desk.taken] == ["2"]
    (folder / "taking" / "order.json").chmod(0o600)
    look(drop)
    assert [order["id"] for order in desk.taken] == ["2", "1"]
    assert files(folder) == {"taken/order.json", "taken/other.json"}


def test_folder_that_cannot_be_used_is_told_once(tmp_path, desk, caplog):
    (tmp_path / "file").write_text("no folder")
    look(DropFolder(tmp_path / "file", desk, FakeClock()), 3)
    assert len(caplog.records) == 1
    assert "cannot be used" in caplog.text


def test_bug_at_one_order_is_logged_once_and_the_others_are_taken_in(folder, desk, drop, caplog):
    (folder / "a.json").write_text(json.dumps(ORDER))
    desk.failure = RuntimeError("a bug")
    look(drop, 4)
    assert [record.exc_info is not None for record in caplog.records] == [True]
    desk.failure = None
    (folder / "b.json").write_text(json.dumps(ORDER | {"id": "2"}))
    look(drop)
    assert [order["id"] for order in desk.taken] == ["2"]
    assert files(folder) == {"taking/a.json", "taken/b.json"}
