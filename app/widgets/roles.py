"""Giving a label another role while it is shown."""

from __future__ import annotations

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication, QLabel


def set_role(label: QLabel, role: str) -> None:
    """Make a label look like what its ``role`` says (see ``resources/theme.qss``); empty is plain text."""
    if label.property("role") == role:
        return
    label.setProperty("role", role)
    label.style().unpolish(label)
    label.style().polish(label)
    QApplication.sendEvent(label, QEvent(QEvent.Type.StyleChange))  # else the padding of the old role stays
