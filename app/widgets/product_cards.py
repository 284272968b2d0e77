"""Products as thumbnails with their numbers: stacks first, then lights, then masters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import (
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QPainter,
    QPen,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListView,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app.model.batch import ProductKind
from app.model.story import ProductCard
from app.model.verdict import Verdict
from app.widgets import theme
from app.widgets.value_table import VALUE_ROLE, Column, ValueModel, cell_font
from app.widgets.verdict_menu import offer_verdict

_LINE_PX = 18
_TITLE_PX = 22
#: Room of the name before a number.
_NAME_PX = 42
_KEPT_THUMBNAILS = 600
#: Cards that are added in one turn of the event loop: many at once would hold the window up.
_AT_ONCE = 8
#: Of many lights, so many rows are shown at first: what follows them is not pushed out of sight.
_FOLDED_ROWS = 2
#: Pictures are given the shape of most detectors; others lie in the middle of it, whole.
_SHAPE = 3 / 4

#: What becomes of a light in a stack.
_VERDICTS = {
    None: "not judged",
    Verdict.ACCEPTED: "accepted",
    Verdict.DOUBTFUL: "doubtful",
    Verdict.REJECTED: "left out",
}
_LIGHTS = (ProductKind.CALIBRATED_LIGHT, ProductKind.UNCALIBRATED_LIGHT)
_MASTERS = (ProductKind.FLAT_MASTER, ProductKind.DARK_MASTER, ProductKind.BIAS_MASTER)


@dataclass(frozen=True, slots=True)
class _Kind:
    """One grid: its caption, what is in it, the width of its cards, and the lines of text on them."""

    title: str
    kinds: tuple[ProductKind, ...]
    least_px: int
    most_px: int
    lines: int
    is_folded: bool = True

    def card(self, room_px: int, count: int) -> tuple[int, QSize]:
        """How many cards stand in a row, and the size of one with the space beside and below it."""
        columns = max(1, min(room_px // self.least_px, max(1, count)))
        width = min(room_px // columns, self.most_px)
        height = picture_px(width) + _TITLE_PX + self.lines * _LINE_PX + 2 * theme.NEAR_PX + theme.TIGHT_PX
        return room_px // width, QSize(width, height)


def picture_px(card_px: int) -> int:
    """Height of the picture on a card of that width."""
    return round((card_px - theme.NEAR_PX) * _SHAPE)


_KINDS = (
    _Kind("STACKS", (ProductKind.LIGHT_STACK,), 232, 328, 4, is_folded=False),
    _Kind("LIGHTS", _LIGHTS, 184, 216, 4),
    _Kind("MASTERS", _MASTERS, 184, 216, 2),
)


class ProductCards(QWidget):
    """All products of a batch, and what the chosen one was made of."""

    frame_requested = Signal(object)  #: Path of the product to be opened.
    compare_requested = Signal(object, object)  #: Paths of a raw frame and of the calibrated one.
    thumbnail_requested = Signal(object)  #: Path of a product that is in sight and has no thumbnail yet.
    verdict_requested = Signal(str, object)  #: Raw file, and whether it is wanted in stacks; None: as found.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = _Thumbnails(self)
        self._thumbnails.wanted.connect(self.thumbnail_requested)
        self._grids: list[tuple[QLabel, _CardGrid, _Kind]] = []
        self._detail = _Detail()
        self._detail.open_button.clicked.connect(self._open_current)
        self._detail.compare_button.clicked.connect(self._compare_current)
        self._column = column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.NEAR_PX)
        for kind in _KINDS:
            caption = QLabel(kind.title)
            caption.setProperty("role", "small")
            caption.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
            grid = _CardGrid(kind, self._thumbnails)
            grid.activated.connect(self._open)
            grid.compare_wished.connect(self._compare_current)
            grid.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
            grid.customContextMenuRequested.connect(self._offer_verdict)
            grid.selectionModel().selectionChanged.connect(self._choose)
            self._grids.append((caption, grid, kind))
            column.addWidget(caption)
            column.addWidget(grid)
            column.addWidget(grid.more)
        column.addWidget(self._detail)
        self._detail.hide()
        self._current: ProductCard | None = None

    @property
    def current(self) -> ProductCard | None:
        """The product that is chosen."""
        return self._current

    def set_cards(self, cards: Iterable[ProductCard]) -> None:
        """Show these products."""
        cards = tuple(cards)
        for caption, grid, kind in self._grids:
            mine = [card for card in cards if card.kind in kind.kinds]
            caption.setText(f"{kind.title}  {len(mine)}")
            caption.setVisible(bool(mine))
            grid.setVisible(bool(mine))
            grid.set_cards(mine)
        keys = {card.key: card for card in cards}
        if self._current is not None:
            self._set_current(keys.get(self._current.key))

    def fold(self) -> None:
        """Another batch comes: show the first rows of each kind, and choose none."""
        self._set_current(None)
        for _, grid, _ in self._grids:
            grid.fold()

    def set_thumbnail(self, path: Path, image: QImage) -> None:
        """Show a thumbnail: grey, upright; it gets the theme's colour here."""
        self._thumbnails.put(path, image)
        for _, grid, _ in self._grids:
            grid.repaint_card(path)

    def select(self, key: int) -> bool:
        """Choose the product with that key; False when there is none."""
        for _, grid, _ in self._grids:
            row = grid.row_of(key)
            if row is not None:
                grid.setCurrentIndex(grid.cards.index(row, 0))
                return True
        return False

    def place_of_current(self) -> QWidget | None:
        """What tells of the chosen product; None when there is none."""
        return self._detail if self._current is not None else None

    def focus_first(self) -> bool:
        """Give the focus to the chosen product, or to the first; False when there is none."""
        for _, grid, _ in self._grids:
            if grid.cards.rowCount() and (self._current is None or grid.selectionModel().hasSelection()):
                grid.setFocus(Qt.FocusReason.OtherFocusReason)
                if not grid.currentIndex().isValid():
                    grid.setCurrentIndex(grid.cards.index(0, 0))
                return True
        return False

    def _choose(self) -> None:
        chosen = self.sender()
        for _, grid, _ in self._grids:
            model = grid.selectionModel()
            if model is chosen and model.hasSelection():
                self._set_current(model.selectedIndexes()[0].data(VALUE_ROLE))
            elif model is not chosen and model.hasSelection():
                model.blockSignals(True)
                model.clear()
                model.blockSignals(False)
                grid.viewport().update()

    def _set_current(self, card: ProductCard | None) -> None:
        if card != self._current:
            self._current = card
            self._detail.set_card(card)
            self._detail.setVisible(card is not None)
            if card is not None:
                self._place_detail(card)

    def _place_detail(self, card: ProductCard) -> None:
        """Right below the grid of the chosen card."""
        grid = next(grid for _, grid, kind in self._grids if card.kind in kind.kinds)
        if self._column.indexOf(self._detail) != self._column.indexOf(grid.more) + 1:
            self._column.removeWidget(self._detail)
            self._column.insertWidget(self._column.indexOf(grid.more) + 1, self._detail)

    def _open(self, index: QModelIndex) -> None:
        self.frame_requested.emit(index.data(VALUE_ROLE).path)

    def _open_current(self) -> None:
        if self._current is not None:
            self.frame_requested.emit(self._current.path)

    def _offer_verdict(self, at: QPoint) -> None:
        """Only a light is one exposure."""
        grid = self.sender()
        if not isinstance(grid, _CardGrid) or not grid.indexAt(at).isValid():
            return
        card: ProductCard = grid.indexAt(at).data(VALUE_ROLE)
        if card.raw_path is not None and card.inputs:
            offer_verdict(grid.viewport(), at, partial(self.verdict_requested.emit, card.inputs[0]))

    def _compare_current(self) -> None:
        if self._current is not None and self._current.raw_path is not None:
            self.compare_requested.emit(self._current.raw_path, self._current.path)


class _Thumbnails(QWidget):
    """Pictures by path, in the colour of the theme; asks for those that are painted and missing."""

    wanted = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.hide()
        self._images: dict[Path, QImage] = {}
        self._ready: dict[tuple[Path, int, int], QPixmap] = {}
        self._look = ""
        self._asked: set[Path] = set()
        self._missing: list[Path] = []
        self._ask = QTimer(self, interval=0, singleShot=True)
        self._ask.timeout.connect(self._ask_for_missing)

    def put(self, path: Path, image: QImage) -> None:
        self._images[path] = image
        while len(self._images) > _KEPT_THUMBNAILS:
            oldest = next(iter(self._images))
            self._asked.discard(oldest)
            del self._images[oldest]
        self._ready = {key: pixmap for key, pixmap in self._ready.items() if key[0] in self._images and key[0] != path}

    def of(self, path: Path, room: QSize) -> QPixmap | None:
        """The whole picture within that many pixels, scaled once; None while it is missing."""
        look = theme.current()
        if look.name != self._look:
            self._ready.clear()
            self._look = look.name
        key = (path, room.width(), room.height())
        if path in self._images and key not in self._ready:
            self._ready[key] = _fitted(self._images[path], room)
        if path not in self._images and path not in self._asked:
            self._asked.add(path)
            self._missing.append(path)
            self._ask.start()
        return self._ready.get(key)

    def _ask_for_missing(self) -> None:
        """Behind the painting, not within."""
        missing, self._missing = self._missing, []
        for path in missing:
            self.wanted.emit(path)


def _fitted(image: QImage, room: QSize) -> QPixmap:
    """The picture with its white in the theme's colour; null when there is none."""
    if image.isNull():
        return QPixmap()
    smooth, whole = Qt.TransformationMode.SmoothTransformation, Qt.AspectRatioMode.KeepAspectRatio
    pixmap = QPixmap.fromImage(image.convertToFormat(QImage.Format.Format_RGB32).scaled(room, whole, smooth))
    if theme.current().is_night_vision:
        painter = QPainter(pixmap)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Multiply)
        painter.fillRect(pixmap.rect(), QColor.fromRgbF(*theme.current().image))
        painter.end()
    return pixmap


class _CardGrid(QListView):
    """Cards of one kind, as high as they need; of many, the first rows, until all are wished for."""

    compare_wished = Signal()

    def __init__(self, kind: _Kind, thumbnails: _Thumbnails) -> None:
        super().__init__()
        self._kind = kind
        self._all: tuple[ProductCard, ...] = ()
        self._is_folded = kind.is_folded
        self.cards: ValueModel[ProductCard] = ValueModel(
            (Column("Product", _spoken, tip=lambda card: f"{_spoken(card)}\n{card.path.name}"),),
            lambda card: card.key,
        )
        self.more = QPushButton()
        self.more.setProperty("kind", "link")
        self.more.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.more.clicked.connect(self.unfold)
        self.more.hide()
        self.setModel(self.cards)
        self.setItemDelegate(_CardDelegate(thumbnails, self))
        self.setAccessibleName(f"{kind.title.capitalize()}: Enter opens, Shift+Enter compares with the raw frame")
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._adding = QTimer(self, interval=0, singleShot=True)
        self._adding.timeout.connect(self._show)

    def set_cards(self, cards: Sequence[ProductCard]) -> None:
        """Show these; many come in some turns of the event loop."""
        if self._all != tuple(cards):
            self._all = tuple(cards)
            self._show()

    def fold(self) -> None:
        """Show none, and of the next ones the first rows."""
        self._all = ()
        self._is_folded = self._kind.is_folded
        self._show()

    def repaint_card(self, path: Path) -> None:
        """The picture of a card came."""
        for row, card in enumerate(self.cards.values):
            if card.path == path:
                self.update(self.cards.index(row, 0))

    def unfold(self) -> None:
        """Show all."""
        self._is_folded = False
        self._show()

    def row_of(self, key: int) -> int | None:
        """Where a card is; it is brought into sight."""
        row = next((row for row, card in enumerate(self._all) if card.key == key), None)
        if row is not None and row >= self.cards.rowCount():
            self._is_folded = self._is_folded and row < self._wanted()
            self._show(at_least=row + 1)
        return row

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        self._show()
        super().resizeEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        event.ignore()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if is_enter and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.compare_wished.emit()
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self.viewport().update()

    def _room_px(self) -> int:
        return max(self.width() - 4, self._kind.least_px)

    def _wanted(self) -> int:
        """How many cards are to be shown in the end."""
        columns, _ = self._kind.card(self._room_px(), len(self._all))
        return min(len(self._all), _FOLDED_ROWS * columns) if self._is_folded else len(self._all)

    def _show(self, at_least: int = 0) -> None:
        """Show what changed, and some of what is still to come; the rest follows in the next turn."""
        wanted = self._wanted()
        count = max(at_least, min(wanted, self.cards.rowCount() + _AT_ONCE))
        self.cards.set_values(self._all[:count])
        self._fit()
        if count < wanted:
            self._adding.start()
        self.more.setText(f"Show all {len(self._all)} {self._kind.title.lower()}")
        self.more.setVisible(wanted < len(self._all))

    def _fit(self) -> None:
        """Cards fill the width; the height follows."""
        columns, size = self._kind.card(self._room_px(), len(self._all))
        if size != self.gridSize():
            self.setGridSize(size)
        height = -(-self.cards.rowCount() // columns) * size.height() + 4
        if height != self.height() or height != self.minimumHeight():
            self.setFixedHeight(height)


class _CardDelegate(QStyledItemDelegate):
    """Paints one card: picture, title, numbers."""

    def __init__(self, thumbnails: _Thumbnails, parent: QListView) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._grid = parent

    def sizeHint(  # noqa: N802 - Qt's name
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        return self._grid.gridSize()

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        card: ProductCard = index.data(VALUE_ROLE)
        look = theme.current()
        card_rect = QRect(option.rect).adjusted(0, 0, -theme.NEAR_PX, -theme.NEAR_PX)
        state = option.state
        is_chosen = bool(state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.color("raised"))
        painter.drawRoundedRect(card_rect, theme.TIGHT_PX, theme.TIGHT_PX)
        picture = QRect(card_rect)
        picture.setHeight(picture_px(option.rect.width()))
        self._paint_picture(painter, picture, card)
        text = card_rect.adjusted(theme.NEAR_PX, picture.height() + theme.TIGHT_PX, -theme.NEAR_PX, 0)
        self._paint_text(painter, text, card)
        if is_chosen:
            painter.setPen(QPen(look.color("accent"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(card_rect.adjusted(1, 1, -1, -1), theme.TIGHT_PX, theme.TIGHT_PX)
        painter.restore()

    def _paint_picture(self, painter: QPainter, room: QRect, card: ProductCard) -> None:
        ratio = self._grid.devicePixelRatioF()
        pixmap = self._thumbnails.of(card.path, room.size() * ratio)
        if pixmap is None or pixmap.isNull():
            painter.setFont(theme.font(theme.LABEL_PX))
            painter.setPen(theme.current().color("dim"))
            text = "picture follows" if pixmap is None else "no picture: see the log"
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter, text)
            return
        target = QRect(room.topLeft(), pixmap.size() / ratio)
        target.moveCenter(room.center())
        painter.drawPixmap(target, pixmap)

    def _paint_text(self, painter: QPainter, room: QRect, card: ProductCard) -> None:
        look = theme.current()
        line = QRect(room.left(), room.top(), room.width(), _TITLE_PX)
        _write(painter, line, card.title, theme.TEXT_PX, look.color("text"), is_loud=True)
        line = QRect(room.left(), line.bottom() + 1, room.width(), _LINE_PX)
        dim, text_color = look.color("dim"), look.color("text")
        for name, text, is_odd in _lines(card):
            _write(painter, line, name, theme.LABEL_PX, dim)
            rest = line.adjusted(_NAME_PX, 0, 0, 0)
            _write(painter, rest, text, theme.LABEL_PX, look.color("attention") if is_odd else text_color, is_odd)
            line.translate(0, _LINE_PX)


def _write(painter: QPainter, room: QRect, text: str, size_px: int, color: QColor, is_loud: bool = False) -> None:
    font, metrics = cell_font(size_px, is_loud=is_loud)
    painter.setFont(font)
    painter.setPen(color)
    shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, room.width())
    painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)


def _lines(card: ProductCard) -> list[tuple[str, str, bool]]:
    """Name, value, and whether it wants attention."""
    of = f"{len(card.inputs)} frame{'' if len(card.inputs) == 1 else 's'}"
    if card.kind in _MASTERS:
        return [("level", card.sky, False), ("from", of, False)] if card.sky else [("from", of, False)]
    lines = [("FWHM", card.fwhm or "not measured", False), ("sky", card.sky or "not measured", False)]
    lines.append(("WCS", card.wcs or "not tried", card.is_unsolved))
    if card.kind is ProductKind.LIGHT_STACK:
        return [*lines, ("from", of, False)]
    return [*lines, ("stack", _VERDICTS[card.verdict], card.verdict in (Verdict.DOUBTFUL, Verdict.REJECTED))]


def _spoken(card: ProductCard) -> str:
    """The card in one sentence."""
    return ", ".join((card.title, *(f"{name} {text}".strip() for name, text, _ in _lines(card) if text)))


class _Detail(QWidget):
    """What the chosen product was made of."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("surface", "raised")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._title = QLabel()
        self._text = QLabel(wordWrap=True)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.open_button = QPushButton("Open")
        self.open_button.setToolTip("Open the product on the page Frames (Enter)")
        self.compare_button = QPushButton("Compare with raw")
        self.compare_button.setAccessibleName("Compare raw and calibrated")
        row = QHBoxLayout()
        row.addWidget(self._title, 1)
        row.addWidget(self.compare_button)
        row.addWidget(self.open_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GAP_PX, theme.NEAR_PX, theme.GAP_PX, theme.NEAR_PX)
        column.setSpacing(theme.TIGHT_PX)
        column.addLayout(row)
        column.addWidget(self._text)
        self.set_card(None)

    def set_card(self, card: ProductCard | None) -> None:
        """Show what is known of it."""
        self.open_button.setEnabled(card is not None)
        can_compare = card is not None and card.raw_path is not None
        self.compare_button.setEnabled(can_compare)
        why = (
            "Raw and calibrated side by side (Shift+Enter)"
            if can_compare
            else "Only a light has one raw frame: choose one"
        )
        self.compare_button.setToolTip(why)
        self.compare_button.setAccessibleDescription(why)
        if card is None:
            return
        self._title.setText(card.path.name)
        self._title.setToolTip(str(card.path))
        some = ", ".join(card.inputs[:6]) + (f" and {len(card.inputs) - 6} more" if len(card.inputs) > 6 else "")
        why_not = (f"No WCS: {card.wcs_why}",) if card.wcs_why else ()
        verdict = (f"{_VERDICTS[card.verdict].capitalize()}: {'; '.join(card.reasons)}",) if card.reasons else ()
        self._text.setText("\n".join((f"Made of {some}", *verdict, *card.uses, *why_not)))
        self._text.setToolTip(", ".join(card.inputs))
