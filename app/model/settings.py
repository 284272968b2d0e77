"""The settings: TOML checked as a whole, every problem at once; secrets come from the environment."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

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


class AmplifierSections(_Table):
    """One output of a detector as its frames store it, where the header does not say: FITS sections.

    Attributes
    ----------
    extension : int
        Number of the image in the file, from 1; 1 for a file with one image.
    data, overscan : str
        Sections of that image, such as ``"[1:1320,1:5280]"``; without overscan, an empty text.
    place : str
        Where the pixels go in the whole frame; an axis that is written backwards is mirrored.
    """

    extension: Annotated[int, Field(ge=1, le=64)] = 1
    data: str
    overscan: str = ""
    place: str


class Camera(_Table):
    """What the header of one camera does not say, or says wrongly; its `instrument` is the header's INSTRUME.

    Attributes
    ----------
    crosstalk : tuple of tuple of float
        ``crosstalk[victim][source]``: part of the source amplifier's counts that shows up in the victim; 0 on the
        diagonal. Empty: none.
    dead_amplifiers : tuple of int
        Numbers, from 1, of amplifiers whose pixels are bad.
    """

    instrument: str
    gain_e_per_adu: Annotated[float, Field(gt=0.0)] | None = None
    read_noise_e: Annotated[float, Field(gt=0.0)] | None = None
    saturation_adu: Annotated[float, Field(gt=0.0)] | None = None
    pixel_scale_arcsec: Annotated[float, Field(gt=0.0, le=3600.0)] | None = None
    scale_dark: bool = True
    amplifiers: tuple[AmplifierSections, ...] = ()
    crosstalk: tuple[tuple[float, ...], ...] = ()
    dead_amplifiers: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _crosstalk_is_square(self) -> Self:
        if any(len(row) != len(self.crosstalk) for row in self.crosstalk):
            raise ValueError(f"crosstalk must have as many columns as its {len(self.crosstalk)} rows")
        return self


class Calibration(_Table):
    """Limits of the calibration.

    Attributes
    ----------
    masters : str
        How bias, dark and flat frames are combined: ``median``, ``mean``, ``sigma clip``, ``winsorized`` or
        ``min/max``; light stacks have `rejection`.
    clip_low, clip_high : float
        Limits of sigma clipping in standard deviations, for masters and light stacks.
    uncertainty : bool
        Whether products carry an UNCERT plane.
    cosmics : bool
        Whether cosmic rays are looked for in every single light; stacks reject them anyway.
    """

    masters: Literal["median", "mean", "sigma clip", "winsorized", "min/max"] = "median"
    rejection: str = "auto"
    clip_low: Annotated[float, Field(gt=0.0, le=20.0)] = 3.0
    clip_high: Annotated[float, Field(gt=0.0, le=20.0)] = 3.0
    uncertainty: bool = False
    cosmics: bool = False
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


class Matching(_Table):
    """How much frames may differ and still belong together.

    Attributes
    ----------
    exposure_s, exposure_part : float
        Exposures count as one within the greater of these, the second as a part of them.
    temperature_ok_degc, temperature_poor_degc : float
        Differences up to the first are good; beyond the second, poor.
    dark_scale_low, dark_scale_high : float
        A dark is scaled by no less and no more.
    library_days : float
        Masters of other nights are taken up to so far away in time.
    """

    exposure_s: Annotated[float, Field(ge=0.0, le=10.0)] = 0.01
    exposure_part: Annotated[float, Field(ge=0.0, le=0.1)] = 0.005
    temperature_ok_degc: Annotated[float, Field(ge=0.0, le=20.0)] = 1.0
    temperature_poor_degc: Annotated[float, Field(ge=0.0, le=50.0)] = 5.0
    dark_scale_low: Annotated[float, Field(gt=0.0, le=1.0)] = 0.2
    dark_scale_high: Annotated[float, Field(ge=1.0, le=10.0)] = 2.0
    rotator_deg: Annotated[float, Field(ge=0.0, le=180.0)] = 1.0
    library_days: Annotated[float, Field(ge=0.0, le=3660.0)] = 365.0


class Quality(_Table):
    """Limits beyond which a light is doubtful, and beyond which it is rejected: left out of the stack.

    Attributes
    ----------
    fwhm_ratio, worst_fwhm_ratio : float
        FWHM over the median of the light's group.
    ellipticity, worst_ellipticity : float
        1 - minor axis / major axis.
    star_ratio, worst_star_ratio : float
        Stars over the most of the light's group.
    worst_flux_ratio : float
        Star flux over that of the clearest light of the group; doubtful from `Calibration.faint_flux_ratio` on.
    saturated_part, worst_saturated_part : float
        Saturated pixels over all that are valid.
    """

    fwhm_ratio: Annotated[float, Field(gt=1.0, le=10.0)] = 1.5
    worst_fwhm_ratio: Annotated[float, Field(gt=1.0, le=20.0)] = 2.5
    ellipticity: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.3
    worst_ellipticity: Annotated[float, Field(gt=0.0, le=1.0)] = 0.6
    star_ratio: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    worst_star_ratio: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    worst_flux_ratio: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    saturated_part: Annotated[float, Field(ge=0.0, le=1.0)] = 0.01
    worst_saturated_part: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5


class Astrometry(_Table):
    """Which solvers are tried, in this order, and how long.

    Attributes
    ----------
    solvers : tuple of str
        Of ``cupola`` (embedded), ``solve-field`` and ``astap``; one that is not installed is passed over.
    blind : bool
        Whether the whole sky is searched when the position fails or there is none.
    time_limit_s : float
        For one external solver and frame.
    most_order : int
        Highest order of the distortion polynomial; 1 is none.
    """

    solvers: tuple[Literal["cupola", "solve-field", "astap"], ...] = ("cupola", "solve-field", "astap")
    blind: bool = True
    time_limit_s: Annotated[float, Field(ge=1.0, le=600.0)] = 30.0
    most_order: Annotated[int, Field(ge=1, le=3)] = 3


class Processing(_Table):
    """Where the Processor computes.

    Attributes
    ----------
    cluster : str
        Address of a dask.distributed scheduler, such as ``tcp://10.0.0.5:8786``; ``local`` starts worker processes on
        this machine; empty: threads of the batch's own process.
    threads : int
        How many; 0 is one less than there are processors where these are more than two, else all.
    """

    cluster: str = ""
    threads: Annotated[int, Field(ge=0, le=1024)] = 0

    @field_validator("cluster")
    @classmethod
    def _is_an_address(cls, cluster: str) -> str:
        if cluster not in ("", "local") and not cluster.startswith(("tcp://", "tls://")):
            raise ValueError(f"{cluster!r} must be local, or an address such as tcp://10.0.0.5:8786")
        return cluster


class Device(_Table):
    """One Alpaca device: ``server`` is HOST:PORT; without it there is no such device.

    Attributes
    ----------
    unique_id : str
        Its UniqueID, or its name where its server gives none: by that it is found again when numbers or addresses
        change; empty takes whatever device has the number.
    """

    server: str | None = None
    device: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    unique_id: str = ""

    @field_validator("server")
    @classmethod
    def _is_host_and_port(cls, server: str | None) -> str | None:
        if server is not None:
            host, _, port = server.rpartition(":")
            if not host or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
                raise ValueError(f"{server!r} must be HOST:PORT, such as 192.168.1.20:11111")
        return server


class Dome(Device):
    """The dome; without a server or a driver the embedded simulated observatory is used.

    Attributes
    ----------
    progid : str
        Name of an ASCOM driver on this Windows machine, such as ``ASCOM.Simulator.Dome``, instead of a server.
    """

    progid: str = ""
    slit_width_deg: Annotated[float, Field(gt=0.0, le=180.0)] = 20.0
    park_deg: Annotated[float, Field(ge=0.0, lt=360.0)] | None = None
    home_deg: Annotated[float, Field(ge=0.0, lt=360.0)] | None = None
    tolerance_deg: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    poll_s: Annotated[float, Field(ge=0.1, le=10.0)] = 0.4
    motion_start_s: Annotated[float, Field(gt=0.0, le=120.0)] = 10.0
    motion_end_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 300.0

    @model_validator(mode="after")
    def _is_one_dome(self) -> Self:
        if self.server is not None and self.progid:
            raise ValueError(f"name a server or an ASCOM driver, not both {self.server} and {self.progid}")
        return self

    @property
    def place(self) -> str:
        """``HOST:PORT/device`` or the driver's name, for people."""
        return self.progid or f"{self.server}/{self.device}"


class Contact(Device):
    """One contact of an Alpaca switch device: ``contact`` is its number there."""

    contact: Annotated[int, Field(ge=0, le=32767)] = 0
    is_inverted: bool = False


class Enclosure(_Table):
    """What is true of the building, and no driver tells.

    Attributes
    ----------
    can_hit_mount : bool or None
        Whether a closing roof can hit the telescope: no for a dome with a slit, yes for roll-off roof, clamshell,
        drop-out shutter. None is not known: then OPEN is refused.
    shutter_azimuth_deg : float or None
        The shutter has its power at this azimuth alone; None when it has it everywhere.
    closes_when_abandoned : bool
        Whether the dome's controller closes by itself when nobody speaks to it.
    closed, mount_parked, mains : Contact
        Independent contacts: on when the shutter is closed, the mount is parked, the mains is there.
    """

    can_hit_mount: bool | None = None
    shutter_azimuth_deg: Annotated[float, Field(ge=0.0, lt=360.0)] | None = None
    closes_when_abandoned: bool = False
    closed: Contact = Contact()
    mount_parked: Contact = Contact()
    mains: Contact = Contact()


class Slaving(_Table):
    """The geometry by which the slit follows the telescope; metres, east, north and up from the dome's centre.

    Attributes
    ----------
    dome_radius_m : float
        Of the sphere.
    pier_east_m, pier_north_m, pier_up_m : float
        Where the mount's axes cross.
    axis_to_tube_m : float
        From the polar axis to the middle of the tube, along the declination axis.
    lateral_m : float
        From the declination axis to the tube, sideways.
    beam_diameter_m : float
        Of the light that must come through.
    slit_past_zenith_deg : float
        How far the slit reaches over the top.
    slit_lower_edge_deg : float
        Altitude of the slit's lower edge.
    azimuth_zero_deg : float
        What the dome reads when the slit looks north.
    margin : float
        The dome moves when the beam is nearer to the slit's edge than this part of the free way.
    is_equatorial : bool
        Whether the mount is German equatorial; else it is alt-azimuth or a fork.
    """

    dome_radius_m: Annotated[float, Field(gt=0.0, le=100.0)] = 2.5
    pier_east_m: Annotated[float, Field(ge=-50.0, le=50.0)] = 0.0
    pier_north_m: Annotated[float, Field(ge=-50.0, le=50.0)] = 0.0
    pier_up_m: Annotated[float, Field(ge=-50.0, le=50.0)] = 0.0
    axis_to_tube_m: Annotated[float, Field(ge=-20.0, le=20.0)] = 0.0
    lateral_m: Annotated[float, Field(ge=-20.0, le=20.0)] = 0.0
    beam_diameter_m: Annotated[float, Field(gt=0.0, le=50.0)] = 0.3
    slit_past_zenith_deg: Annotated[float, Field(ge=0.0, le=90.0)] = 10.0
    slit_lower_edge_deg: Annotated[float, Field(ge=-10.0, lt=90.0)] = 0.0
    azimuth_zero_deg: Annotated[float, Field(ge=0.0, lt=360.0)] = 0.0
    margin: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    is_equatorial: bool = True


class Guard(_Table):
    """When the guard closes, and who may open again.

    Attributes
    ----------
    lease_s : float
        A window, or a night without one, that is not heard of for so long is dead.
    closes_abandoned : bool
        Whether the guard closes when nobody holds a lease any more; else it alarms.
    silent_s : float
        A sensor that says nothing for so long counts as unsafe.
    stop_countdown_s : float
        After a STOP of a safety close, it closes again after so long.
    reopen_after_min : float
        How long everything must have been safe before the dome may open again.
    open_at : float
        Part of each weather limit that a value must be under before the dome may open.
    reopenings_a_night : int
        How often the dome may open again.
    sun_altitude_deg : float
        OPEN is refused, and the guard closes, when the Sun stands higher.
    retry_s, longest_retry_s : float
        Wait after the first failed close, doubled after each, up to the second.
    motor_starts_an_hour : int
        After so many starts of the shutter's motor the guard spares it, but no longer than the longest wait.
    """

    lease_s: Annotated[float, Field(ge=5.0, le=600.0)] = 60.0
    closes_abandoned: bool = True
    silent_s: Annotated[float, Field(ge=5.0, le=600.0)] = 30.0
    stop_countdown_s: Annotated[float, Field(ge=30.0, le=600.0)] = 30.0
    reopen_after_min: Annotated[float, Field(ge=0.0, le=240.0)] = 20.0
    open_at: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9
    reopenings_a_night: Annotated[int, Field(ge=0, le=20)] = 3
    sun_altitude_deg: Annotated[float, Field(ge=-18.0, le=0.0)] = 0.0
    retry_s: Annotated[float, Field(ge=1.0, le=300.0)] = 10.0
    longest_retry_s: Annotated[float, Field(ge=10.0, le=900.0)] = 900.0
    motor_starts_an_hour: Annotated[int, Field(ge=4, le=120)] = 20


class WeatherLimits(_Table):
    """The sky is unsafe beyond these; wind counts as mean of ten minutes, and as gust."""

    wind_m_s: Annotated[float, Field(gt=0.0, le=50.0)] = 12.0
    gust_m_s: Annotated[float, Field(gt=0.0, le=70.0)] = 15.0
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
    processor: Processing = Processing()
    calibration: Calibration = Calibration()
    matching: Matching = Matching()
    quality: Quality = Quality()
    astrometry: Astrometry = Astrometry()
    cameras: tuple[Camera, ...] = ()
    dome: Dome = Dome()
    mount: Device = Device()
    safety_monitor: Device = Device()
    weather: Device = Device()
    cover: Device = Device()
    weather_limits: WeatherLimits = WeatherLimits()
    enclosure: Enclosure = Enclosure()
    slaving: Slaving = Slaving()
    guard: Guard = Guard()
    front_desk: FrontDesk = FrontDesk()

    @property
    def is_embedded(self) -> bool:
        """Whether the simulated observatory stands in, because no dome is named."""
        return self.dome.server is None and not self.dome.progid

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
