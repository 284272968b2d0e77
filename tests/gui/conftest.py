"""What every test of the window gets: the hands of the test before it are off the mouse."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget


@pytest.fixture(autouse=True)
def hands_off() -> Iterator[None]:
    """Let go of both buttons: QtTest remembers them for the whole process, and gives no release while one is down."""
    yield
    if QApplication.instance() is not None:
        anything = QWidget()
        for button in (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton):
            QTest.mouseRelease(anything, button)


@pytest.fixture(autouse=True)
def no_old_widgets() -> None:
    """Delete what earlier tests are done with, which no event loop did: every change of the theme dresses it anew."""
    if QApplication.instance() is not None:
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # type: ignore[arg-type]
