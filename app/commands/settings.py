"""`cupola settings`: where the settings are, a file to begin with, what is in force, and what is wrong."""

from __future__ import annotations

import shutil
from typing import Any

from app.bootstrap.observatory import database_url, repository_of, settings_file, settings_of
from app.commands.console import DONE, FAILED, give, refuse
from app.model.errors import SettingsRefused
from app.paths import resource
from app.store.engine import shown


def path(*, as_json: bool) -> int:
    """Print where the settings are read from."""
    file = settings_file()
    give({"path": str(file), "exists": file.exists()}, str(file), as_json=as_json)
    return DONE


def init(*, as_json: bool) -> int:
    """Write a settings file with every setting explained; an existing one is not touched."""
    file = settings_file()
    if file.exists():
        return refuse(f"settings {file} exist already: edit them, or move them away first", as_json=as_json)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(resource("settings.example.toml"), file)
    except OSError as error:
        sentence = f"settings {file} cannot be written: {error.strerror}: choose another place with CUPOLA_SETTINGS"
        return refuse(sentence, as_json=as_json)
    give({"path": str(file)}, f"settings written to {file}", as_json=as_json)
    return DONE


def show(*, as_json: bool) -> int:
    """Print the settings in force, defaults and all; never the password."""
    settings = settings_of(settings_file())
    values: dict[str, Any] = settings.model_dump(mode="json")
    values["repository"] = str(repository_of(settings))
    values["database"] = shown(database_url(settings))
    give(values, "\n".join(_lines(values)), as_json=as_json)
    return DONE


def check(*, as_json: bool) -> int:
    """Check the settings file; every problem at once."""
    file = settings_file()
    try:
        settings_of(file)
    except SettingsRefused as refusal:
        text = "\n".join([f"{file}:", *(f"  {problem}" for problem in refusal.problems)])
        give({"path": str(file), "good": False, "problems": refusal.as_json}, text, as_json=as_json)
        return FAILED
    state = "is good" if file.exists() else "does not exist: the defaults are in force"
    give({"path": str(file), "good": True, "problems": []}, f"{file} {state}", as_json=as_json)
    return DONE


def _lines(values: dict[str, Any], prefix: str = "") -> list[str]:
    lines = []
    for name, value in values.items():
        if isinstance(value, dict):
            lines += _lines(value, f"{prefix}{name}.")
        else:
            lines.append(f"{prefix}{name} = {value!r}")
    return lines
