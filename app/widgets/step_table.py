"""The steps of a run: status, progress, time and what is left."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem, QWidget

from app.model.batch import Status
from app.model.story import StepLine
from app.model.wording import duration_text
from app.widgets import theme
from app.widgets.batch_list import state_text, status_tone
from app.widgets.value_table import VALUE_ROLE, Column, Tone, ValueModel, ValueTable, paint_row

_BAR_PX = 6
_BAR_LENGTH_PX = 64


def progress_text(line: StepLine) -> str:
    """``3 of 12`` for a step that counts."""
    return f"{line.done} of {line.total}" if line.total else ""


def _tone(line: StepLine) -> Tone:
    return Tone.DIM if line.status is Status.WAITING else status_tone(line.status)


_COLUMNS: tuple[Column[StepLine], ...] = (
    Column("Step", lambda line: line.title, 156, tone=lambda line: Tone.DIM if _is_ahead(line) else Tone.NORMAL),
    Column("State", lambda line: state_text(line.status, line.problems), 104, tone=_tone),
    Column("Time", lambda line: "" if line.seconds is None else duration_text(line.seconds), 84, True),
    Column("Progress", progress_text, 152),
    Column("Left", lambda line: "" if line.eta_s is None else f"~ {duration_text(line.eta_s)}", 92, True),
    Column("Detail", lambda line: line.what),
)
_PROGRESS, _LEFT = 3, 4


def _is_ahead(line: StepLine) -> bool:
    return line.status is Status.WAITING


class StepTable(ValueTable[StepLine]):
    """Steps from first to last."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(ValueModel(_COLUMNS, lambda line: line.name), "Steps of the run", is_whole=True, parent=parent)
        self.setItemDelegateForColumn(_PROGRESS, _ProgressDelegate(self))

    def set_steps(self, steps: tuple[StepLine, ...], more: int) -> None:
        """Show the steps, and how many more there are; progress has columns while something progresses."""
        for column in (_PROGRESS, _LEFT):
            self.setColumnHidden(column, not any(step.total for step in steps))
        ahead = (StepLine("", f"{more} more step{'s' if more > 1 else ''}", Status.WAITING),) if more else ()
        self.values.set_values((*steps, *ahead))


class _ProgressDelegate(QStyledItemDelegate):
    """A bar, and the count beside it."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        line: StepLine = index.data(VALUE_ROLE)
        look = theme.current()
        paint_row(painter, option, index)
        if not line.total:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        room = QRectF(option.rect).adjusted(theme.NEAR_PX, 0, -theme.NEAR_PX, 0)
        bar = QRectF(room.left(), room.center().y() - _BAR_PX / 2, _BAR_LENGTH_PX, _BAR_PX)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.color("line"))
        painter.drawRoundedRect(bar, _BAR_PX / 2, _BAR_PX / 2)
        bar.setWidth(bar.width() * min(1.0, line.done / line.total))
        painter.setBrush(look.color("text"))
        painter.drawRoundedRect(bar, _BAR_PX / 2, _BAR_PX / 2)
        painter.setFont(theme.font(theme.TEXT_PX))
        painter.setPen(look.color("text"))
        text = room.adjusted(_BAR_LENGTH_PX + theme.NEAR_PX, 0, 0, 0)
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, progress_text(line))
        painter.restore()
