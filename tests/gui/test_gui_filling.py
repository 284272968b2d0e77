"""What keeps the window's thread free: unseen parts are not filled, and Qt lays out and paints no more than it must."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from PySide6.QtCore import QEvent, QObject, QSize, Signal
from PySide6.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.model.dome import DomeState
from app.model.interlocks import Interlock
from app.model.order_life import StoredOrder
from app.model.order_queue import order_lines
from app.model.queue_item import QueueItem
from app.model.reading import NEVER_READ
from app.model.settings import Site
from app.model.work_order import OrderState, parse_work_order
from app.widgets import theme
from app.widgets.main_window import MainWindow
from app.widgets.night_page import NightPage
from app.widgets.order_details import OrderDetails
from app.widgets.progress_bar import ProgressBar
from app.widgets.running_order import QueueRow

AT = datetime(2026, 3, 15, 21, 0, tzinfo=UTC)


@pytest.fixture(autouse=True, scope="module")
def dark(qapp: QApplication) -> None:
    theme.apply(qapp, "dark")


class Paints(QObject):
    """Counts the paints of a widget."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self.count = 0
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        self.count += event.type() is QEvent.Type.Paint
        return super().eventFilter(watched, event)


@pytest.fixture
def painted(qtbot: QtBot) -> Iterator[Any]:
    def show(widget: QWidget) -> Paints:
        qtbot.addWidget(widget)
        paints = Paints(widget)
        with qtbot.waitExposed(widget):
            widget.show()
        qtbot.waitUntil(lambda: paints.count > 0)
        QApplication.processEvents()
        paints.count = 0
        return paints

    return show


def texts(widget: QWidget) -> list[str]:
    return [label.text() for label in widget.findChildren(QLabel)]


def test_guard_behind_the_plots_is_dressed_when_it_is_seen_and_with_the_newest(qtbot: QtBot) -> None:
    page = NightPage()
    qtbot.addWidget(page)
    page.show()
    for wind in (14.2, 15.3):
        sky = Interlock("sky", False, f"wind {wind} m/s > 12", "wait until it is safe", 2.0)
        page.set_dome(DomeState(interlocks=(sky,)), NEVER_READ, 1000.0)
    assert not [text for text in texts(page.guard) if "wind 1" in text]
    page.show_guard()
    assert [text for text in texts(page.guard) if "wind 1" in text] == ["sky: wind 15.3 m/s > 12, 2 s ago"]


def test_details_of_an_order_that_nobody_sees_wait(qtbot: QtBot) -> None:
    details = OrderDetails()
    qtbot.addWidget(details)
    payload = {
        "id": "1", "user": "ada", "request": "calibrate_file_batch", "datetime": "2026-03-15T08:00:00",
        "priority": None, "url": "/data/night",
    }  # fmt: skip
    (line,) = order_lines((StoredOrder(1, parse_work_order(payload), OrderState.WAITING, AT),), Site(), AT, AT)
    details.show_orders((line,), line, None)
    assert "ada/1" not in texts(details)
    details.show()
    assert "ada/1" in texts(details)
    details.show_orders((), None, None)
    assert "No order selected" in texts(details)  # at once: it is seen


def test_bar_is_painted_with_everything_else_and_only_when_it_changed(painted: Any) -> None:
    bar = ProgressBar()
    paints = painted(bar)
    bar.show_part(3, 10)
    assert paints.count == 0
    QApplication.processEvents()
    assert (bar.value(), bar.maximum(), paints.count) == (3, 10, 1)
    bar.show_part(3, 10)
    QApplication.processEvents()
    assert paints.count == 1


def test_row_of_the_same_order_is_not_painted_again(painted: Any) -> None:
    row = QueueRow()
    paints = painted(row)
    for what, count in (("R", 1), ("R", 1), ("V", 2)):
        row.set_item(QueueItem("M 51", what, "waiting", key="7"))
        QApplication.processEvents()
        assert paints.count == count


class _Page(QWidget):
    """A page with a part that comes and goes; counts how often it is asked for its size."""

    ICON = "night"
    view_changed = Signal()

    def __init__(self, title: str) -> None:
        super().__init__()
        self.TITLE = title
        self.part = QLabel("part")
        self.part.hide()
        self.asked = 0
        QVBoxLayout(self).addWidget(self.part)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        self.asked += 1
        return super().sizeHint()


def test_part_that_comes_and_goes_in_a_page_lays_no_other_page_out(qtbot: QtBot) -> None:
    window = MainWindow()
    qtbot.addWidget(window)
    seen, other = _Page("Seen"), _Page("Other")
    for page in (seen, other):
        window.add_page(page)
    with qtbot.waitExposed(window):
        window.show()
    QApplication.processEvents()
    other.asked = 0
    seen.part.show()
    QApplication.processEvents()
    assert other.asked == 0
    assert seen.part.isVisible()
    assert seen.size() == window._stack.size() == window._stack.parentWidget().size()
