"""The control path of a simulator that this program started itself; no other is ever spoken to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from app.bootstrap.embedded import Simulator
from app.model.errors import ObservatoryError

_TIMEOUT_S = 5.0
#: Everything as it is when a simulator begins, but for the shutter, whose place must be known.
_AS_AT_FIRST: Mapping[str, Any] = {
    "shutter": "closed",
    "shutter_stuck_at": None,
    "is_motor_dead": None,
    "has_mains": None,
    "is_safe": None,
    "weather_age_s": None,
    "rain_mm_h": None,
}


class DrillFailed(ObservatoryError):
    """What a drill was to prove did not come true."""


class NotOurs(ObservatoryError):
    """What answers is not the simulator that the drill started."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is so, whatever anybody says.

    Attributes
    ----------
    opening : float
        Of the shutter: 0 is closed, 1 is open.
    """

    shutter: str
    opening: float
    azimuth_deg: float
    is_slewing: bool
    is_moving: bool
    mount_is_parked: bool
    is_safe: bool

    @property
    def is_closed(self) -> bool:
        """Whether the shutter is closed and stands."""
        return self.opening <= 0.0


@dataclass(frozen=True, slots=True)
class Command:
    """One PUT that reached the simulated dome: its member in lower case, and the monotonic time, seconds."""

    member: str
    at_s: float


class Controls:
    """Makes faults, and tells the truth.

    Parameters
    ----------
    simulator : Simulator
        Must prove by its nonce that it is ours; an address proves nothing.

    Raises
    ------
    NotOurs
        It does not.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self._require_ours()

    def change(self, **state: Any) -> None:
        """Have the observatory otherwise, at once: fields of `app.sim.observatory.Change`."""
        self._put("state", state)

    def spoil(self, **faults: Any) -> None:
        """Have the server's replies go wrong: fields of `app.sim.faults.Faults`; none is none."""
        self._put("faults", faults)

    def lie(self, **lies: Any) -> None:
        """Have the dome's driver lie: fields of `app.sim.driver_lies.Lies`; none is none."""
        self._put("lies", lies)

    def restart(self, **make: Any) -> None:
        """Have the drivers start anew: fields of `app.sim.drivers.Make`."""
        self._put("restart", make)

    def mend(self) -> None:
        """Take everything back, and close the shutter."""
        self.spoil()
        self.lie()
        self.change(**_AS_AT_FIRST)

    def truth(self) -> Truth:
        """What is so now."""
        state = self._get("state")
        dome = state["dome"]
        return Truth(
            dome["shutter"],
            dome["opening"],
            dome["azimuth_deg"],
            dome["is_slewing"],
            dome["is_moving"],
            state["mount"]["is_parked"],
            state["is_safe"],
        )

    def newest(self) -> int:
        """Number of the newest request to a device."""
        return max((int(request["number"]) for request in self._get("requests")), default=0)

    def commands(self, since: int) -> list[Command]:
        """What the dome was told to do after that request, oldest first; being connected is no command."""
        found = []
        for request in self._get(f"requests?since={since}"):
            kind, _, member = request["path"].lower().removeprefix("/api/v1/").partition("/")
            member = member.partition("/")[2]
            if request["method"] == "PUT" and kind == "dome" and member not in ("connect", "connected"):
                found.append(Command(member, float(request["at_s"])))
        return found

    def _require_ours(self) -> None:
        if not self.simulator.is_ours():
            raise NotOurs(
                f"What answers at {self.simulator.server} is not the simulator that this drill started: nothing is "
                "done there; begin the drill anew"
            )

    def _put(self, path: str, values: Mapping[str, Any]) -> None:
        self._require_ours()
        self._ask("PUT", path, json.dumps(values))

    def _get(self, path: str) -> Any:
        return self._ask("GET", path, None)

    def _ask(self, method: str, path: str, body: str | None) -> Any:
        connection = HTTPConnection(self.simulator.server, timeout=_TIMEOUT_S)
        try:
            connection.request(method, f"/simulator/v1/{path}", body)
            reply = connection.getresponse()
            text = reply.read()
        except (OSError, HTTPException) as error:
            raise DrillFailed(
                f"The simulator does not answer to {method} {path} ({error}): see whether it runs"
            ) from error
        finally:
            connection.close()
        if reply.status != 200:
            raise DrillFailed(f"The simulator refuses {method} {path} ({reply.status}): {text.decode()[:200]}")
        return json.loads(text)
