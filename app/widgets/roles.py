"""Giving a widget another look while it is shown."""

from __future__ import annotations

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication, QLabel, QWidget


def set_role(label: QLabel, role: str) -> None:
    """Make a label look like what its ``role`` says (see ``resources/theme.qss``); empty is plain text."""
    set_look(label, "role", role)


def set_look(widget: QWidget, name: str, value: str) -> None:
    """Set a property that the style sheet asks for, and dress the widget anew when it changed."""
    if widget.property(name) == value:
        return
    widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)
    QApplication.sendEvent(widget, QEvent(QEvent.Type.StyleChange))  # else the padding of the old look stays
