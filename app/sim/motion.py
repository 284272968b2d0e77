"""A motor that ramps up, cruises and ramps down: position as a pure function of time."""

from __future__ import annotations

from dataclasses import dataclass
from math import copysign, inf, sqrt


@dataclass(frozen=True, slots=True)
class Drive:
    """What a motor can do: its highest speed and its acceleration."""

    speed_deg_s: float
    acceleration_deg_s2: float

    def move(self, began_s: float, start_deg: float, speed_deg_s: float, turn_deg: float) -> Motion:
        """The quickest move over a distance, from any speed to rest.

        Parameters
        ----------
        began_s : float
            When it begins, simulated seconds.
        start_deg, speed_deg_s : float
            Position and speed at that time.
        turn_deg : float
            Signed distance from there to the place of rest; what is too near to stop at is passed and come back to.
        """
        acceleration = self.acceleration_deg_s2
        way = 1.0 if turn_deg >= speed_deg_s * abs(speed_deg_s) / (2.0 * acceleration) else -1.0
        speed, turn = way * speed_deg_s, way * turn_deg
        peak = min(self.speed_deg_s, sqrt(max(0.0, acceleration * turn + speed**2 / 2.0)))
        cruise_deg = turn - (2.0 * peak**2 - speed**2) / (2.0 * acceleration)
        cruise_s = max(0.0, cruise_deg / peak) if peak > 0.0 else 0.0
        return Motion(began_s, start_deg, speed_deg_s, way * peak, cruise_s, acceleration, start_deg + turn_deg)

    def brake(self, began_s: float, start_deg: float, speed_deg_s: float, coast_deg: float = 0.0) -> Motion:
        """The shortest way to rest, and the same with less brake when it coasts on for some degrees."""
        way_deg = speed_deg_s**2 / (2.0 * self.acceleration_deg_s2) + coast_deg
        if not speed_deg_s:
            return Motion.at_rest(start_deg)
        acceleration = speed_deg_s**2 / (2.0 * way_deg)
        return Motion(
            began_s, start_deg, speed_deg_s, speed_deg_s, 0.0, acceleration, start_deg + copysign(way_deg, speed_deg_s)
        )


@dataclass(frozen=True, slots=True)
class Motion:
    """One move along an axis, not wrapped: from a speed to the peak, some time at the peak, and to rest.

    Attributes
    ----------
    peak_deg_s : float
        Signed speed of the cruise.
    cruise_s : float
        How long the cruise lasts.
    acceleration_deg_s2 : float
        Of both ramps, positive.
    end_deg : float
        Where it rests.
    """

    began_s: float
    start_deg: float
    start_deg_s: float
    peak_deg_s: float
    cruise_s: float
    acceleration_deg_s2: float
    end_deg: float

    @classmethod
    def at_rest(cls, position_deg: float) -> Motion:
        """No move at all."""
        return cls(-inf, position_deg, 0.0, 0.0, 0.0, 1.0, position_deg)

    @property
    def duration_s(self) -> float:
        """How long the whole move takes."""
        return self._first_ramp_s + self.cruise_s + abs(self.peak_deg_s) / self.acceleration_deg_s2

    @property
    def rest_s(self) -> float:
        """When it comes to rest, simulated seconds."""
        return self.began_s + self.duration_s

    def is_moving(self, now_s: float) -> bool:
        """Whether it is under way."""
        return now_s < self.rest_s

    def speed_deg_s(self, now_s: float) -> float:
        """Signed speed."""
        left_s = self.rest_s - now_s
        if left_s <= 0.0:
            return 0.0
        ramp_s = max(0.0, min(now_s - self.began_s, self._first_ramp_s))
        if ramp_s < self._first_ramp_s:
            gain = self.acceleration_deg_s2 * ramp_s
            return self.start_deg_s + (gain if self.peak_deg_s >= self.start_deg_s else -gain)
        way = 1.0 if self.peak_deg_s >= 0.0 else -1.0
        return way * min(abs(self.peak_deg_s), left_s * self.acceleration_deg_s2)

    def position_deg(self, now_s: float) -> float:
        """Position, exact at the end."""
        elapsed_s = max(0.0, now_s - self.began_s)
        if elapsed_s >= self.duration_s:
            return self.end_deg
        speed = self.speed_deg_s(now_s)
        if elapsed_s < self._first_ramp_s:
            return self.start_deg + (self.start_deg_s + speed) / 2.0 * elapsed_s
        ramped_deg = (self.start_deg_s + self.peak_deg_s) / 2.0 * self._first_ramp_s
        cruised_s = min(elapsed_s - self._first_ramp_s, self.cruise_s)
        slowing_s = elapsed_s - self._first_ramp_s - cruised_s
        return self.start_deg + ramped_deg + self.peak_deg_s * cruised_s + (self.peak_deg_s + speed) / 2.0 * slowing_s

    @property
    def _first_ramp_s(self) -> float:
        return abs(self.peak_deg_s - self.start_deg_s) / self.acceleration_deg_s2
