"""The page Frames: film strip, viewer, inspector; one frame, two side by side, or two in turn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDropEvent,
    QImage,
    QKeyEvent,
    QKeySequence,
    QResizeEvent,
    QShortcut,
)
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.model.picture_view import CursorReading, FrameOverview, Rendering, Statistics, Stretch, View, opening_limits
from app.model.wording import count_text
from app.widgets import theme
from app.widgets.cursor_line import CursorLine, value_text
from app.widgets.film_strip import FilmStrip, StripItem
from app.widgets.frame_viewer import KEYS, FrameViewer
from app.widgets.header_view import HeaderView
from app.widgets.histogram import DEFAULT_STRETCH, HistogramPanel
from app.widgets.state_panel import PageState, StateStack

BLINK_MS = 700
#: What opens faster shows no state in between.
_PATIENCE_MS = 300
_INSPECTOR_PX = (312, 440)
_HEAD_PX = 52
#: A viewer may become so small; what its place says instead is wider, and would widen the window.
_LEAST_VIEW_PX = (160, 120)
_FILES = "Frames (*.fits *.fit *.fts *.fits.gz *.fit.gz *.fts.gz *.fits.fz *.fit.fz *.FITS *.FIT *.FTS);;All files (*)"
_PAGE_KEYS = (
    ("Page Up / Down", "frame before, after"),
    ("Ctrl + O", "open a frame"),
    ("Ctrl + F", "search the header"),
    ("B", "blink raw and calibrated, or two selected frames"),
)


class Mode(Enum):
    """How frames are shown."""

    SINGLE = "single"
    COMPARE = "compare"
    BLINK = "blink"


class _Elided(QLabel):
    """A line that is cut in its middle when there is no room, and whole in its tooltip."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._whole = ""
        self.setProperty("role", role)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def set_whole(self, text: str) -> None:
        """Show a line."""
        self._whole = text
        self.setToolTip(text)
        self.setAccessibleName(text)
        self._cut()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Cut anew."""
        super().resizeEvent(event)
        self._cut()

    def _cut(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideMiddle, self.width()))


class _Numbers(QWidget):
    """Size and statistics of a frame."""

    def __init__(self) -> None:
        super().__init__()
        self._values: list[QLabel] = []
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(theme.NEAR_PX)
        grid.setVerticalSpacing(2)
        self._caption = QLabel("STATISTICS")
        self._caption.setProperty("role", "caption")
        grid.addWidget(self._caption, 0, 0, 1, 5)
        for number, (name, meaning) in enumerate(
            (
                ("Median", "Half of the values are below"),
                ("Noise", "1.4826 times the median absolute deviation: stars hardly count"),
                ("Mean", "Of all values, stars included"),
                ("Std. dev.", "Standard deviation of all values, stars included"),
                ("Lowest", "Lowest value"),
                ("Highest", "Highest value"),
                ("Size", "Columns \u00d7 rows, in pixels"),
                ("Blank", "Share of pixels without a value"),
            )
        ):
            label, value = QLabel(name), QLabel()
            label.setProperty("role", "small")
            label.setToolTip(meaning)
            value.setToolTip(meaning)
            value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self._values.append(value)
            row, column = 1 + number // 2, 3 * (number % 2)
            grid.addWidget(label, row, column)
            grid.addWidget(value, row, column + 1)
        grid.setColumnStretch(1, 1)
        grid.setColumnMinimumWidth(2, theme.NEAR_PX)
        grid.setColumnStretch(4, 1)

    def set_frame(self, overview: FrameOverview | None) -> None:
        """Show the numbers of a frame."""
        if overview is None:
            self._caption.setText("STATISTICS")
            for label in self._values:
                label.clear()
            return
        numbers = overview.statistics
        self._caption.setText(f"STATISTICS  {overview.unit}, {_said_of(numbers)}")
        texts = [
            "\u2013\u2013" if number is None else value_text(number, "").strip()
            for number in (
                numbers.median,
                numbers.noise,
                numbers.mean,
                numbers.sigma,
                numbers.lowest,
                numbers.highest,
            )
        ]
        texts += [f"{count_text(overview.columns)} \u00d7 {count_text(overview.rows)}", _percent(numbers.blank_percent)]
        for label, text in zip(self._values, texts, strict=True):
            label.setText(text)


def _said_of(numbers: Statistics) -> str:
    return "every pixel" if numbers.every == 1 else f"1 of {count_text(numbers.every**2)} pixels"


def _percent(percent: float) -> str:
    return "none" if percent == 0.0 else f"{percent:.2g} %"


class FramesPage(QWidget):
    """Looks at frames; emits wishes, is given values."""

    TITLE = "Frames"
    ICON = "frames"

    view_changed = Signal()  #: Something that is worth restoring.
    open_requested = Signal(object)  #: Path.
    render_requested = Signal(object, object)  #: Path and View.
    cursor_asked = Signal(object, float, float)  #: Path and FITS position.
    thumbnail_requested = Signal(object, object)  #: Path and QSize.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)
        self._mode = Mode.SINGLE
        self._wanted: list[Path | None] = [None, None]
        self._labels = ["", ""]
        self._failed: set[Path] = set()
        self._origins: Mapping[Path, tuple[Path, Path]] = {}
        self._active = 0
        self._is_focus_wanted = False
        self._place: tuple[float, float, float] | None = None
        self._stretch = DEFAULT_STRETCH
        self._patience = QTimer(self, singleShot=True, interval=_PATIENCE_MS)
        self._patience.timeout.connect(self._show_working)
        self._blink = QTimer(self, interval=BLINK_MS)
        self._blink.timeout.connect(self._show_other)
        self._make_parts()
        self._arrange()
        self._connect()
        self._show_empty()

    @property
    def mode(self) -> Mode:
        """How frames are shown."""
        return self._mode

    @property
    def viewers(self) -> tuple[FrameViewer, FrameViewer]:
        """The viewer, and the one of the second frame."""
        return self._viewers

    @property
    def strip(self) -> FilmStrip:
        """The film strip."""
        return self._strip

    @property
    def header(self) -> HeaderView:
        """The cards of the frame."""
        return self._header

    @property
    def shown_paths(self) -> tuple[Path, ...]:
        """The frames that are shown or awaited."""
        return tuple(path for path in self._wanted if path is not None)

    # --- what is asked of the page ------------------------------------------------------------------------------

    def open(self, path: Path) -> None:
        """Show one frame."""
        self._set_mode(Mode.SINGLE)
        self._strip.show_current(path)
        self._is_focus_wanted = True
        self._await([path])

    def compare(self, one: Path, other: Path, labels: tuple[str, str] = ("", "")) -> None:
        """Show two frames side by side, such as a raw one and what became of it, with one pan and zoom for both."""
        self._set_mode(Mode.COMPARE)
        self._is_focus_wanted = True
        self._await([one, other], labels)

    def set_items(self, items: Sequence[StripItem]) -> None:
        """Show the frames of a batch in the strip."""
        self._strip.set_items(tuple(items))
        self._strip.setVisible(bool(items))
        self._say_count()

    def set_origins(self, origins: Mapping[Path, tuple[Path, Path]]) -> None:
        """For products: the raw and the calibrated frame that are compared while the product is shown alone."""
        self._origins = origins
        self._offer()

    def set_overview(self, overview: FrameOverview) -> None:
        """Show a frame that was opened; one that nobody waits for any more is not shown."""
        self._failed.discard(overview.path)
        for number, path in enumerate(self._wanted):
            if path != overview.path:
                continue
            viewer = self._viewers[number]
            viewer.show_frame(overview, self._shading_for(number, overview), self._labels[number])
            self._stacks[number].show_content()
            if number == 0 and self._is_focus_wanted:
                self._is_focus_wanted = False
                viewer.setFocus()
            if number == 1 and self._mode is not Mode.SINGLE:
                viewer.set_place(*self._viewers[0].place)
            if number == self._active:
                self._inspect(overview)
        if self._place is not None and overview.path == self._wanted[0]:
            place, self._place = self._place, None
            self._viewers[0].set_place(*place)
        self.view_changed.emit()

    def set_rendering(self, rendering: Rendering) -> None:
        """Paint what was drawn."""
        for viewer in self._viewers:
            viewer.set_rendering(rendering)

    def set_cursor(self, reading: CursorReading) -> None:
        """Show the pixel below the cursor."""
        if reading.path in self._wanted:
            self._cursor.set_reading(reading)

    def set_failure(self, path: Path, sentence: str) -> None:
        """Say why a frame cannot be shown, in the place where it would be."""
        for number, wanted in enumerate(self._wanted):
            if wanted == path:
                self._failed.add(path)
                self._viewers[number].clear()
                self._stacks[number].show_state(
                    PageState.FAILED, f"{path.name} cannot be shown", sentence, "Open another frame"
                )
                if number == self._active:
                    self._inspect(None, path.name)

    def set_thumbnail(self, path: Path, image: QImage) -> None:
        """Show a small picture in the strip."""
        self._strip.set_thumbnail(path, image)

    def focus_filter(self) -> None:
        """Search the header."""
        self._tabs.setCurrentIndex(1)
        self._header.filter.setFocus()
        self._header.filter.selectAll()

    def view_state(self) -> dict[str, Any]:
        """Frame, place and inspector."""
        viewer = self._viewers[0]
        return {
            "path": str(self._wanted[0]) if self._wanted[0] else "",
            "place": [] if viewer.is_fitted else list(viewer.place),
            "stretch": self._stretch.value,
            "same_stretch": self._same_stretch.isChecked(),
            "tab": self._tabs.currentIndex(),
        }

    def restore_view(self, state: dict[str, Any]) -> None:
        """Bring it back; what cannot be understood is left."""
        if state.get("stretch") in list(Stretch):
            self._stretch = Stretch(state["stretch"])
        if isinstance(state.get("same_stretch"), bool):
            self._same_stretch.setChecked(state["same_stretch"])
        if state.get("tab") in range(self._tabs.count()):
            self._tabs.setCurrentIndex(state["tab"])
        place = state.get("place")
        if isinstance(place, list) and len(place) == 3 and all(_is_number(part) for part in place) and place[2] > 0:
            self._place = (float(place[0]), float(place[1]), float(place[2]))
        if isinstance(state.get("path"), str) and state["path"]:
            self.open(Path(state["path"]))

    # --- parts --------------------------------------------------------------------------------------------------

    def _make_parts(self) -> None:
        """In the order of Tab."""
        self._open = _button("Open \u2026", "Open a frame (Ctrl+O); or drop one here")
        self._before = _button("\u2039", "Frame before (Page Up)")
        self._after = _button("\u203a", "Frame after (Page Down)")
        self._same_stretch = QCheckBox("Same stretch")
        self._same_stretch.setToolTip("Keep the limits and the stretch for the frames that follow, to compare them")
        self._compare_button = _button("Compare", "", checkable=True)
        self._blink_button = _button("Blink", "", checkable=True)
        self._fit = _button("Fit", "Fit the whole frame (F)")
        self._one = _button("1:1", "One screen pixel for one frame pixel (1)")
        self._out = _button("\u2212", "Zoom out (\u2212)")
        self._in = _button("+", "Zoom in (+)")
        self._strip = FilmStrip()
        self._strip.hide()
        self._viewers = (FrameViewer(), FrameViewer())
        self._stacks = tuple(StateStack(viewer) for viewer in self._viewers)
        for stack in self._stacks:
            stack.setMinimumSize(*_LEAST_VIEW_PX)
        self._cursor = CursorLine()
        self._title, self._description = _Elided("title"), _Elided("small")
        self._count = QLabel()
        self._count.setProperty("role", "dim")
        self._histogram, self._numbers, self._header = HistogramPanel(), _Numbers(), HeaderView()
        self._tools = (
            self._open, self._same_stretch, self._compare_button, self._blink_button,
            self._fit, self._one, self._out, self._in,
        )  # fmt: skip

    def _arrange(self) -> None:
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.setSpacing(theme.NEAR_PX)
        page.addWidget(self._head())
        body = QHBoxLayout()
        body.setSpacing(theme.NEAR_PX)
        body.addWidget(self._strip)
        body.addWidget(self._stage(), 3)
        self._beside = self._inspector()
        body.addWidget(self._beside, 1)
        page.addLayout(body, 1)

    def _head(self) -> QWidget:
        head = _panel()
        row = QHBoxLayout(head)
        row.setContentsMargins(theme.GAP_PX, theme.TIGHT_PX, theme.NEAR_PX, theme.TIGHT_PX)
        row.setSpacing(theme.TIGHT_PX)
        names = QVBoxLayout()
        names.setSpacing(0)
        names.addStretch(1)
        names.addWidget(self._title)
        names.addWidget(self._description)
        names.addStretch(1)
        row.addLayout(names, 1)
        groups: tuple[tuple[QWidget, ...], ...] = (
            (self._count, self._before, self._after),
            (self._same_stretch, self._compare_button, self._blink_button),
            (self._fit, self._one, self._out, self._in),
        )
        for group in groups:
            row.addSpacing(theme.GAP_PX)
            for part in group:
                row.addWidget(part)
            if self._same_stretch in group:
                row.insertSpacing(row.indexOf(self._same_stretch) + 1, theme.TIGHT_PX)
        row.addSpacing(theme.GAP_PX)
        row.addWidget(self._open)
        head.setFixedHeight(_HEAD_PX)
        return head

    def _stage(self) -> QWidget:
        stage = _panel()
        column = QVBoxLayout(stage)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        row = QHBoxLayout()
        row.setSpacing(theme.TIGHT_PX)
        for stack in self._stacks:
            row.addWidget(stack, 1)
        self._stacks[1].hide()
        column.addLayout(row, 1)
        column.addWidget(self._cursor)
        return stage

    def _inspector(self) -> QWidget:
        picture = QWidget()
        column = QVBoxLayout(picture)
        column.setContentsMargins(theme.NEAR_PX, theme.NEAR_PX, theme.NEAR_PX, theme.NEAR_PX)
        column.setSpacing(theme.GAP_PX)
        column.addWidget(self._histogram, 9)
        column.addWidget(self._numbers)
        column.addStretch(1)
        header = QWidget()
        room = QVBoxLayout(header)
        room.setContentsMargins(theme.NEAR_PX, theme.NEAR_PX, theme.NEAR_PX, theme.NEAR_PX)
        room.addWidget(self._header)
        self._tabs = QTabWidget()
        self._tabs.addTab(picture, "Picture")
        self._tabs.addTab(header, "Header")
        self._tabs.addTab(_key_list(), "Keys")
        inspector = _panel()
        inspector.setMinimumWidth(_INSPECTOR_PX[0])
        inspector.setMaximumWidth(_INSPECTOR_PX[1])
        whole = QVBoxLayout(inspector)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self._tabs)
        return inspector

    def _connect(self) -> None:
        self._open.clicked.connect(self._choose_file)
        self._before.clicked.connect(self._step_back)
        self._after.clicked.connect(self._step_on)
        self._compare_button.clicked.connect(self._toggle_compare)
        self._blink_button.clicked.connect(self._toggle_blink)
        self._fit.clicked.connect(self._fit_frame)
        self._one.clicked.connect(self._zoom_to_one)
        self._out.clicked.connect(self._zoom_out)
        self._in.clicked.connect(self._zoom_in)
        self._strip.frame_chosen.connect(self._open_from_strip)
        self._strip.thumbnail_requested.connect(self.thumbnail_requested)
        self._strip.pair_changed.connect(self._offer)
        self._strip.activated.connect(self._enter_frame)
        self._histogram.shading_changed.connect(self._set_shading)
        self._same_stretch.toggled.connect(self._share_shading)
        self._tabs.currentChanged.connect(self.view_changed)
        for viewer, stack in zip(self._viewers, self._stacks, strict=True):
            viewer.render_requested.connect(self._ask_for)
            viewer.cursor_asked.connect(self.cursor_asked)
            viewer.cursor_left.connect(self._cursor.clear)
            viewer.place_changed.connect(self._follow)
            viewer.focused.connect(self._turn_to)
            stack.action_requested.connect(self._choose_file)
        QShortcut(QKeySequence.StandardKey.Open, self, self._choose_file, context=_HERE)
        QShortcut(QKeySequence(Qt.Key.Key_B), self, self._blink_button.click, context=_HERE)

    # --- one, two ------------------------------------------------------------------------------------------------

    def _set_mode(self, mode: Mode) -> None:
        self._mode = mode
        self._blink.stop()
        self._stacks[0].show()
        self._stacks[1].setVisible(mode is Mode.COMPARE)
        if mode is Mode.SINGLE:
            self._wanted[1] = None
            self._labels = ["", ""]
            self._viewers[1].clear()
            self._active = 0
        elif mode is Mode.BLINK:
            self._blink.start()
        self._offer()

    def _await(self, paths: list[Path], labels: tuple[str, str] = ("", "")) -> None:
        self._wanted = [*paths, None][:2]
        self._show_tools(True)
        self._failed.clear()
        self._labels = ["", ""]
        if len(paths) > 1:
            self._labels = [
                f"{label}: {path.name}".removeprefix(": ") for label, path in zip(labels, paths, strict=True)
            ]
        self._patience.start()
        for path in paths:
            self.open_requested.emit(path)
        self._offer()

    def _is_settled(self, number: int) -> bool:
        overview = self._viewers[number].overview
        return self._wanted[number] in self._failed or (overview is not None and overview.path == self._wanted[number])

    def _pair(self) -> tuple[Path, Path] | None:
        """The two frames that are compared now, or selected in the strip, or the shown one and its raw frame."""
        selected = self._strip.selected_paths()
        if self._mode is not Mode.SINGLE and len(self.shown_paths) == 2:
            return self.shown_paths[0], self.shown_paths[1]
        if len(selected) == 2:
            return selected[0], selected[1]
        shown = self._wanted[0]
        return None if shown is None else self._origins.get(shown)

    def _offer(self) -> None:
        """Say what can be done now, and why not what cannot."""
        is_possible = self._pair() is not None
        for button, meaning, mode in (
            (self._compare_button, "Two frames side by side, with one pan and zoom", Mode.COMPARE),
            (self._blink_button, "Two frames in turn, with one pan and zoom (B)", Mode.BLINK),
        ):
            first = "show a light, or select two frames in the strip (Ctrl+click) first"
            why = meaning if is_possible else f"{meaning}: {first}"
            button.setEnabled(is_possible)
            button.setChecked(self._mode is mode)
            button.setToolTip(why)
            button.setAccessibleDescription(why)
        self._say_count()

    def _toggle_compare(self, is_on: bool) -> None:
        self._switch(Mode.COMPARE if is_on else Mode.SINGLE)

    def _toggle_blink(self, is_on: bool) -> None:
        self._switch(Mode.BLINK if is_on else Mode.SINGLE)

    def _switch(self, mode: Mode) -> None:
        pair = self._pair()
        was = self._mode
        if mode is Mode.SINGLE or pair is None:
            self._set_mode(Mode.SINGLE)
            return
        self._viewers[1].resize(self._viewers[0].size())
        self._set_mode(mode)
        if was is Mode.SINGLE:
            self._await(list(pair), ("raw", "calibrated") if pair in self._origins.values() else ("", ""))

    def _show_other(self) -> None:
        """The next of two frames that blink; the one that is not drawn yet is not shown."""
        other = 1 if self._stacks[1].isHidden() else 0
        if self._viewers[other].is_painted:
            has_focus = self._viewers[1 - other].hasFocus()
            self._stacks[other].show()
            self._stacks[1 - other].hide()
            if has_focus:
                self._viewers[other].setFocus()
            self._active = other
            overview = self._viewers[other].overview
            if overview is not None:
                self._inspect(overview)

    def _ask_for(self, path: Path, view: View) -> None:
        """Pass a wish on, and say at which zoom."""
        if path == self._wanted[self._active]:
            self._cursor.set_zoom(view.zoom)
        self.render_requested.emit(path, view)

    def _follow(self, centre_x: float, centre_y: float, zoom: float) -> None:
        """Both viewers show the same place."""
        if self._mode is not Mode.SINGLE:
            for viewer in self._viewers:
                if viewer is not self.sender() and viewer.overview is not None:
                    viewer.set_place(centre_x, centre_y, zoom)
        self.view_changed.emit()

    def _turn_to(self) -> None:
        """Inspect the frame of the viewer that has the keyboard."""
        for number, viewer in enumerate(self._viewers):
            if viewer is self.sender() and viewer.overview is not None and number != self._active:
                self._active = number
                self._inspect(viewer.overview)

    # --- shading ------------------------------------------------------------------------------------------------

    def _shading_for(self, number: int, overview: FrameOverview) -> tuple[float, float, Stretch]:
        leader = self._viewers[0] if self._viewers[0].overview is not None else self._viewers[number]
        if self._same_stretch.isChecked() and leader.overview is not None:
            return leader.shading
        limits = opening_limits(overview.limits) if self._stretch is DEFAULT_STRETCH else overview.limits
        return (*limits, self._stretch)

    def _set_shading(self, low: float, high: float, stretch: Stretch) -> None:
        self._stretch = stretch
        for number, viewer in enumerate(self._viewers):
            if number == self._active or self._same_stretch.isChecked():
                viewer.set_shading(low, high, stretch)
        self.view_changed.emit()

    def _share_shading(self, is_on: bool) -> None:
        if is_on:
            self._set_shading(*self._viewers[self._active].shading)
        self.view_changed.emit()

    # --- states -------------------------------------------------------------------------------------------------

    def _inspect(self, overview: FrameOverview | None, name: str = "") -> None:
        """Show what is known of a frame beside it."""
        self._title.set_whole(overview.title if overview else name)
        size = f"{overview.columns} \u00d7 {overview.rows} px" if overview else ""
        self._description.set_whole(f"{overview.description} \u00b7 {size}" if overview else "")
        self._description.setVisible(overview is not None)
        self._cursor.setVisible(overview is not None)
        self._histogram.set_frame(overview)
        self._numbers.set_frame(overview)
        self._header.set_cards(overview.cards if overview else ())
        for button in (self._fit, self._one, self._out, self._in):
            button.setEnabled(overview is not None)
        if overview is None:
            self._cursor.clear()
            return
        viewer = self._viewers[self._active]
        self._histogram.set_shading(*viewer.shading)
        self._cursor.set_unit(overview.unit)
        self._cursor.set_zoom(viewer.place[2])

    def _show_empty(self) -> None:
        self._inspect(None)
        self._show_tools(False)
        self._title.set_whole("Frames")
        self._offer()
        self._stacks[0].show_state(
            PageState.EMPTY,
            "No frame is open",
            "Open a FITS file, drop one here, or press Enter on a thumbnail or a row of another page. "
            "Raw frames and products of any size can be shown, plain, gzipped or tile-compressed.",
            "Open a frame",
        )

    def _show_tools(self, is_used: bool) -> None:
        """What does something with a frame is seen when there is one, or one is awaited."""
        for part in (*self._tools, self._beside):
            part.setVisible(is_used)

    def _show_working(self) -> None:
        """What takes long says so; the frame before is not shown for the new one."""
        for number, path in enumerate(self._wanted):
            if path is not None and not self._is_settled(number):
                self._stacks[number].show_state(
                    PageState.WORKING, f"Opening {path.name}", "Header, limits and a first picture.", progress=(0, 0)
                )
                if number == self._active:
                    self._inspect(None, path.name)

    def _say_count(self) -> None:
        items = self._strip.frames.items
        row = self._strip.currentIndex().row()
        self._count.setText(f"{row + 1} of {count_text(len(items))}" if items and row >= 0 else "")
        for button, is_possible in ((self._before, row > 0), (self._after, 0 <= row < len(items) - 1)):
            button.setVisible(bool(items))
            button.setEnabled(is_possible)
            button.setAccessibleDescription(button.toolTip() if is_possible else "There is no further frame")

    # --- what the operator does ---------------------------------------------------------------------------------

    def _open_from_strip(self, path: Path) -> None:
        if self._mode is Mode.SINGLE or len(self._strip.selected_paths()) <= 1:
            self._set_mode(Mode.SINGLE)
            self._await([path])

    def _enter_frame(self) -> None:
        """Enter in the strip goes on to the frame."""
        self._viewers[self._active].setFocus()

    def _step_back(self) -> None:
        self._strip.step(-1)

    def _step_on(self) -> None:
        self._strip.step(1)

    def _fit_frame(self) -> None:
        self._viewers[self._active].fit()

    def _zoom_to_one(self) -> None:
        self._viewers[self._active].zoom_to(1.0)

    def _zoom_in(self) -> None:
        self._viewers[self._active].zoom_by(2.0)

    def _zoom_out(self) -> None:
        self._viewers[self._active].zoom_by(0.5)

    def _choose_file(self) -> None:
        """A dialog that blocks nothing, in our own colours."""
        dialog = QFileDialog(self, "Open a frame")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter(_FILES)
        shown = self._wanted[0]
        if shown is not None:
            dialog.setDirectory(str(shown.parent))
        dialog.setModal(False)
        dialog.fileSelected.connect(self._open_named)
        dialog.show()

    def _open_named(self, name: str) -> None:
        self.open(Path(name))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Page Up and Page Down go through the strip."""
        steps = {Qt.Key.Key_PageUp: -1, Qt.Key.Key_PageDown: 1}
        if event.key() in steps and self._strip.frames.items:
            self._strip.step(steps[Qt.Key(event.key())])
            return
        super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Files may be dropped."""
        if _dropped(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Show a file; of two, both."""
        paths = _dropped(event)
        if len(paths) == 2:
            self.compare(paths[0], paths[1])
        elif paths:
            self.open(paths[0])
        event.acceptProposedAction()


_HERE = Qt.ShortcutContext.WidgetWithChildrenShortcut


def _dropped(event: QDropEvent) -> list[Path]:
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _button(text: str, meaning: str, *, checkable: bool = False) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(meaning)
    button.setAccessibleName(meaning or text)
    button.setCheckable(checkable)
    return button


def _panel() -> QWidget:
    panel = QWidget()
    panel.setProperty("surface", "panel")
    panel.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    return panel


def _key_list() -> QWidget:
    """What every key does."""
    keys = QWidget()
    grid = QGridLayout(keys)
    grid.setContentsMargins(theme.GAP_PX, theme.GAP_PX, theme.GAP_PX, theme.GAP_PX)
    grid.setVerticalSpacing(theme.NEAR_PX)
    for row, (key, effect) in enumerate((*KEYS, *_PAGE_KEYS)):
        name, meaning = QLabel(key), QLabel(effect)
        meaning.setProperty("role", "dim")
        meaning.setWordWrap(True)
        grid.addWidget(name, row, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(meaning, row, 1)
    grid.setRowStretch(grid.rowCount(), 1)
    grid.setColumnStretch(1, 1)
    return keys
