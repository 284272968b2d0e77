"""The only place that knows where resources and the user's folders lie."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from app.model.errors import ObservatoryError


class ResourceMissing(ObservatoryError, FileNotFoundError):
    """A file that comes with Cupola is not where it was installed."""


def resource(name: str) -> Path:
    """Where a file that comes with Cupola lies.

    Parameters
    ----------
    name : str
        Path below ``resources/``, such as ``"stars/tycho2_vt15.npz"``.

    Returns
    -------
    Path
        Absolute path of an existing file or folder.

    Raises
    ------
    ResourceMissing
        If there is no such file.
    """
    package = Path(__file__).resolve().parent
    installed = package / "resources"
    folder = installed if installed.is_dir() else package.parent / "resources"
    path = folder / name
    if not path.exists():
        raise ResourceMissing(f"{name} is missing in {folder}: install Cupola again, or complete the checkout")
    return path


def user_settings_file() -> Path:
    """Where the operator's settings are read from; the file need not exist."""
    return platformdirs.user_config_path("cupola", appauthor=False) / "settings.toml"


def user_data_folder() -> Path:
    """Where the database and the local repository lie unless the settings say otherwise."""
    return platformdirs.user_data_path("cupola", appauthor=False)


def guard_folder() -> Path:
    """Where guards keep their locks, addresses and memories."""
    return user_data_folder() / "guards"
