"""The page of the log: filters that stay visible, the records, and the selected one in full; and the journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from logging import ERROR, WARNING
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.model import wording
from app.model.records import JournalEntry, LogEntry
from app.widgets import theme
from app.widgets.choice_box import ChoiceBox
from app.widgets.journal_view import JournalView
from app.widgets.log_table import LogFilter, LogModel, LogTable, full_time_text, level_text, source_text
from app.widgets.state_panel import PageState, StateStack

_LEVELS = {0: "All", WARNING: "Warnings", ERROR: "Errors"}
_ALL_SOURCES, _ALL_BATCHES = "All sources", "All batches"
#: While one types, the filter waits so long for the next letter.
_TYPING_MS = 150
_BAR_PX = 52
#: Room of the selected record: its heading and two lines; a traceback is worth to pull it higher.
_DETAILS_PX = 92


class LogPage(QWidget):
    """What happened, newest at the foot; and what was commanded, newest at the top."""

    TITLE = "Log"
    ICON = "log"

    batch_requested = Signal(int)  #: Key of the batch that a record is about.
    journal_shown = Signal(bool)  #: Whether the journal is looked at.
    view_changed = Signal()  #: Something that is worth restoring changed.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = LogModel(self)
        self._table = LogTable(self._model)
        self._sources: set[str] = set()
        self._batches: dict[int, str] = {}
        self._wanted_source = ""
        self._wanted_batch: int | None = None
        self._typing = QTimer(self, singleShot=True, interval=_TYPING_MS)
        self._typing.timeout.connect(self._apply_filter)
        self._build()
        self._connect()
        self._show_state()
        self._show_details()

    def add_entries(self, entries: Sequence[LogEntry]) -> None:
        """Add records, in any order."""
        self._model.add(entries)
        self._offer(entries)
        if not self._model.is_filtering:
            self._table.place()
        self._show_state()

    def set_failure(self, sentence: str) -> None:
        """Say that the records of batches cannot be read; empty when they can again."""
        self._failure.setText(sentence and f"Records of batches are missing: {sentence}")
        self._failure.setVisible(bool(sentence))

    def set_journal(self, entries: Sequence[JournalEntry]) -> None:
        """Show these rows of the journal, newest first."""
        self._journal.set_entries(entries)
        self._show_state()

    def set_journal_failure(self, sentence: str) -> None:
        """Say that the journal cannot be read; empty when it can again."""
        self._journal.set_failure(sentence)

    def show_batch(self, batch: int) -> None:
        """Show the records of one batch, by its key."""
        self._tabs[0].setChecked(True)
        self._text.clear()
        self._level_chips[0].setChecked(True)
        self._source.setCurrentIndex(0)
        self._choose_batch(batch)
        self._apply_filter()

    def show_errors(self) -> None:
        """Show errors alone: where the alarm dot leads to."""
        self._tabs[0].setChecked(True)
        self._level_chips[ERROR].setChecked(True)

    def focus_filter(self) -> None:
        """Ctrl+F."""
        self._text.setFocus()
        self._text.selectAll()

    def view_state(self) -> dict[str, Any]:
        """What another start shows again: the filters, and the place in the log."""
        anchor = self._table.anchor
        return {
            "level": self._level(),
            "text": self._text.text(),
            "source": self._filter().source,
            "batch": self._filter().batch,
            "top": None if anchor is None else [anchor[0].isoformat(), anchor[1]],
            "split": self._splitter.sizes(),
            "journal": self._is_journal,
        }

    def restore_view(self, state: dict[str, Any]) -> None:
        """Show what an earlier start showed; what is nonsense is left as it is."""
        level, text = state.get("level"), state.get("text")
        if isinstance(level, int) and level in self._level_chips:
            self._level_chips[level].setChecked(True)
        if isinstance(text, str):
            self._text.setText(text)
        source, batch = state.get("source"), state.get("batch")
        if isinstance(source, str) and source:
            self._choose_source(source_text(source))
        if isinstance(batch, int):
            self._choose_batch(batch)
        match state.get("split"):
            case [int(above), int(below)] if above > 0 and below > 0:
                self._splitter.setSizes([above, below])
        if state.get("journal") is True:
            self._tabs[1].setChecked(True)
        self._typing.stop()
        self._apply_filter()
        self._table.set_anchor(_anchor(state.get("top")))

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """The journal may be looked at now."""
        super().showEvent(event)
        self._tell_journal()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """It is not looked at any more."""
        super().hideEvent(event)
        self._tell_journal()

    def _build(self) -> None:
        self._failure = QLabel(wordWrap=True)
        self._failure.setProperty("role", "attention")
        self._failure.hide()
        self._stack = StateStack(self._table)
        self._stack.setProperty("surface", "panel")
        self._stack.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._splitter = QSplitter(Qt.Orientation.Vertical)
        self._splitter.addWidget(self._stack)
        self._splitter.addWidget(self._build_details())
        self._splitter.setStretchFactor(0, 1)
        self._splitter.setStretchFactor(1, 0)
        self._splitter.setChildrenCollapsible(False)
        self._splitter.setSizes([600, _DETAILS_PX])
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.NEAR_PX)
        column.addWidget(self._build_bar())
        column.addWidget(self._failure)
        self._journal, self._views = JournalView(), QStackedWidget()
        self._views.addWidget(self._splitter)
        self._views.addWidget(self._journal)
        column.addWidget(self._views, 1)
        column.addLayout(self._build_foot())

    def _build_bar(self) -> QWidget:
        bar = QWidget()
        bar.setProperty("surface", "panel")
        bar.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        bar.setFixedHeight(_BAR_PX)
        title = QLabel("Log")
        title.setProperty("role", "title")
        row = QHBoxLayout(bar)
        row.setContentsMargins(theme.GAP_PX, theme.TIGHT_PX, theme.NEAR_PX, theme.TIGHT_PX)
        row.setSpacing(theme.NEAR_PX)
        row.addWidget(title)
        self._tabs, self._tab_group = (QPushButton("Records"), QPushButton("Journal")), QButtonGroup(self)
        for tab in self._tabs:
            tab.setCheckable(True)
            self._tab_group.addButton(tab)
            row.addWidget(tab)
        self._tabs[0].setChecked(True)
        self._tabs[1].setToolTip("Every command: who, what, before, after, latency, interlocks")
        row.addStretch(1)
        self._level_chips: dict[int, QPushButton] = {}
        self._levels = QButtonGroup(self)
        for level, text in _LEVELS.items():
            chip = QPushButton(text)
            chip.setCheckable(True)
            chip.setAccessibleName(f"Show {text.lower()}" if level else "Show all levels")
            self._level_chips[level] = chip
            self._levels.addButton(chip)
            row.addWidget(chip)
        self._level_chips[0].setChecked(True)
        self._source = _combo(_ALL_SOURCES, "Show records of one source")
        self._batch = _combo(_ALL_BATCHES, "Show records of one batch")
        self._text = QLineEdit(placeholderText="Filter (Ctrl+F)")
        self._text.setAccessibleName("Filter the log by text")
        self._text.setFixedWidth(220)
        for part in (self._source, self._batch, self._text):
            row.addWidget(part)
        return bar

    def _build_details(self) -> QWidget:
        pane = QWidget()
        pane.setProperty("surface", "panel")
        pane.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._what = QLabel()
        self._what.setProperty("role", "dim")
        self._to_batch = QPushButton()
        self._to_batch.setProperty("kind", "link")
        self._to_batch.clicked.connect(self._open)
        self._copy = QPushButton("Copy")
        self._copy.setProperty("kind", "link")
        self._copy.setToolTip("Copy the selected records (Ctrl+C in the table)")
        self._copy.clicked.connect(self._table.copy)
        self._full = QPlainTextEdit(readOnly=True)
        self._full.setAccessibleName("The selected record in full")
        self._full.setTabChangesFocus(True)
        self._full.setFrameShape(QFrame.Shape.NoFrame)
        self._full.setMinimumHeight(48)
        heading = QHBoxLayout()
        heading.addWidget(self._what, 1)
        heading.addWidget(self._to_batch)
        heading.addWidget(self._copy)
        column = QVBoxLayout(pane)
        column.setContentsMargins(theme.GAP_PX, theme.TIGHT_PX, theme.NEAR_PX, theme.NEAR_PX)
        column.setSpacing(theme.TIGHT_PX)
        column.addLayout(heading)
        column.addWidget(self._full, 1)
        return pane

    def _build_foot(self) -> QHBoxLayout:
        self._counts = QLabel()
        self._counts.setProperty("role", "small")
        self._tail = QPushButton()
        self._tail.setToolTip("Follow the log again (Ctrl+End)")
        keeping = self._tail.sizePolicy()
        keeping.setRetainSizeWhenHidden(True)
        self._tail.setSizePolicy(keeping)
        row = QHBoxLayout()
        row.setContentsMargins(theme.GAP_PX, 0, 0, 0)
        row.addWidget(self._counts, 1)
        row.addWidget(self._tail)
        return row

    def _connect(self) -> None:
        self._text.textChanged.connect(self._typing.start)
        self._levels.buttonToggled.connect(self._typing.start)
        self._tabs[1].toggled.connect(self._show_tab)
        self._source.currentIndexChanged.connect(self._forget_wanted_source)
        self._batch.currentIndexChanged.connect(self._forget_wanted_batch)
        self._model.filtered.connect(self._end_filtering)
        self._table.anchored.connect(self._show_state)
        self._table.anchored.connect(self.view_changed)
        self._table.new_below_changed.connect(self._show_tail)
        self._table.opened.connect(self._open)
        self._table.selectionModel().selectionChanged.connect(self._show_details)
        self._tail.clicked.connect(self._follow)
        self._stack.action_requested.connect(self._show_everything)
        self._splitter.splitterMoved.connect(self.view_changed)
        keys = QKeySequence("Ctrl+End")
        QShortcut(keys, self, self._follow, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)

    @property
    def _is_journal(self) -> bool:
        return self._tabs[1].isChecked()

    def _show_tab(self, is_journal: bool) -> None:
        """Records or journal; both are filtered by the same text."""
        self._views.setCurrentIndex(int(is_journal))
        for part in (*self._level_chips.values(), self._source, self._batch):
            part.setVisible(not is_journal)
        self._apply_filter()
        self._tell_journal()

    def _tell_journal(self) -> None:
        self.journal_shown.emit(self._is_journal and self.isVisible())

    def _level(self) -> int:
        return next((level for level, chip in self._level_chips.items() if chip.isChecked()), 0)

    def _forget_wanted_source(self) -> None:
        self._wanted_source = ""
        self._apply_filter()

    def _forget_wanted_batch(self) -> None:
        self._wanted_batch = None
        self._apply_filter()

    def _filter(self) -> LogFilter:
        """What is chosen; a source or batch that was asked for may have no record yet."""
        source = self._source.currentData() or self._wanted_source
        batch = self._batch.currentData() if self._batch.currentIndex() else self._wanted_batch
        return LogFilter(self._level(), self._text.text().strip(), source, batch)

    def _apply_filter(self) -> None:
        self._typing.stop()
        self._model.set_filter(self._filter())
        self._journal.set_filter(self._text.text())
        self._show_state()
        self.view_changed.emit()

    def _end_filtering(self) -> None:
        self._table.place()
        self._show_state()
        self._show_details()

    def _show_everything(self) -> None:
        """Take all filters back."""
        self._text.clear()
        self._level_chips[0].setChecked(True)
        self._source.setCurrentIndex(0)
        self._batch.setCurrentIndex(0)
        self._wanted_source, self._wanted_batch = "", None
        self._apply_filter()

    def _offer(self, entries: Sequence[LogEntry]) -> None:
        """Offer sources and batches as they come."""
        for source in {source_text(entry.source) for entry in entries} - self._sources:
            self._sources.add(source)
            _insert(self._source, source, source, is_wanted=source == self._wanted_source)
        for batch, name in {(entry.batch, entry.batch_name) for entry in entries}:
            if batch is not None and batch not in self._batches:
                self._batches[batch] = name or str(batch)
                _insert(self._batch, self._batches[batch], batch, is_wanted=batch == self._wanted_batch)

    def _choose_source(self, source: str) -> None:
        """Choose a source, though no record of it may have come yet."""
        self._source.setCurrentIndex(max(self._source.findData(source), 0))
        self._wanted_source = source

    def _choose_batch(self, batch: int) -> None:
        """Choose a batch, though no record of it may have come yet."""
        self._batch.setCurrentIndex(max(self._batch.findData(batch), 0))
        self._wanted_batch = batch

    def _show_state(self) -> None:
        if self._is_journal:
            self._counts.setText(self._journal.summary)
            self._tail.hide()
            return
        shown, total = self._model.rowCount(), self._model.total
        if shown:
            self._stack.show_content()
        elif self._model.is_filtering:
            return
        elif total:
            sentence = f"The filters hide all {wording.count_text(total)} records."
            self._stack.show_state(PageState.EMPTY, "No record matches the filters", sentence, "Clear the filters")
        else:
            sentence = "What the observatory and its batches do is written here."
            self._stack.show_state(PageState.EMPTY, "Nothing was logged yet", sentence)
        lines = f"{wording.count_text(total)} records"
        following = ", following the newest" if shown and self._table.anchor is None else ""
        self._counts.setText((lines if shown == total else f"{wording.count_text(shown)} of {lines}") + following)
        self._show_tail()

    def _show_tail(self, new_below: int | None = None) -> None:
        """Whether the newest is seen, or how many records came below."""
        if new_below is not None:
            self._tail.setProperty("new_below", new_below)
        if self._is_journal:
            return
        count = self._tail.property("new_below") or 0
        is_away = self._table.anchor is not None and self._model.rowCount() > 0
        self._tail.setVisible(is_away)
        self._tail.setText(f"{count} new below" if count else "To the newest")

    def _follow(self) -> None:
        self._table.set_anchor(None)
        self._show_state()
        self.view_changed.emit()

    def _show_details(self) -> None:
        """The newest of the selected records, in full."""
        chosen = self._table.selected_entries()
        self._copy.setVisible(bool(chosen))
        self._to_batch.setVisible(bool(chosen) and chosen[-1].batch is not None)
        if not chosen:
            self._what.setText("Select a record to read it in full; Enter opens its batch")
            self._full.hide()
            self._full.clear()
            return
        self._full.show()
        entry = chosen[-1]
        more = f"  (newest of {len(chosen)} selected)" if len(chosen) > 1 else ""
        at = full_time_text(entry.at)
        self._what.setText(f"{at}  {level_text(entry.level)}  {source_text(entry.source)} ({entry.source}){more}")
        self._full.setPlainText("\n\n".join(filter(None, (entry.message, entry.traceback.rstrip()))))
        self._to_batch.setText(f"Open batch {entry.batch_name or entry.batch}")

    def _open(self) -> None:
        """Jump to the batch of the selected record; one without a batch is read below."""
        chosen = self._table.selected_entries()
        if chosen and chosen[-1].batch is not None:
            self.batch_requested.emit(chosen[-1].batch)
        elif chosen:
            self._full.setFocus()


def _combo(first: str, name: str) -> QComboBox:
    combo = ChoiceBox()
    combo.addItem(first, None)
    combo.setAccessibleName(name)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(16)
    return combo


def _insert(combo: QComboBox, text: str, value: object, *, is_wanted: bool) -> None:
    """Put a choice in its place by the alphabet; what is chosen stays chosen, unless this was asked for."""
    row = 1
    while row < combo.count() and combo.itemText(row) < text:
        row += 1
    combo.blockSignals(True)
    combo.insertItem(row, text, value)
    if is_wanted:
        combo.setCurrentIndex(row)
    combo.blockSignals(False)


def _anchor(stored: object) -> tuple[datetime, int] | None:
    """The place that was stored; None, the tail, for anything that is none."""
    match stored:
        case [str(at), int(key)]:
            try:
                moment = datetime.fromisoformat(at)
            except ValueError:
                return None
            return (moment, key) if moment.tzinfo is not None else None
    return None
