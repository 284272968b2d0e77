"""Settings are read whole or refused with every problem; the example file says the truth about the defaults."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from app.bootstrap.observatory import settings_of
from app.model.errors import SettingsRefused
from app.model.settings import MAIL_PASSWORD_VARIABLE, Camera, Mail, Settings, parse_settings
from app.paths import resource


def refused_fields(text: str) -> dict[str, str]:
    """What is wrong, by field."""
    with pytest.raises(SettingsRefused) as refused:
        parse_settings(text, "Settings", rejections=lambda: ("none",))
    return {problem.field: str(problem) for problem in refused.value.problems}


def test_no_file_gives_the_defaults(tmp_path: Path) -> None:
    assert settings_of(tmp_path / "absent.toml") == Settings()


def test_example_shows_every_setting_with_its_default() -> None:
    text = resource("settings.example.toml").read_text(encoding="utf-8")
    assert parse_settings(text, "Settings") == Settings()
    lines = [line.removeprefix("# ") for line in text.splitlines() if not re.match(r"# [A-Z]", line)]
    shown, defaults = tomllib.loads("\n".join(lines)), Settings()
    assert set(shown) == set(Settings.model_fields)
    tables = {name: model for name, model in defaults if isinstance(model, BaseModel)}
    for name, model in tables.items():
        assert set(shown[name]) == set(type(model).model_fields) - {"password"}, name
    (camera,) = shown["cameras"]
    assert set(camera) == set(Camera.model_fields)
    without_default = {"server", "park_deg", "home_deg", "host", "admins", "user", "drop_folder"}
    without_default |= {"can_hit_mount", "shutter_azimuth_deg", "closed"}
    told = parse_settings("\n".join(lines), "Settings")
    for name, model in tables.items():
        assert getattr(told, name).model_dump(exclude=without_default) == model.model_dump(exclude=without_default)


def test_all_problems_come_at_once() -> None:
    text = "[site]\nlatitude_deg = 91\n[mail]\nadmins = ['nobody']\n[calibration]\nrejection = 'best'\n[nonsense]\n"
    assert set(refused_fields(text)) == {"site.latitude_deg", "mail.admins", "calibration.rejection", "nonsense"}


def test_rejections_are_those_of_the_program_and_asked_only_when_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[calibration]\nrejection = 'best'\n", encoding="utf-8")
    with pytest.raises(SettingsRefused, match="take one of auto, "):
        settings_of(file)
    assert parse_settings("[calibration]\nrejection = 'auto'\n", "Settings", rejections=lambda: 1 // 0)


@pytest.mark.parametrize("content", [b"\xff", b"= 1"])
def test_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsRefused, match=r"settings.toml: file = .* move it away"):
        settings_of(file)


def test_password_comes_from_the_environment_and_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MAIL_PASSWORD_VARIABLE, "secret")
    settings = settings_of(tmp_path / "absent.toml")
    assert settings.mail.password is not None
    assert settings.mail.password.get_secret_value() == "secret"
    assert "secret" not in repr(settings)
    assert "secret" not in settings.model_dump_json()


@pytest.mark.parametrize("line", ["password = 'secret'", "password = ['secret']", "pass_word = 'secret'"])
def test_password_in_the_file_is_refused_and_not_shown(line: str) -> None:
    (sentence,) = refused_fields(f"[mail]\n{line}\n").values()
    assert "secret" not in sentence
    assert MAIL_PASSWORD_VARIABLE in sentence or "is no setting" in sentence


def test_nobody_gets_mail_without_a_host() -> None:
    assert Mail(admins=("ada@example.org",)).recipients == ()
    assert Mail(host="mail.example.org", admins=("ada@example.org",)).recipients == ("ada@example.org",)


def test_start_up_does_not_wait_for_numpy() -> None:
    code = "import sys, app.bootstrap.observatory as b\nwith b.open_observatory(): sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_camera_is_found_by_its_name() -> None:
    settings = Settings(cameras=(Camera(instrument="a", saturation_adu=60000.0),))
    assert settings.camera("a").saturation_adu == 60000.0
    assert settings.camera("b").saturation_adu is None
    assert settings.camera(None).scale_dark is True


def test_a_dome_is_at_a_server_or_a_driver() -> None:
    both = "[dome]\nserver = '10.0.0.5:11111'\nprogid = 'ASCOM.Simulator.Dome'\n"
    assert "not both 10.0.0.5:11111 and ASCOM.Simulator.Dome" in refused_fields(both)["dome"]
    driver = parse_settings("[dome]\nprogid = 'ASCOM.Simulator.Dome'\n", "Settings")
    assert not driver.is_embedded


def test_a_wind_limit_that_no_wind_reaches_is_refused() -> None:
    with pytest.raises(SettingsRefused) as refused:
        parse_settings("[weather_limits]\nwind_m_s = inf\ngust_m_s = 500.0\n", "Settings")
    assert [problem.field for problem in refused.value.problems] == [
        "weather_limits.wind_m_s",
        "weather_limits.gust_m_s",
    ]
