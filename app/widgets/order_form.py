"""A new order beside the table: checked while one types, with the JSON that will be sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.model.errors import FieldProblem, OrderRefused
from app.model.sky_text import PositionRefused, parse_declination_deg, parse_right_ascension_deg
from app.model.work_order import Request, parse_work_order
from app.widgets import theme

_REQUESTS = {
    Request.CALIBRATE: ("Calibrate", "Calibrate a folder of frames"),
    Request.RESUME: ("Resume", "Resume a batch where it ended"),
    Request.RESTART: ("Restart", "Restart a batch from its first step"),
    Request.OBSERVE: ("Observe", "Observe a position"),
}
_PROCESSOR_FIELDS = frozenset({"url", "batch"})
_SKY_FIELDS = frozenset({"ra", "dec", "priority"})
_EXPLAINED = {
    "url": ("Folder", "/data/night"),
    "batch": ("Batch", "name of a batch"),
    "ra": ("RA", "20 12 06.5, or degrees"),
    "dec": ("Dec", "+38 21 17, or degrees"),
    "priority": ("Priority", "0 to 10, or empty: scheduled"),
    "user": ("User", "who orders"),
    "id": ("Order id", "unique for this user"),
    "datetime": ("Ordered at", "2019-03-05T14:34:54 (UTC)"),
}
_NAME_PX = 76


class OrderForm(QWidget):
    """The fields of an order; problems stand below their fields."""

    submit_requested = Signal(object)  #: The order as a dict, without problems as far as this form can see.
    closed = Signal()  #: The operator wants to see the selected order again; what was typed stays.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("New order")
        self._touched: set[str] = set()
        self._sent_problems: dict[str, FieldProblem] = {}
        self._known_names: frozenset[str] = frozenset()
        self._fields: dict[str, QLineEdit] = {}
        self._says: dict[str, QLabel] = {}
        self._rows: dict[str, tuple[QWidget, ...]] = {}
        self._dialog: QFileDialog | None = None
        self._build()
        self._check()

    def begin(self, user: str, now: datetime, known_names: Collection[str]) -> None:
        """Offer the form; what the operator typed before and did not send is still there."""
        self._known_names = frozenset(known_names)
        if "user" not in self._touched:
            self._fill("user", user)
        if "datetime" not in self._touched:
            self._fill("datetime", f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S}")
        if "id" not in self._touched:
            self._fill("id", self._new_id(now))
        self._check()
        self._request_chips[self._chosen()].setFocus()

    def clear(self) -> None:
        """Forget what was typed: it was sent."""
        self._touched.clear()
        self._sent_problems.clear()
        for field in self._fields:
            self._fill(field, "")
        self._check()

    def show_problems(self, problems: Sequence[FieldProblem]) -> None:
        """Show what was found when the order was handed in, until its field changes."""
        self._sent_problems = {problem.field: problem for problem in problems}
        self._check()

    @property
    def name(self) -> str:
        """``user/id`` as it is typed."""
        return f"{self._fields['user'].text().strip()}/{self._fields['id'].text().strip()}"

    def payload(self) -> dict[str, Any]:
        """The order as it would be sent."""
        return self._read()[0]

    def _build(self) -> None:
        title = QLabel("New order")
        title.setProperty("role", "title")
        close = QPushButton("Close")
        close.setProperty("kind", "link")
        close.setToolTip("Back to the selected order (Esc); what you typed stays")
        close.clicked.connect(self.closed)
        heading = QHBoxLayout()
        heading.addWidget(title, 1)
        heading.addWidget(close)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GAP_PX, theme.NEAR_PX, theme.NEAR_PX, theme.NEAR_PX)
        column.setSpacing(theme.NEAR_PX)
        column.addLayout(heading)
        column.addWidget(self._build_body(), 1)
        column.addLayout(self._build_foot())
        QShortcut(
            QKeySequence("Ctrl+Return"), self, self._submit, context=Qt.ShortcutContext.WidgetWithChildrenShortcut
        )

    def _build_body(self) -> QScrollArea:
        content = QWidget()
        grid = QGridLayout(content)
        grid.setContentsMargins(0, 0, theme.NEAR_PX, 0)
        grid.setHorizontalSpacing(theme.NEAR_PX)
        grid.setVerticalSpacing(theme.TIGHT_PX)
        grid.setColumnMinimumWidth(0, _NAME_PX)
        grid.setColumnStretch(1, 1)
        grid.addLayout(self._build_requests(), 0, 0, 1, 2)
        grid.setRowMinimumHeight(1, theme.NEAR_PX)
        for number, field in enumerate(_EXPLAINED, start=1):
            self._add_field(grid, 2 * number, field)
        json_row = 2 * len(_EXPLAINED) + 3
        caption = QLabel("JSON THAT WILL BE SENT")
        caption.setProperty("role", "caption")
        self._json = QPlainTextEdit(readOnly=True)
        self._json.setAccessibleName("The JSON that will be sent")
        self._json.setTabChangesFocus(True)
        self._json.setMinimumHeight(160)
        grid.setRowMinimumHeight(json_row - 1, theme.NEAR_PX)
        grid.addWidget(caption, json_row, 0, 1, 2)
        grid.addWidget(self._json, json_row + 1, 0, 1, 2)
        grid.setRowStretch(json_row + 1, 1)
        area = QScrollArea(widgetResizable=True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(content)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return area

    def _build_requests(self) -> QHBoxLayout:
        self._requests = QButtonGroup(self)
        self._request_chips: dict[Request, QPushButton] = {}
        row = QHBoxLayout()
        row.setSpacing(theme.TIGHT_PX)
        for request, (text, explanation) in _REQUESTS.items():
            chip = QPushButton(text)
            chip.setCheckable(True)
            chip.setToolTip(explanation)
            chip.setAccessibleName(explanation)
            self._request_chips[request] = chip
            self._requests.addButton(chip)
            row.addWidget(chip)
        self._request_chips[Request.CALIBRATE].setChecked(True)
        self._requests.buttonToggled.connect(self._change_request)
        return row

    def choose(self, request: Request) -> None:
        """Choose what the order asks for."""
        self._request_chips[request].setChecked(True)

    def _add_field(self, grid: QGridLayout, row: int, field: str) -> None:
        title, example = _EXPLAINED[field]
        edit = QLineEdit(placeholderText=example)
        edit.setAccessibleName(title)
        edit.textEdited.connect(self._touching(field))
        says = QLabel(wordWrap=True)
        says.setTextFormat(Qt.TextFormat.PlainText)
        name = _name_label(title, edit)
        cell: QWidget = edit
        if field == "url":
            cell = QWidget()
            browse = QPushButton("Browse…")
            browse.setAccessibleName("Browse for the folder of frames")
            browse.clicked.connect(self._browse)
            beside = QHBoxLayout(cell)
            beside.setContentsMargins(0, 0, 0, 0)
            beside.setSpacing(theme.NEAR_PX)
            beside.addWidget(edit, 1)
            beside.addWidget(browse)
        grid.addWidget(name, row, 0)
        grid.addWidget(cell, row, 1)
        grid.addWidget(says, row + 1, 1)
        self._fields[field], self._says[field], self._rows[field] = edit, says, (name, cell, says)

    def _build_foot(self) -> QHBoxLayout:
        self._verdict = QLabel(wordWrap=True)
        self._verdict.setProperty("role", "small")
        self._submit_button = QPushButton("Submit")
        self._submit_button.setProperty("kind", "primary")
        self._submit_button.clicked.connect(self._submit)
        row = QHBoxLayout()
        row.addWidget(self._verdict, 1)
        row.addWidget(self._submit_button)
        return row

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Esc goes back."""
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
            return
        super().keyPressEvent(event)

    def _touching(self, field: str) -> Callable[[str], None]:
        def touch(_text: str) -> None:
            self._touched.add(field)
            self._sent_problems.pop(field, None)
            self._check()

        return touch

    def _change_request(self, _chip: QAbstractButton, is_checked: bool) -> None:
        if is_checked:
            self._sent_problems.clear()
            self._check()

    def _check(self) -> None:
        """Check everything, and say it where it belongs."""
        request = self._chosen()
        absent = _SKY_FIELDS if request.for_processor else _PROCESSOR_FIELDS
        for field, row in self._rows.items():
            for part in row:
                part.setVisible(field not in absent)
        payload, problems = self._read()
        self._json.setPlainText(json.dumps(payload, indent=2, ensure_ascii=False))
        by_field = {problem.field: problem for problem in problems} | self._sent_problems
        for field in self._fields:
            self._say(field, by_field.get(field) if field not in absent else None)
        titles = [_EXPLAINED[field][0] for field in _EXPLAINED if field in by_field and field not in absent]
        elsewhere = [str(problem) for field, problem in by_field.items() if field not in _EXPLAINED]
        self._show_verdict("; ".join([*([", ".join(titles)] if titles else []), *elsewhere]))

    def _show_verdict(self, wanting: str) -> None:
        text = f"Before it can be sent: {wanting}" if wanting else "Nothing is wrong with it"
        self._verdict.setText(text)
        self._submit_button.setEnabled(not wanting)
        self._submit_button.setToolTip(text if wanting else "Hand the order in (Ctrl+Enter)")
        self._submit_button.setAccessibleDescription(self._submit_button.toolTip())

    def _say(self, field: str, problem: FieldProblem | None) -> None:
        """A problem of an untouched field is only a hint: nobody did anything wrong yet."""
        is_fault = problem is not None and (field in self._touched or field in self._sent_problems)
        says, edit = self._says[field], self._fields[field]
        says.setText("" if problem is None else problem.remedy)
        says.setVisible(problem is not None)
        role = "attention" if is_fault else "small"
        if says.property("role") != role:
            says.setProperty("role", role)
            says.style().polish(says)
        if bool(edit.property("fault")) != is_fault:
            edit.setProperty("fault", is_fault)
            edit.style().polish(edit)
        edit.setAccessibleDescription("" if problem is None else str(problem))

    def _read(self) -> tuple[dict[str, Any], list[FieldProblem]]:
        """The order as JSON, and all that is wrong with it."""
        request = self._chosen()
        payload: dict[str, Any] = {
            "user": self._text("user"),
            "id": self._text("id"),
            "request": str(request),
            "datetime": self._text("datetime"),
        }
        unread: dict[str, FieldProblem] = {}
        if request.for_processor:
            payload |= {field: self._text(field) for field in ("url", "batch") if self._text(field)}
        else:
            payload["ra"] = self._number("ra", parse_right_ascension_deg, unread)
            payload["dec"] = self._number("dec", parse_declination_deg, unread)
            payload["priority"] = self._number("priority", float, unread) if self._text("priority") else None
        problems: list[FieldProblem] = []
        try:
            parse_work_order(payload)
        except OrderRefused as refusal:
            problems = list(refusal.problems)
        if self.name in self._known_names:
            problems.append(FieldProblem("id", repr(self._text("id")), "was used by this user before: give a new one"))
        kept = [problem for problem in problems if problem.field not in unread]
        return payload, [*kept, *unread.values()]

    def _number(self, field: str, parse: Callable[[str], float], unread: dict[str, FieldProblem]) -> float | str | None:
        """The number of a field; None, and why, where it is none."""
        text = self._text(field)
        try:
            return round(parse(text), 6) if text else None
        except PositionRefused as error:
            unread[field] = FieldProblem(field, repr(text), str(error))
        except ValueError:
            unread[field] = FieldProblem(field, repr(text), "must be a number from 0 to 10, or empty")
        return None

    def _chosen(self) -> Request:
        return next(request for request, chip in self._request_chips.items() if chip.isChecked())

    def _text(self, field: str) -> str:
        return self._fields[field].text().strip()

    def _fill(self, field: str, text: str) -> None:
        self._fields[field].setText(text)

    def _new_id(self, now: datetime) -> str:
        """An id that this user did not use yet."""
        stem = f"{now.astimezone(UTC):%Y%m%d-%H%M%S}"
        user = self._text("user")
        number, candidate = 1, stem
        while f"{user}/{candidate}" in self._known_names:
            number += 1
            candidate = f"{stem}-{number}"
        return candidate

    def _submit(self) -> None:
        payload, problems = self._read()
        if problems:
            self._touched.update(self._fields)
            self._check()
            return
        self.submit_requested.emit(payload)

    def _browse(self) -> None:
        """Ask for a folder beside the window's work: nothing waits for the answer."""
        if self._dialog is None:
            self._dialog = QFileDialog(self, "Folder of frames")
            self._dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
            self._dialog.setFileMode(QFileDialog.FileMode.Directory)
            self._dialog.fileSelected.connect(self._take_folder)
        self._dialog.open()

    def _take_folder(self, folder: str) -> None:
        self._fill("url", folder)
        self._touching("url")(folder)


def _name_label(text: str, buddy: QWidget) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "dim")
    label.setBuddy(buddy)
    return label
