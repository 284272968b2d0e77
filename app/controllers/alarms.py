"""The alarms as signals: looked for twice a second, and heard until somebody mutes or acknowledges them."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

from app.model.alarm_causes import Watched, alarms_of
from app.model.alarms import AlarmBook
from app.model.clock import Clock
from app.model.dome import DomeState
from app.model.guard import GuardState
from app.model.notices import notices_of
from app.model.reading import Reading
from app.model.settings import WeatherLimits
from app.model.sky_verdict import sky_verdict
from app.model.surroundings import Surroundings

LOOK_MS = 500
#: Between two sounds, seconds.
SOUND_S = 2.0


class AlarmsController(QObject):
    """Looks for alarms, emits them, and sounds.

    Parameters
    ----------
    dome, surroundings, guard : callable
        Give the newest states; from any thread.
    limits : WeatherLimits
        Of the settings.
    oldest_data_s : float
        A weather station whose data are older says nothing.
    clock, sky_clock : Clock
        For ages, and for the times that people read.
    who : str
        Who acknowledges.
    sound : callable
        Makes one sound, and returns at once.
    """

    alarms_changed = Signal(object)  #: Tuple of `Alarm`, as `AlarmBook.alarms`; at every look.
    notices_changed = Signal(object)  #: Dict of `Notice` by key, see `notices_of`; at every look.

    def __init__(
        self,
        dome: Callable[[], DomeState],
        surroundings: Callable[[], Surroundings],
        guard: Callable[[], Reading[GuardState]],
        limits: WeatherLimits,
        oldest_data_s: float,
        clock: Clock,
        sky_clock: Clock,
        who: str,
        sound: Callable[[], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._dome = dome
        self._surroundings = surroundings
        self._guard = guard
        self._limits = limits
        self._oldest_data_s = oldest_data_s
        self._clock = clock
        self._sky_clock = sky_clock
        self._who = who
        self._sound = sound
        self._book = AlarmBook()
        self._since_s = clock.monotonic()
        self._sounded_s = float("-inf")
        self._errors = 0
        self._timer = QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    @property
    def unacknowledged(self) -> int:
        """How many alarms nobody has acknowledged."""
        return self._book.unacknowledged

    def set_errors(self, errors: int) -> None:
        """How many errors in the log nobody has looked at."""
        self._errors = errors

    def look(self) -> None:
        """Take everything as it is now."""
        now_s = self._clock.monotonic()
        verdict = sky_verdict(self._surroundings(), self._limits, now_s, oldest_data_s=self._oldest_data_s)
        watched = Watched(self._dome(), verdict, self._guard(), self._errors, self._since_s, now_s)
        self._book.take(alarms_of(watched), now_s, self._sky_clock.utc())
        self._tell(now_s)

    def acknowledge_loudest(self) -> None:
        """The operator has seen the alarm that stands on every page."""
        waiting = [alarm.key for alarm in self._book.alarms if not alarm.is_acknowledged]
        if waiting:
            self.acknowledge(waiting[0])

    def acknowledge(self, key: str) -> None:
        """The operator has seen one alarm."""
        self._book.acknowledge(self._who, key)
        self._tell(self._clock.monotonic())

    def acknowledge_all(self) -> None:
        """The operator has seen them all."""
        self._book.acknowledge(self._who)
        self._tell(self._clock.monotonic())

    def mute(self, keys: tuple[str, ...], minutes: float) -> None:
        """Silence alarms for some minutes."""
        now_s = self._clock.monotonic()
        for key in keys:
            self._book.mute(key, minutes * 60.0, now_s)
        self._tell(now_s)

    def close(self) -> None:
        """Look and sound no more."""
        self._timer.stop()

    def _tell(self, now_s: float) -> None:
        self.alarms_changed.emit(self._book.alarms)
        self.notices_changed.emit(notices_of(self._book.alarms, self._guard(), self._dome().override, now_s))
        if self._book.must_sound(now_s) and now_s - self._sounded_s >= SOUND_S:
            self._sounded_s = now_s
            self._sound()
