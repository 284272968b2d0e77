"""The whole window killed or closed in the middle of a batch and a slew: what is there afterwards."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from filelock import FileLock

from app.model.records import LogEntry
from app.store.engine import open_database
from app.store.log_records import LogRecords
from tests.builders import small_night
from tests.gui.window_process import WindowProcess, Windows, windows
from tests.integration.nights import Home

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")

TARGET_DEG = 250.0
SECOND_LIGHT = "Progress(name='flat-dark correction', done=1"


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_night(tmp_path_factory.mktemp("raw") / "night").folder


@pytest.fixture(scope="module")
def uninterrupted(night: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the products of a run that nobody disturbed."""
    home = Home(tmp_path_factory.mktemp("home"))
    report = home.json("process", str(night), "--into", str(tmp_path_factory.mktemp("products")))
    return {Path(product["path"]).name: digest(Path(product["path"])) for product in report["products"]}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Windows]:
    with windows(tmp_path) as all_of_them:
        yield all_of_them


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


PRODUCTS = ("masters", "calibrated", "stacks")


def made(home: Windows, *folders: str) -> dict[str, str]:
    """Digests of the products in the home's repository."""
    batch = home.home.database.parent / "repository" / "night"
    return {file.name: digest(file) for folder in folders or PRODUCTS for file in batch.rglob(f"{folder}/*.fits")}


def post(desk: str, number: str, folder: Path) -> None:
    order = {
        "id": number,
        "request": "calibrate_file_batch",
        "url": folder.as_uri(),
        "datetime": "2026-03-15T08:00:00",
        "user": "t",
    }
    assert httpx.post(f"{desk}/work-orders", json=order, trust_env=False, timeout=30.0).status_code == 201


def until_event(window: WindowProcess, what: str) -> None:
    while not window.next("event", 120.0)["event"].startswith(what):
        pass


def log_of_another_night(home: Windows) -> None:
    """More records than a page shows."""
    home.home.database.parent.mkdir(parents=True)
    database = open_database(f"sqlite:///{home.home.database}")
    began = datetime(2026, 3, 13, tzinfo=UTC)
    entries = [
        LogEntry(None, began + timedelta(minutes=minute), logging.INFO, "app.pipeline", f"Frame {minute} was taken")
        for minute in range(100)
    ]
    LogRecords(database).add_many(entries)
    database.close()


def test_killed_amid_batch_and_slew_the_next_start_goes_on(
    home: Windows, night: Path, uninterrupted: dict[str, str], tmp_path: Path
) -> None:
    other = small_night(tmp_path / "other", seed=2).folder
    log_of_another_night(home)
    window = home.start()
    desk = window.next("connected_s")["front_desk"]
    post(desk, "1", night)
    post(desk, "2", other)
    until_event(window, SECOND_LIGHT)
    os.kill(window.batch_process(), signal.SIGSTOP)  # in the middle, for as long as it takes to look around
    batch = window.batch_process()
    window.do("page", "page", title="Log")
    window.until(lambda state: state["batch"] == "night" and state["records"] >= 100)
    anchored = window.do("scroll_log", "scrolled", row=37)
    window.until(lambda _: remembered(home)["pages"]["Log"]["top"] == anchored)
    before = window.do("state", "state")
    simulator = home.simulator
    turned = httpx.put(f"{desk}/dome/SetAzim", params={"azim": TARGET_DEG, "wait": False}, trust_env=False, timeout=30)
    assert turned.json()["ok"], turned.text
    window.kill()
    assert simulator.dome()["is_slewing"], "the slew had ended before the kill: nothing is proved"
    newest = simulator.newest()
    os.kill(batch, signal.SIGCONT)
    with FileLock(home.home.lock, timeout=10):
        pass  # the batch's own process noticed that its supervisor died, and let go

    second = home.start()
    second.next("connected_s")
    again = second.until(lambda state: state["orders"] and state["batch"] and state["top_text"] == before["top_text"])
    assert (again["page"], again["batch"]) == ("Log", "night")
    assert before["top_text"][1] == "Frame 37 was taken"
    assert {name for name, _ in again["orders"]} == {"t/1", "t/2"}
    assert home.simulator.pid == simulator.pid
    ended = [second.next("ended", 240.0) for _ in range(2)]
    assert [(one["ended"], one["how"]) for one in ended] == [(f"t/{n}", "done_with_problems") for n in (1, 2)]
    assert made(home) == uninterrupted
    dome = simulator.dome()
    assert not dome["is_slewing"]
    assert dome["azimuth_deg"] == pytest.approx(TARGET_DEG, abs=0.1)
    assert [one for one in simulator.requests(newest) if one["method"] != "GET"] == [], "a device was commanded"


def remembered(home: Windows) -> dict[str, Any]:
    """What the window wrote down for its next start."""
    return dict(json.loads(home.home.database.with_name("window.json").read_text(encoding="utf-8")))


def test_closed_amid_a_batch_the_order_waits_and_goes_on(
    home: Windows, night: Path, uninterrupted: dict[str, str]
) -> None:
    window = home.start()
    desk = window.next("connected_s")["front_desk"]
    post(desk, "1", night)
    until_event(window, SECOND_LIGHT)
    kept = made(home, "masters")  # astrometry still writes into the headers of calibrated lights
    closing_s = window.do("close", "closing_s")
    assert window.end(30.0) == 0
    took_s = time.monotonic() - closing_s
    assert {"put_off": "t/1"} in window.said
    assert took_s < 10.0
    (order,) = home.home.json("orders", "list")
    assert order["state"] == "waiting"
    assert kept
    assert kept.items() <= made(home, "masters").items()

    second = home.start()
    assert second.next("ended", 240.0)["how"] == "done_with_problems"
    assert made(home) == uninterrupted


@pytest.mark.parametrize(("answer", "shutter"), [("close", "closed"), ("leave", "open")])
def test_closed_with_the_dome_open_it_asks(home: Windows, answer: str, shutter: str) -> None:
    window = home.start()
    window.next("connected_s")
    simulator = home.simulator
    simulator.put(shutter="open")
    window.until(lambda state: state["shutter"] == "open")
    window.do("close", "closing_s")
    assert "shutter is open" in window.until(lambda state: state["asks"])["sentence"]

    window.do("answer", "answered", button="stay")
    assert not window.do("state", "state")["asks"]
    assert window.process.poll() is None

    window.do("close", "closing_s")
    window.until(lambda state: state["asks"])
    window.do("answer", "answered", button=answer)
    assert window.end(30.0) == 0
    assert simulator.dome()["shutter"] == shutter
