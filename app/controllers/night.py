"""What strip and plots show: dome, surroundings and time put together twice a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from PySide6.QtCore import QObject, QTimer, Signal

from app.model.clock import Clock
from app.model.dome import DomeState
from app.model.guard import GuardState
from app.model.reading import Reading
from app.model.settings import Site, WeatherLimits
from app.model.sky_verdict import sky_verdict
from app.model.strip import strip_values
from app.model.surroundings import SKY_FRESH_S, Moment, Surroundings, Weather

HEARTBEAT_MS = 500
#: A moment of the plots is kept so often, seconds.
MOMENT_S = 10.0
_MOMENTS = 12 * 360


class NightController(QObject):
    """Looks at what the services know, and emits the values of strip and plots.

    Parameters
    ----------
    dome, surroundings, guard : callable
        Give the newest states.
    alarms : callable
        Gives how many alarms nobody has acknowledged.
    site, limits
        Of the settings.
    oldest_data_s : float
        A weather station whose data are older says nothing.
    clock, sky_clock : Clock
        For ages, and of the sky.
    history : iterable of Moment
        The plots before the start.
    """

    strip_changed = Signal(object)  #: StripValues.
    moments_changed = Signal(object, float)  #: tuple of Moment, and now as a POSIX timestamp of the sky.

    def __init__(
        self,
        dome: Callable[[], DomeState],
        surroundings: Callable[[], Surroundings],
        guard: Callable[[], Reading[GuardState]],
        alarms: Callable[[], int],
        site: Site,
        limits: WeatherLimits,
        oldest_data_s: float,
        clock: Clock,
        sky_clock: Clock,
        *,
        is_simulated: bool,
        history: Iterable[Moment] = (),
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._dome = dome
        self.surroundings = surroundings
        self._guard = guard
        self._alarms = alarms
        self._site = site
        self._limits = limits
        self._oldest_data_s = oldest_data_s
        self._clock = clock
        self._sky_clock = sky_clock
        self._is_simulated = is_simulated
        self._moments = deque(history, maxlen=_MOMENTS)
        self._heartbeat = QTimer(self)
        self._heartbeat.timeout.connect(self.look)
        self._heartbeat.start(HEARTBEAT_MS)

    def look(self) -> None:
        """Emit everything as it is now."""
        now_s, sky = self._clock.monotonic(), self._sky_clock.utc()
        dome, surroundings = self._dome(), self.surroundings()
        verdict = sky_verdict(surroundings, self._limits, now_s, oldest_data_s=self._oldest_data_s)
        values = strip_values(
            dome,
            surroundings,
            verdict,
            self._site,
            sky,
            now_s,
            is_simulated=self._is_simulated,
            guard=self._guard(),
            alarms=self._alarms(),
        )
        self.strip_changed.emit(values)
        if not self._moments or sky.timestamp() - self._moments[-1].at_s >= MOMENT_S:
            self._moments.append(_moment(sky.timestamp(), dome, surroundings, now_s))
            self.moments_changed.emit(tuple(self._moments), sky.timestamp())

    def close(self) -> None:
        """Show no more."""
        self._heartbeat.stop()


def _moment(at_s: float, dome: DomeState, surroundings: Surroundings, now_s: float) -> Moment:
    """One point of the plots, of fresh values alone."""
    mount = surroundings.mount.fresh_value(now_s)
    weather = surroundings.weather.fresh_value(now_s, SKY_FRESH_S) or Weather()
    return Moment(
        at_s,
        dome.azimuth_deg.fresh_value(now_s, dome.fresh_s),
        None if mount is None else mount.azimuth_deg,
        weather.wind_m_s if weather.wind_mean_m_s is None else weather.wind_mean_m_s,
        weather.humidity_percent,
        weather.cloud_percent,
        weather.gust_m_s,
    )
