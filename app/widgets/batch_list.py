"""The list of batches: night, name, state with its problems, frames; filtered by words and sorted by any column."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from app.model.batch import Status
from app.model.story import BatchLine
from app.model.wording import DASHES, count_text
from app.widgets import theme
from app.widgets.value_table import Column, Tone, ValueModel, ValueTable

STATUS_TEXTS = {
    Status.WAITING: "waiting",
    Status.RUNNING: "running",
    Status.DONE: "done",
    Status.DONE_WITH_PROBLEMS: "problems",
    Status.FAILED: "FAILED",
    Status.CANCELLED: "cancelled",
}
STATUS_TONES = {Status.DONE_WITH_PROBLEMS: Tone.ATTENTION, Status.FAILED: Tone.ALARM}


def status_tone(status: Status) -> Tone:
    """Normal states have no colour."""
    return STATUS_TONES.get(status, Tone.NORMAL)


def state_text(status: Status, problems: int) -> str:
    """How something stands; the problems of what is done are counted."""
    if status is Status.DONE_WITH_PROBLEMS and problems:
        return "1 problem" if problems == 1 else f"{count_text(problems)} problems"
    return STATUS_TEXTS[status]


def _number(value: int | None) -> str:
    return DASHES if value is None else count_text(value)


def _problems(line: BatchLine) -> int:
    return (line.warnings or 0) + (line.errors or 0)


def _short_name(line: BatchLine) -> str:
    """The name without the date that the column before it says already."""
    short = line.name.removeprefix(line.night or "").lstrip("_- ")
    return short if line.night and short else line.name


_LOUDNESS = (Status.FAILED, Status.DONE_WITH_PROBLEMS, Status.RUNNING, Status.WAITING, Status.CANCELLED, Status.DONE)
_COLUMNS: tuple[Column[BatchLine], ...] = (
    Column("Night", lambda line: line.night or DASHES, 100),
    Column(
        "Batch",
        _short_name,
        order=lambda line: line.name,
        tip=lambda line: f"{line.name}, from {line.source}",
        is_cut_in_middle=True,
    ),
    Column(
        "State",
        lambda line: state_text(line.status, _problems(line)),
        100,
        tone=lambda line: status_tone(line.status),
        order=lambda line: (-_LOUDNESS.index(line.status), _problems(line)),
        tip=lambda line: (
            f"{line.status.replace('_', ' ')}, {_number(line.warnings)} warnings, {_number(line.errors)} errors"
        ),
    ),
    Column("Frames", lambda line: _number(line.frames), 68, True, order=lambda line: line.frames or 0),
)


class BatchList(QWidget):
    """Batches to choose from."""

    current_changed = Signal()  #: Another batch is current.
    choose_requested = Signal()  #: The operator wants to choose a folder.
    entered = Signal(object)  #: BatchLine that was double-clicked or entered.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._lines: tuple[BatchLine, ...] = ()
        title = QLabel("Batches")
        title.setProperty("role", "title")
        self._choose = QPushButton("Choose folder…")
        self._choose.setToolTip("Choose the folder of a night to be calibrated (Ctrl+O), or drop it on this page")
        self._choose.clicked.connect(self.choose_requested)
        self._filter = QLineEdit(placeholderText="Filter by night, name, folder or state (Ctrl+F)")
        self._filter.setClearButtonEnabled(True)
        self._filter.setAccessibleName("Filter of the batches")
        self._filter.textChanged.connect(self._show)
        self._table = ValueTable(ValueModel(_COLUMNS, lambda line: line.source), "Batches", is_sortable=True)
        self._table.selection_changed.connect(self.current_changed)
        self._table.value_activated.connect(self.entered)
        self._none = QLabel(wordWrap=True)
        self._none.setProperty("role", "dim")
        top = QHBoxLayout()
        top.addWidget(title)
        top.addStretch()
        top.addWidget(self._choose)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GAP_PX, theme.NEAR_PX, theme.GAP_PX, theme.GAP_PX)
        column.setSpacing(theme.NEAR_PX)
        column.addLayout(top)
        column.addWidget(self._filter)
        column.addWidget(self._none)
        column.addWidget(self._table, 1)
        QWidget.setTabOrder(self._table, self._filter)
        QWidget.setTabOrder(self._filter, self._choose)
        self._show()

    @property
    def current(self) -> BatchLine | None:
        """The batch that is chosen."""
        return self._table.current

    def set_lines(self, lines: tuple[BatchLine, ...]) -> None:
        """Show these, as far as the filter lets them pass."""
        self._lines = lines
        self._show()

    def select(self, source: str) -> bool:
        """Choose the batch of a source; False when it is not in the list."""
        return self._table.select(source)

    def clear_filter(self) -> None:
        """Show all."""
        self._filter.clear()

    def clear_selection(self) -> None:
        """Choose none."""
        self._table.selectionModel().clear()

    def focus_filter(self) -> None:
        """Let the operator type into the filter."""
        self._filter.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._filter.selectAll()

    def focus_table(self) -> None:
        """Let the operator walk through the list."""
        self._table.setFocus(Qt.FocusReason.OtherFocusReason)

    def view_state(self) -> dict[str, Any]:
        """Filter, sorting and widths of the columns."""
        header = self._table.horizontalHeader()
        return {
            "filter": self._filter.text(),
            "sort": [header.sortIndicatorSection(), header.sortIndicatorOrder() is Qt.SortOrder.DescendingOrder],
        }

    def restore_view(self, state: dict[str, Any]) -> None:
        """Take the view of another time, as far as it makes sense."""
        text, sorting = state.get("filter"), state.get("sort")
        if isinstance(text, str):
            self._filter.setText(text)
        if isinstance(sorting, list) and len(sorting) == 2 and sorting[0] in range(-1, len(_COLUMNS)):
            order = Qt.SortOrder.DescendingOrder if sorting[1] is True else Qt.SortOrder.AscendingOrder
            self._table.sortByColumn(sorting[0], order)

    def _show(self) -> None:
        words = self._filter.text().lower().split()
        passing = [line for line in self._lines if all(word in _searchable(line) for word in words)]
        self._table.values.set_values(passing)
        hidden = len(self._lines) - len(passing)
        self._none.setText(f"{hidden} of {len(self._lines)} batches hidden by the filter")
        self._none.setVisible(hidden > 0)


def _searchable(line: BatchLine) -> str:
    return f"{line.night or ''} {line.name} {line.source} {STATUS_TEXTS[line.status]}".lower()
