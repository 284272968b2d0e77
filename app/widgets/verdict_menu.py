"""The menu by which an operator decides whether an exposure goes into stacks, whatever was found."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QMenu, QWidget

_VERDICTS: tuple[tuple[str, bool | None, str], ...] = (
    ("Leave out of stacks", False, "From the next run on it takes no part"),
    ("Take anyway", True, "Into the stack, whatever its quality"),
    ("As found", None, "Take your decision about it back"),
)


def offer_verdict(over: QWidget, at: QPoint, take: Callable[[bool | None], None]) -> QMenu:
    """Open the menu at a place of a widget; `take` is called with what is chosen."""
    menu = QMenu(over)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    menu.setToolTipsVisible(True)
    for text, is_used, tip in _VERDICTS:
        action = menu.addAction(text)
        action.setToolTip(tip)
        action.triggered.connect(lambda _=False, is_used=is_used: take(is_used))
    menu.popup(over.mapToGlobal(at))
    return menu
