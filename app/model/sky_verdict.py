"""Whether the sky is safe: every source that there is must be fresh and good; unknown is never safe."""

from __future__ import annotations

from dataclasses import dataclass

from app.model.reading import Reading
from app.model.settings import WeatherLimits
from app.model.surroundings import SKY_FRESH_S, Surroundings, Weather

_MONITOR = "safety monitor"


@dataclass(frozen=True, slots=True)
class SkyVerdict:
    """Whether the sky is safe, and who decides it.

    Attributes
    ----------
    is_safe : bool or None
        None when nothing fresh says so: unknown is never safe.
    decider : str
        The sensor, its value and limit that decide, such as ``"wind 14.2 m/s > 12"``.
    beyond : tuple of str
        Every sensor that says unsafe, by name: ``"safety monitor"``, ``"wind"``, ``"gusts"``, ``"humidity"``,
        ``"cloud"``, ``"rain"``.
    """

    is_safe: bool | None
    decider: str
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Check:
    """One sensor against its limit."""

    sensor: str
    value: float | None
    limit: float
    unit: str

    @property
    def is_beyond(self) -> bool:
        """Whether the value is unsafe."""
        return self.value is not None and not self.value <= self.limit

    @property
    def fraction(self) -> float:
        """How much of the limit is used."""
        if self.value is None:
            return 0.0
        return self.value / self.limit if self.limit > 0.0 else float(self.value > 0.0)

    def __str__(self) -> str:
        sign = ">" if self.is_beyond else "≤"
        return f"{self.sensor} {self.value:.1f}{self.unit} {sign} {self.limit:g}"


def sky_verdict(surroundings: Surroundings, limits: WeatherLimits, now_s: float, *, oldest_data_s: float) -> SkyVerdict:
    """Judge the sky.

    Parameters
    ----------
    surroundings : Surroundings
        Which sources there are, and their newest readings.
    limits : WeatherLimits
        Wind counts as mean of ten minutes, and as gust; any rain is unsafe.
    now_s : float
        Monotonic, seconds.
    oldest_data_s : float
        A weather station whose data are older, by its own word, says nothing.

    Returns
    -------
    SkyVerdict
        Unsafe when any fresh source says so; else unknown when a source that there is says nothing fresh; else safe,
        decided by the sensor that is nearest to its limit.
    """
    beyond = beyond_limits(surroundings, limits, now_s)
    if beyond:
        return SkyVerdict(False, next(iter(beyond.values())), tuple(beyond))
    silent = silent_sources(surroundings, now_s, oldest_data_s)
    if silent:
        return SkyVerdict(None, "; ".join(silent))
    checks = _fresh_checks(surroundings, limits, now_s)
    if checks:
        return SkyVerdict(True, str(checks[0]))
    if surroundings.has_safety_monitor:
        return SkyVerdict(True, "the safety monitor says safe")
    return SkyVerdict(None, "no safety monitor and no weather station are set up")


def beyond_limits(surroundings: Surroundings, limits: WeatherLimits, now_s: float) -> dict[str, str]:
    """What every sensor that says unsafe says, by its name; the worst first, after the safety monitor."""
    found: dict[str, str] = {}
    if surroundings.has_safety_monitor and surroundings.is_safe.fresh_value(now_s, SKY_FRESH_S) is False:
        found[_MONITOR] = "the safety monitor says unsafe"
    checks = _fresh_checks(surroundings, limits, now_s)
    return found | {check.sensor: str(check) for check in checks if check.is_beyond}


def silent_sources(
    surroundings: Surroundings, now_s: float, oldest_data_s: float, limit_s: float = SKY_FRESH_S
) -> tuple[str, ...]:
    """A sentence about every source that there is and that says nothing: not read within `limit_s`, or old data."""
    silent = []
    if surroundings.has_safety_monitor and surroundings.is_safe.fresh_value(now_s, limit_s) is None:
        silent.append(_silence(_MONITOR, surroundings.is_safe, now_s, limit_s))
    if surroundings.has_weather:
        weather = surroundings.weather.fresh_value(now_s, limit_s)
        if weather is None or not _has_sensors(weather):
            silent.append(_silence("weather station", surroundings.weather, now_s, limit_s))
        elif (age_s := data_age_s(surroundings, now_s)) is not None and age_s > oldest_data_s:
            silent.append(f"the weather station's newest data are {age_s:.0f} s old, limit {oldest_data_s:g} s")
    return tuple(silent)


def data_age_s(surroundings: Surroundings, now_s: float) -> float | None:
    """Age of the weather's data by the station's own word and the age of that word; None when it does not say."""
    weather, read_age_s = surroundings.weather.value, surroundings.weather.age_s(now_s)
    if weather is None or weather.age_s is None or read_age_s is None:
        return None
    return weather.age_s + read_age_s


def _fresh_checks(surroundings: Surroundings, limits: WeatherLimits, now_s: float) -> list[_Check]:
    """The sensors that there are, the worst first."""
    weather = surroundings.weather.fresh_value(now_s, SKY_FRESH_S) if surroundings.has_weather else None
    checks = [] if weather is None else [check for check in _checks(weather, limits) if check.value is not None]
    return sorted(checks, key=lambda check: (check.is_beyond, check.fraction), reverse=True)


def _checks(weather: Weather, limits: WeatherLimits) -> tuple[_Check, ...]:
    """Every sensor: without a mean of the wind the momentary one counts, and a wind beyond the gusts' limit is a gust."""
    mean_m_s = weather.wind_m_s if weather.wind_mean_m_s is None else weather.wind_mean_m_s
    gusts = [value for value in (weather.gust_m_s, weather.wind_m_s) if value is not None]
    return (
        _Check("wind", mean_m_s, limits.wind_m_s, " m/s"),
        _Check("gusts", max(gusts, default=None), limits.gust_m_s, " m/s"),
        _Check("humidity", weather.humidity_percent, limits.humidity_percent, " %"),
        _Check("cloud", weather.cloud_percent, limits.cloud_percent, " %"),
        _Check("rain", weather.rain_mm_h, 0.0, " mm/h"),
    )


def _has_sensors(weather: Weather) -> bool:
    return any(check.value is not None for check in _checks(weather, WeatherLimits()))


def _silence(what: str, reading: Reading[bool] | Reading[Weather], now_s: float, limit_s: float) -> str:
    age_s = reading.age_s(now_s)
    if age_s is None:
        return f"the {what} was never read"
    if age_s > limit_s:
        return f"the {what} is silent for {age_s:.0f} s, limit {limit_s:g} s"
    return f"the {what} has no sensor of wind, humidity, cloud or rain"
