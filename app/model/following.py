"""Who makes the slit follow the telescope, and how it fares."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Follower(StrEnum):
    """Who slaves the dome."""

    NOBODY = "off"
    CUPOLA = "Cupola"
    DRIVER = "driver"


@dataclass(frozen=True, slots=True)
class FollowState:
    """How the following stands.

    Attributes
    ----------
    who : Follower
        Who slaves.
    is_suspended : bool
        Whether it waits: for the end of a homing, a turn, a stop.
    reason : str
        Why it waits, or why it was dropped; empty otherwise.
    is_dropped : bool
        Whether it ended without anybody wanting that: an alarm until somebody follows again or switches it off.
    target_deg : float or None
        Azimuth of the dome at which the beam is in the middle of the slit.
    beam_deg : float or None
        How far the beam is from the middle of the slit, in azimuth, clockwise positive.
    half_width_deg : float or None
        How far it may be, in azimuth, before it is clipped.
    clip_s : float or None
        Seconds until the beam would be clipped if the dome stood; None when it never would.
    clipped_by : str
        What cuts into the beam now, such as ``"the slit's lower edge at 15.0°"``; empty when nothing does.
    """

    who: Follower = Follower.NOBODY
    is_suspended: bool = False
    reason: str = ""
    is_dropped: bool = False
    target_deg: float | None = None
    beam_deg: float | None = None
    half_width_deg: float | None = None
    clip_s: float | None = None
    clipped_by: str = ""

    @property
    def margin_deg(self) -> float | None:
        """What is left between beam and edge, in azimuth; negative when it is clipped."""
        if self.beam_deg is None or self.half_width_deg is None:
            return None
        return self.half_width_deg - abs(self.beam_deg)


#: Nobody slaves the dome.
NOT_FOLLOWING = FollowState()
