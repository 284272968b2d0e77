"""The journal as a table: who did what, what was before and after, how long it took, which interlocks held."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.model.records import JournalEntry
from app.model.wording import azimuth_text, count_text, duration_text
from app.widgets.state_panel import PageState, StateStack
from app.widgets.value_table import Column, Tone, ValueModel, ValueTable

#: Parts of a row's detail that have columns of their own, or say nothing to people.
_SHOWN_ELSEWHERE = ("before", "after", "latency_s", "seconds", "number")

#: What of the rest is read first.
_FIRST = ("answer", "phase", "reason")


class JournalView(QWidget):
    """The newest rows, newest first, and those alone that hold a text."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: tuple[JournalEntry, ...] = ()
        self._text = ""
        self._failure = ""
        self._model = ValueModel(_COLUMNS, _key)
        self._table = ValueTable(self._model, "Journal", is_sortable=False)
        self._stack = StateStack(self._table)
        self._stack.setProperty("surface", "panel")
        self._stack.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._stack)
        self._show()

    @property
    def entries(self) -> tuple[JournalEntry, ...]:
        """The rows that are shown, newest first."""
        return self._model.values

    @property
    def summary(self) -> str:
        """How many rows are shown, of how many."""
        rows = f"{count_text(len(self._entries))} rows, newest first"
        return rows if len(self.entries) == len(self._entries) else f"{count_text(len(self.entries))} of {rows}"

    def set_entries(self, entries: Sequence[JournalEntry]) -> None:
        """Show these, newest first."""
        self._entries = tuple(entries)
        self._show()

    def set_filter(self, text: str) -> None:
        """Show only rows that hold every word of the text, in any column."""
        self._text = text
        self._show()

    def set_failure(self, sentence: str) -> None:
        """Say why the journal cannot be read; empty when it can again."""
        self._failure = sentence
        self._show()

    def _show(self) -> None:
        words = self._text.casefold().split()
        chosen = [entry for entry in self._entries if _holds(entry, words)] if words else list(self._entries)
        self._model.set_values(chosen)
        if self._failure:
            self._stack.show_state(PageState.FAILED, "The journal cannot be read", self._failure)
        elif chosen:
            self._stack.show_content()
        elif self._entries:
            sentence = f"The filter hides all {count_text(len(self._entries))} rows."
            self._stack.show_state(PageState.EMPTY, "No row matches the filter", sentence)
        else:
            sentence = "Every command gets a row here: who, what, before and after."
            self._stack.show_state(PageState.EMPTY, "Nothing was commanded yet", sentence)


def _key(entry: JournalEntry) -> Hashable:
    return entry.at, entry.who, entry.what, entry.subject, entry.detail.get("number")


def _holds(entry: JournalEntry, words: Sequence[str]) -> bool:
    text = " ".join(column.text(entry) for column in _COLUMNS).casefold()
    return all(word in text for word in words)


def _values_text(entry: JournalEntry, name: str) -> str:
    """What was known of the dome then: ``137.4° open, still``; of other things one word."""
    values = entry.detail.get(name)
    if isinstance(values, str):
        return values
    if not isinstance(values, Mapping):
        return ""
    azimuth_deg, shutter, is_slewing = (values.get(one) for one in ("azimuth_deg", "shutter", "is_slewing"))
    parts = [
        azimuth_text(azimuth_deg) if isinstance(azimuth_deg, int | float) else "",
        str(shutter or ""),
        "" if is_slewing is None else "moving" if is_slewing else "still",
    ]
    return " ".join(part for part in parts if part)


def _took_text(entry: JournalEntry) -> str:
    """Latency of a command's answer, or what a motion took."""
    latency_s, seconds = entry.detail.get("latency_s"), entry.detail.get("seconds")
    if isinstance(latency_s, int | float):
        return f"{latency_s * 1000.0:.0f} ms" if latency_s < 1.0 else duration_text(latency_s)
    return duration_text(seconds) if isinstance(seconds, int | float) else ""


def _rest_text(entry: JournalEntry) -> str:
    """Everything else that the row holds."""
    first = {name: entry.detail[name] for name in _FIRST if name in entry.detail}
    rest = {name: value for name, value in (first | entry.detail).items() if name not in _SHOWN_ELSEWHERE}
    return "; ".join(f"{name.replace('_', ' ')}: {_plain(value)}" for name, value in rest.items() if value)


def _plain(value: Any) -> str:
    """A value of JSON as words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(one)}" for name, one in value.items())
    return ", ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)


def _quiet(_: JournalEntry) -> Tone:
    return Tone.DIM


def _whole_time(entry: JournalEntry) -> str:
    return f"{entry.at:%Y-%m-%d %H:%M:%S} UTC"


_COLUMNS: tuple[Column[JournalEntry], ...] = (
    Column("Time (UTC)", lambda entry: f"{entry.at:%m-%d %H:%M:%S}", 124, tone=_quiet, tip=_whole_time),
    Column("Who", lambda entry: entry.who, 80),
    Column("What", lambda entry: entry.what, 140),
    Column("Of", lambda entry: entry.subject, 140, tone=_quiet, is_cut_in_middle=True),
    Column("Before", lambda entry: _values_text(entry, "before"), 148, tone=_quiet),
    Column("After", lambda entry: _values_text(entry, "after"), 148),
    Column("Took", _took_text, 68, tone=_quiet, is_number=True),
    Column("Answer, reason, interlocks", _rest_text),
)
