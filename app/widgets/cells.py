"""How cells of the tables are painted: text under its header, dots where it is too long, the row's ground."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QRect, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.widgets import theme

#: Gives the text of a row and column, and the token of its colour.
Cell = Callable[[int, int], tuple[str, str]]

_PLACE = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
_NUMBER_PLACE = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight


def paint_ground(painter: QPainter, option: QStyleOptionViewItem) -> None:
    """The ground of a selected row; others show the table's."""
    if option.state & QStyle.StateFlag.State_Selected:
        painter.fillRect(option.rect, theme.current().color("raised"))


def paint_text(
    painter: QPainter,
    cell: QRect,
    text: str,
    token: str,
    weight: QFont.Weight = QFont.Weight.Normal,
    *,
    elide: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
    is_number: bool = False,
) -> None:
    """One line of text, where the header's stands; `token` is its colour, numbers stand at the right."""
    if not text:
        return
    font, metrics = _font(weight)
    room = cell.adjusted(theme.NEAR_PX, 0, -theme.NEAR_PX if is_number else -theme.TIGHT_PX, 0)
    painter.setFont(font)
    painter.setPen(theme.current().color(token))
    painter.drawText(room, _NUMBER_PLACE if is_number else _PLACE, metrics.elidedText(text, elide, room.width()))


def text_width_px(text: str, weight: QFont.Weight) -> int:
    """How wide a text is in a cell."""
    return _font(weight)[1].horizontalAdvance(text)


class TextDelegate(QStyledItemDelegate):
    """Paints the texts of a table; asking the model role by role takes twice as long, a style sheet much longer.

    Parameters
    ----------
    cell : callable
        Gives text and colour of a cell.
    """

    def __init__(self, cell: Cell, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cell = cell

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint a cell."""
        paint_ground(painter, option)
        text, token = self._cell(index.row(), index.column())
        paint_text(painter, option.rect, text, token)


@cache
def _font(weight: QFont.Weight) -> tuple[QFont, QFontMetrics]:
    """The font of cells, made once: the same in every theme."""
    font = theme.font(theme.TEXT_PX, weight)
    return font, QFontMetrics(font)
