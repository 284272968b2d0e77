"""The whole window on a real station: its own SQLite file, front desk and simulator process; and an operator's hands.

`whole_window` opens it and ends it in order; an `Operator` acts on it through the window system, as hands do, and
counts what it does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic
from typing import Any

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication, QKeySequence, QWindow
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from shiboken6 import delete

from app.bootstrap import embedded
from app.bootstrap.devices import simulated_devices
from app.bootstrap.night import NIGHT_VARIABLE
from app.bootstrap.observatory import SETTINGS_VARIABLE, open_observatory
from app.bootstrap.station import Station, open_station
from app.gui import Session, application_with_theme
from app.model.interlocks import unmet
from app.sim.place import NIGHT
from app.widgets.control_panel import ControlPanel
from tests.simulated import Simulator, end_guards, simulator

#: A smallest screen of an operator.
WIDTH_PX, HEIGHT_PX = 1366, 768
OPENS_WITHIN_MS = 30_000
#: What was left: a program has one window and dies with it; taken away by Python, its parts could go in any thread.
_ENDED: list[Session] = []
_LEFT, _NO_KEYS = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@contextmanager
def night_simulator(scale: float = 1.0) -> Iterator[tuple[Simulator, str]]:
    """A simulator under the sky of the embedded night, and that night as its environment has it."""
    night = f"{NIGHT.isoformat()} {monotonic()}"
    os.environ[NIGHT_VARIABLE] = night
    running = simulator(scale)
    try:
        simulated = running.__enter__()
    finally:
        del os.environ[NIGHT_VARIABLE]
    try:
        yield simulated, night
    finally:
        running.__exit__(None, None, None)


def write_settings(folder: Path, more: str = "") -> Path:
    """A settings file with everything in one folder, and a port for orders that is free; `more` are further tables."""
    file = folder / "settings.toml"
    database, repository = folder / "cupola.sqlite", folder / "repository"
    file.write_text(
        f'database = "sqlite:///{database.as_posix()}"\nrepository = "{repository.as_posix()}"\n'
        f"[front_desk]\nport = 0\n{more}",
        encoding="utf-8",
    )
    return file


def opening(server: str, night: str) -> Callable[[], AbstractContextManager[Station]]:
    """What opens a station by the settings in use, on the devices of a simulator."""

    @contextmanager
    def open_it() -> Iterator[Station]:
        devices = simulated_devices(embedded.Simulator(server, 0, "", night))
        with open_observatory() as observatory, open_station(observatory, devices) as station:
            yield station

    return open_it


def ask(simulated: Simulator, what: str) -> Any:
    """What the simulator says over its control path, such as ``"state"``: within some milliseconds."""
    connection = HTTPConnection(simulated.server, timeout=5.0)
    try:
        connection.request("GET", f"/simulator/v1/{what}")
        return json.load(connection.getresponse())
    finally:
        connection.close()


def newest(simulated: Simulator) -> int:
    """Number of the newest request to a device."""
    return max((one["number"] for one in ask(simulated, "requests?since=0")), default=0)


@dataclass
class Whole:
    """A window that is open, and what is behind it."""

    session: Session
    simulator: Simulator
    settings: Path
    bot: Any
    who: Operator = field(init=False)

    def __post_init__(self) -> None:
        self.who = Operator(self)

    @property
    def panel(self) -> ControlPanel:
        """Its windows and pages."""
        return self.session.panel

    @property
    def station(self) -> Station:
        """What is on duty behind it."""
        assert self.session.connections is not None
        return self.session.connections._station

    @property
    def truth(self) -> dict[str, Any]:
        """The state of the simulated observatory, by its own word."""
        state: dict[str, Any] = ask(self.simulator, "state")
        return state

    def commands(self, since: int = 0) -> list[str]:
        """What the dome was told after that number, such as ``"openshutter"``."""
        seen = ask(self.simulator, f"requests?since={since}")
        return [one["path"].rsplit("/", 1)[1] for one in seen if one["method"] == "PUT" and "/dome/" in one["path"]]

    def wait(self, is_so: Callable[[], bool], seconds: float = 15.0) -> None:
        """Let the window live until it is so."""
        self.bot.waitUntil(is_so, timeout=round(seconds * 1000))

    def order(self, **given: Any) -> Any:
        """Hand an order in at the front desk, as its HTTP clients do."""
        order = {"user": "ada", "datetime": "2024-08-06T08:00:00", **given}
        return self.station.front_desk.take_in(order, "ada")[0]


@contextmanager
def whole_window(bot: Any, folder: Path, scale: float = 1.0, more: str = "") -> Iterator[Whole]:
    """The window as operators have it, offscreen; ended in order.

    Parameters
    ----------
    bot : QtBot
        Waits.
    folder : Path
        For settings, database and repository.
    scale : float
        How much quicker than in truth the simulated motors are.
    more : str
        Further tables of the settings.
    """
    settings, home = write_settings(folder, more), folder / "home"
    application = application_with_theme("dark")
    before = {name: os.environ.get(name) for name in (SETTINGS_VARIABLE, "HOME")}
    os.environ |= {SETTINGS_VARIABLE: str(settings), "HOME": str(home)}
    try:
        with night_simulator(scale) as (simulated, night):
            session = Session(application, opening(simulated.server, night))
            session._application = _TestsGoOn()
            panel = session.panel
            panel.window.resize(WIDTH_PX, HEIGHT_PX)
            try:
                with bot.waitSignal(session.connected, timeout=OPENS_WITHIN_MS):
                    session.show()
                whole = Whole(session, simulated, settings, bot)
                panel.window.activateWindow()
                whole.wait(panel.window.isActiveWindow)
                whole.wait(panel.night.dome._go.isEnabled)  # the dome was read, and the page shows it
                whole.wait(lambda: not unmet(whole.station.dome.state.interlocks))  # the guard is on duty
                yield whole
            finally:
                session.leave()
                bot.waitUntil(lambda: session._duty.isFinished() and not panel.window.isVisible(), timeout=20_000)
                if session.connections is not None:
                    frames = session.connections.frames
                    bot.waitUntil(lambda: not frames._pictures)  # no frame is left open
                application.removeEventFilter(panel._filter)
                for top in (panel.window, panel.stop):  # what is left would be dressed by every change of the theme
                    delete(top)
                _ENDED.append(session)
    finally:
        end_guards(home)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def named(parent: QWidget, name: str, kind: type[QWidget] = QPushButton) -> Any:
    """The one part of that accessible name that is seen."""
    (found,) = [part for part in parent.findChildren(kind) if part.accessibleName() == name and part.isVisible()]
    return found


class _TestsGoOn:
    """Takes the end of the program: the application itself would end every wait of the tests that follow."""

    def exit(self, code: int) -> None:
        """Stay."""


class Operator:
    """Acts on the window through the window system, and counts.

    A click, a double-click, a key chord, a hold, a drop, a turn of the wheel, and a text with Enter are one action
    each. A click goes to the place on the screen: what is hidden or covered is not hit.
    """

    def __init__(self, whole: Whole) -> None:
        self._whole = whole
        self.actions: list[str] = []

    def begin(self, page: str) -> None:
        """Forget what was done; the task starts on that page, with the focus where a start leaves it."""
        self._whole.panel.window.show_page(page)
        self._whole.panel.window.rail.button(page).setFocus()
        self.actions.clear()

    def click(self, widget: QWidget, at: QPoint | None = None) -> None:
        """Click in the middle of a widget, or at a point of it."""
        self._count(f"click {_name(widget)}")
        QTest.mouseClick(*self._place(widget, at))

    def double_click(self, widget: QWidget, at: QPoint | None = None) -> None:
        """Double-click likewise."""
        self._count(f"double-click {_name(widget)}")
        window, *rest = self._place(widget, at)
        QTest.mouseDClick(window, *rest)

    def hold(self, widget: QWidget, until: Callable[[], bool]) -> None:
        """Keep the button down until something is so."""
        self._count(f"hold {_name(widget)}")
        place = self._place(widget, None)
        QTest.mousePress(*place)
        self._whole.wait(until)
        QTest.mouseRelease(*place)

    def point(self, widget: QWidget, at: QPoint) -> None:
        """Move the cursor there; looking is no action."""
        window, _, _, place = self._place(widget, at)
        QTest.mouseMove(window, place)

    def turn_wheel(self, widget: QWidget, notches: int) -> None:
        """Turn the wheel over a widget, towards oneself for negative numbers."""
        self._count(f"turn the wheel over {_name(widget)}")
        window, _, _, place = self._place(widget, None)
        QTest.wheelEvent(window, QPointF(place), QPoint(0, 120 * notches))

    def press(self, keys: str) -> None:
        """Press a chord, such as ``"Ctrl+3"``."""
        self._count(keys)
        QTest.keySequence(self._focused(), QKeySequence(keys))

    def hold_keys(self, keys: str, until: Callable[[], bool]) -> None:
        """Keep a chord down until something is so."""
        self._count(f"hold {keys}")
        chord = QKeySequence(keys)[0]
        window = self._focused()
        QTest.keyPress(window, chord.key(), chord.keyboardModifiers())
        self._whole.wait(until)
        QTest.keyRelease(window, chord.key(), chord.keyboardModifiers())

    def type(self, text: str, *, enters: bool = True) -> None:
        """Type a text, and Enter: one action."""
        self._count(f"type {text}")
        for letter in text:
            QTest.keyClick(self._focused(), letter)
        if enters:
            QTest.keyClick(self._focused(), Qt.Key.Key_Return)

    def drop(self, folder: Path, widget: QWidget) -> None:
        """Drop a folder of the file manager on a widget."""
        self._count(f"drop {folder.name} on {_name(widget)}")
        content = QMimeData()
        content.setUrls([QUrl.fromLocalFile(str(folder))])
        at, copy = widget.rect().center(), Qt.DropAction.CopyAction
        entering = QDragEnterEvent(at, copy, content, _LEFT, _NO_KEYS)
        QApplication.sendEvent(widget, entering)
        assert entering.isAccepted(), "nothing can be dropped here"
        QApplication.sendEvent(widget, QDropEvent(QPointF(at), copy, content, _LEFT, _NO_KEYS))

    def _count(self, action: str) -> None:
        self.actions.append(action)

    def _focused(self) -> QWindow:
        """The window that has the keyboard; after a dialog it is the main window, as window managers do it."""
        if QGuiApplication.focusWindow() is None:
            self._whole.panel.window.activateWindow()
            self._whole.wait(lambda: QGuiApplication.focusWindow() is not None)
        window = QGuiApplication.focusWindow()
        assert window is not None
        return window

    def _place(self, widget: QWidget, at: QPoint | None) -> tuple[QWindow, Qt.MouseButton, Any, QPoint]:
        top = widget.window()
        point = widget.mapTo(top, widget.rect().center() if at is None else at)
        hit = top.childAt(point) or top
        is_hit = widget.isVisible() and (hit is widget or widget.isAncestorOf(hit))
        assert is_hit, f"{_name(widget)} is not seen there"
        handle = top.windowHandle()
        assert handle is not None
        return handle, _LEFT, _NO_KEYS, point


def _name(widget: QWidget) -> str:
    return widget.accessibleName() or type(widget).__name__
