"""The dome service as signals: states with the time that their ages are made of, and what became of each wish."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

from app.controllers.answers import Answers, ProgramFault
from app.model.clock import Clock
from app.model.dome import DomeState, DomeWish, Move, Phase
from app.model.errors import ObservatoryError
from app.model.strip import Severity
from app.model.wording import azimuth_text, duration_text
from app.services.dome import DomeService
from app.services.following import Following
from app.services.service_loop import ServiceLoop

log = logging.getLogger(__name__)

#: Ages are shown anew so often, also when nothing arrives.
HEARTBEAT_MS = 250
#: What came of a STOP is shown at least so long.
STOP_SHOWN_S = 10.0


class DomeController(QObject):
    """Passes wishes to the dome service, and its states to whoever draws them.

    Parameters
    ----------
    service : DomeService
        The dome's truth.
    loop : ServiceLoop
        Where the service runs.
    following : Following
        Makes the slit follow the telescope.
    take_over : callable
        Makes this program the one that commands the dome; blocks for some seconds.
    clock : Clock
        For ages.
    who : str
        Who acts, for the journal.
    """

    state_changed = Signal(object, float)  #: DomeState, and the monotonic time for its ages.
    said = Signal(str, object)  #: A sentence about a wish, and its Severity.
    stop_said = Signal(str, bool)  #: What came of a STOP, and whether that is an alarm.
    _arrived = Signal(object)

    def __init__(
        self,
        service: DomeService,
        loop: ServiceLoop,
        following: Following,
        take_over: Callable[[str], None],
        clock: Clock,
        who: str,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._service = service
        self._loop = loop
        self._following = following
        self._take_over = take_over
        self._clock = clock
        self._who = who
        self._stopped_s: float | None = None
        self._arrived.connect(self._show)
        self._answers = Answers(self)
        self._unsubscribe: Callable[[], None] = service.subscribe(self._arrived.emit)
        self._heartbeat = QTimer(self)
        self._heartbeat.timeout.connect(self._beat)
        self._heartbeat.start(HEARTBEAT_MS)

    def ask(self, wish: DomeWish) -> None:
        """Ask for something; what becomes of it is said in `said`."""
        self._answers.expect(self._loop.submit(self._pursue(wish)), self._say_end, self._say_failure)

    def follow(self, is_wanted: bool) -> None:
        """Have the slit follow the telescope, or not; a refusal is said in `said`."""
        self._answers.expect(self._loop.submit(self._switch_following(is_wanted)), self._say_nothing, self._say_failure)

    def take_over(self) -> None:
        """Command the dome from here on."""
        taking = asyncio.to_thread(self._take_over, self._who)
        self._answers.expect(self._loop.submit(taking), self._say_taken_over, self._say_failure)

    def stop(self) -> None:
        """Stop everything that the dome does; goes out at once, in whatever state the loops are."""
        try:
            self._service.stop(self._who)
        except ObservatoryError as error:  # the lanes have ended
            log.warning("STOP was not sent: %s", error)
            self.stop_said.emit("not sent, Cupola is closing: use the hardware stop", True)
            return
        self._stopped_s = self._clock.monotonic()
        self.stop_said.emit("sent", False)

    def state_now(self) -> tuple[DomeState, float]:
        """What is known, and the monotonic time for its ages."""
        return self._service.state, self._clock.monotonic()

    def close(self) -> None:
        """Show no more."""
        self._heartbeat.stop()
        self._unsubscribe()

    async def _pursue(self, wish: DomeWish) -> Move:
        return await self._service.final(await self._service.ask(wish, self._who))

    async def _switch_following(self, is_wanted: bool) -> None:
        if is_wanted:
            self._following.start(self._who)
        else:
            self._following.stop(self._who)

    def _beat(self) -> None:
        self._show(self._service.state)

    def _show(self, state: DomeState) -> None:
        now_s = self._clock.monotonic()
        self.state_changed.emit(state, now_s)
        if self._stopped_s is not None:
            self._follow_stop(state, now_s - self._stopped_s)

    def _follow_stop(self, state: DomeState, since_s: float) -> None:
        """Say how far the STOP is, and some seconds longer that it is confirmed."""
        pressed_s = self._stopped_s
        read_s = state.is_slewing.read_s
        if state.stop_notice is not None:
            self.stop_said.emit("NOT CONFIRMED: use the hardware stop", True)
        elif read_s is not None and pressed_s is not None and read_s > pressed_s and state.is_moving(read_s) is False:
            self.stop_said.emit("confirmed", False)
            if since_s > STOP_SHOWN_S:
                self._stopped_s = None
                self.stop_said.emit("", False)
        else:
            self.stop_said.emit(f"sent {since_s:.1f} s ago", False)

    def _say_nothing(self, _: object) -> None:
        """The state says it all."""

    def _say_taken_over(self, _: object) -> None:
        self.said.emit("The dome is commanded from here now", Severity.NORMAL)

    def _say_end(self, move: Move) -> None:
        self.said.emit(*_sentence(move, self._clock.monotonic()))

    def _say_failure(self, error: ObservatoryError) -> None:
        self.said.emit(str(error), Severity.ALARM if isinstance(error, ProgramFault) else Severity.ATTENTION)


def _sentence(move: Move, now_s: float) -> tuple[str, Severity]:
    """What became of a command, and how loud."""
    where = "" if move.wish.azimuth_deg is None else f" {azimuth_text(move.wish.azimuth_deg)}"
    name = f"{move.wish.kind}{where}".capitalize()
    if move.phase is Phase.ARRIVED:
        return f"{name}: done in {duration_text(now_s - move.began_s)}", Severity.NORMAL
    if move.phase is Phase.FAILED:
        return f"{name}: {move.reason}", Severity.ALARM
    return f"{name}: {move.phase}{f', {move.reason}' if move.reason else ''}", Severity.ATTENTION
