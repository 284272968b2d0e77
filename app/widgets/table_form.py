"""A form for one table of the settings, made from its model and checked while one types."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QLineEdit, QWidget

from app.widgets import theme
from app.widgets.choice_box import ChoiceBox
from app.widgets.roles import set_role

#: Labels are as wide in every form, so that the fields do not jump from one subject to the next.
LABEL_PX = 156
_FIELD_PX, _NUMBER_PX = 280, 112
#: High enough for a marked field, so that nothing moves when one is marked.
_ROW_PX = 34
#: Endings of names, the longest first, and how their units are written.
_UNITS = {
    "e_per_adu": "e⁻/adu",
    "m_s": "m/s",
    "mm_h": "mm/h",
    "percent": "%",
    "arcsec": "″",
    "deg": "°",
    "adu": "adu",
    "min": "min",
    "m": "m",
    "s": "s",
}
#: Names that no rule spells rightly.
_SPOKEN = {
    "starttls": "STARTTLS",
    "progid": "ProgID",
    "unique_id": "UniqueID",
    "fwhm_ratio": "FWHM ratio",
    "worst_fwhm_ratio": "Worst FWHM ratio",
}
#: What may be answered to a question that may stay open.
ANSWERS: tuple[tuple[str, bool | None], ...] = (("not answered", None), ("no", False), ("yes", True))

_Editor = QLineEdit | QCheckBox | ChoiceBox


def label_and_unit(name: str) -> tuple[str, str]:
    """What a field is called and measured in: ``"slit_width_deg"`` gives ``("Slit width", "°")``."""
    for ending, unit in _UNITS.items():
        if name.endswith(f"_{ending}"):
            return _spoken(name.removesuffix(f"_{ending}")), unit
    return _spoken(name), ""


class TableForm(QWidget):
    """Fields of one pydantic model, each with its unit and, when it is wrong, a sentence beside it.

    Parameters
    ----------
    model : type of BaseModel
        What the values are checked with, as a whole.
    names : tuple of str
        Fields that are shown, in this order.
    help_of : mapping
        What a field means, by its name.
    """

    changed = Signal()  #: A field was edited.

    def __init__(
        self, model: type[BaseModel], names: tuple[str, ...], help_of: Mapping[str, str], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._model = model
        self._help = help_of
        self._editors: dict[str, _Editor] = {}
        self._sentences: dict[str, QLabel] = {}
        self._loaded: dict[str, Any] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.GAP_PX)
        self._grid.setVerticalSpacing(theme.NEAR_PX)
        self._grid.setColumnMinimumWidth(0, LABEL_PX)
        self._grid.setColumnStretch(2, 1)
        for row, name in enumerate(names):
            self._add(row, name)

    def load(self, values: BaseModel) -> None:
        """Show values; what the operator is typing right now is kept."""
        fresh = {name: getattr(values, name) for name in self._editors}
        if fresh == self._loaded:
            return
        self._loaded = fresh
        for name, value in fresh.items():
            editor = self._editors[name]
            editor.blockSignals(True)
            if isinstance(editor, QCheckBox):
                editor.setChecked(bool(value))
            elif isinstance(editor, ChoiceBox):
                editor.setCurrentIndex(editor.findData(value))
            else:
                editor.setText(_text(value))
            editor.blockSignals(False)
        self._check()

    def values(self) -> dict[str, Any]:
        """The fields as TOML writes them; None where a line is to be taken out."""
        checked = self._model.model_validate(self._typed())
        found = checked.model_dump(mode="json", include=set(self._editors))
        return {name: found[name] for name in self._editors}

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong, by field."""
        try:
            self._model.model_validate(self._typed())
        except ValidationError as error:
            return {str(fault["loc"][0]): _sentence(fault["msg"]) for fault in reversed(error.errors())}
        return {}

    @property
    def is_changed(self) -> bool:
        """Whether it differs from what was loaded."""
        if self.faults:
            return False
        typed = self._model.model_validate(self._typed())
        return any(getattr(typed, name) != value for name, value in self._loaded.items())

    def editor(self, name: str) -> QLineEdit | QCheckBox | ChoiceBox:
        """The field of that name."""
        return self._editors[name]

    def sentence(self, name: str) -> str:
        """What stands beside a field."""
        return self._sentences[name].text()

    def _add(self, row: int, name: str) -> None:
        text, unit = label_and_unit(name)
        editor = self._editor_for(name)
        label = QLabel(text)
        label.setBuddy(editor)
        editor.setAccessibleName(f"{text}, {unit}" if unit else text)
        editor.setToolTip(self._help.get(name, ""))
        sentence = QLabel(wordWrap=True)
        units = QLabel(unit)
        for dim in (units, sentence):
            dim.setProperty("role", "dim")
        field_and_unit = QWidget()
        field_and_unit.setFixedWidth(_FIELD_PX)
        line = QHBoxLayout(field_and_unit)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(theme.NEAR_PX)
        line.addWidget(editor)
        line.addWidget(units, 1)
        units.setVisible(bool(unit))
        if not unit:
            line.addStretch()
        for column, part in enumerate((label, field_and_unit, sentence)):
            self._grid.addWidget(part, row, column, Qt.AlignmentFlag.AlignVCenter)
        self._grid.setRowMinimumHeight(row, _ROW_PX)
        self._editors[name], self._sentences[name] = editor, sentence

    def _editor_for(self, name: str) -> _Editor:
        """A box for yes or no, a choice where neither may be said, a line for all else."""
        field = self._model.model_fields[name]
        if field.annotation is bool:
            box = QCheckBox()
            box.toggled.connect(self._check_and_tell)
            return box
        if bool in get_args(field.annotation):
            choice = answer_box()
            choice.setFixedWidth(_FIELD_PX)
            choice.currentIndexChanged.connect(self._check_and_tell)
            return choice
        default = _text(field.get_default())
        is_optional = NoneType in get_args(field.annotation)
        line = QLineEdit(placeholderText="not set" if is_optional or not default else f"{default} by default")
        line.setFixedWidth(_NUMBER_PX if _is_number(field.annotation) else _FIELD_PX)
        line.textEdited.connect(self._check_and_tell)
        return line

    def _check_and_tell(self) -> None:
        self._check()
        self.changed.emit()

    def _check(self) -> None:
        """Put each fault beside its field, or what the field means."""
        faults = self.faults
        for name, label in self._sentences.items():
            editor, fault = self._editors[name], faults.get(name)
            text = self._help.get(name, "") if fault is None else fault
            label.setText(text)
            editor.setAccessibleDescription(text)
            if editor.property("fault") != (fault is not None):
                editor.setProperty("fault", fault is not None)
                set_role(label, "attention" if fault else "dim")
                editor.style().polish(editor)

    def _typed(self) -> dict[str, Any]:
        """What stands in the fields; empty ones are left to their defaults."""
        return {name: value for name in self._editors if (value := self._raw(name)) is not None}

    def _raw(self, name: str) -> Any:
        editor = self._editors[name]
        if isinstance(editor, QCheckBox):
            return editor.isChecked()
        if isinstance(editor, ChoiceBox):
            return editor.currentData()
        text = editor.text().strip()
        if self._is_list(name):
            return tuple(part.strip() for part in text.split(",") if part.strip())
        return text or None

    def _is_list(self, name: str) -> bool:
        return isinstance(self._model.model_fields[name].get_default(), tuple)


def answer_box() -> ChoiceBox:
    """A choice of `ANSWERS`, of which the data are the values."""
    box = ChoiceBox()
    for text, value in ANSWERS:
        box.addItem(text, value)
    return box


def fields_of(model: type[BaseModel], *without: str) -> tuple[str, ...]:
    """The fields of a table that a form can show: no secrets, no tables, none of `without`."""
    return tuple(
        name
        for name, field in model.model_fields.items()
        if name not in without
        and SecretStr not in (field.annotation, *get_args(field.annotation))
        and not isinstance(field.get_default(), BaseModel)
    )


def _is_number(annotation: Any) -> bool:
    """Whether a field holds a number, by itself or in an ``Annotated`` or optional type."""
    return annotation in (int, float) or any(_is_number(part) for part in get_args(annotation))


def _spoken(name: str) -> str:
    words = _SPOKEN.get(name) or name.removeprefix("is_").replace("_", " ")
    return words[:1].upper() + words[1:]


def _text(value: Any) -> str:
    """How a value stands in its field."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value)
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value) if not isinstance(value, Path) else value.as_posix()


def _sentence(message: str) -> str:
    """A fault as the operator reads it."""
    message = message.removeprefix("Value error, ").replace("Input should be", "must be")
    return message.split(", unable to parse")[0]
