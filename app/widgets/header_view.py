"""The header of a frame as a table that can be searched."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QLineEdit, QTableView, QVBoxLayout, QWidget

from app.model.picture_view import HeaderCard
from app.widgets import theme
from app.widgets.cells import TextDelegate

_Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()
#: Comments are read below the table: beside the values, there is no room for either.
_TITLES = ("Keyword", "Value")
_KEYWORD_PX = 104
#: Three lines: the longest card but those with CONTINUE.
_WHOLE_PX = 60


class CardModel(QAbstractTableModel):
    """Cards in the order of the file; those in which every word of a filter occurs are shown."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cards: tuple[HeaderCard, ...] = ()
        self._shown: list[HeaderCard] = []
        self._words: list[str] = []

    @property
    def counts(self) -> tuple[int, int]:
        """Cards that are shown, and all."""
        return len(self._shown), len(self._cards)

    def card(self, row: int) -> HeaderCard:
        """The card of a row."""
        return self._shown[row]

    def set_cards(self, cards: tuple[HeaderCard, ...]) -> None:
        """Show another header."""
        self._cards = cards
        self._arrange()

    def set_filter(self, text: str) -> None:
        """Show only cards in which these words occur."""
        self._words = text.casefold().split()
        self._arrange()

    def _arrange(self) -> None:
        self.beginResetModel()  # another header: no row is the same
        self._shown = [card for card in self._cards if all(word in _searched(card) for word in self._words)]
        self.endResetModel()

    def rowCount(self, parent: _Index = _NO_INDEX) -> int:  # noqa: N802 - Qt's name
        """Cards that are shown."""
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: _Index = _NO_INDEX) -> int:  # noqa: N802 - Qt's name
        """Keyword and value."""
        return 0 if parent.isValid() else len(_TITLES)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802 - Qt's name
        """Titles."""
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _TITLES[section]
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text of a cell; the whole card as its tooltip."""
        card = self._shown[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return (card.keyword, card.value)[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return card_text(card)
        return None

    def cell(self, row: int, column: int) -> tuple[str, str]:
        """Text and colour of a cell; the value is read first."""
        card = self._shown[row]
        return (card.keyword, card.value)[column], "text" if column == 1 else "dim"


def card_text(card: HeaderCard) -> str:
    """``EXPTIME = 60.0 / seconds``."""
    return f"{card.keyword} = {card.value}" + (f" / {card.comment}" if card.comment else "")


def _searched(card: HeaderCard) -> str:
    return f"{card.keyword} {card.value} {card.comment}".casefold()


class _CardTable(QTableView):
    """Whole cards are selected; Ctrl+C copies them."""

    def __init__(self, model: CardModel) -> None:
        super().__init__()
        self._cards = model
        self.setModel(model)
        self.setItemDelegate(TextDelegate(model.cell, self))
        self.setAccessibleName("Header cards")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(theme.ROW_PX)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setStretchLastSection(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setColumnWidth(0, _KEYWORD_PX)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Copy the cards that are selected."""
        if event.matches(QKeySequence.StandardKey.Copy):
            rows = sorted({index.row() for index in self.selectedIndexes()})
            QGuiApplication.clipboard().setText("\n".join(card_text(self._cards.card(row)) for row in rows))
            return
        super().keyPressEvent(event)


class HeaderView(QWidget):
    """Filter and cards."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = CardModel(self)
        self.filter = QLineEdit(placeholderText="Filter cards: keyword, value or comment", clearButtonEnabled=True)
        self.filter.setAccessibleName("Filter of the header cards")
        self.filter.setToolTip("Cards in which all words occur (Ctrl+F)")
        self.filter.textChanged.connect(self._filter_cards)
        self.table = _CardTable(self._model)
        self._count = QLabel()
        self._count.setProperty("role", "small")
        self._whole = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._whole.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._whole.setAccessibleName("The current card")
        self._whole.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._whole.setMinimumHeight(_WHOLE_PX)
        self.table.selectionModel().currentChanged.connect(self._show_whole)
        self._model.modelReset.connect(self._show_whole)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.NEAR_PX)
        column.addWidget(self.filter)
        column.addWidget(self.table, 1)
        column.addWidget(self._whole)
        column.addWidget(self._count)

    @property
    def model(self) -> CardModel:
        """The cards."""
        return self._model

    def set_cards(self, cards: tuple[HeaderCard, ...]) -> None:
        """Show a header; the filter and the scrolling stay."""
        place = self.table.verticalScrollBar().value()
        self._model.set_cards(cards)
        self.table.verticalScrollBar().setValue(place)
        self._say_count()

    def _show_whole(self) -> None:
        """The current card with its comment, for which a column has no room."""
        row = self.table.currentIndex().row()
        is_chosen = 0 <= row < self._model.rowCount()
        self._whole.setText(card_text(self._model.card(row)) if is_chosen else "Choose a card to read it whole")

    def _filter_cards(self, text: str) -> None:
        self._model.set_filter(text)
        self._say_count()

    def _say_count(self) -> None:
        shown, whole = self._model.counts
        self._count.setText(f"{whole} cards" if shown == whole else f"{shown} of {whole} cards")
