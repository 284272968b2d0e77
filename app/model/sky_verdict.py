"""Whether the sky is safe: every source that there is must be fresh and good; unknown is never safe."""

from __future__ import annotations

from dataclasses import dataclass

from app.model.reading import Reading
from app.model.settings import WeatherLimits
from app.model.surroundings import Surroundings, Weather

#: Surroundings are polled every 2 s: older than three polls is stale.
SKY_FRESH_S = 6.0


@dataclass(frozen=True, slots=True)
class SkyVerdict:
    """Whether the sky is safe, and who decides it.

    Attributes
    ----------
    is_safe : bool or None
        None when nothing fresh says so: unknown is never safe.
    decider : str
        The sensor, its value and limit that decide, such as ``"wind 14.2 m/s > 12"``.
    """

    is_safe: bool | None
    decider: str


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


def sky_verdict(surroundings: Surroundings, limits: WeatherLimits, now_s: float) -> SkyVerdict:
    """Judge the sky.

    Parameters
    ----------
    surroundings : Surroundings
        Which sources there are, and their newest readings.
    limits : WeatherLimits
        Wind counts as gust too; any rain is unsafe.
    now_s : float
        Monotonic, seconds.

    Returns
    -------
    SkyVerdict
        Unsafe when any fresh source says so; else unknown when a source that there is says nothing fresh; else safe,
        decided by the sensor that is nearest to its limit.
    """
    checks: list[_Check] = []
    unknown: list[str] = []
    if surroundings.has_safety_monitor:
        is_safe = surroundings.is_safe.fresh_value(now_s, SKY_FRESH_S)
        if is_safe is False:
            return SkyVerdict(False, "the safety monitor says unsafe")
        if is_safe is None:
            unknown.append(_silence("safety monitor", surroundings.is_safe, now_s))
    if surroundings.has_weather:
        weather = surroundings.weather.fresh_value(now_s, SKY_FRESH_S)
        checks = [] if weather is None else _checks(weather, limits)
        if not checks:
            unknown.append(_silence("weather station", surroundings.weather, now_s))
    checks.sort(key=lambda check: (check.is_beyond, check.fraction), reverse=True)
    if checks and checks[0].is_beyond:
        return SkyVerdict(False, str(checks[0]))
    if unknown:
        return SkyVerdict(None, "; ".join(unknown))
    if checks:
        return SkyVerdict(True, str(checks[0]))
    if surroundings.has_safety_monitor:
        return SkyVerdict(True, "the safety monitor says safe")
    return SkyVerdict(None, "no safety monitor and no weather station are set up")


def _checks(weather: Weather, limits: WeatherLimits) -> list[_Check]:
    """The sensors that there are."""
    checks = (
        _Check("wind", weather.wind_m_s, limits.wind_m_s, " m/s"),
        _Check("gusts", weather.gust_m_s, limits.wind_m_s, " m/s"),
        _Check("humidity", weather.humidity_percent, limits.humidity_percent, " %"),
        _Check("cloud", weather.cloud_percent, limits.cloud_percent, " %"),
        _Check("rain", weather.rain_mm_h, 0.0, " mm/h"),
    )
    return [check for check in checks if check.value is not None]


def _silence(what: str, reading: Reading[bool] | Reading[Weather], now_s: float) -> str:
    age_s = reading.age_s(now_s)
    if age_s is None:
        return f"the {what} was never read"
    if age_s > SKY_FRESH_S:
        return f"the {what} is silent for {age_s:.0f} s, limit {SKY_FRESH_S:g} s"
    return f"the {what} has no sensor of wind, humidity, cloud or rain"
