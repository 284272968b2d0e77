"""Changes to the settings file: comments stay, nothing that would not work is written, and it is written whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError

from app.model.errors import FieldProblem, SettingsRefused
from app.model.settings import Settings, parse_settings


def save_tables(file: Path, tables: Mapping[str, Any]) -> Settings:
    """Change some tables of the settings file.

    Parameters
    ----------
    file : Path
        The file; it is made when there is none.
    tables : mapping
        Values by name, or mappings of them; None takes a line out of the file.

    Returns
    -------
    Settings
        As the file gives them now.

    Raises
    ------
    SettingsRefused
        With every problem; the file is as it was.
    """
    subject = f"Settings {file}"
    try:
        document = tomlkit.parse(file.read_text(encoding="utf-8") if file.exists() else "")
        _merge(document, tables)
        text = tomlkit.dumps(document)
        settings = parse_settings(text, subject)
        _write(file, text)
    except ParseError as error:
        problem = FieldProblem("file", subject, f"is not readable TOML: {error}: mend it, or move it away")
        raise SettingsRefused(subject, (problem,)) from error
    except (OSError, UnicodeDecodeError) as error:
        problem = FieldProblem("file", str(file), f"cannot be written: {error}: allow writing there")
        raise SettingsRefused(subject, (problem,)) from error
    return settings


def _merge(table: Any, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if isinstance(value, Mapping):
            if name not in table:
                table[name] = tomlkit.table()
            _merge(table[name], value)
        elif value is None:
            table.pop(name, None)
        else:
            table[name] = str(value) if isinstance(value, Path) else value


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.new")
    try:
        with new.open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        new.replace(file)
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)
