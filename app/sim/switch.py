"""A simulated switch device: independent contacts, which tell the physical truth whatever the drivers say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.sim.alpaca_device import (
    AlpacaDevice,
    AlpacaError,
    Call,
    ErrorNumber,
    Identity,
    Parameter,
    as_boolean,
    as_number,
    as_whole,
    fixed,
)


@dataclass(frozen=True, slots=True)
class SimulatedContact:
    """One contact that can be read.

    Attributes
    ----------
    is_on : callable
        Whether it is made now.
    """

    name: str
    description: str
    is_on: Callable[[], bool]


def alpaca_switch(
    contacts: Sequence[SimulatedContact], utc: Callable[[], datetime], *, is_platform_7: bool = True
) -> AlpacaDevice:
    """The contacts as their driver shows them; none can be written.

    Parameters
    ----------
    contacts : sequence of SimulatedContact
        By their number.
    utc : callable
        Time of the sky.
    is_platform_7 : bool
        ASCOM's ISwitchV3, or ISwitchV2, which has nothing asynchronous.
    """
    which = Parameter("Id", as_whole)

    def contact(number: int) -> SimulatedContact:
        if not 0 <= number < len(contacts):
            raise AlpacaError(ErrorNumber.INVALID_VALUE, f"There is no contact {number}: take 0 to {len(contacts) - 1}")
        return contacts[number]

    def reading(value: Callable[[SimulatedContact], object]) -> Call:
        return Call(lambda number: value(contact(number)), which)

    def refusal(parameter: Parameter) -> Call:
        def refuse(number: int, _value: object) -> None:
            name = contact(number).name
            raise AlpacaError(ErrorNumber.NOT_IMPLEMENTED, f"Contact {number}, {name}, can be read only")

        return Call(refuse, which, parameter)

    state, value = Parameter("State", as_boolean), Parameter("Value", as_number)
    calls = {
        ("GET", "canwrite"): reading(lambda _: False),
        ("GET", "getswitch"): reading(lambda one: one.is_on()),
        ("GET", "getswitchdescription"): reading(lambda one: one.description),
        ("GET", "getswitchname"): reading(lambda one: one.name),
        ("GET", "getswitchvalue"): reading(lambda one: float(one.is_on())),
        ("GET", "maxswitchvalue"): reading(lambda _: 1.0),
        ("GET", "minswitchvalue"): reading(lambda _: 0.0),
        ("GET", "switchstep"): reading(lambda _: 1.0),
        ("PUT", "setswitch"): refusal(state),
        ("PUT", "setswitchname"): refusal(Parameter("Name", str)),
        ("PUT", "setswitchvalue"): refusal(value),
    }
    if is_platform_7:
        calls |= {
            ("GET", "canasync"): reading(lambda _: False),
            ("GET", "statechangecomplete"): reading(lambda _: True),
            ("PUT", "setasync"): refusal(state),
            ("PUT", "setasyncvalue"): refusal(value),
        }
    return AlpacaDevice(
        _identity(is_platform_7),
        reads={"maxswitch": fixed(len(contacts))},
        calls=calls,
        missing=("cancelasync",) if is_platform_7 else (),
        state=(),
        utc=utc,
        is_platform_7=is_platform_7,
    )


def _identity(is_platform_7: bool) -> Identity:
    return Identity(
        kind="Switch",
        name="Cupola simulated contacts",
        description="SIMULATED independent contacts, no hardware",
        interface_version=3 if is_platform_7 else 2,
        unique_id="5c0f6d0e-8a55-4b0e-9a53-2f4dc1f8a005",
    )
