"""The end of the window: what becomes of a dome that is not known to be closed."""

from __future__ import annotations

import logging

from PySide6.QtCore import QObject, Signal

from app.controllers.dome import DomeController
from app.model.dome import DomeState, DomeWish, ShutterWord, WishKind

log = logging.getLogger(__name__)


class QuitController(QObject):
    """Lets the window quit once the dome is settled.

    Parameters
    ----------
    dome : DomeController
        Its states, and the way to close it.
    """

    asked = Signal(str)  #: Somebody has to decide; what is known of the shutter.
    closing = Signal()  #: The dome is being closed.
    failed = Signal(str)  #: It did not close, and why.
    answered = Signal()  #: There is nothing to decide any more.
    may_quit = Signal()  #: The dome is settled.

    def __init__(self, dome: DomeController, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._dome = dome
        self._closing_since_s: float | None = None
        dome.state_changed.connect(self._look)

    def ask(self) -> None:
        """The operator wants to quit."""
        state, now_s = self._dome.state_now()
        if self._is_settled(state, now_s):
            self.may_quit.emit()
        else:
            self.asked.emit(str(state.shutter_word(now_s)))

    def close_first(self) -> None:
        """Close the dome, then quit."""
        self._closing_since_s = self._dome.state_now()[1]
        self.closing.emit()
        self._dome.ask(DomeWish(WishKind.CLOSE))

    def leave(self) -> None:
        """Quit, and leave the dome as it is."""
        state, now_s = self._dome.state_now()
        log.warning("The window is left while the shutter is %s", state.shutter_word(now_s))
        self.answered.emit()
        self.may_quit.emit()

    def stay(self) -> None:
        """Do not quit; a dome that is closing goes on."""
        self._closing_since_s = None
        self.answered.emit()

    def _look(self, state: DomeState, now_s: float) -> None:
        """Quit as soon as the dome is closed; say when the closing failed."""
        since_s, last = self._closing_since_s, state.last_move
        if since_s is None:
            return
        if self._is_settled(state, now_s):
            self._closing_since_s = None
            self.answered.emit()
            self.may_quit.emit()
        elif last is not None and last.wish.kind is WishKind.CLOSE and last.began_s >= since_s and not last.is_done:
            self._closing_since_s = None
            self.failed.emit(f"The shutter did not close: {last.reason or last.phase}")

    def _is_settled(self, state: DomeState, now_s: float) -> bool:
        """Whether the dome is known to be closed, is another's to settle, or was never there."""
        if not state.is_owner or state.facts is None:
            return True
        return state.shutter_word(now_s) in (ShutterWord.CLOSED, ShutterWord.PROVEN_CLOSED)
