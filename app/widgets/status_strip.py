"""The top strip: the five words that matter, each with its age, on every page."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QFont, QFontMetrics, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.model.reading import Freshness
from app.model.strip import Severity, StripValues, Word
from app.model.wording import DASHES, age_text, angle_text, right_ascension_text, time_text
from app.widgets import icons, theme
from app.widgets.roles import set_role

STRIP_PX = 56
#: What is left free at the right for the STOP window.
STOP_ROOM_PX = 168
#: Narrower strips have smaller words.
_ROOMY_PX = 1700
#: Narrower ones (1920 x 1080 at 150 %) leave out the altitudes of Sun and Moon.
_WITH_HEIGHTS_PX = 1340
_CAPTION_TOP, _CAPTION_PX, _WORD_TOP, _WORD_PX = 5, 16, 21, 30
#: Height of a detail in two lines.
_LINES_PX = 34
#: Between a word and its detail.
_GAP_PX = 6
_CELLS = {"SHUTTER": 170, "DOME": 146, "SKY": 194, "MOUNT": 156, "GUARD": 112}


class WordCell(QWidget):
    """One word: its caption and age above, the word and its detail below.

    Its width does not depend on what it says, so that nothing jitters; what does not fit is in the tooltip.
    """

    clicked = Signal()  #: The mouse was pressed on it.

    def __init__(self, caption: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._caption = caption
        self._word = Word(DASHES, None, Freshness.NEVER)
        self._word_px = theme.WORD_PX
        self.setFixedHeight(STRIP_PX - 1)

    def set_word(self, word: Word) -> None:
        """Show a word."""
        if word != self._word:
            self._word = word
            sentence = word.explanation or f"{word.text} {word.detail}".strip()
            age = "" if word.age_s is None else f"; read {age_text(word.age_s)} ago"
            self.setToolTip(f"{sentence}{age}")
            self.setAccessibleName(f"{self._caption.capitalize()}: {word.text} {word.detail}".strip())
            self.setAccessibleDescription(self.toolTip())
            self.update()

    def set_word_px(self, word_px: int) -> None:
        """Choose the size of the word."""
        if word_px != self._word_px:
            self._word_px = word_px
            self.update()

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the word and its detail is left out."""
        text_px = QFontMetrics(self._font()).horizontalAdvance(self._word.text)
        room_px = max(0, self.width() - 2 * theme.NEAR_PX - text_px - _GAP_PX)
        font, is_in_lines = self._detail_font(room_px)
        if not is_in_lines:
            return True
        room = QRect(0, 0, room_px, _LINES_PX)
        return room.contains(QFontMetrics(font).boundingRect(room, _IN_LINES, self._word.detail))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Neutral where all is normal; hatched when stale; inverse for an alarm."""
        look, word, painter = theme.current(), self._word, QPainter(self)
        is_alarm = word.severity is Severity.ALARM
        box = self.rect().adjusted(0, 3, -2, -3)
        if is_alarm:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(look.color("alarm"))
            painter.drawRoundedRect(QRectF(box), theme.TIGHT_PX, theme.TIGHT_PX)
        if word.freshness is Freshness.STALE:
            painter.fillRect(box, QBrush(look.color("background" if is_alarm else "stale", 0.6), _HATCH))
        self._paint_caption(painter, look, is_alarm)
        self._paint_word(painter, look, is_alarm)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Ask for more about this word."""
        self.clicked.emit()

    def _paint_caption(self, painter: QPainter, look: theme.Theme, is_alarm: bool) -> None:
        word = self._word
        place = self.rect().adjusted(theme.NEAR_PX, _CAPTION_TOP, -theme.NEAR_PX, 0)
        place.setHeight(_CAPTION_PX)
        painter.setFont(theme.font(theme.LABEL_PX, QFont.Weight.DemiBold))
        painter.setPen(look.color("background" if is_alarm else "dim"))
        painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self._caption)
        age = "" if word.age_s is None else age_text(word.age_s)
        if word.freshness is not Freshness.FRESH and not is_alarm:
            painter.setPen(look.color("attention"))
        elif not is_alarm:
            painter.setFont(theme.font(theme.LABEL_PX))
        place.adjust(painter.fontMetrics().horizontalAdvance(f"{self._caption}  "), 0, 0, 0)
        painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, age)

    def _paint_word(self, painter: QPainter, look: theme.Theme, is_alarm: bool) -> None:
        word = self._word
        token = {Severity.NORMAL: "text", Severity.ATTENTION: "attention", Severity.ALARM: "background"}[word.severity]
        place = QRect(theme.NEAR_PX, _WORD_TOP, self.width() - 2 * theme.NEAR_PX, _WORD_PX)
        if word.severity is Severity.ATTENTION:
            mark = icons.pixmap("warning", token, theme.WIDE_PX, self.devicePixelRatioF())
            painter.drawPixmap(place.right() - theme.WIDE_PX + 4, _CAPTION_TOP, mark)
        painter.setFont(self._font())
        painter.setPen(look.color(token))
        middle = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(place, middle, word.text)
        place.setLeft(place.left() + painter.fontMetrics().horizontalAdvance(word.text) + _GAP_PX)
        font, is_in_lines = self._detail_font(place.width())
        painter.setFont(font)
        painter.setPen(look.color("background" if is_alarm else "dim" if word.severity is Severity.NORMAL else "text"))
        if is_in_lines:
            spare = (_LINES_PX - _WORD_PX) // 2
            painter.drawText(place.adjusted(0, -spare, 0, spare), _IN_LINES, word.detail)
            return
        place.translate(0, 2 if self._word_px > theme.VALUE_PX else 1)
        painter.drawText(place, middle, word.detail)

    def _detail_font(self, room_px: int) -> tuple[QFont, bool]:
        """The larger of two sizes in which the detail is whole in one line; else the smaller one, in two lines."""
        large, small = (theme.font(size, QFont.Weight.Medium) for size in (theme.TEXT_PX, theme.LABEL_PX))
        if QFontMetrics(large).horizontalAdvance(self._word.detail) <= room_px:
            return large, False
        return small, QFontMetrics(small).horizontalAdvance(self._word.detail) > room_px

    def _font(self) -> QFont:
        return theme.font(self._word_px, QFont.Weight.DemiBold)


_HATCH = Qt.BrushStyle.BDiagPattern
_IN_LINES = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter) | int(Qt.TextFlag.TextWordWrap)


class StatusStrip(QWidget):
    """Site, the five words, the sky's numbers and the count of alarms; the STOP window lies over its right end."""

    guard_clicked = Signal()  #: The operator wants to see all about the guard.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "strip")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(STRIP_PX)
        self.setAccessibleName("Status")
        self._cells = {caption: WordCell(caption) for caption in _CELLS}
        self._cells["GUARD"].clicked.connect(self.guard_clicked)
        self._cells["GUARD"].setCursor(Qt.CursorShape.PointingHandCursor)
        self._simulated = _label("simulated", "SIMULATED")
        self._simulated.setFixedHeight(_TAG_PX)
        self._simulated.setToolTip("Every device of this observatory is simulated: nothing real moves")
        self._site, self._site_name = QLabel(wordWrap=True), ""
        self._numbers = {name: _number() for name in ("UTC", "LST", "Sun", "Moon")}
        self._heights: list[QLabel] = []
        self._alarms = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.GAP_PX, 0, STOP_ROOM_PX, 0)
        row.setSpacing(theme.TIGHT_PX)
        row.addLayout(self._place())
        row.addSpacing(theme.NEAR_PX)
        for caption, share in _CELLS.items():
            row.addWidget(self._cells[caption], share)
        row.addLayout(self._sky_numbers())
        row.addSpacing(theme.NEAR_PX)
        self._alarms.setFixedSize(_ALARMS_PX, theme.ROW_PX)
        row.addWidget(self._alarms)
        row.addSpacing(theme.TIGHT_PX)
        self._show_alarms(0)

    def set_values(self, values: StripValues) -> None:
        """Show the values of one moment."""
        words = (values.shutter, values.dome, values.sky, values.mount, values.guard)
        for cell, word in zip(self._cells.values(), words, strict=True):
            cell.set_word(word)
        self._simulated.setVisible(values.is_simulated)
        self._site_name = values.site
        self._elide_site()
        moon = values.moon_altitude_deg
        texts = (
            time_text(values.utc),
            right_ascension_text(values.lst_deg)[:8].replace(" ", ":"),
            angle_text(values.sun_altitude_deg),
            angle_text(moon),
        )
        for (name, label), text in zip(self._numbers.items(), texts, strict=True):
            label.setText(text)
            label.setAccessibleName(f"{name} {text}")
        self._show_alarms(values.alarms)

    def cell(self, caption: str) -> WordCell:
        """The cell of a word, such as ``"SKY"``."""
        return self._cells[caption]

    def stop_rect(self) -> QRect:
        """Where the STOP window lies, in this widget's coordinates."""
        return QRect(self.width() - STOP_ROOM_PX, 0, STOP_ROOM_PX, self.height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Smaller words where there is little room."""
        word_px = theme.WORD_PX if self.width() >= _ROOMY_PX else theme.VALUE_PX
        for cell in self._cells.values():
            cell.set_word_px(word_px)
        self._elide_site()
        for part in self._heights:
            part.setVisible(self.width() >= _WITH_HEIGHTS_PX)
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Repaint the words in a new theme."""
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            for cell in self._cells.values():
                cell.update()
        super().changeEvent(event)

    def _place(self) -> QVBoxLayout:
        """Site and, where it is so, that it is simulated."""
        column = QVBoxLayout()
        column.setSpacing(1)
        column.addStretch()
        column.addWidget(self._simulated, alignment=Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self._site)
        column.addStretch()
        return column

    def _sky_numbers(self) -> QGridLayout:
        """UTC and LST, Sun and Moon, each in a cell of fixed width."""
        grid = QGridLayout()
        grid.setContentsMargins(0, theme.TIGHT_PX, 0, theme.TIGHT_PX)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(0)
        tips = ("Universal time", "Local sidereal time", "Altitude of the Sun", "Altitude of the Moon")
        for place, ((name, label), tip) in enumerate(zip(self._numbers.items(), tips, strict=True)):
            caption = _label("small", name)
            label.setFixedWidth(62 if place < 2 else 48)
            label.setToolTip(tip)
            self._heights += [caption, label] if place >= 2 else []
            caption.setContentsMargins(theme.NEAR_PX if place >= 2 else 0, 0, 0, 0)
            grid.addWidget(caption, place % 2, place // 2 * 2)
            grid.addWidget(label, place % 2, place // 2 * 2 + 1)
        return grid

    def _show_alarms(self, count: int) -> None:
        self._alarms.setText(f"{count} alarm{'' if count == 1 else 's'}" if count else "no alarm")
        set_role(self._alarms, "alarm" if count else "small")
        self._alarms.setToolTip("Alarms that nobody acknowledged yet" if count else "Nothing wants you")

    def _elide_site(self) -> None:
        width = _SITE_PX if self.width() < _ROOMY_PX else 2 * _SITE_PX
        self._site.setFixedWidth(width)
        large, small = (theme.font(size, QFont.Weight.DemiBold) for size in (theme.TEXT_PX, theme.LABEL_PX))
        fits = QFontMetrics(large).horizontalAdvance(self._site_name) <= width
        self._site.setStyleSheet("" if fits else f"font-size: {theme.LABEL_PX}px;")  # a style sheet wins over fonts
        most_px = width if fits else 2 * width - theme.WIDE_PX  # a line ends with a word
        metrics = QFontMetrics(large if fits else small)
        self._site.setFont(large if fits else small)
        self._site.setText(metrics.elidedText(self._site_name, Qt.TextElideMode.ElideRight, most_px))
        self._site.setToolTip(self._site_name)


_SITE_PX = 116
#: Leaves two lines for the site below it.
_TAG_PX = 19
_ALARMS_PX = 80


def _label(role: str, text: str) -> QLabel:
    made = QLabel(text)
    made.setProperty("role", role)
    return made


def _number() -> QLabel:
    """A number whose figures all have the same width, at the right of its cell."""
    return QLabel(DASHES, alignment=Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
