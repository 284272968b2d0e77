"""The settings: TOML checked as a whole, every problem at once; secrets come from the environment."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from app.model.errors import FieldProblem, SettingsRefused

#: Environment variable that holds the password of the mail account.
MAIL_PASSWORD_VARIABLE = "CUPOLA_MAIL_PASSWORD"  # noqa: S105 - the name of a variable, not a secret

_HIDDEN = "(not shown)"


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

    @property
    def recipients(self) -> tuple[str, ...]:
        """Who gets mails: nobody when there is no host to take them."""
        return self.admins if self.host else ()

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
        if rejection != "auto" and info.context is not None and rejection not in (names := info.context()):
            raise ValueError(f"is no method: take one of {', '.join(('auto', *names))}")
        return rejection


class Device(_Table):
    """One Alpaca device: ``server`` is HOST:PORT; without it there is no such device."""

    server: str | None = None
    device: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0

    @field_validator("server")
    @classmethod
    def _is_host_and_port(cls, server: str | None) -> str | None:
        if server is not None:
            host, _, port = server.rpartition(":")
            if not host or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
                raise ValueError(f"{server!r} must be HOST:PORT, such as 192.168.1.20:11111")
        return server


class Dome(Device):
    """The dome; without a server the embedded simulated observatory is used."""

    slit_width_deg: Annotated[float, Field(gt=0.0, le=180.0)] = 20.0
    park_deg: Annotated[float, Field(ge=0.0, lt=360.0)] | None = None
    home_deg: Annotated[float, Field(ge=0.0, lt=360.0)] | None = None
    tolerance_deg: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    poll_s: Annotated[float, Field(ge=0.1, le=10.0)] = 0.4
    motion_start_s: Annotated[float, Field(gt=0.0, le=120.0)] = 10.0
    motion_end_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 300.0


class WeatherLimits(_Table):
    """The sky is unsafe beyond these."""

    wind_m_s: Annotated[float, Field(gt=0.0)] = 12.0
    humidity_percent: Annotated[float, Field(gt=0.0, le=100.0)] = 90.0
    cloud_percent: Annotated[float, Field(ge=0.0, le=100.0)] = 80.0


class FrontDesk(_Table):
    """Where orders come in: HTTP on loopback, and a folder into which JSON files are dropped."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8750
    drop_folder: Path | None = None


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
    dome: Dome = Dome()
    mount: Device = Device()
    safety_monitor: Device = Device()
    weather: Device = Device()
    weather_limits: WeatherLimits = WeatherLimits()
    front_desk: FrontDesk = FrontDesk()

    @property
    def is_embedded(self) -> bool:
        """Whether the simulated observatory stands in, because no dome is named."""
        return self.dome.server is None

    def camera(self, instrument: str | None) -> Camera:
        """The settings of a camera; an unknown one has none."""
        for camera in self.cameras:
            if camera.instrument == instrument:
                return camera
        return Camera(instrument=instrument or "")


def parse_settings(
    text: str, subject: str, password: str | None = None, rejections: Callable[[], Collection[str]] | None = None
) -> Settings:
    """Check the text of a settings file.

    Parameters
    ----------
    text : str
        TOML; an empty text gives the defaults.
    subject : str
        What a refusal calls them, such as ``"Settings /home/ada/settings.toml"``.
    password : str, optional
        Of the mail account; never in the text.
    rejections : callable, optional
        Names of the rejection methods that there are, asked when the text names one; without it any name passes.

    Returns
    -------
    Settings
        Checked as a whole.

    Raises
    ------
    SettingsRefused
        With every problem.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem = FieldProblem("file", "its text", f"is not readable TOML: {error}: mend it, or move it away")
        raise SettingsRefused(subject, (problem,)) from error
    problems: list[FieldProblem] = []
    mail = values.get("mail", {})
    if isinstance(mail, dict):
        if mail.pop("password", None) is not None:
            problems.append(FieldProblem("mail.password", _HIDDEN, f"take it out and set {MAIL_PASSWORD_VARIABLE}"))
        values["mail"] = mail if password is None else {**mail, "password": password}
    try:
        settings = Settings.model_validate(values, context=rejections)
    except ValidationError as error:
        problems += [_problem(fault["loc"], fault["input"], fault["msg"]) for fault in error.errors()]
    if problems:
        raise SettingsRefused(subject, tuple(problems))
    return settings


def _problem(place: tuple[int | str, ...], value: object, message: str) -> FieldProblem:
    name = ".".join(str(part) for part in place)
    return FieldProblem(name, _HIDDEN if "pass" in name.lower() else repr(value)[:80], _remedy(message))


def _remedy(message: str) -> str:
    message = message.removeprefix("Value error, ")
    known = {"Extra inputs are not permitted": "is no setting: see `cupola settings show` for the names"}
    return known.get(message, message[:1].lower() + message[1:])
