"""Faults that the simulator shows on request: how a reply goes wrong, after the device has done what it was told."""

from __future__ import annotations

from math import inf
from random import Random
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Fault(BaseModel):
    """What is wrong with some replies; everything that is given is wrong at once.

    Attributes
    ----------
    members : tuple of str
        What it is wrong with: members (``"azimuth"``), devices (``"telescope"``) or both (``"dome/azimuth"``);
        every device when empty. Management only when it is named: ``"management"``, ``"management/description"``.
    times : int or None
        How many replies; None until the faults are set anew.
    probability : float
        The part of the replies, by chance.
    seed : int
        Of that chance.
    hang_s : float
        The reply waits so long, real seconds.
    status : int or None
        The reply has this HTTP status, and a text body.
    html : bool
        The body is a page of HTML.
    other_json : bool
        The body is JSON, but not Alpaca's.
    empty : bool
        There is no body.
    error : int or None
        The reply has this Alpaca error number: 0x400, 0x40B, 0x7DA or another.
    value : str or None
        What stands in Value: null, NaN, a number with a comma, the value as a string; or there is none.
    wrong_echo : bool
        ClientTransactionID is not the client's.
    extra_keys : bool
        Unknown keys stand beside the known ones.
    odd_types : bool
        The list of devices has their types in odd case, and others of unknown type.
    requires_connect : bool
        0x407 from every member until the device is connected, and nothing is done.
    connect_fails : bool
        The driver does not reach its device.
    drop : bool
        The connection is closed without a reply.
    cut : bool
        The connection is closed after half of the body.
    trickle_s : float
        Seconds between the bytes of the body.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    members: tuple[str, ...] = ()
    times: int | None = Field(default=None, ge=1)
    probability: float = Field(default=1.0, ge=0.0, le=1.0)
    seed: int = 0

    hang_s: float = Field(default=0.0, ge=0.0, le=3600.0)
    status: int | None = Field(default=None, ge=200, le=599)
    html: bool = False
    other_json: bool = False
    empty: bool = False
    error: int | None = Field(default=None, ge=-(2**31), le=2**31 - 1)
    value: Literal["null", "nan", "comma", "string", "absent"] | None = None
    wrong_echo: bool = False
    extra_keys: bool = False
    odd_types: bool = False
    requires_connect: bool = False
    connect_fails: bool = False
    drop: bool = False
    cut: bool = False
    trickle_s: float = Field(default=0.0, ge=0.0, le=60.0)

    def concerns(self, device: str, member: str) -> bool:
        """Whether it is one of that member of that device type, both in lower case."""
        if device == "management":
            return not {device, f"{device}/{member}"}.isdisjoint(self.members)
        return not self.members or not {member, device, f"{device}/{member}"}.isdisjoint(self.members)


class Faults(Fault):
    """All that is wrong with the server; the empty one has no faults.

    Attributes
    ----------
    more : tuple of Fault
        Further ones, each with its own members and limits.
    no_discovery : bool
        Discovery is not answered.
    refuse_s : float
        Beginning now, connections are refused for so long, real seconds, this control path's too.
    """

    more: tuple[Fault, ...] = ()
    no_discovery: bool = False
    refuse_s: float = Field(default=0.0, ge=0.0, le=3600.0)


class FaultsInForce:
    """The faults that were wanted last, and how often each was shown since.

    Attributes
    ----------
    wanted : Faults
        What was asked for.
    """

    def __init__(self, wanted: Faults) -> None:
        self.wanted = wanted
        self._limited = [_Limited(fault) for fault in (wanted, *wanted.more)]

    def hitting(self, device: str, member: str) -> tuple[Fault, ...]:
        """The faults of one reply, which counts, for that member of that device type, both in lower case."""
        return tuple(one.fault for one in self._limited if one.fault.concerns(device, member) and one.hits())


class _Limited:
    """One fault that remembers how often it was shown."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._left = inf if fault.times is None else fault.times
        self._chance = Random(fault.seed)  # noqa: S311  # a dice, no secret

    def hits(self) -> bool:
        """Whether it is shown now."""
        if self._left <= 0 or self._chance.random() >= self.fault.probability:
            return False
        self._left -= 1
        return True
