"""Every label shows its text as it stands: names and messages come from elsewhere, and Qt takes some for HTML."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QApplication, QLabel


class PlainWords(QObject):
    """Makes each label plain before it is first laid out, tooltips too.

    A label reads HTML by itself when its text looks like it: an order called ``<img src=/dev/zero>`` froze the window
    for good, for Qt reads the picture to its end.
    """

    def __init__(self, application: QApplication) -> None:
        super().__init__(application)
        application.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Take nothing away."""
        if not isinstance(watched, QLabel) or event.type() is not QEvent.Type.Polish:  # the quick question first
            return False
        if watched.textFormat() is Qt.TextFormat.AutoText:
            watched.setTextFormat(Qt.TextFormat.PlainText)
        return False
