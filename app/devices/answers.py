"""Values as a device gave them, checked as they are taken: what cannot be is never passed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from app.model.dome import DeviceNonsense, DomeFacts, DomeSample, ShutterState

#: ASCOM's numbers.
_SHUTTER = dict(
    enumerate((ShutterState.OPEN, ShutterState.CLOSED, ShutterState.OPENING, ShutterState.CLOSING, ShutterState.ERROR))
)
#: What every dome may tell of itself.
DOME_MEMBERS = ("azimuth", "shutterstatus", "slewing", "atpark", "athome")
#: What a dome can do.
DOME_ABILITIES = ("cansetazimuth", "cansetshutter", "canpark", "canfindhome", "cansetaltitude", "canslave")


@dataclass(frozen=True, slots=True)
class Answers:
    """What a device answered, by member in lower case; None where it has no such part.

    Every method raises `DeviceNonsense` for a value that cannot be.

    Attributes
    ----------
    subject : str
        The device, as the subject of the sentences.
    """

    subject: str
    values: Mapping[str, Any]

    def flag(self, member: str) -> bool:
        """A boolean that every such device has."""
        return checked_flag(self.subject, member, self.values[member])

    def number(self, member: str) -> float:
        """A finite number that every such device has."""
        return checked_number(self.subject, member, self.values[member])

    def optional_flag(self, member: str) -> bool | None:
        """As `flag`; None where there is no such part."""
        return None if self.values.get(member) is None else self.flag(member)

    def optional_number(self, member: str, least: float = float("-inf"), most: float = float("inf")) -> float | None:
        """As `number`, from `least` to `most`; None where there is no such part."""
        if self.values.get(member) is None:
            return None
        number = self.number(member)
        if not least <= number <= most:
            raise nonsense(self.subject, member, self.values[member])
        return number


def checked_flag(subject: str, member: str, value: object) -> bool:
    """The value if it is a boolean; raises `DeviceNonsense`."""
    if not isinstance(value, bool):
        raise nonsense(subject, member, value)
    return value


def checked_number(subject: str, member: str, value: object) -> float:
    """The value if it is a finite number; raises `DeviceNonsense`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise nonsense(subject, member, value)
    return float(value)


def nonsense(subject: str, member: str, value: object) -> DeviceNonsense:
    """The error for a value that cannot be."""
    return DeviceNonsense(f"{subject}, {member}: {str(value)[:60]!r} is nonsense; see what its driver says")


def dome_sample(answers: Answers) -> DomeSample:
    """What one poll of a dome gave; raises `DeviceNonsense`."""
    azimuth_deg = answers.optional_number("azimuth", 0.0, 360.0)
    number = answers.optional_number("shutterstatus")
    if number is not None and number not in _SHUTTER:
        raise nonsense(answers.subject, "shutterstatus", answers.values["shutterstatus"])
    return DomeSample(
        azimuth_deg=0.0 if azimuth_deg == 360.0 else azimuth_deg,
        shutter=None if number is None else _SHUTTER[int(number)],
        is_slewing=answers.flag("slewing"),
        is_at_park=answers.optional_flag("atpark"),
        is_at_home=answers.optional_flag("athome"),
        altitude_deg=answers.optional_number("altitude", -90.0, 90.0),
        is_slaved=answers.optional_flag("slaved"),
    )


def dome_facts(name: str, version: int, answers: Answers) -> DomeFacts:
    """What a dome can do; an ability that it does not know is none. Raises `DeviceNonsense`."""
    can = {member: answers.optional_flag(member) is True for member in DOME_ABILITIES}
    return DomeFacts(
        name=name,
        interface_version=version,
        can_set_azimuth=can["cansetazimuth"],
        can_set_shutter=can["cansetshutter"],
        can_park=can["canpark"],
        can_find_home=can["canfindhome"],
        can_set_altitude=can["cansetaltitude"],
        can_slave=can["canslave"],
    )


def dome_members(facts: DomeFacts) -> tuple[str, ...]:
    """What is read of a dome: altitude and slaving only of one that has them, for DeviceState names no slaving."""
    more = (("altitude", facts.can_set_altitude), ("slaved", facts.can_slave))
    return DOME_MEMBERS + tuple(member for member, has in more if has)
