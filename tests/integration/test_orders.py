"""Orders on the command line: taken whole or not at all, known by user and id, run by the Processor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from tests.builders import small_night
from tests.integration.nights import Home, of_kind, write_frame

ORDER = {
    "id": "1",
    "request": "calibrate_file_batch",
    "datetime": "2019-03-05T14:34:54.234",
    "user": "Main Module",
    "weather": "kept although nobody knows it",
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def submit(home: Home, order: Any, code: int = 0) -> Any:
    return home.json("orders", "submit", "-", stdin=json.dumps(order), code=code)


def test_order_goes_from_json_to_stacks(home: Home, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw").folder
    file = tmp_path / "order.json"
    file.write_text(json.dumps(ORDER | {"url": night.as_uri()}))
    taken = home.json("orders", "submit", str(file))
    assert (taken["accepted"], taken["new"], taken["order"]["state"]) == (True, True, "waiting")
    (ended,) = home.json("orders", "run")
    assert ended["state"] == "done_with_problems"
    assert len(of_kind(ended["result"], "light_stack")) == 1
    shown = home.json("orders", "show", "Main Module/1")
    assert shown["order"]["weather"] == ORDER["weather"]
    assert shown["result"]["batch"] == "raw"
    assert home.json("orders", "run") == []


def test_five_faults_are_told_at_once_and_nothing_is_taken(home: Home) -> None:
    bad = {"id": "", "request": "observation", "datetime": "yesterday", "ra": 400, "dec": float("nan"), "user": "u"}
    refusal = submit(home, bad, code=1)
    assert {problem["field"] for problem in refusal["problems"]} == {"id", "datetime", "ra", "dec"}
    assert refusal["accepted"] is False
    assert home.json("orders", "list") == []


def test_same_order_twice_is_one_and_other_content_is_refused(home: Home, tmp_path: Path) -> None:
    order = ORDER | {"url": str(tmp_path)}
    assert submit(home, order)["new"] is True
    assert submit(home, order)["new"] is False
    refusal = submit(home, order | {"url": "/elsewhere"}, code=1)
    assert [problem["field"] for problem in refusal["problems"]] == ["id"]
    assert len(home.json("orders", "list")) == 1


def test_observation_gets_a_priority_and_waits_for_the_telescope(home: Home) -> None:
    home.settings('[site]\nname = "Tenerife"\nlatitude_deg = 28.3\nlongitude_deg = -16.5\n')
    order = ORDER | {"request": "observation", "ra": 202.47, "dec": 47.2, "priority": None}
    taken = submit(home, order)
    assert 0.0 <= taken["order"]["priority"] <= 10.0
    assert home.json("orders", "run") == []
    assert home.json("orders", "list")[0]["state"] == "waiting"


def test_cancelled_order_does_not_run(home: Home, tmp_path: Path) -> None:
    submit(home, ORDER | {"url": str(tmp_path)})
    assert home.json("orders", "cancel", "1")["state"] == "cancelled"
    assert home.json("orders", "run") == []
    ended = home.run("orders", "cancel", "1")
    assert ended.returncode == 1
    assert "cancelled" in ended.stderr


def test_held_order_does_not_run_until_it_is_released(home: Home, tmp_path: Path) -> None:
    submit(home, ORDER | {"url": str(tmp_path / "empty")})
    assert home.json("orders", "hold", "Main Module/1")["state"] == "held"
    assert home.json("orders", "run") == []
    assert home.json("orders", "release", "1")["state"] == "waiting"
    assert [ended["id"] for ended in home.json("orders", "run", code=1)] == ["1"]
    assert "only an order that waits can be held" in home.json("orders", "hold", "1", code=1)["error"]


def test_order_that_is_no_json(home: Home) -> None:
    refusal = home.json("orders", "submit", "-", stdin="calibrate, please", code=1)
    assert "no JSON" in refusal["reason"]


def test_observation_has_no_priority_without_a_site(home: Home) -> None:
    order = json.dumps(ORDER | {"request": "observation", "ra": 202.47, "dec": 47.2})
    ended = home.run("orders", "submit", "-", "--json", stdin=order)
    assert json.loads(ended.stdout)["order"]["priority"] is None
    assert "No site in the settings: observation Main Module/1 has no priority" in ended.stderr


def test_every_failure_is_one_json_value_too(home: Home, tmp_path: Path) -> None:
    def error(*arguments: str, code: int = 1) -> str:
        (item,) = home.json(*arguments, code=code).items()
        assert item[0] == "error"
        return str(item[1])

    assert "'nope'" in error("orders", "show", "nope")
    assert "'nope'" in error("orders", "cancel", "nope")
    assert "cannot be read" in error("orders", "submit", str(tmp_path / "nope.json"), code=2)
    assert "does not exist" in error("inspect", "/nope", code=2)
    demo_lock = home.database.with_name("demo.lock")
    with FileLock(demo_lock):
        assert "running already" in error("demo")
    assert "bias, dark" in error("inspect", str(tmp_path), "--as", "unsure", code=2)
    home.settings("[roof]\n")
    assert "exist already" in error("settings", "init")
    assert "roof" in error("orders", "list")


def test_inspect_heeds_an_operator_and_makes_no_database(home: Home, tmp_path: Path) -> None:
    frame = write_frame(tmp_path / "odd.fits", np.zeros((8, 8), np.uint16), IMAGETYP="Bias Frame", EXPTIME=0.0)
    assert home.json("inspect", str(frame))[0]["kind"] == "bias"
    assert not home.database.exists()
    home.json("inspect", str(frame), "--as", "flat")
    (seen,) = home.json("inspect", str(frame))
    assert (seen["kind"], seen["confidence"], seen["reason"]) == ("flat", 1.0, "an operator said so")
