"""The only place that knows where resources and the user's folders lie, and how a file for one user is written."""

from __future__ import annotations

import os
import shutil
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


def write_private(file: Path, text: str) -> None:
    """Write a file whole, for its user alone: beside its place, onto the disk, then renamed; raises `OSError`."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


def kernel_folder() -> Path:
    """Where compiled kernels are kept; losing them costs a minute."""
    return platformdirs.user_cache_path("cupola", appauthor=False) / "kernels"


def sky_folder() -> Path:
    """Where tables made from the star catalogue are kept; losing them costs some seconds."""
    return platformdirs.user_cache_path("cupola", appauthor=False) / "sky"


def free_bytes(folder: Path) -> int | None:
    """Bytes that are free where `folder` lies or will lie; None when that cannot be known."""
    existing = next((place for place in (folder, *folder.parents) if place.exists()), None)
    try:
        return None if existing is None else shutil.disk_usage(existing).free
    except OSError:
        return None
