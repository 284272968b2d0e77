"""Settings are read whole or refused with every problem; the example file says the truth about the defaults."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.model.errors import SettingsRefused
from app.model.settings import MAIL_PASSWORD_VARIABLE, Camera, Settings, read_settings
from app.paths import resource


def written(folder: Path, text: str) -> Path:
    file = folder / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_no_file_gives_the_defaults(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "absent.toml", {}) == Settings()


def test_example_shows_every_setting_with_its_default(tmp_path: Path) -> None:
    text = resource("settings.example.toml").read_text(encoding="utf-8")
    assert read_settings(written(tmp_path, text), {}) == Settings()
    head, camera = text.split("# [[cameras]]")
    lines = [line for line in head.splitlines() if not re.match(r"# [A-Z]", line)]
    shown = read_settings(written(tmp_path, "\n".join(line.removeprefix("# ") for line in lines)), {})
    for table in ("site", "mail", "calibration"):
        model = getattr(shown, table)
        told = {line.removeprefix("# ").split(" = ")[0] for line in lines if " = " in line}
        assert set(type(model).model_fields) - told <= {"password"}
    assert shown.calibration == Settings().calibration
    assert set(Camera.model_fields) == set(re.findall(r"^# (\w+) = ", camera, re.MULTILINE))


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    text = "[site]\nlatitude_deg = 91\n[mail]\nadmins = ['nobody']\n[calibration]\nrejection = 'best'\n[dome]\n"
    with pytest.raises(SettingsRefused) as refused:
        read_settings(written(tmp_path, text), {}, rejections=("none",))
    fields = {problem.field for problem in refused.value.problems}
    assert fields == {"site.latitude_deg", "mail.admins", "calibration.rejection", "dome"}


def test_password_comes_from_the_environment_and_is_not_shown(tmp_path: Path) -> None:
    settings = read_settings(tmp_path / "absent.toml", {MAIL_PASSWORD_VARIABLE: "secret"})
    assert settings.mail.password is not None
    assert settings.mail.password.get_secret_value() == "secret"
    assert "secret" not in repr(settings)
    assert "secret" not in settings.model_dump_json()


def test_camera_is_found_by_its_name() -> None:
    settings = Settings(cameras=(Camera(instrument="a", saturation_adu=60000.0),))
    assert settings.camera("a").saturation_adu == 60000.0
    assert settings.camera("b").saturation_adu is None
    assert settings.camera(None).scale_dark is True
