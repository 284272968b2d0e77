"""The frame of the window: strip above, rail at the left, foot line below, one page in the middle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

from PySide6.QtCore import QByteArray, QRect, Signal, SignalInstance
from PySide6.QtGui import (
    QCloseEvent,
    QKeySequence,
    QMoveEvent,
    QResizeEvent,
    QShortcut,
    QShowEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from app.model.strip import Severity, StripValues
from app.widgets import icons, theme
from app.widgets.banner import Banner
from app.widgets.foot_line import FootLine
from app.widgets.rail import Rail
from app.widgets.status_strip import StatusStrip

MOST_BANNERS = 3
_SMALLEST_PX = (1280, 690)


class Page(Protocol):
    """What the frame asks of a page, beside being a QWidget."""

    TITLE: str
    ICON: str
    view_changed: SignalInstance

    def view_state(self) -> dict[str, Any]:
        """What is worth restoring, as JSON."""
        ...

    def restore_view(self, state: dict[str, Any]) -> None:
        """Bring it back; tolerates anything."""
        ...

    def focus_filter(self) -> None:
        """Put the cursor where one searches."""
        ...


class _Room(QWidget):
    """The place of the pages. It has no layout: with one, each part that a page shows or hides lays all of them out."""

    def __init__(self, pages: QWidget) -> None:
        super().__init__()
        self._pages = pages
        pages.setParent(self)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Give the pages all of it."""
        super().resizeEvent(event)
        self._pages.resize(event.size())


class MainWindow(QMainWindow):
    """Strip, banners, rail, pages, foot line; knows no page by name."""

    close_requested = Signal()  #: The operator wants to quit; `finish_close` really closes.
    page_changed = Signal(str)  #: Title of the page that is shown now.
    view_changed = Signal()  #: Something worth restoring changed: page, place, or the view of a page.
    banner_acted = Signal(str)  #: Key of the banner whose button was pressed.
    stop_room_changed = Signal(QRect)  #: Global place for the STOP window.

    def __init__(self) -> None:
        super().__init__()
        self.strip, self.rail, self.foot = StatusStrip(), Rail(), FootLine()
        self._pages: dict[str, Page] = {}
        self._banners: dict[str, Banner] = {}
        self._may_close = False
        self._stack = QStackedWidget()
        self._questions = QVBoxLayout()
        self._banner_column = QVBoxLayout()
        self._banner_column.setSpacing(0)
        self._build()
        self.rail.page_requested.connect(self.show_page)
        QShortcut(QKeySequence.StandardKey.Find, self, self._focus_filter)
        self.setMinimumSize(*_SMALLEST_PX)
        self.setWindowIcon(icons.window_icon())
        self.set_site("", is_simulated=False)

    def set_site(self, site: str, *, is_simulated: bool) -> None:
        """Name the observatory in the title."""
        parts = " - ".join(part for part in ("Cupola", site) if part)
        self.setWindowTitle(f"{parts} (SIMULATED)" if is_simulated else parts)

    def set_values(self, values: StripValues) -> None:
        """Show a moment in strip and title."""
        self.strip.set_values(values)
        self.set_site(values.site, is_simulated=values.is_simulated)

    def add_page(self, page: QWidget) -> None:
        """Put a page (see `Page`) at the end of the rail; Ctrl+1 ... Ctrl+9 show them."""
        known = cast(Page, page)
        title = known.TITLE
        self._pages[title] = known
        self._stack.addWidget(page)
        self.rail.add_page(title, known.ICON)
        QShortcut(QKeySequence(f"Ctrl+{len(self._pages)}"), self, lambda: self.show_page(title))
        known.view_changed.connect(self.view_changed)
        if len(self._pages) == 1:
            self.show_page(title)

    def show_page(self, title: str) -> None:
        """Show the page of that title; another title changes nothing."""
        if title not in self._pages or (title == self.page and self.rail.button(title).isChecked()):
            return
        self.rail.mark(title)
        self._stack.setCurrentWidget(cast(QWidget, self._pages[title]))
        self.page_changed.emit(title)
        self.view_changed.emit()

    @property
    def page(self) -> str:
        """Title of the page that is shown."""
        shown = self._stack.currentWidget()
        return cast(Page, shown).TITLE if shown is not None else ""

    def set_page_attention(self, title: str, wants_attention: bool) -> None:
        """Show or hide the dot of a page."""
        self.rail.set_attention(title, wants_attention)

    def show_banner(self, text: str, severity: Severity, key: str, action: str = "") -> None:
        """Say something under the strip until `clear_banner`; the same key changes it in place.

        `action` is the word on its button, which emits `banner_acted`.
        """
        banner = self._banners.get(key)
        if banner is None:
            self._banners[key] = banner = Banner(text, severity)
            banner.acted.connect(lambda: self.banner_acted.emit(key))
            self._banner_column.addWidget(banner)
        banner.set_text(text, severity, action)
        self._arrange_banners()

    def clear_banner(self, key: str) -> None:
        """Take a banner away; unknown keys are none."""
        banner = self._banners.pop(key, None)
        if banner is not None:
            self._banner_column.removeWidget(banner)
            banner.hide()
            banner.deleteLater()
            self._arrange_banners()

    def add_question(self, question: QWidget) -> None:
        """Give a question its place above the banners; it shows itself when it has something to ask."""
        self._questions.addWidget(question)

    def stop_room(self) -> QRect:
        """Where the STOP window lies, in global coordinates."""
        room = self.strip.stop_rect()
        return QRect(self.strip.mapToGlobal(room.topLeft()), room.size())

    def view_state(self) -> dict[str, Any]:
        """Place, page and the view of every page, as JSON."""
        geometry = bytes(self.saveGeometry().toBase64().data()).decode("ascii")
        pages = {title: page.view_state() for title, page in self._pages.items()}
        return {"geometry": geometry, "page": self.page, "pages": pages}

    def restore_view(self, state: Mapping[str, Any]) -> None:
        """Bring back what `view_state` gave; what does not fit is left as it is."""
        geometry, page, pages = state.get("geometry"), state.get("page"), state.get("pages")
        if isinstance(geometry, str):
            self.restoreGeometry(QByteArray.fromBase64(QByteArray(geometry.encode("ascii", "ignore"))))
        if isinstance(pages, Mapping):
            for title, known in self._pages.items():
                kept = pages.get(title)
                if isinstance(kept, dict):
                    known.restore_view(kept)
        if isinstance(page, str):
            self.show_page(page)

    def finish_close(self) -> None:
        """Really close: the shutdown is done."""
        self._may_close = True
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """The first close only asks for the shutdown."""
        if self._may_close:
            event.accept()
            return
        event.ignore()
        self.close_requested.emit()

    def moveEvent(self, event: QMoveEvent) -> None:  # noqa: N802 - Qt's name
        """Take the STOP window along."""
        super().moveEvent(event)
        self._tell_stop_room()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Take the STOP window along."""
        super().resizeEvent(event)
        self._tell_stop_room()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Place the STOP window."""
        super().showEvent(event)
        self._tell_stop_room()

    def _build(self) -> None:
        middle = QHBoxLayout()
        middle.setSpacing(0)
        middle.addWidget(self.rail)
        right = QVBoxLayout()
        right.setContentsMargins(theme.NEAR_PX, theme.NEAR_PX, theme.NEAR_PX, theme.NEAR_PX)
        right.addWidget(_Room(self._stack))
        middle.addLayout(right, 1)
        frame = QWidget()
        column = QVBoxLayout(frame)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.strip)
        column.addLayout(self._questions)
        column.addLayout(self._banner_column)
        column.addLayout(middle, 1)
        column.addWidget(self.foot)
        self.setCentralWidget(frame)

    def _arrange_banners(self) -> None:
        """Show the loudest; of the same severity, the oldest: what began a flood matters most."""
        loudest = sorted(self._banners.values(), key=lambda banner: -banner.severity)
        hidden = len(loudest) - MOST_BANNERS
        for place, banner in enumerate(loudest):
            banner.setVisible(place < MOST_BANNERS)
            banner.set_more(hidden if place == MOST_BANNERS - 1 else 0)

    def _focus_filter(self) -> None:
        shown = self._stack.currentWidget()
        if shown is not None:
            cast(Page, shown).focus_filter()

    def _tell_stop_room(self) -> None:
        self.view_changed.emit()
        self.stop_room_changed.emit(self.stop_room())
