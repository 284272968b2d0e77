"""The whole window and the real guard, a process of its own: LOCKOUT, safety closes, overrides, following, two owners."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from app.model.angles import turn_deg
from app.model.following import Follower
from app.model.guard import GuardPhase, GuardState
from app.model.interlocks import unmet
from app.sim.place import CENTRE_DEC_DEG, CENTRE_RA_DEG
from app.widgets.alarm_list import ACKNOWLEDGE_ALL
from tests.gui.window import Whole, named, newest, whole_window

pytestmark = pytest.mark.logs_warnings
SCALE = 4.0
CLOSES_WITHIN_S = 5.0
#: As short as the settings allow; the countdown is ended by a click.
RULES = "[guard]\nlease_s = 10\nsilent_s = 10\nreopen_after_min = 0\n"
CHECKOUT = Path(__file__).parents[2]
DRY = {"shutter": "closed", "rain_mm_h": None, "humidity_percent": None, "is_safe": None}
#: Another Cupola, which takes the dome, and keeps it until stdin ends.
OTHER = """
import sys
from tests.gui.window import opening
with opening(*sys.argv[1:])() as station:
    station.take_over("eve")
    print("has the dome", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guard")


@pytest.fixture(scope="module")
def opened(request: pytest.FixtureRequest, folder: Path) -> Iterator[Whole]:
    with whole_window(QtBot(request), folder, SCALE, RULES) as window:
        yield window


@pytest.fixture
def sounds(opened: Whole) -> list[float]:
    """When an alarm was heard."""
    heard: list[float] = []
    assert opened.session.connections is not None
    opened.session.connections.alarms._sound = lambda: heard.append(monotonic())
    return heard


@pytest.fixture
def whole(opened: Whole, monkeypatch: pytest.MonkeyPatch) -> Iterator[Whole]:
    """The window on its Night page, the dome closed under a safe sky; and so it is left."""
    monkeypatch.setenv("CUPOLA_SETTINGS", str(opened.settings))
    calm_down(opened)
    opened.who.begin("Night")
    yield opened
    calm_down(opened)


def calm_down(whole: Whole) -> None:
    whole.simulator.put("state", DRY)
    whole.wait(lambda: guard(whole).phase is GuardPhase.WATCHING and guard(whole).is_safe is True)
    whole.wait(lambda: not unmet(whole.station.dome.state.interlocks))
    whole.who.press(ACKNOWLEDGE_ALL)


def guard(whole: Whole) -> GuardState:
    """The guard's newest word, as the window has it."""
    state = whole.station.guard.state.value
    assert state is not None
    return state


def banner(whole: Whole, key: str) -> str:
    """What stands across the window under that key; empty for nothing."""
    shown = whole.panel.window._banners.get(key)
    return shown.text if shown is not None and shown.isVisible() else ""


def alarms(whole: Whole) -> dict[str, str]:
    """Sentences of the list, by key, of those that nobody acknowledged."""
    return {one.key: one.sentence for one in whole.panel.night.alarms._alarms if not one.is_acknowledged}


def open_the_shutter(whole: Whole) -> None:
    """By the hand of nobody: the guard and the window see it open."""
    whole.simulator.put("state", {"shutter": "open"})
    whole.wait(lambda: guard(whole).shutter == "open" and whole.station.dome.state.shutter.value == "open")


def rain(whole: Whole) -> float:
    """Let it rain; when it began, by the machine's clock."""
    began_s = monotonic()
    whole.simulator.put("state", {"rain_mm_h": 2.0, "is_safe": True})  # the monitor is slower
    return began_s


def arrival_s(whole: Whole, since: int, member: str) -> float:
    """When the dome was told that for the first time, by the machine's clock."""
    whole.wait(lambda: member in whole.commands(since))
    return float(next(one["at_s"] for one in whole.simulator.requests(since) if one["path"].endswith(member)))


def test_nothing_closes_in_lockout_until_it_is_released(whole: Whole) -> None:
    night, who = whole.panel.night, whole.who
    open_the_shutter(whole)
    since = newest(whole.simulator)
    who.click(named(night, "Show guard, LOCKOUT and all interlocks"))
    name = named(night.guard, "Name of who takes LOCKOUT", QLineEdit)
    who.double_click(name)
    who.type("Ada", enters=False)
    who.click(named(night.guard, "Reason of the LOCKOUT", QLineEdit))
    who.type("greasing the wheels", enters=False)
    take = named(night.guard, "LOCKOUT")
    who.hold(take, until=lambda: not take.isDown())
    whole.wait(lambda: guard(whole).phase is GuardPhase.LOCKOUT)
    whole.wait(lambda: "LOCKOUT by Ada" in banner(whole, "lockout"))
    assert "greasing the wheels" in banner(whole, "lockout")

    rain(whole)
    whole.wait(lambda: "Ada has LOCKOUT" in " ".join(alarms(whole).values()))
    who.click(named(night.dome, "CLOSE"))
    whole.wait(lambda: "Ada" in night.dome._message.text())
    assert not named(night.dome, "OPEN").isEnabled()
    assert "closeshutter" not in whole.commands(since)
    assert whole.truth["dome"]["shutter"] == "open"

    whole.simulator.put("state", DRY | {"shutter": "open"})
    whole.wait(lambda: guard(whole).is_safe is True)
    release = named(night.guard, "Release LOCKOUT")
    who.hold(release, until=lambda: not release.isDown())
    whole.wait(lambda: guard(whole).phase is GuardPhase.WATCHING and not banner(whole, "lockout"))
    assert set(whole.commands(since)) <= {"abortslew"}  # LOCKOUT ends every motion, and begins none


def test_guard_closes_over_an_unsafe_sky_and_the_alarm_is_heard(whole: Whole, sounds: list[float]) -> None:
    open_the_shutter(whole)
    sounds.clear()
    since, began_s = newest(whole.simulator), rain(whole)
    assert arrival_s(whole, since, "closeshutter") - began_s <= CLOSES_WITHIN_S
    whole.wait(lambda: any(one.startswith("The guard closes the dome: rain") for one in alarms(whole).values()))
    whole.wait(lambda: bool(sounds))
    whole.who.press(ACKNOWLEDGE_ALL)
    assert alarms(whole) == {}
    whole.wait(lambda: whole.truth["dome"]["shutter"] == "closed")


def test_stop_of_a_safety_close_begins_its_countdown(whole: Whole) -> None:
    open_the_shutter(whole)
    rain(whole)
    whole.wait(lambda: whole.truth["dome"]["shutter"] == "closing")
    whole.who.click(whole.panel.stop)
    whole.wait(lambda: guard(whole).phase is GuardPhase.COUNTDOWN)
    whole.wait(lambda: "closes again in" in banner(whole, "countdown"))
    assert any("STOP ended a safety close" in one for one in alarms(whole).values())
    whole.wait(lambda: whole.panel.stop.notice == "confirmed")
    assert not whole.truth["dome"]["is_moving"]
    assert whole.truth["dome"]["shutter"] != "closed"
    left_s = guard(whole).countdown_s
    assert left_s is not None
    assert left_s <= 30.0
    whole.who.click(named(whole.panel.night.dome, "CLOSE"))
    whole.wait(lambda: whole.truth["dome"]["shutter"] == "closed")
    whole.wait(lambda: guard(whole).phase is GuardPhase.WATCHING and not banner(whole, "countdown"))


def test_an_override_opens_against_the_sky_and_its_end_is_an_alarm(whole: Whole) -> None:
    night, who = whole.panel.night, whole.who
    since = newest(whole.simulator)
    whole.simulator.put("state", {"humidity_percent": 96.0, "is_safe": True})
    button = named(night.dome, "OPEN")
    whole.wait(lambda: not button.isEnabled() and "humidity" in button.toolTip())
    who.click(named(night.dome, "Override…"))
    who.double_click(named(night.dome, "Name of who overrides", QLineEdit))
    who.type("Grace", enters=False)
    who.click(named(night.dome, "Reason of the override", QLineEdit))
    who.type("the sensor is wet", enters=False)
    assert button.isEnabled()
    who.hold(button, until=lambda: not button.isDown())
    whole.wait(lambda: whole.truth["dome"]["shutter"] == "open")
    whole.wait(lambda: "Grace: the sensor is wet" in banner(whole, "override"))
    override = guard(whole).override
    assert override is not None
    assert (override.name, override.covers) == ("Grace", ("sky: humidity",))
    looks = see_guard(whole, 3)
    assert {state.is_safe for state in looks} == {False}
    assert whole.commands(since) == ["openshutter"]

    who.click(named(whole.panel.window, f"End override: {banner(whole, 'override')}"))
    whole.wait(lambda: guard(whole).override is None and not banner(whole, "override"))
    whole.wait(lambda: any("The override has ended" in sentence for sentence in alarms(whole).values()))
    see_guard(whole, 3)
    assert whole.commands(since) == ["openshutter"], "the end of an override moved the dome"

    rain(whole)  # nobody ever answered for that
    arrival_s(whole, since, "closeshutter")
    whole.wait(lambda: whole.truth["dome"]["shutter"] == "closed")


def see_guard(whole: Whole, count: int) -> list[GuardState]:
    """Its next words, each of another look."""
    words = [guard(whole)]
    for _ in range(count):
        whole.wait(lambda: guard(whole) is not words[-1])
        words.append(guard(whole))
    return words[1:]


def test_button_makes_the_slit_follow_the_telescope(whole: Whole) -> None:
    dome = whole.panel.night.dome
    whole.simulator.command("telescope/0/unpark")  # a close of the guard parks it
    whole.simulator.command("telescope/0/tracking", Tracking="True")
    whole.simulator.put("state", {"mount_ra_deg": CENTRE_RA_DEG, "mount_dec_deg": CENTRE_DEC_DEG})
    mount_deg = whole.truth["mount"]["azimuth_deg"]
    whole.simulator.put("state", {"dome_azimuth_deg": (mount_deg + 90.0) % 360.0})
    whole.who.click(named(dome, "Follow"))
    whole.wait(lambda: whole.station.dome.state.following.who is Follower.CUPOLA and dome._follow.isChecked())

    def margin_deg() -> float:
        return whole.station.dome.state.following.margin_deg or 0.0

    whole.wait(lambda: margin_deg() > 0.0 and not whole.truth["dome"]["is_slewing"], 30.0)
    seen = whole.station.dome.state.following
    assert seen.target_deg is not None
    assert seen.half_width_deg is not None
    off_deg = abs(turn_deg(whole.truth["dome"]["azimuth_deg"], seen.target_deg))
    assert off_deg < seen.half_width_deg, "the dome does not stand before the telescope"
    whole.wait(lambda: "margin" in dome._follow.toolTip() and dome._who.text() == "Cupola")
    whole.who.click(named(dome, "Follow"))
    whole.wait(lambda: whole.station.dome.state.following.who is Follower.NOBODY and not dome._follow.isChecked())


def test_second_cupola_is_the_owner_until_the_button_takes_over(whole: Whole, folder: Path) -> None:
    dome, who = whole.panel.night.dome, whole.who
    night = whole.station.devices.night
    command = [sys.executable, "-P", "-c", OTHER, whole.simulator.server, night]
    with subprocess.Popen(
        command,
        cwd=CHECKOUT,
        env=os.environ
        | {"HOME": str(folder / "home"), "CUPOLA_SETTINGS": str(whole.settings), "PYTHONPATH": str(CHECKOUT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        try:
            whole.wait(lambda: not whole.station.dome.state.is_owner, 30.0)
            whole.wait(lambda: "watch" in banner(whole, "owner"))
            assert not dome._go.isEnabled()
            assert not dome._park.isEnabled()
            assert not named(dome, "OPEN").isEnabled()

            whole.simulator.put("state", {"shutter": "open"})
            since = newest(whole.simulator)
            who.click(named(dome, "CLOSE"))
            arrival_s(whole, since, "closeshutter")
            who.click(whole.panel.stop)
            arrival_s(whole, since, "abortslew")

            take_over = named(dome, "Take over")
            who.hold(take_over, until=lambda: not take_over.isDown())
            whole.wait(lambda: whole.station.dome.state.is_owner and not banner(whole, "owner"))
            assert whole.station.is_dome_owner
            whole.wait(dome._go.isEnabled)
        finally:
            other.communicate("", timeout=20.0)
    assert other.returncode == 0
