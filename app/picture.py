"""A picture of the window, taken when everything that it shows has come."""

from __future__ import annotations

from PySide6.QtCore import QObject, QPoint, QTimer
from PySide6.QtGui import QImage, QPainter

from app.gui import Opening, Session, application_with_theme
from app.model.batch import ProductKind
from app.model.dome import Phase
from app.model.errors import ObservatoryError
from app.model.story import BatchStory
from app.widgets.control_panel import ControlPanel

PAGES = ("Night", "Orders", "Batches", "Frames", "Log", "Settings", "Help")
#: Everything has to come within this.
PATIENCE_S = 60.0
_LOOK_MS = 100
#: Looks in a row at which nothing may be on its way.
_STEADY_LOOKS = 5


def taken(opening: Opening, width: int, height: int, page: str, theme: str) -> QImage:
    """Show a page at that size and theme, wait until it stands, and return what the screen would show.

    Raises
    ------
    ObservatoryError
        Something did not come in time.
    """
    application = application_with_theme(theme)
    session = Session(application, opening)
    session.panel.window.resize(width, height)
    camera = _Camera(session, page)
    session.show()
    application.exec()
    if camera.image is None:
        raise ObservatoryError(
            f"the page {page} was not complete within {PATIENCE_S:g} s: run `cupola window`, and see the log"
        )
    return camera.image


class _Camera(QObject):
    """Waits for the panel to stand still, takes the picture, and closes the panel."""

    def __init__(self, session: Session, page: str) -> None:
        super().__init__()
        self.image: QImage | None = None
        self._session = session
        self._panel = session.panel
        self._page = page
        self._steady = 0
        self._looks = 0
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._look)
        self._timer.start(_LOOK_MS)
        session.connected.connect(self._set_up)

    def _set_up(self) -> None:
        connections = self._session.connections
        assert connections is not None  # noqa: S101 - it is connected
        self._panel.window.show_page(self._page)
        connections.batches.story_changed.connect(self._open_stack)
        connections.dome.follow(True)  # the beam is near the slit's edge: the dome turns

    def _open_stack(self, story: BatchStory) -> None:
        """Show the first stack in Frames, once."""
        stacks = [card.path for card in story.products if card.kind is ProductKind.LIGHT_STACK]
        if stacks and not self._panel.frames.shown_paths:
            self._panel.frames.open(stacks[0])

    def _look(self) -> None:
        self._looks += 1
        self._steady = self._steady + 1 if self._is_settled() else 0
        if self._steady >= _STEADY_LOOKS:
            self.image = composed(self._panel)
        elif self._looks * _LOOK_MS < PATIENCE_S * 1000.0:
            return
        self._timer.stop()
        self._session.leave()

    def _is_settled(self) -> bool:
        """Whether everything has come, and the dome turns."""
        connections = self._session.connections
        if connections is None or not connections.is_settled():
            return False
        move = connections.dome.state_now()[0].move
        return move is not None and move.phase is Phase.MOVING


def composed(panel: ControlPanel) -> QImage:
    """Main window and STOP window as they lie on the screen."""
    image = panel.window.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    painter = QPainter(image)
    painter.drawPixmap(panel.stop.pos() - panel.window.mapToGlobal(QPoint(0, 0)), panel.stop.grab())
    painter.end()
    return image
