"""The faults of a soak, and how much longer a close may take under each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: The guard may just have begun the longest wait between two tries.
RETRY_S = 11.0


@dataclass(frozen=True, slots=True)
class Mischief:
    """One fault of the server or of the dome.

    Attributes
    ----------
    faults, lies, state : mapping
        What the simulator is told.
    restarts : bool
        Whether the drivers begin anew, and are not connected.
    delay_s : float
        How much longer than usual a close may take under it.
    lasts_s : float or None
        The close is possible only when it is over; None when it is possible under it.
    """

    name: str
    faults: Mapping[str, Any] = field(default_factory=dict)
    lies: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    restarts: bool = False
    delay_s: float = 0.0
    lasts_s: float | None = None


#: Sensors that are silent for so long count as unsafe; one look of the guard more.
_SILENT_S = 7.0
_SENSORS = ("safetymonitor", "observingconditions")
NOTHING = Mischief("nothing")
MISCHIEF: tuple[Mischief, ...] = (
    NOTHING,
    Mischief("dome drops", {"members": ["dome"], "drop": True}, delay_s=RETRY_S),
    Mischief("dome hangs", {"members": ["dome"], "hang_s": 30.0}, delay_s=RETRY_S),
    Mischief("dome 500", {"members": ["dome"], "status": 500}, delay_s=RETRY_S),
    Mischief("dome HTML", {"members": ["dome"], "html": True}, delay_s=RETRY_S),
    Mischief("dome null", {"members": ["dome"], "value": "null"}, delay_s=RETRY_S),
    Mischief("dome NaN", {"members": ["dome"], "value": "nan"}, delay_s=RETRY_S),
    Mischief("dome cut", {"members": ["dome"], "cut": True}, delay_s=RETRY_S),
    Mischief("dome trickles", {"members": ["dome"], "trickle_s": 1.0}, delay_s=RETRY_S),
    Mischief("dome empty", {"members": ["dome"], "empty": True}, delay_s=RETRY_S),
    Mischief("dome wrong echo", {"members": ["dome"], "wrong_echo": True}, delay_s=RETRY_S),
    Mischief("every other reply drops", {"drop": True, "probability": 0.5}, delay_s=RETRY_S + _SILENT_S),
    Mischief("sensors hang", {"members": _SENSORS, "hang_s": 30.0}, delay_s=_SILENT_S),
    Mischief("sensors NaN", {"members": _SENSORS, "value": "nan"}, delay_s=_SILENT_S),
    Mischief("sensors drop", {"members": _SENSORS, "drop": True}, delay_s=_SILENT_S),
    Mischief("busy driver", lies={"busy_while_moving": True}, delay_s=RETRY_S),
    Mischief("slewing lingers", lies={"slewing_lingers_s": 10.0}),
    Mischief("drivers restart", {"requires_connect": True}, restarts=True, delay_s=RETRY_S),
    Mischief("server refuses", {"refuse_s": 6.0}, delay_s=RETRY_S, lasts_s=6.0),
    Mischief("shutter stuck", state={"shutter_stuck_at": 0.5}, delay_s=RETRY_S, lasts_s=4.0),
    Mischief("motor dead", state={"is_motor_dead": True}, delay_s=RETRY_S, lasts_s=4.0),
)
#: What makes the sky, or the mains, unsafe.
WEATHER: tuple[Mapping[str, Any], ...] = (
    {"rain_mm_h": 3.0},
    {"is_safe": False},
    {"wind_m_s": 30.0},
    {"humidity_percent": 99.0},
    {"weather_age_s": 1000.0},
    {"has_mains": False},
)
FINE: Mapping[str, Any] = {name: None for weather in WEATHER for name in weather}
