"""The pre-flight of a folder or a batch: what is wrong first, then what would be made of what, with which masters."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.model.batch import LeftOut, Severity
from app.model.preflight import Match, PlannedGroup, Preflight, temperatures_text
from app.model.wording import count_text
from app.widgets import theme
from app.widgets.roles import set_role
from app.widgets.sections import Section, Sentences
from app.widgets.value_table import Column, ValueModel, ValueTable
from app.widgets.verdict_menu import offer_verdict

_DOUBTS_SHOWN = 40


def _why(match: Match) -> str:
    return "; ".join(filter(None, (match.subtracted_because, match.flat_because)))


def _tip(match: Match) -> str:
    refused = [f"not {one.master}: {one.why}" for one in match.refused]
    return "\n".join([f"Subtracted: {match.subtracted}", *match.masters, _why(match), *refused])


def _detector(group: PlannedGroup) -> str:
    return temperatures_text(group.temperatures_degc).replace("degC", "°C").replace("-", "−")


_GROUPS: tuple[Column[PlannedGroup], ...] = (
    Column("Frames", lambda group: count_text(group.frames), 72, True),
    Column("Of", lambda group: group.title, 220),
    Column("Become", lambda group: group.makes, 232),
    Column("Detector", _detector, 136),
    Column("Set-up", lambda group: group.set_up),
)
_MATCHES: tuple[Column[Match], ...] = (
    Column("For", lambda match: match.frames, 200, tip=_tip),
    Column("Masters", lambda match: ", ".join(match.masters) or "none", tip=_tip),
    Column("Why", _why, tip=_tip),
)
_LEFT_OUT: tuple[Column[LeftOut], ...] = (
    Column("File", lambda one: one.file, 260, is_cut_in_middle=True),
    Column("Why", lambda one: one.reason),
)


class PreflightView(QScrollArea):
    """One pre-flight at a time."""

    run_requested = Signal()  #: The operator wants what was told.
    again_requested = Signal()  #: Look once more: files changed.
    back_requested = Signal()  #: Back to the story of the batch.
    verdict_requested = Signal(str, str, object)  #: Source, file, and whether it is wanted in stacks; None: as found.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._found: Preflight | None = None
        self._name, self._verdict = QLabel(), QLabel()
        self._source, self._cost = QLabel(wordWrap=True), QLabel(wordWrap=True)
        set_role(self._name, "title")
        set_role(self._source, "dim")
        self.run, self.again, self.back = QPushButton("Run"), QPushButton("Check again"), QPushButton("Back")
        self.run.setProperty("kind", "primary")
        self.run.clicked.connect(self.run_requested)
        self.again.clicked.connect(self.again_requested)
        self.again.setToolTip("Look at the headers once more, after files were added or mended")
        self.back.clicked.connect(self.back_requested)
        self.back.setToolTip("Back to what the batch came to")
        self._doubts = Sentences()
        self._groups = ValueTable(
            ValueModel(_GROUPS, lambda group: (group.kind, group.title, group.set_up)), "Frames", is_whole=True
        )
        self._matches = ValueTable(
            ValueModel(_MATCHES, lambda match: (match.frames, match.masters, _why(match))), "Masters", is_whole=True
        )
        self._left_out = ValueTable(ValueModel(_LEFT_OUT, lambda one: one.file), "Left out", is_whole=True)
        self._left_out.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._left_out.customContextMenuRequested.connect(self._offer_verdict)
        self._problems = Section("PROBLEMS", self._doubts)
        self._made = Section("FRAMES", self._groups)
        self._used = Section("MASTERS", self._matches)
        self._out = Section("LEFT OUT", self._left_out)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, theme.NEAR_PX, 0)
        column.setSpacing(theme.NEAR_PX)
        for part in (self._head(), self._problems, self._made, self._used, self._out):
            column.addWidget(part)
        column.addStretch(1)
        self.setWidget(content)

    @property
    def source(self) -> str:
        """Of what is shown; empty before the first."""
        return self._found.source if self._found else ""

    def show_preflight(self, found: Preflight) -> None:
        """Show it from its top."""
        self._found = found
        self._name.setText(found.batch or Path(found.source).name)
        self._verdict.setText(found.verdict.upper())
        set_role(self._verdict, "" if not found.doubts else "attention" if found.is_ready else "alarm")
        self._source.setText(found.source)
        self._cost.setText(f"{found.cost_text[:1].upper()}{found.cost_text[1:]}. Nothing was written.")
        is_known = found.batch is not None
        self.back.setVisible(is_known)
        self.run.setText("Resume" if is_known else "Run")
        self.run.setEnabled(found.is_ready)
        tip = "Calibrate it now (Ctrl+Return)" if found.is_ready else "First mend what is wrong, then check again"
        self.run.setToolTip(tip)
        self.run.setAccessibleDescription(tip)
        told = [(_word(one.severity), _role(one.severity), f"{one.subject}: {one.message}") for one in found.doubts]
        self._doubts.set_sentences(told, _DOUBTS_SHOWN)
        self._problems.setVisible(bool(told))
        set_ups = list(dict.fromkeys(group.set_up for group in found.groups))
        self._groups.values.set_values(found.groups)
        self._groups.setColumnHidden(len(_GROUPS) - 1, len(set_ups) < 2)
        self._made.set_title(f"FRAMES  {count_text(found.frames)}")
        self._made.set_note(f"All of {set_ups[0]}" if len(set_ups) == 1 else "" if set_ups else "None can be used.")
        self._groups.setVisible(bool(found.groups))
        self._matches.values.set_values(found.matches)
        self._used.setVisible(bool(found.matches))
        self._left_out.values.set_values(found.left_out)
        self._out.set_title(f"LEFT OUT  {count_text(len(found.left_out))}")
        self._out.setVisible(bool(found.left_out))
        self.verticalScrollBar().setValue(0)

    def _head(self) -> QWidget:
        head = QWidget()
        head.setProperty("surface", "panel")
        head.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        top = QHBoxLayout()
        top.setSpacing(theme.NEAR_PX)
        top.addWidget(self._name)
        top.addWidget(self._verdict)
        top.addStretch(1)
        for button in (self.back, self.again, self.run):
            top.addWidget(button)
        column = QVBoxLayout(head)
        column.setContentsMargins(theme.GAP_PX, theme.NEAR_PX, theme.GAP_PX, theme.GAP_PX)
        column.setSpacing(theme.TIGHT_PX)
        column.addLayout(top)
        column.addWidget(self._source)
        column.addWidget(self._cost)
        return head

    def _offer_verdict(self, at: QPoint) -> None:
        index = self._left_out.indexAt(at)
        if index.isValid():
            file = self._left_out.values.value_at(index.row()).file
            offer_verdict(self._left_out.viewport(), at, partial(self.verdict_requested.emit, self.source, file))


def _word(severity: Severity) -> str:
    return "ERROR" if severity is Severity.ERROR else "warning"


def _role(severity: Severity) -> str:
    return "alarm" if severity is Severity.ERROR else "attention"
