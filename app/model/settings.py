"""The settings: TOML checked as a whole, every problem at once; secrets come from the environment."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from app.model.errors import FieldProblem, SettingsRefused

#: Environment variable that holds the password of the mail account.
MAIL_PASSWORD_VARIABLE = "CUPOLA_MAIL_PASSWORD"  # noqa: S105 - the name of a variable, not a secret


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Site(_Table):
    """Where the observatory stands: WGS84, east and north positive."""

    name: str = "Unnamed observatory"
    latitude_deg: Annotated[float, Field(ge=-90.0, le=90.0)] = 0.0
    longitude_deg: Annotated[float, Field(ge=-180.0, le=180.0)] = 0.0
    elevation_m: Annotated[float, Field(ge=-500.0, le=9000.0)] = 0.0


class Mail(_Table):
    """The account that mails errors to the admins; without a host or admins no mail is written."""

    host: str | None = None
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    sender: str = "cupola@localhost"
    admins: tuple[str, ...] = ()
    user: str | None = None
    password: SecretStr | None = None
    starttls: bool = False
    timeout_s: Annotated[float, Field(gt=0.0, le=60.0)] = 10.0

    @field_validator("admins")
    @classmethod
    def _are_addresses(cls, admins: tuple[str, ...]) -> tuple[str, ...]:
        for admin in admins:
            if "@" not in admin:
                raise ValueError(f"{admin!r} is no mail address")
        return admins


class Camera(_Table):
    """What the header of one camera does not say, or says wrongly; its `instrument` is the header's INSTRUME."""

    instrument: str
    gain_e_per_adu: Annotated[float, Field(gt=0.0)] | None = None
    saturation_adu: Annotated[float, Field(gt=0.0)] | None = None
    pixel_scale_arcsec: Annotated[float, Field(gt=0.0, le=3600.0)] | None = None
    scale_dark: bool = True


class Calibration(_Table):
    """Limits of the calibration."""

    rejection: str = "auto"
    few_frames: Annotated[int, Field(ge=1)] = 3
    flat_floor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    flat_minimum_adu: Annotated[float, Field(ge=0.0)] = 500.0
    position_radius_deg: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    faint_flux_ratio: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5

    @field_validator("rejection")
    @classmethod
    def _is_a_method(cls, rejection: str, info: ValidationInfo) -> str:
        known = ("auto", *(info.context or ()))
        if info.context is not None and rejection not in known:
            raise ValueError(f"is no method: take one of {', '.join(known)}")
        return rejection


class Settings(_Table):
    """Everything that an operator may set.

    Attributes
    ----------
    repository : Path or None
        The local repository of unpacked frames and products; None is the user's data folder.
    database : str or None
        SQLAlchemy URL; None is a SQLite file in the user's data folder.
    """

    site: Site = Site()
    repository: Path | None = None
    database: str | None = None
    mail: Mail = Mail()
    calibration: Calibration = Calibration()
    cameras: tuple[Camera, ...] = ()

    def camera(self, instrument: str | None) -> Camera:
        """The settings of a camera; an unknown one has none."""
        for camera in self.cameras:
            if camera.instrument == instrument:
                return camera
        return Camera(instrument=instrument or "")


def read_settings(
    path: Path, environment: Mapping[str, str] = os.environ, rejections: Collection[str] | None = None
) -> Settings:
    """Read a settings file; an absent file gives the defaults.

    Parameters
    ----------
    path : Path
        TOML.
    environment : mapping of str to str
        Holds the mail password, if any.
    rejections : collection of str, optional
        Names of the rejection methods that there are; without them any name passes.

    Returns
    -------
    Settings
        Checked as a whole.

    Raises
    ------
    SettingsRefused
        With every problem of the file.
    """
    values: dict[str, Any] = {}
    try:
        if path.exists():
            values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problem = FieldProblem("file", str(path), f"is not readable TOML: {error}: mend it, or move it away")
        raise SettingsRefused(f"Settings {path}", (problem,)) from error
    if MAIL_PASSWORD_VARIABLE in environment and isinstance(values.get("mail", {}), dict):
        values["mail"] = {**values.get("mail", {}), "password": environment[MAIL_PASSWORD_VARIABLE]}
    try:
        return Settings.model_validate(values, context=rejections)
    except ValidationError as error:
        problems = tuple(
            FieldProblem(".".join(str(part) for part in fault["loc"]), repr(fault["input"])[:80], _remedy(fault["msg"]))
            for fault in error.errors()
        )
        raise SettingsRefused(f"Settings {path}", problems) from error


def _remedy(message: str) -> str:
    message = message.removeprefix("Value error, ")
    known = {"Extra inputs are not permitted": "is no setting: see `cupola settings show` for the names"}
    return known.get(message, message[:1].lower() + message[1:])
