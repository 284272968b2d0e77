"""What the guard starts from: its plan, the settings, its eyes and its errands."""

from __future__ import annotations

import threading
from dataclasses import replace
from time import monotonic

import pytest

from app.bootstrap.guarding import start_guard
from app.devices.ascom import AscomDriver
from app.guard.__main__ import _plan_of_settings as plan_of_settings
from app.guard.__main__ import _planned as planned
from app.guard.__main__ import run
from app.guard.errand import Errand, shut
from app.guard.places import Places
from app.guard.watch import Eye, WatchedDome
from app.model.clock import SystemClock
from app.model.dome import DeviceUnreachable, DomeFacts, DomeSample, ShutterState
from app.model.errors import ObservatoryError, SettingsRefused
from app.model.guard import GuardPlan
from app.model.settings import Dome, Enclosure, Mail
from tests.fakes import ComDome, ScriptedDome

PLAN = GuardPlan(folder="/nowhere", dome=Dome(server="127.0.0.1:9"))


class Scripted:
    """Gives one thing after the other, and raises what is an error."""

    def __init__(self, *script):
        self.script = list(script)
        self.connects = 0
        self.is_closed = threading.Event()
        self.is_over = threading.Event()

    def connect(self):
        self.connects += 1
        return DomeFacts("dome", 3, True, True, True, True)

    def read(self):
        if not self.script:
            self.is_over.set()
            raise DeviceUnreachable("the script is over")
        value = self.script.pop(0)
        if isinstance(value, Exception):
            raise value
        return value

    def close(self):
        self.is_closed.set()


def ended(errand):
    """Wait for its end."""
    pause, deadline_s = threading.Event(), monotonic() + 5.0
    while errand.ended_s is None:
        assert monotonic() < deadline_s, "the errand does not end"
        pause.wait(0.005)


def sample(shutter):
    return DomeSample(0.0, shutter, False, False, False)


class TestEyes:
    def test_a_closing_motion_proves_until_the_dome_is_lost(self):
        dome = Scripted(
            sample(ShutterState.CLOSED),
            sample(ShutterState.OPEN),
            sample(ShutterState.CLOSING),
            sample(ShutterState.CLOSED),
            sample(ShutterState.CLOSED),
            DeviceUnreachable("gone"),
            sample(ShutterState.CLOSED),
        )
        eye = WatchedDome(dome)
        seen = [eye.read().is_closing_seen for _ in range(5)]
        assert seen == [False, False, True, True, True]
        with pytest.raises(DeviceUnreachable):
            eye.read()
        assert eye.read().is_closing_seen is False
        assert dome.connects == 2

    @pytest.mark.logs_warnings
    def test_nothing_blinds_an_eye(self):
        clients = iter([ValueError("no port"), Scripted(1, ValueError("nonsense"), 2)])

        def connect():
            client = next(clients)
            if isinstance(client, Exception):
                raise client
            made.append(client)
            connected.set()
            return client

        made, connected = [], threading.Event()
        eye = Eye("mount", connect, SystemClock(), 0.001)
        eye.open()
        assert connected.wait(5.0)
        assert made[0].is_over.wait(5.0)
        eye.close()
        assert eye.reading.value == 2
        assert eye.reading.failure == "the script is over"
        assert made[0].is_closed.is_set()


class TestErrands:
    def test_one_that_is_given_up_sends_nothing_more(self):
        sent, begun = [], threading.Event()

        def do(errand):
            begun.set()
            errand.pause(30.0)
            sent.append("close")

        errand = Errand("close", do)
        assert begun.wait(5.0)
        errand.give_up()
        ended(errand)
        assert (sent, errand.failure) == ([], "")

    def test_a_close_that_is_given_up_while_a_driver_connects_is_not_sent(self):
        dome = ScriptedDome(hanging={"connect"}, shutter=ShutterState.OPEN)
        driver = AscomDriver("Scripted.Dome", lambda _: ComDome(dome))
        errand = shut(replace(Places.of(PLAN), driver=driver), Enclosure(can_hit_mount=False), connects=True)
        errand.give_up()
        dome.let_go.set()
        ended(errand)
        driver.close()
        assert "close_shutter" not in dome.calls

    @pytest.mark.logs_warnings
    @pytest.mark.parametrize(
        ("error", "says"), [(DeviceUnreachable("no answer"), "no answer"), (KeyError("x"), "a bug")]
    )
    def test_one_that_fails_says_why(self, error, says):
        def do(_):
            raise error

        errand = Errand("close", do)
        ended(errand)
        assert says in errand.failure


class TestPlan:
    def test_the_password_is_in_no_file_and_comes_from_the_environment(self, tmp_path, monkeypatch):
        plan = PLAN.model_copy(update={"mail": Mail(host="mail.example.org", password="secret")})
        assert "secret" not in plan.as_text
        file = tmp_path / "plan.json"
        file.write_text(plan.as_text)
        assert planned(file).mail.password is None
        assert planned(file).digest == plan.digest
        monkeypatch.setenv("CUPOLA_MAIL_PASSWORD", "secret")
        assert planned(file).mail.password.get_secret_value() == "secret"
        assert planned(file).digest == plan.digest

    def test_another_rule_is_another_plan(self):
        other = PLAN.model_copy(update={"guard": PLAN.guard.model_copy(update={"lease_s": 61.0})})
        assert other.digest != PLAN.digest

    def test_the_settings_give_a_plan(self, tmp_path, monkeypatch):
        file = tmp_path / "settings.toml"
        file.write_text('[dome]\nserver = "127.0.0.1:9"\n[guard]\nlease_s = 30.0\n[enclosure]\ncan_hit_mount = true\n')
        monkeypatch.setenv("CUPOLA_SETTINGS", str(file))
        plan = plan_of_settings()
        assert (plan.server, plan.guard.lease_s, plan.enclosure.can_hit_mount) == ("127.0.0.1:9/0", 30.0, True)
        assert plan.night == ""

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "name no dome"),
            ("[dome]\nserver = 3\n", "dome.server"),
            ('[dome]\nserver = "127.0.0.1:9"\n[guard]\nlease_s = 1.0\nsilent_s = 0.0\n', "guard.silent_s"),
        ],
    )
    def test_settings_that_cannot_be_guarded_by_start_nothing(self, tmp_path, monkeypatch, text, says):
        file = tmp_path / "settings.toml"
        file.write_text(text)
        monkeypatch.setenv("CUPOLA_SETTINGS", str(file))
        with pytest.raises((ObservatoryError, SettingsRefused), match=says):
            run(None)

    def test_a_plan_that_is_none_starts_nothing(self, tmp_path):
        file = tmp_path / "plan.json"
        file.write_text('{"folder": 3}')
        with pytest.raises(ObservatoryError, match="cannot be used"):
            run(file)

    def test_a_folder_that_cannot_be_written_is_said(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(ObservatoryError, match="cannot be written"):
            start_guard(PLAN.model_copy(update={"folder": str(tmp_path / "file" / "guards")}))
