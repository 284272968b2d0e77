"""Help: pages, keys, tasks, what STOP does and does not do, version and licences; searchable."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QFont, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app import __version__
from app.widgets import theme

_TERM_PX = 152


@dataclass(frozen=True, slots=True)
class Topic:
    """One panel: a title, and terms with what is said of each; a term may be empty."""

    title: str
    rows: tuple[tuple[str, str], ...]
    looks: tuple[tuple[str, str], ...] = ()  #: Terms that are shown as what they explain, each with its role.


STOP_TOPIC = Topic(
    "STOP",
    (
        (
            "Ctrl+Shift+S",
            "Or one press on STOP at the top right: at once, from every page, above every dialog and menu.",
        ),
        (
            "What it does",
            "Stops the dome and the mount's slew where they are; waiting moves are dropped, the following ends.",
        ),
        ("What it says", "“sent”, then “confirmed” once the driver reports that nothing moves; else “NOT CONFIRMED”."),
        ("NOT CONFIRMED", "Use the hardware stop at once: the driver, the network or the device does not answer."),
        (
            "Its limits",
            "STOP is software: it needs this computer, the network, the driver and the device to work. A hardware emergency stop within reach is required.",
        ),
        ("Keys", "The keys work while a window of Cupola is in front; the STOP window works always."),
        (
            "The guard",
            "A program of its own closes the dome in bad weather and when this window dies. A safety close that STOP ended goes on after the countdown, unless you take LOCKOUT.",
        ),
        (
            "No guard helps",
            "when computer, power or motor fail. Only the dome controller's own timer closes then, if it has one: no software replaces that, nor a hardware stop.",
        ),
        (
            "LOCKOUT",
            "For people in the dome: Ctrl+1, the guard's word on the strip, then hold LOCKOUT. Everything stops, and nothing moves or closes until it is released.",
        ),
        ("An open dome", "STOP leaves the shutter where it is, open or half closed. To be safe from rain, CLOSE it."),
    ),
)

PAGES_TOPIC = Topic(
    "Pages",
    (
        (
            "Night  Ctrl+1",
            "Is it safe, what is happening, what comes next: dome, newest frame, queue, alarms, last 12 h.",
        ),
        ("Orders  Ctrl+2", "Work orders: submit by form or by dropping JSON, hold, cancel; why one waits."),
        ("Batches  Ctrl+3", "Calibrate a folder of frames; groups, steps, products with their numbers, log."),
        (
            "Frames  Ctrl+4",
            "Look at any raw frame or product: stretch, histogram, value and RA/Dec under the cursor, header.",
        ),
        (
            "Log  Ctrl+5",
            "Everything that happened, filtered by level, source, batch and text; rows jump to their batch.",
        ),
        ("Settings  Ctrl+6", "Connect your observatory; site, limits, mail, front desk, storage."),
        ("Help  Ctrl+7", "This page."),
    ),
)

KEYS_TOPIC = Topic(
    "Keys",
    (
        ("Ctrl+Shift+S", "STOP every motion"),
        ("Ctrl+Shift+C", "CLOSE the shutter"),
        ("Ctrl+Shift+O", "OPEN the shutter: hold the keys for 1.5 s"),
        ("Ctrl+1 … Ctrl+7", "Go to a page"),
        ("Ctrl+K", "Acknowledge every alarm"),
        ("Ctrl+T", "Dark, red, amber"),
        ("Ctrl+Shift+N", "A new batch, from any page"),
        ("Ctrl+G", "Night: type an azimuth, Enter goes"),
        ("Left, Right, Enter", "Dial: choose an azimuth by 1° (Shift: 10°), and go there; Esc gives up"),
        ("Ctrl+N", "Orders: new order"),
        ("Ctrl+O", "Batches: choose a folder. Frames: open a file"),
        ("Ctrl+Enter", "Orders: submit the form. Batches: run what was chosen, or resume what is shown"),
        ("Ctrl+V", "Orders: submit the JSON of the clipboard"),
        ("Ctrl+H", "Orders: hold or release what is selected"),
        ("Ctrl+Delete", "Orders: cancel what is selected; Ctrl+Shift+Delete, held, cancels what runs"),
        ("Ctrl+End", "Log: follow the newest line again"),
        ("Ctrl+F", "Search or filter the page"),
        ("Enter", "Open what is selected in a table; a double-click does the same"),
        ("F, 1, +, −, arrows", "Frames: fit, one to one, zoom, pan; B blinks two selected frames"),
        ("Page Up, Page Down", "Frames: the previous or the next frame"),
        ("Tab, Shift+Tab", "Go to the next or the previous control"),
    ),
)

TASKS_TOPIC = Topic(
    "Ten tasks",
    (
        ("Open the dome", "Ctrl+1, then hold Ctrl+Shift+O for 1.5 s; or hold OPEN. It says what is in the way."),
        ("Go to an azimuth", "Ctrl+1, Ctrl+G, type the degrees and Enter; or click on the dial."),
        ("Stop everything", "Ctrl+Shift+S, or one press on STOP."),
        ("Calibrate a folder", "Ctrl+3, Ctrl+O, choose the folder; or drop it on Batches."),
        ("Why an order waits", "Ctrl+2, select it: the reason stands in its row, and in whole beside the table."),
        ("Last night's R stack", "Ctrl+3, select the night; Enter on the R stack opens it."),
        ("Its FWHM", "It stands on the product's card, Ctrl+3, in pixels and in arcseconds where the scale is known."),
        ("Raw and calibrated", "Ctrl+3, a calibrated light, Compare: two pictures with linked pan and zoom."),
        ("Redo a failed batch", "Ctrl+3, select it, Resume (goes on) or Restart (makes everything anew)."),
        ("Log of an error", "Ctrl+5, choose Errors."),
    ),
)

COLOURS_TOPIC = Topic(
    "How values look",
    (
        ("Neutral", "Normal. Every reading stands with its age."),
        ("Hatched", "Stale: the value is old, its age stands beside it. Unknown is never safe and never closed."),
        ("Dashes", "Never read."),
        ("Warning sign", "Wants attention."),
        ("Inverse", "Alarm: act."),
        ("closed", "The driver's word. “proven closed”: a switch, or a closing that was seen to the end, proves it."),
    ),
    looks=(("Warning sign", "attention"), ("Inverse", "alarm")),
)

ABOUT_TOPIC = Topic(
    "About",
    (
        ("Cupola", f"Version {__version__}, MIT licence. Cupola is no safety device."),
        ("Qt, PySide6", "LGPL 3, used unchanged as a library"),
        ("IBM Plex Sans", "SIL Open Font License 1.1"),
        ("Tycho-2", "Star positions: E. Høg and others (2000), BSD 2-Clause by permission"),
        ("All others", "docs/dependencies.md lists every library with its licence"),
    ),
)

#: Left and right column, from top to bottom.
COLUMNS = ((STOP_TOPIC, PAGES_TOPIC, COLOURS_TOPIC, ABOUT_TOPIC), (TASKS_TOPIC, KEYS_TOPIC))


class HelpPage(QWidget):
    """Topics in two columns; what does not contain the search text goes away.

    The topics are made when the page is first shown, one after the other: the start of the window waits for none.
    """

    TITLE = "Help"
    ICON = "help"

    view_changed = Signal()  #: The search text changed.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._search = QLineEdit(placeholderText="Search help (Ctrl+F)", clearButtonEnabled=True)
        self._search.setAccessibleName("Search help")
        self._search.setFixedWidth(320)
        self._said = QLabel()
        self._said.setProperty("role", "dim")
        self._made: list[TopicPanel] = []
        self._columns = [QVBoxLayout() for _ in COLUMNS]
        self._unmade = deque((at, topic) for at, topics in enumerate(COLUMNS) for topic in topics)
        self._maker = QTimer(self, interval=0)
        self._maker.timeout.connect(self._make_next)
        top = QHBoxLayout()
        top.setSpacing(theme.WIDE_PX)
        title = QLabel("Help")
        title.setProperty("role", "title")
        top.addWidget(title)
        top.addWidget(self._said)
        top.addStretch()
        top.addWidget(self._search)
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.setSpacing(theme.NEAR_PX)
        page.addLayout(top)
        page.addWidget(self._scroll(), 1)
        self._search.textChanged.connect(self.filter)

    @property
    def panels(self) -> list[TopicPanel]:
        """Every topic, made by now."""
        while self._unmade:
            self._make_next()
        return self._made

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Begin to make the topics."""
        super().showEvent(event)
        if self._unmade:
            self._maker.start()

    def filter(self, text: str) -> None:
        """Show what contains every word of the text."""
        words = text.casefold().split()
        found = [panel.filter(words) for panel in (self.panels if words else self._made)]
        self._said.setText(_found_text(sum(found)) if words else "")
        self.view_changed.emit()

    def focus_filter(self) -> None:
        """Put the cursor into the search."""
        self._search.setFocus()
        self._search.selectAll()

    def view_state(self) -> dict[str, Any]:
        """What is searched."""
        return {"search": self._search.text()}

    def restore_view(self, state: dict[str, Any]) -> None:
        """Search again."""
        self._search.setText(str(state.get("search", "")))

    def _scroll(self) -> QScrollArea:
        inside = QWidget()
        row = QHBoxLayout(inside)
        row.setContentsMargins(0, 0, theme.NEAR_PX, 0)
        row.setSpacing(theme.NEAR_PX)
        for column in self._columns:
            column.setSpacing(theme.NEAR_PX)
            column.addStretch()
            row.addLayout(column, 1)
        area = QScrollArea(widgetResizable=True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setAccessibleName("Help topics")
        area.setProperty("focusable", True)
        area.setWidget(inside)
        return area

    def _make_next(self) -> None:
        """Make one more topic, above the stretch of its column."""
        if not self._unmade:
            self._maker.stop()
            return
        at, topic = self._unmade.popleft()
        panel = TopicPanel(topic)
        self._made.append(panel)
        self._columns[at].insertWidget(self._columns[at].count() - 1, panel)


class TopicPanel(QWidget):
    """One topic."""

    def __init__(self, topic: Topic) -> None:
        super().__init__()
        self.setProperty("surface", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._topic = topic
        self._rows: list[tuple[QLabel, QLabel]] = []
        grid = QGridLayout(self)
        grid.setContentsMargins(theme.WIDE_PX, theme.GAP_PX, theme.WIDE_PX, theme.GAP_PX)
        grid.setHorizontalSpacing(theme.WIDE_PX)
        grid.setVerticalSpacing(theme.NEAR_PX)
        grid.setColumnMinimumWidth(0, _TERM_PX)
        grid.setColumnStretch(1, 1)
        headline = QLabel(topic.title.upper())
        headline.setProperty("role", "caption")
        grid.addWidget(headline, 0, 0, 1, 2)
        for place, (term, text) in enumerate(topic.rows, start=1):
            name, said = QLabel(term), QLabel(text, wordWrap=True)
            role = dict(topic.looks).get(term)
            if role is None:
                name.setFont(theme.font(theme.TEXT_PX, QFont.Weight.DemiBold))
                name.setFixedWidth(_TERM_PX)
            else:
                name.setProperty("role", role)
            for label in (name, said):
                label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            top = Qt.AlignmentFlag.AlignTop
            grid.addWidget(name, place, 0, top | Qt.AlignmentFlag.AlignLeft)
            grid.addWidget(said, place, 1)
            self._rows.append((name, said))
        self.setAccessibleName(topic.title)

    @property
    def shown(self) -> tuple[str, ...]:
        """Terms that are shown."""
        return tuple(name.text() for name, _ in self._rows if not name.isHidden())

    def filter(self, words: list[str]) -> int:
        """Show the rows that contain every word, all of them when the title does; say how many there are."""
        for name, said in self._rows:
            text = f"{self._topic.title} {name.text()} {said.text()}".casefold()
            is_found = all(word in text for word in words)
            name.setVisible(is_found)
            said.setVisible(is_found)
        count = len(self.shown)
        self.setVisible(count > 0)
        return count


def _found_text(count: int) -> str:
    """What a search came to."""
    if count == 0:
        return "Nothing in the help says that: try a shorter word."
    return "1 entry says that" if count == 1 else f"{count} entries say that"
