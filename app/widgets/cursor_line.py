"""One line below a frame: where the cursor is, what the pixel holds, where that is in the sky."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from app.model.picture_view import CursorReading
from app.model.wording import DASHES, count_text, declination_text, right_ascension_text
from app.widgets import theme


def value_text(value: float | None, unit: str) -> str:
    """``1 234 adu``, ``0.0132 adu``, ``no value``; dashes outside of the frame."""
    if value is None:
        return DASHES
    if not math.isfinite(value):
        return "no value"
    if value == round(value) and abs(value) < 1e9:
        return f"{count_text(round(value))} {unit}"
    digits = max(0, min(6, 4 - math.floor(math.log10(abs(value))) - 1))
    return f"{value:,.{digits}f} {unit}".replace(",", "\u2009").replace("-", "\u2212")


def zoom_text(zoom: float) -> str:
    """``37 %`` of the frame's own size."""
    return f"{100.0 * zoom:.2g} %" if zoom < 0.095 else f"{100.0 * zoom:.0f} %"


class CursorLine(QWidget):
    """Where the cursor is, what the pixel holds, where it is in the sky; cells of fixed width do not jitter.

    While it is nowhere, how to bring it there.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._unit = "adu"
        self._cells: dict[str, QLabel] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.NEAR_PX, 2, theme.NEAR_PX, 2)
        row.setSpacing(theme.WIDE_PX)
        self._hint = QLabel("Point at the frame to read its pixels, or press C for a crosshair")
        self._hint.setProperty("role", "dim")
        row.addWidget(self._hint)
        for name, width, meaning in (
            ("place", 180, "FITS pixel coordinates: the first pixel, bottom left, is (1, 1)"),
            ("value", 110, "Value of the pixel as stored, scaled by BSCALE and BZERO"),
            ("sky", 190, "Right ascension and declination by the frame's own world coordinates"),
        ):
            label = QLabel()
            label.setToolTip(meaning)
            label.setMinimumWidth(width)
            label.setAccessibleName(meaning)
            self._cells[name] = label
            row.addWidget(label)
            label.hide()
        row.addStretch(1)
        self._zoom = QLabel(alignment=Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._zoom.setToolTip("Screen pixels for one frame pixel")
        self._zoom.setMinimumWidth(72)
        row.addWidget(self._zoom)

    def set_unit(self, unit: str) -> None:
        """Unit of the values."""
        self._unit = unit

    def set_zoom(self, zoom: float) -> None:
        """Show the zoom."""
        self._zoom.setText(zoom_text(zoom))

    def set_reading(self, reading: CursorReading) -> None:
        """Show one pixel."""
        if reading.value is None:
            self.clear()
            return
        self._show_cells(True)
        self._cells["place"].setText(f"FITS x {reading.x:.1f}  y {reading.y:.1f}")
        self._cells["value"].setText(value_text(reading.value, self._unit))
        sky = reading.sky_deg
        self._cells["sky"].setText(
            "no sky coordinates" if sky is None else f"{right_ascension_text(sky[0])}  {declination_text(sky[1])}"
        )

    def clear(self) -> None:
        """The cursor is nowhere."""
        self._show_cells(False)
        for label in self._cells.values():
            label.clear()

    def texts(self) -> tuple[str, ...]:
        """What is shown, for tests and for people who cannot see it."""
        return tuple(label.text() for label in (*self._cells.values(), self._zoom))

    def _show_cells(self, is_somewhere: bool) -> None:
        self._hint.setVisible(not is_somewhere)
        for label in self._cells.values():
            label.setVisible(is_somewhere)
