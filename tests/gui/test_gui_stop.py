"""STOP acts on the first press, once, whatever is open; offscreen for the rules, on a real display for the truth."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QApplication, QComboBox, QLineEdit, QVBoxLayout, QWidget

from app.widgets.stop_window import STOP_HEIGHT_PX, STOP_WIDTH_PX, StopFilter, StopWindow
from tests.gui.display import start_display

ROOM = QRect(400, 0, 168, 56)
IN_TIME_S = 0.1


@pytest.fixture
def stop(qtbot, qapp):
    window = StopWindow()
    qtbot.addWidget(window)
    window.presses = []
    window.pressed.connect(lambda: window.presses.append(time.monotonic()))
    StopFilter(window, qapp)
    window.place(ROOM)
    window.show()
    qtbot.waitExposed(window)
    return window


@pytest.fixture
def page(qtbot):
    widget = QWidget()
    column = QVBoxLayout(widget)
    widget.combo, widget.line = QComboBox(), QLineEdit()
    widget.combo.addItems(["a", "b", "c"])
    column.addWidget(widget.combo)
    column.addWidget(widget.line)
    qtbot.addWidget(widget)
    widget.setGeometry(50, 100, 300, 200)
    widget.show()
    qtbot.waitExposed(widget)
    return widget


def mouse(at, kind=QEvent.Type.MouseButtonPress, stamp=0, button=Qt.MouseButton.LeftButton):
    event = QMouseEvent(kind, QPointF(at), QPointF(at), button, button, Qt.KeyboardModifier.NoModifier)
    event.setTimestamp(stamp)
    return event


def key(kind=QEvent.Type.KeyPress, stamp=0, *, repeats=False, modifiers=None, code=Qt.Key.Key_S):
    if modifiers is None:
        modifiers = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    event = QKeyEvent(kind, code, modifiers, "", repeats)
    event.setTimestamp(stamp)
    return event


def test_is_large_and_takes_no_focus(stop):
    flags = stop.windowFlags()
    assert stop.width() >= 120
    assert stop.height() >= 48
    assert stop.parent() is None
    assert flags & Qt.WindowType.WindowStaysOnTopHint
    assert flags & Qt.WindowType.WindowDoesNotAcceptFocus
    assert stop.focusPolicy() is Qt.FocusPolicy.NoFocus


def test_press_acts_before_the_call_returns(stop):
    QApplication.sendEvent(stop, mouse(stop.geometry().center()))
    assert len(stop.presses) == 1


def test_right_button_stops_too(stop):
    QApplication.sendEvent(stop, mouse(stop.geometry().center(), button=Qt.MouseButton.RightButton))
    assert len(stop.presses) == 1


@pytest.mark.parametrize("corner", ["topLeft", "bottomRight"])
def test_every_corner_acts(stop, corner):
    QApplication.sendEvent(stop, mouse(getattr(stop.geometry(), corner)()))
    assert len(stop.presses) == 1


def test_press_beside_it_is_not_taken(stop, page):
    QApplication.sendEvent(page, mouse(stop.geometry().bottomRight() + QPoint(2, 2)))
    assert stop.presses == []


def test_press_that_a_popup_receives_stops_and_leaves_the_popup_open(stop, page, qtbot):
    page.combo.showPopup()
    popup = page.combo.view().window()
    qtbot.waitUntil(popup.isVisible)
    event = mouse(stop.geometry().center())
    QApplication.sendEvent(popup, event)
    assert len(stop.presses) == 1
    assert popup.isVisible()
    page.combo.hidePopup()


def test_events_of_one_press_count_once(stop):
    at = stop.geometry().center()
    for kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick):
        QApplication.sendEvent(stop, mouse(at, kind, stamp=1234))
    assert len(stop.presses) == 1
    QApplication.sendEvent(stop, mouse(at, stamp=1500))
    assert len(stop.presses) == 2


def test_shortcut_works_from_a_text_field_and_types_nothing(stop, page):
    page.line.setFocus()
    QApplication.sendEvent(page.line, key(QEvent.Type.ShortcutOverride, stamp=77))
    QApplication.sendEvent(page.line, key(QEvent.Type.KeyPress, stamp=77))
    assert len(stop.presses) == 1
    assert page.line.text() == ""


def test_kept_down_keys_stop_once(stop, page):
    QApplication.sendEvent(page.line, key(stamp=10))
    for stamp in (40, 70, 100):
        QApplication.sendEvent(page.line, key(stamp=stamp, repeats=True))
    assert len(stop.presses) == 1


@pytest.mark.parametrize(
    ("modifiers", "code"),
    [
        (Qt.KeyboardModifier.ControlModifier, Qt.Key.Key_S),
        (Qt.KeyboardModifier.NoModifier, Qt.Key.Key_S),
        (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier, Qt.Key.Key_C),
    ],
)
def test_other_keys_do_not_stop(stop, page, modifiers, code):
    QApplication.sendEvent(page.line, key(modifiers=modifiers, code=code))
    assert stop.presses == []


def test_lies_in_the_middle_of_its_room(stop):
    assert stop.geometry().center() == ROOM.center()
    assert stop.size().width() == STOP_WIDTH_PX
    assert stop.size().height() == STOP_HEIGHT_PX


def test_never_hangs_over_the_edge_of_the_screen(stop, qapp):
    area = qapp.primaryScreen().availableGeometry()
    stop.place(QRect(area.right() - 20, area.top(), 30, 20))
    assert area.contains(stop.geometry())


def test_notice_is_read_out(stop):
    assert "Ctrl+Shift+S" in stop.accessibleDescription()
    stop.set_notice("NOT CONFIRMED: use the hardware stop", is_alarm=True)
    assert stop.accessibleDescription() == "NOT CONFIRMED: use the hardware stop"


def test_unconfirmed_stop_looks_different_in_greyscale(stop):
    stop.set_notice("confirmed")
    calm = mean_grey(stop)
    stop.set_notice("NOT CONFIRMED: use the hardware stop", is_alarm=True)
    assert abs(mean_grey(stop) - calm) > 20


def mean_grey(widget):
    picture = widget.grab().toImage()
    greys = [
        picture.pixelColor(column, row).lightness()
        for column in range(0, picture.width(), 3)
        for row in range(0, picture.height(), 3)
    ]
    return sum(greys) / len(greys)


class Child:
    """The program of `stop_child.py` on a real display."""

    def __init__(self, display):
        checkout = Path(__file__).parents[2]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.gui.stop_child"],
            cwd=checkout,
            env=display.environment | {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.lines = SimpleQueue()
        self.reader = Thread(target=self.read, daemon=True)
        self.reader.start()
        self.place = QRect(*self.next("ready"))

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def next(self, name):
        """The next thing of that name; what comes before it is skipped."""
        while True:
            values = self.lines.get(timeout=10)
            if name in values:
                return values[name] if len(values) == 1 else values

    def order(self, name, answer="opened"):
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        return self.next(answer)

    def close(self):
        self.process.stdin.close()
        code = self.process.wait(timeout=20)
        self.reader.join(timeout=10)
        self.process.stdout.close()
        assert code == 0
        return [self.lines.get() for _ in range(self.lines.qsize())]


@pytest.fixture(scope="module")
def display():
    if os.name != "posix":
        pytest.skip("X servers are tested on Linux")
    with start_display() as started:
        yield started


@pytest.fixture(scope="module")
def child(display):
    started = Child(display)
    yield started
    rest = started.close()
    assert not [values for values in rest if "pressed_s" in values], "a press was counted twice"


@pytest.mark.parametrize("obstacle", ["nothing", "combo", "menu", "file", "modal"])
def test_first_real_press_stops_within_a_tenth_of_a_second(display, child, obstacle):
    child.order(obstacle)
    before = child.order("state", "popup")
    waits = []
    for _ in range(20):
        pressed = time.monotonic()
        display.pointer.click(child.place.center().x(), child.place.center().y())
        waits.append(child.next("pressed_s") - pressed)
    after = child.order("state", "popup")
    child.order("nothing")
    assert max(waits) < IN_TIME_S, f"slowest of 20 presses: {max(waits) * 1000:.0f} ms"
    assert after == before, "STOP closed a popup, or took the focus"
    assert before["popup"] == (obstacle in ("combo", "menu"))


@pytest.mark.parametrize("obstacle", ["nothing", "combo", "menu", "file", "modal"])
def test_real_keys_stop(display, child, obstacle):
    child.order(obstacle)
    pressed = time.monotonic()
    display.pointer.tap("Ctrl", "Shift", "s")
    wait = child.next("pressed_s") - pressed
    child.order("nothing")
    assert wait < IN_TIME_S
