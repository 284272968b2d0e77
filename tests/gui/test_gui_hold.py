"""What leads away from safe acts only when it was held, measured, and without interruption."""

import time
from threading import Event

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QKeyEvent, QKeySequence, QMouseEvent
from PySide6.QtWidgets import QApplication, QPushButton, QVBoxLayout, QWidget

from app.widgets import theme
from app.widgets.hold_button import HOLD_S, HoldButton

KEYS = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def window(qtbot):
    widget = QWidget()
    column = QVBoxLayout(widget)
    widget.other, widget.open = QPushButton("other"), HoldButton("OPEN", 0.3, QKeySequence("Ctrl+Shift+O"))
    column.addWidget(widget.other)
    column.addWidget(widget.open)
    widget.opened = []
    widget.open.held.connect(lambda: widget.opened.append(time.monotonic()))
    qtbot.addWidget(widget)
    widget.show()
    widget.activateWindow()
    qtbot.waitUntil(widget.isActiveWindow)
    return widget


def half_held(qtbot, button):
    """Wait until two thirds of the time have gone by."""
    qtbot.waitUntil(lambda: button.progress > 0.66)


def has_stopped(button):
    return button.progress == 0.0 and not button.isDown()


def send_key(widget, kind, key, modifiers=KEYS, *, repeats=False):
    QApplication.sendEvent(widget, QKeyEvent(kind, key, modifiers, "", repeats))


def test_holding_it_for_the_whole_time_acts_once(window, qtbot):
    began = time.monotonic()
    qtbot.mousePress(window.open, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(window.opened) == 1)
    assert window.opened[0] - began >= 0.3
    assert has_stopped(window.open)
    qtbot.mouseRelease(window.open, Qt.MouseButton.LeftButton)
    assert len(window.opened) == 1


def test_the_time_is_one_and_a_half_seconds(qtbot):
    button = HoldButton("OPEN")
    qtbot.addWidget(button)
    button.show()
    began = time.monotonic()
    with qtbot.waitSignal(button.held, timeout=5000):
        qtbot.mousePress(button, Qt.MouseButton.LeftButton)
    assert time.monotonic() - began >= HOLD_S == 1.5


def test_click_does_nothing(window, qtbot):
    qtbot.mouseClick(window.open, Qt.MouseButton.LeftButton)
    assert has_stopped(window.open)
    assert window.opened == []


def test_double_click_does_nothing(window, qtbot):
    qtbot.mouseDClick(window.open, Qt.MouseButton.LeftButton)
    qtbot.mouseRelease(window.open, Qt.MouseButton.LeftButton)
    assert has_stopped(window.open)
    assert window.opened == []


def test_two_thirds_of_the_time_do_nothing(window, qtbot):
    qtbot.mousePress(window.open, Qt.MouseButton.LeftButton)
    half_held(qtbot, window.open)
    qtbot.mouseRelease(window.open, Qt.MouseButton.LeftButton)
    assert has_stopped(window.open)
    assert window.opened == []


@pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter])
def test_space_and_enter_do_nothing_even_when_held(window, qtbot, key):
    window.open.setFocus(Qt.FocusReason.TabFocusReason)
    clicks = []
    window.open.clicked.connect(lambda: clicks.append(1))
    qtbot.keyPress(window.open, key)
    assert has_stopped(window.open)
    qtbot.keyRelease(window.open, key)
    assert clicks == []
    assert window.opened == []


def test_right_button_does_nothing(window, qtbot):
    qtbot.mousePress(window.open, Qt.MouseButton.RightButton)
    assert has_stopped(window.open)


def test_leaving_it_ends_the_hold(window, qtbot):
    qtbot.mousePress(window.open, Qt.MouseButton.LeftButton)
    half_held(qtbot, window.open)
    outside = QPointF(window.open.rect().bottomRight() + QPoint(5, 5))
    left = Qt.MouseButton.LeftButton
    move = QMouseEvent(QEvent.Type.MouseMove, outside, outside, left, left, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(window.open, move)
    assert has_stopped(window.open)


def test_another_window_in_front_ends_the_hold(window, qtbot):
    qtbot.mousePress(window.open, Qt.MouseButton.LeftButton)
    half_held(qtbot, window.open)
    QApplication.sendEvent(window.open, QEvent(QEvent.Type.WindowDeactivate))
    assert has_stopped(window.open)


def test_hiding_it_ends_the_hold(window, qtbot):
    qtbot.mousePress(window.open, Qt.MouseButton.LeftButton)
    half_held(qtbot, window.open)
    window.open.hide()
    assert has_stopped(window.open)


def test_refusal_while_held_ends_the_hold(window, qtbot):
    qtbot.mousePress(window.open, Qt.MouseButton.LeftButton)
    half_held(qtbot, window.open)
    window.open.set_refusal("The dome has not answered for 12 s")
    assert has_stopped(window.open)


def test_click_before_a_frozen_second_is_no_hold(window, qtbot):
    """The release waits in the queue while the window stands still; the time that nobody watched does not count."""
    qtbot.mousePress(window.open, Qt.MouseButton.LeftButton)
    Event().wait(0.5)
    at = QPointF(5, 5)
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    release = QMouseEvent(QEvent.Type.MouseButtonRelease, at, at, left, none, Qt.KeyboardModifier.NoModifier)
    window.open._count()  # the timer comes before the release
    QApplication.postEvent(window.open, release)
    qtbot.waitUntil(lambda: has_stopped(window.open))
    assert window.opened == []


def test_held_keys_act_from_anywhere_in_the_window(window, qtbot):
    window.other.setFocus()
    send_key_press(window, qtbot)
    qtbot.waitUntil(lambda: len(window.opened) == 1)


def test_repeats_of_held_keys_change_nothing(window, qtbot):
    window.other.setFocus()
    send_key_press(window, qtbot)
    half_held(qtbot, window.open)
    before = window.open.progress
    for kind in (QEvent.Type.KeyRelease, QEvent.Type.KeyPress):
        send_key(window.other, kind, Qt.Key.Key_O, repeats=True)
    assert window.open.progress >= before
    qtbot.waitUntil(lambda: len(window.opened) == 1)


@pytest.mark.parametrize("key", [Qt.Key.Key_O, Qt.Key.Key_Control, Qt.Key.Key_Shift])
def test_letting_one_key_go_ends_the_hold(window, qtbot, key):
    window.other.setFocus()
    send_key_press(window, qtbot)
    half_held(qtbot, window.open)
    send_key(window.other, QEvent.Type.KeyRelease, key)
    assert has_stopped(window.open)
    assert window.opened == []


def test_keys_of_a_refused_button_do_nothing(window, qtbot):
    window.open.set_refusal("The sky is unsafe")
    send_key_press(window, qtbot)
    assert has_stopped(window.open)


def send_key_press(window, qtbot):
    """Press the keys as the window system would, so that shortcuts are looked at."""
    qtbot.keyPress(window.windowHandle(), Qt.Key.Key_O, KEYS)


def test_refusal_says_why_where_people_and_screen_readers_look(window):
    window.open.set_refusal("The dome has not answered for 12 s: look at its power")
    assert not window.open.isEnabled()
    assert "12 s" in window.open.toolTip()
    assert "12 s" in window.open.accessibleDescription()
    window.open.set_refusal(None)
    assert window.open.isEnabled()
    assert "Ctrl+Shift+O" in window.open.toolTip()


def test_reached_by_tab_but_not_by_click_or_default(window, qtbot):
    window.other.setFocus()
    qtbot.mouseClick(window.open, Qt.MouseButton.LeftButton)
    assert not window.open.hasFocus()
    qtbot.keyClick(window.other, Qt.Key.Key_Tab)
    assert window.open.hasFocus()
    assert not window.open.autoDefault()


def test_size_stays_while_the_text_counts_down(window, qtbot):
    before = window.open.sizeHint()
    qtbot.mousePress(window.open, Qt.MouseButton.LeftButton)
    half_held(qtbot, window.open)
    assert "s" in window.open.text()
    assert window.open.sizeHint() == before


def accent_px(button):
    """How many pixels left of the text have the colour of what can be clicked."""
    image = button.grab().toImage()
    accent = QColor(theme.current().accent)
    ring = button._ring.toAlignedRect().adjusted(-2, -2, 2, 2)
    points = [(x, y) for x in range(ring.left(), ring.right()) for y in range(ring.top(), ring.bottom())]
    return sum(image.pixelColor(x, y).name() == accent.name() for x, y in points)


def test_ring_left_of_the_text_fills_while_it_is_held(window, qtbot, qapp):
    theme.apply(qapp, "dark")
    button = window.open
    text_px = button.fontMetrics().horizontalAdvance(button.text())
    assert button._ring.right() <= (button.width() - text_px) / 2.0 + button._ring.width() / 2.0 + 4.0
    assert accent_px(button) == 0
    filled = []
    for held_ms in (75.0, 150.0, 299.0):
        button._held_ms = held_ms
        filled.append(accent_px(button))
    assert 0 < filled[0] < filled[1] < filled[2]
    assert filled[1] == pytest.approx(2 * filled[0], rel=0.3)
    button.cancel()
