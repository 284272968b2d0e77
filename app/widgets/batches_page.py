"""The page of the batches: the list, and beside it the story of the one that is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage, QKeySequence, QShortcut
from PySide6.QtWidgets import QFileDialog, QLabel, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from app.model.order_life import StoredOrder
from app.model.preflight import Preflight
from app.model.story import BatchLine, BatchStory, waiting_text
from app.widgets import theme
from app.widgets.batch_list import BatchList
from app.widgets.batch_story import BatchStoryView
from app.widgets.preflight_view import PreflightView
from app.widgets.state_panel import PageState, StatePanel, StateStack

#: A story that takes longer to come says so.
_PATIENCE_MS = 250
_LOOKING = "Its headers are being looked at, and nothing is written."
_LEAST_LIST_PX, _LIST_PX, _MOST_LIST_PX, _STORY_PX = 360, 448, 560, 800


class BatchesPage(QWidget):
    """Batches: chosen, run, watched and reported in one place."""

    TITLE = "Batches"
    ICON = "batches"

    view_changed = Signal()  #: Something that is worth to be restored changed.
    story_requested = Signal(int)  #: Key of the batch whose story is to be told; 0 is none.
    run_requested = Signal(str)  #: Folder to be calibrated.
    resume_requested = Signal(int)  #: Key of the batch.
    restart_requested = Signal(int)  #: Key of the batch.
    cancel_requested = Signal(int)  #: Key of the batch.
    cancel_order_requested = Signal(str)  #: Name of an order whose batch has not begun.
    frame_requested = Signal(object)  #: Path of the frame to be opened.
    compare_requested = Signal(object, object)  #: Paths of a raw frame and of the calibrated one.
    thumbnail_requested = Signal(object)  #: Path of a product in sight.
    log_requested = Signal(int)  #: Key of the batch whose log is wanted.
    check_requested = Signal(str)  #: Folder that is to be looked at before it runs.
    verdict_requested = Signal(str, str, object)  #: Source, file, and whether it is wanted in stacks; None: as found.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)
        self._lines: tuple[BatchLine, ...] | None = None
        self._chosen: str | None = None
        self._checked: str | None = None  # source of the batch or folder whose pre-flight is wanted
        self._shown_key = 0
        self._is_filling = False  # the list changes by itself: nobody chose
        self._awaited: StoredOrder | None = None  # its batch is to be shown as soon as it is in the list
        self._wanted: str | None = None  # source of the batch that was shown before the restart of the program
        self._wanted_scroll = 0
        self._duty = QLabel(wordWrap=True)
        self._notice = QLabel(wordWrap=True)
        for label in (self._duty, self._notice):
            label.hide()
            label.setContentsMargins(theme.GAP_PX, 0, theme.GAP_PX, 0)
            label.setProperty("role", "attention")
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.list = BatchList()
        self.list.current_changed.connect(self._take_choice)
        self.list.choose_requested.connect(self.choose_folder)
        self.list.entered.connect(self._enter)
        self.story = BatchStoryView()
        self._pass_on()
        self._panel = StatePanel()
        self._panel.setProperty("surface", "panel")
        self._panel.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._panel.action_requested.connect(self._act)
        self._right = QStackedWidget()
        self._right.addWidget(self.story)
        self._right.addWidget(self._panel)
        self.preflight = PreflightView()
        self._right.addWidget(self.preflight)
        self.preflight.run_requested.connect(self._go_on)
        self.preflight.again_requested.connect(lambda: self._check(self.preflight.source))
        self.preflight.back_requested.connect(self._take_choice)
        self.preflight.verdict_requested.connect(self.verdict_requested)
        self._splitter = QSplitter(Qt.Orientation.Horizontal, childrenCollapsible=False)
        self._splitter.addWidget(self.list)
        self._splitter.addWidget(self._right)
        self._splitter.setStretchFactor(0, 1)
        self._splitter.setStretchFactor(1, 5)
        self.list.setMinimumWidth(_LEAST_LIST_PX)
        self.list.setMaximumWidth(_MOST_LIST_PX)
        self._splitter.setSizes([_LIST_PX, _STORY_PX])
        self._splitter.splitterMoved.connect(self.view_changed)
        self._stack = StateStack(self._splitter)
        self._stack.action_requested.connect(self._act)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.NEAR_PX)
        column.addWidget(self._duty)
        column.addWidget(self._notice)
        column.addWidget(self._stack, 1)
        self._patience = QTimer(self, interval=_PATIENCE_MS, singleShot=True)
        self._patience.timeout.connect(self._say_reading)
        for keys, act in (("Ctrl+O", self.choose_folder), ("Ctrl+Return", self._go_on)):
            QShortcut(QKeySequence(keys), self).activated.connect(act)  # of a page that is hidden it is silent
        self._stack.show_state(PageState.WORKING, "Batches", "The list of batches is being read.", progress=(0, 0))

    def set_lines(self, lines: tuple[BatchLine, ...]) -> None:
        """Show the batches; the one that is chosen stays chosen."""
        self._lines = lines
        self._say("")
        self._is_filling = True
        self.list.set_lines(lines)
        if self._awaited is not None:
            self._choose_awaited(lines, self._awaited)
        if self._chosen is None and self.list.current is None and lines:
            self._choose_first(lines)
        self._is_filling = False
        self._show_current()

    def set_story(self, story: BatchStory) -> None:
        """Show the story, unless another batch was chosen since."""
        if story.batch.key != self._shown_key:
            return
        self._patience.stop()
        self.story.set_story(story)
        if self._wanted_scroll:
            QTimer.singleShot(0, self._restore_scroll)
        if self._chosen is None and self._checked is None:
            self._right.setCurrentWidget(self.story)

    def set_preflight(self, found: Preflight) -> None:
        """Show what a folder or a batch would come to, unless something else was chosen since."""
        if found.source == self._checked:
            self.preflight.show_preflight(found)
            self._right.setCurrentWidget(self.preflight)

    def show_no_preflight(self, sentence: str) -> None:
        """Say why it cannot be told; a folder can be run all the same."""
        if self._checked is not None:
            self._checked = None
            self._show_current()
            self._say(sentence)

    def select_batch(self, key_or_name: int | str) -> None:
        """Show a batch, by its key or its name; one that is not in the list changes nothing."""
        for line in self._lines or ():
            if key_or_name in (line.key, line.name):
                if not self.list.select(line.source):
                    self.list.clear_filter()
                    self.list.select(line.source)
                return

    def set_thumbnail(self, path: Path, image: QImage) -> None:
        """Show the thumbnail of a product."""
        self.story.set_thumbnail(path, image)

    def set_accepted(self, stored: StoredOrder) -> None:
        """An order of this page was taken in: show its batch as soon as it is known."""
        self._awaited = stored
        self._chosen = self._checked = None
        self._say("")
        self._show_current()

    def set_duty(self, is_on_duty: bool, sentence: str = "") -> None:
        """Say when this window takes no orders, and why."""
        self._duty.setText("" if is_on_duty else f"No batch is started here: {sentence}" if sentence else "")
        self._duty.setVisible(bool(self._duty.text()))

    def show_refusal(self, sentence: str) -> None:
        """Say why a wish was not granted."""
        self._say(sentence)

    def show_verdict(self, sentence: str) -> None:
        """Say what was remembered of an exposure, and look again where that is to be seen."""
        self._say(sentence)
        if self._checked is not None:
            self._check(self._checked)

    def show_failure(self, sentence: str) -> None:
        """Say that what is shown is old, and why."""
        if self._lines is None:
            self._stack.show_state(PageState.FAILED, "The batches cannot be read", sentence)
        else:
            self._say(f"Not up to date: {sentence}")

    def choose_folder(self) -> None:
        """Let the operator choose a folder; the window stays usable."""
        dialog = QFileDialog(self, "Folder of a night")
        dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.set_folder)
        dialog.open()

    def set_folder(self, folder: str) -> None:
        """Show a folder before its run, or the batch that it is already."""
        self._say("")
        if self.list.select(str(Path(folder))):
            self._take_choice()
            return
        self._chosen = folder
        self._is_filling = True
        self.list.clear_selection()
        self._is_filling = False
        self._check(folder)
        self.view_changed.emit()

    def focus_filter(self) -> None:
        """Let the operator type into the filter."""
        self.list.focus_filter()

    def view_state(self) -> dict[str, Any]:
        """What is worth to be restored, JSON."""
        current = self.list.current
        return {
            "list": self.list.view_state(),
            "batch": current.source if current else self._wanted,
            "folder": self._chosen,
            "scroll": self.story.verticalScrollBar().value(),
            "split": self._splitter.sizes(),
        }

    def restore_view(self, state: dict[str, Any]) -> None:
        """Take the view of another time, as far as it makes sense."""
        listed, batch, folder = state.get("list"), state.get("batch"), state.get("folder")
        scroll, split = state.get("scroll"), state.get("split")
        if isinstance(listed, dict):
            self.list.restore_view(listed)
        if isinstance(split, list) and len(split) == 2 and all(isinstance(one, int) and one > 0 for one in split):
            self._splitter.setSizes(split)
        if isinstance(batch, str):
            self._wanted = batch
            self._wanted_scroll = scroll if isinstance(scroll, int) and scroll > 0 else 0
        if isinstance(folder, str) and folder:
            self._chosen = folder
        if self._lines is not None:
            self.set_lines(self._lines)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Folders and files are welcome."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Take the folder that is dropped, or that of the file."""
        event.acceptProposedAction()
        urls = event.mimeData().urls()
        local = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
        if not local:
            self._say(f"{urls[0].toString()} is not on this machine: copy the frames to a folder and drop that")
            return
        folders = list(dict.fromkeys(path if path.is_dir() else path.parent for path in local))
        self.set_folder(str(folders[0]))
        if len(folders) > 1:
            self._say(f"{len(folders)} folders were dropped, one is taken at a time: this is {folders[0].name}")

    def _pass_on(self) -> None:
        for own, wished in (
            (self.resume_requested, self.story.resume_requested),
            (self.restart_requested, self.story.restart_requested),
            (self.cancel_requested, self.story.cancel_requested),
            (self.frame_requested, self.story.frame_requested),
            (self.compare_requested, self.story.compare_requested),
            (self.thumbnail_requested, self.story.thumbnail_requested),
            (self.log_requested, self.story.log_requested),
            (self.verdict_requested, self.story.verdict_requested),
        ):
            wished.connect(own)
        self.story.check_requested.connect(self._check)

    def _check(self, source: str) -> None:
        """Look at the headers of a folder or a batch; until that is done, say so."""
        self._checked = source
        if self._chosen is not None:
            self._show_current()
        else:
            self._panel.show_state(PageState.WORKING, Path(source).name, _LOOKING, progress=(0, 0))
            self._right.setCurrentWidget(self._panel)
        self.check_requested.emit(source)

    def _take_choice(self) -> None:
        """The operator chose a batch."""
        if not self._is_filling:
            self._chosen = self._checked = None
            self._show_current()

    def _choose_awaited(self, lines: tuple[BatchLine, ...], stored: StoredOrder) -> None:
        """The batch of the order: by its name while it is under way, else the newest."""
        line = next((line for line in lines if line.order == stored.name), None)
        if line is None and lines and stored.order.url is not None:
            line = lines[0]
        if line is not None and not self.list.select(line.source):
            self.list.clear_filter()
            self.list.select(line.source)
        self._awaited = None

    def _choose_first(self, lines: tuple[BatchLine, ...]) -> None:
        """What was shown before, else what runs, else the newest."""
        if self._wanted is None or not self.list.select(self._wanted):
            running = next((line for line in lines if line.status == "running"), lines[0])
            self.list.select(running.source)
            self._wanted_scroll = 0
        self._wanted = None

    def _show_current(self) -> None:
        line = self.list.current
        if self._lines is None and self._chosen is None:
            return
        if not self._lines and self._chosen is None:
            self._stack.show_state(
                PageState.EMPTY,
                "No batch yet",
                "Drop the folder of a night here, or press Ctrl+O. Its frames are recognised, calibrated, measured and "
                "stacked; nothing is written among them.",
                "Choose folder…",
            )
            return
        self._stack.show_content()
        self._show_right(line)

    def _show_right(self, line: BatchLine | None) -> None:
        if self._chosen is not None:
            self._show_key(0)
            self._show_folder(self._chosen)
        elif line is None:
            self._panel.show_state(PageState.EMPTY, "No batch is chosen", "Choose one in the list to read its story.")
            self._right.setCurrentWidget(self._panel)
            self._show_key(0)
        elif line.key == 0:
            self._show_key(0)
            self._panel.show_state(PageState.EMPTY, line.name, f"{line.source}\n\n{waiting_text(line.place)}", "Cancel")
            self._right.setCurrentWidget(self._panel)
        else:
            self._show_key(line.key)
            if self.story.key == line.key and self._checked is None:
                self._right.setCurrentWidget(self.story)

    def _show_folder(self, folder: str) -> None:
        """A folder before its run: what it would come to, or that it is being looked at."""
        if self._checked == self.preflight.source == folder:
            self._right.setCurrentWidget(self.preflight)
            return
        state = PageState.WORKING if self._checked else PageState.EMPTY
        looking = f"{_LOOKING} " if self._checked else ""
        self._panel.show_state(
            state,
            Path(folder).name or folder,
            f"{folder}\n\n{looking}Choose Run to calibrate its frames: nothing is written among them.",
            "Run (Ctrl+Return)",
            (0, 0),
        )
        self._right.setCurrentWidget(self._panel)

    def _show_key(self, key: int) -> None:
        if key != self._shown_key:
            self._shown_key = key
            self._patience.stop()
            if key and self.story.key != key:
                self._patience.start()
            self.story_requested.emit(key)
            self.view_changed.emit()

    def _say_reading(self) -> None:
        if self._chosen is None and self.list.current is not None:
            name = self.list.current.name
            self._panel.show_state(PageState.WORKING, name, "Its story is being read.", progress=(0, 0))
            self._right.setCurrentWidget(self._panel)

    def _act(self) -> None:
        """The one thing to do next, as the panel says it."""
        line = self.list.current
        if self._chosen is not None:
            self.run_requested.emit(self._chosen)
        elif line is not None and line.key == 0 and line.order is not None:
            self.cancel_order_requested.emit(line.order)
        else:
            self.choose_folder()

    def _go_on(self) -> None:
        """Run what was chosen, or resume what is shown."""
        if self._right.currentWidget() is self.preflight and not self.preflight.run.isEnabled():
            return
        if self._chosen is not None:
            self._act()
        elif self._right.currentWidget() in (self.story, self.preflight) and self.story.head.resume.isEnabled():
            self.resume_requested.emit(self.story.key)

    def _enter(self) -> None:
        """The operator wants to see what came of the batch."""
        if self._right.currentWidget() is self.story:
            self.story.show_products()

    def _restore_scroll(self) -> None:
        self.story.verticalScrollBar().setValue(self._wanted_scroll)
        self._wanted_scroll = 0

    def _say(self, sentence: str) -> None:
        self._notice.setText(sentence)
        self._notice.setVisible(bool(sentence))
