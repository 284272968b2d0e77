"""The drills as the matrix of the guarantee: each is a test, on real processes, with what it measured."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from app.bootstrap.embedded import Simulator, start_simulator
from app.commands import drill
from app.drills.controls import Controls, NotOurs
from app.drills.rehearsal import DRILLS, LEASE_S, play, rehearsal
from app.drills.report import DrillReport, Limits, Outcome, as_table, reported
from app.drills.usage import Sample, Use
from app.model.settings import Mail
from app.sim.place import NIGHT
from tests.integration.nights import Home
from tests.simulated import simulator

#: In these it becomes unsafe while guard and devices work: CloseShutter leaves within 5 s of that.
UNSAFE = (
    "rain-while-slewing",
    "safety-monitor-unsafe",
    "mains-lost",
    "hung-server",
    "stuck-shutter",
    "stop-during-rain-close",
    "server-restarted",
)


class Postbox:
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.mails: list[Message] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"


@dataclass(frozen=True)
class Played:
    """What came of the drills, and what was left behind."""

    folder: Path
    reports: dict[str, DrillReport]
    subjects: list[str]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("rehearsal")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    postbox = Postbox()
    controller = Controller(postbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        with rehearsal(folder, Mail(host="127.0.0.1", port=port, admins=("night@example.org",))) as observatory:
            reports = play(observatory, DRILLS)
    finally:
        controller.stop()
    return Played(folder, {one.name: one for one in reports}, [str(one["Subject"]) for one in postbox.mails])


@pytest.mark.parametrize("name", DRILLS)
def test_drill(played: Played, name: str) -> None:
    report = played.reports[name]
    assert report.is_passed, report.failure


@pytest.mark.parametrize("name", UNSAFE)
def test_close_leaves_within_5_s_of_the_unsafe_sky(played: Played, name: str) -> None:
    close_s = played.reports[name].outcome.close_s
    assert close_s is not None
    assert close_s <= 5.0


@pytest.mark.parametrize("name", ["gui-killed", "gui-frozen"])
def test_window_that_is_dead_or_frozen_is_closed_for_within_its_lease_and_2_s(played: Played, name: str) -> None:
    close_s = played.reports[name].outcome.close_s
    assert close_s is not None
    assert LEASE_S - 2.0 <= close_s <= LEASE_S + 2.0


def test_death_of_the_guard_alarms_within_5_s_and_it_is_back_within_10_s(played: Played) -> None:
    outcome = played.reports["guard-killed"].outcome
    assert outcome.detect_s is not None
    assert outcome.detect_s <= 5.0
    assert outcome.facts["back_s"] <= 10.0
    assert outcome.facts["new_guard_close_s"] <= 5.0


def test_stuck_shutter_is_tried_again_with_growing_waits_and_mailed_once(played: Played) -> None:
    facts = played.reports["stuck-shutter"].outcome.facts
    waits = facts["waits_s"]
    assert len(waits) >= 3
    assert waits == sorted(set(waits))
    mails = [subject for subject in played.subjects if facts["server"] in subject and "LOCKOUT" not in subject]
    assert [("does not close" in subject, "at last" in subject) for subject in mails] == [(True, False), (False, True)]


def test_nothing_is_left_running(played: Played) -> None:
    deadline_s = time.monotonic() + 15.0
    while left := [line for line in _command_lines() if str(played.folder) in line]:
        assert time.monotonic() < deadline_s, left


def _command_lines() -> list[str]:
    return [_command_line(process) for process in Path("/proc").glob("[0-9]*") if int(process.name) != os.getpid()]


def _command_line(process: Path) -> str:
    """How it was started, and with which settings; a process that has ended meanwhile has none."""
    try:
        words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    except OSError:
        return ""
    return words.replace(b"\0", b" ").decode(errors="replace")


def test_simulator_of_somebody_else_is_told_nothing() -> None:
    with simulator() as foreign:
        forged = Simulator(foreign.server, os.getpid(), "00" * 32, "")
        with pytest.raises(NotOurs, match="not the simulator that this drill started"):
            Controls(forged)
        assert foreign.get("state")["dome"]["shutter"] == "closed"


def test_simulator_that_took_the_place_of_ours_is_told_nothing() -> None:
    ours = start_simulator(f"{NIGHT.isoformat()} {time.monotonic()}")
    controls = Controls(ours)
    controls.change(rain_mm_h=9.0)
    ours.end()
    deadline_s = time.monotonic() + 10.0
    while ours.is_ours():
        assert time.monotonic() < deadline_s
    with simulator(port=int(ours.server.rpartition(":")[2])) as foreign:
        with pytest.raises(NotOurs):
            controls.change(rain_mm_h=9.0)
        assert foreign.get("state")["weather"]["rain_mm_h"] == 0.0


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (Outcome("", 1.0, 2.0, 3.0), ""),
        (Outcome("", 1.0, 2.5, 3.0), "CloseShutter came after 2.50 s, limit 2 s"),
        (Outcome("", None, 2.0, 3.5), "The first word of it never came; The safe state came after 3.50 s, limit 3 s"),
    ],
)
def test_drill_that_was_too_slow_fails(outcome: Outcome, says: str) -> None:
    report = reported("x", outcome, Limits(1.0, 2.0, 3.0))
    assert report.failure == says
    assert report.as_json["verdict"] == ("failed" if says else "passed")
    assert (says or "passed") in as_table([report])


@pytest.mark.parametrize(
    ("memory_mb", "threads", "files", "flaws"),
    [
        (100.0, 20, 30, []),
        (106.0, 20, 30, ["memory of the guard drifted by 6.0%, limit 5%"]),
        (100.0, 23, 33, ["threads of the guard grew from 20 to 23", "open files of the guard grew from 30 to 33"]),
    ],
)
def test_leak_is_seen_in_a_soak(memory_mb: float, threads: int, files: int, flaws: list[str]) -> None:
    before, after = Sample(0.0, 100.0, 20, 30), Sample(0.0, memory_mb, threads, files)
    assert Use.of([before] * 24 + [after] * 24).flaws("guard") == flaws


def test_command_lists_the_drills_and_refuses_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert drill.show_all(as_json=True) == 0
    assert set(json.loads(capsys.readouterr().out)) == {*DRILLS, "soak"}
    assert drill.run("earthquake", 1.0, 1, as_json=True) == 2
    assert "There is no drill 'earthquake'" in json.loads(capsys.readouterr().out)["error"]


def test_command_plays_one_drill_and_says_what_it_measured(tmp_path: Path) -> None:
    (report,) = Home(tmp_path).json("drill", "mains-lost")
    assert (report["drill"], report["verdict"]) == ("mains-lost", "passed")
    assert 0.0 < report["close_s"] <= 5.0
