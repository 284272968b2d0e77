"""When the guard closes: pure rules over what it knows at one moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.model.dome import ClosedBy, ShutterState, ShutterWord
from app.model.guard import GuardPlan
from app.model.reading import FRESH_S, Reading
from app.model.settings import WeatherLimits
from app.model.sky_verdict import SkyVerdict, beyond_limits, silent_sources, sky_verdict
from app.model.surroundings import SKY_FRESH_S, Surroundings

#: Below this the roof may be iced or under snow, degrees Celsius.
ICE_DEGC = 2.0


@dataclass(frozen=True, slots=True)
class SeenDome:
    """What one look at the dome gave.

    Attributes
    ----------
    shutter : ShutterState or None
        The driver's word; None where it tells of none.
    is_closing_seen : bool
        Whether the newest motion of the shutter that was seen is a closing, without a failed look since.
    """

    shutter: ShutterState | None
    is_closing_seen: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """Everything that the guard knows at one moment.

    Attributes
    ----------
    dome : Reading of SeenDome
        The dome's newest word.
    around : Surroundings
        Mount, sky and contacts.
    sun_altitude_deg : float
        Of now.
    abandoned_s : float or None
        How long nobody has held a lease; None while somebody does.
    began_s, now_s : float
        Monotonic: when the guard began to look, and now.
    """

    dome: Reading[SeenDome]
    around: Surroundings
    sun_altitude_deg: float
    abandoned_s: float | None
    began_s: float
    now_s: float

    @property
    def shutter(self) -> ShutterState | None:
        """The driver's fresh word."""
        seen = self.dome.fresh_value(self.now_s, FRESH_S)
        return None if seen is None else seen.shutter

    @property
    def closed_by(self) -> ClosedBy | None:
        """Whose word it is that the shutter is closed: a contact that is open contradicts every driver."""
        contact = self.around.closed_contact.fresh_value(self.now_s, SKY_FRESH_S)
        if contact is False:
            return None
        if contact is True and self.shutter not in (ShutterState.OPEN, ShutterState.OPENING):
            return ClosedBy.SWITCH
        seen = self.dome.fresh_value(self.now_s, FRESH_S)
        if seen is None or seen.shutter is not ShutterState.CLOSED:
            return None
        return ClosedBy.MOTION if seen.is_closing_seen else ClosedBy.DRIVER

    @property
    def word(self) -> ShutterWord:
        """The word for the operator."""
        if self.closed_by is not None:
            return ShutterWord.CLOSED if self.closed_by is ClosedBy.DRIVER else ShutterWord.PROVEN_CLOSED
        if self.shutter is None:
            return ShutterWord.UNKNOWN
        if self.shutter in (ShutterState.CLOSED, ShutterState.ERROR):
            return ShutterWord.NOT_CLOSED
        return ShutterWord(self.shutter.value)

    @property
    def mount_is_parked(self) -> bool | None:
        """By its contact where there is one, else by its own fresh word; None is unknown."""
        return self.around.mount_is_parked(self.now_s)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the dome must be closed: a name, which overrides cover, and the value with its limit."""

    name: str
    says: str


def reasons_to_close(sight: Sight, plan: GuardPlan) -> tuple[Reason, ...]:
    """Everything that is against an open dome, the most telling first.

    Returns
    -------
    tuple of Reason
        Named ``"sky: SENSOR"``, ``"sky silent"``, ``"sun"``, ``"lease"``, ``"mains"``.
    """
    rules, now_s = plan.guard, sight.now_s
    reasons = [
        Reason(f"sky: {sensor}", says)
        for sensor, says in beyond_limits(sight.around, plan.weather_limits, now_s).items()
    ]
    if now_s - sight.began_s > rules.silent_s:
        silent = silent_sources(sight.around, now_s, rules.silent_s, rules.silent_s)
        reasons += [Reason("sky silent", "; ".join(silent))] if silent else []
    if sight.sun_altitude_deg > rules.sun_altitude_deg:
        says = f"the Sun is at {sight.sun_altitude_deg:.1f}°, limit {rules.sun_altitude_deg:g}°"
        reasons.append(Reason("sun", says))
    if rules.closes_abandoned and sight.abandoned_s is not None:
        says = f"no window and no night is heard of for {sight.abandoned_s:.0f} s, limit {rules.lease_s:g} s"
        reasons.append(Reason("lease", says))
    if sight.around.mains_contact.fresh_value(now_s, SKY_FRESH_S) is False:
        reasons.append(Reason("mains", "the mains is off"))
    return tuple(reasons)


def verdict_of(sight: Sight, plan: GuardPlan) -> SkyVerdict:
    """The guard's verdict of the sky."""
    return sky_verdict(sight.around, plan.weather_limits, sight.now_s, oldest_data_s=plan.guard.silent_s)


def may_open_by(sight: Sight, plan: GuardPlan) -> bool:
    """Whether everything is well under the lower thresholds that hold for opening."""
    limits = opening_limits(plan.weather_limits, plan.guard.open_at)
    sky = sky_verdict(sight.around, limits, sight.now_s, oldest_data_s=plan.guard.silent_s)
    others = [reason for reason in reasons_to_close(sight, plan) if reason.name != "lease"]
    return sky.is_safe is True and not others


def opening_limits(limits: WeatherLimits, part: float) -> WeatherLimits:
    """That part of every limit."""
    return limits.model_copy(update={name: getattr(limits, name) * part for name in WeatherLimits.model_fields})


def operator_needed(reasons: Iterable[Reason], sight: Sight) -> str:
    """Why only an operator may open again after these reasons; empty when a schedule may."""
    names = {reason.name for reason in reasons}
    weather = sight.around.weather.fresh_value(sight.now_s, SKY_FRESH_S)
    temperature_degc = None if weather is None else weather.temperature_degc
    if "sky: rain" in names:
        return "it rained"
    if temperature_degc is not None and temperature_degc < ICE_DEGC and "sky: humidity" in names:
        return f"ice is possible: it was damp at {temperature_degc:.1f} °C, limit {ICE_DEGC:g} °C"
    if "sky: safety monitor" in names and (weather is None or weather.rain_mm_h is None):
        return "the safety monitor said unsafe, and no sensor of rain says that it was dry"
    if "sky silent" in names:
        return "a sensor of the sky fell silent"
    if "lease" in names:
        return "the window or the night that kept the dome open was lost"
    return ""
