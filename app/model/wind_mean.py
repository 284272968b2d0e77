"""The mean of the wind, which stations rarely tell: they tell the wind of now."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from app.model.surroundings import Weather

#: The mean that meteorologists call the wind (WMO-No. 8, chapter 5).
MEAN_OF_S = 600.0


class WindMean:
    """Keeps the wind of the last ten minutes."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def added_to(self, weather: Weather, now_s: float) -> Weather:
        """The weather with the mean of the wind that was seen in the ten minutes before `now_s`, monotonic seconds."""
        if weather.wind_m_s is not None:
            self._seen.append((now_s, weather.wind_m_s))
        while self._seen and self._seen[0][0] < now_s - MEAN_OF_S:
            self._seen.popleft()
        if not self._seen:
            return weather
        return replace(weather, wind_mean_m_s=sum(wind for _, wind in self._seen) / len(self._seen))
