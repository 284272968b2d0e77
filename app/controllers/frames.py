"""Frames to be looked at: opened, drawn and read in one worker, the newest wish first."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from enum import IntEnum
from pathlib import Path

import astropy.visualization  # noqa: F401 - the first picture needs it: imported then, it stops the window for 0.2 s
from PySide6.QtCore import QObject, QSize, Signal, SignalInstance
from PySide6.QtGui import QImage, qRgb

from app.frames.picture import Picture
from app.model.errors import ObservatoryError
from app.model.picture_view import CursorReading, FrameOverview, Rendering, View, fitting_zoom, opening_limits

log = logging.getLogger(__name__)

#: Two frames can be compared: so many stay open, and so many wishes to open are kept.
_COMPARED = 2
_THUMBNAILS = 256
#: Thumbnails of larger frames are drawn from single pixels: their means take too long.
_AVERAGED_PIXELS = 2**23
_GREYS = [qRgb(shade, shade, shade) for shade in range(256)]


class _Urgency(IntEnum):
    """What is done first."""

    OPEN = 0
    RENDER = 1
    CURSOR = 2
    COARSEN = 3
    THUMBNAIL = 4


_Key = tuple[_Urgency, Path]


class FramesController(QObject):
    """Answers the wishes of the Frames page; each method returns at once.

    A wish replaces the one of its kind for the same frame that still waits, so that what is shown is never behind.

    Parameters
    ----------
    executor : Executor
        With one worker, which alone touches the files; shut down by its owner after `close`.
    """

    opened = Signal(object)  #: FrameOverview.
    rendered = Signal(object)  #: Rendering.
    cursor_read = Signal(object)  #: CursorReading.
    thumbnail_ready = Signal(object, object)  #: Path, and QImage in shades of grey, null when it cannot be read.
    failed = Signal(object, str)  #: Path, and why it cannot be shown.

    def __init__(self, executor: Executor, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._executor = executor
        self._lock = threading.RLock()
        self._wishes: dict[_Key, Callable[[], None]] = {}
        self._is_closed = False
        # what follows belongs to the worker
        self._pictures: OrderedDict[Path, Picture] = OrderedDict()
        self._overviews: dict[Path, FrameOverview] = {}
        self._views: dict[Path, View] = {}
        self._thumbnails: OrderedDict[tuple[Path, int, int], QImage] = OrderedDict()

    def open(self, path: Path) -> None:
        """Open a frame; `opened` or `failed` follows, unless two newer ones are wished before it is its turn."""
        self._wish(_Urgency.OPEN, path, lambda: self._open(path))

    def render(self, path: Path, view: View) -> None:
        """Draw a part of a frame."""
        self._wish(_Urgency.RENDER, path, lambda: self._render(path, view))

    def read_cursor(self, path: Path, x: float, y: float) -> None:
        """Read the pixel under a FITS position, and its place in the sky."""
        self._wish(_Urgency.CURSOR, path, lambda: self._read_cursor(path, x, y))

    def make_thumbnail(self, path: Path, size: QSize) -> None:
        """Draw a whole frame small, when nothing more urgent is left to do."""
        self._wish(_Urgency.THUMBNAIL, path, lambda: self._make_thumbnail(path, size.width(), size.height()))

    def close(self) -> None:
        """Forget all wishes; what is under way says nothing any more."""
        with self._lock:
            self._is_closed = True
            self._wishes.clear()
            self._executor.submit(self._close_pictures)

    def _wish(self, urgency: _Urgency, path: Path, work: Callable[[], None]) -> None:
        key = (urgency, path)
        with self._lock:
            if self._is_closed:
                return
            self._wishes.pop(key, None)  # the newer one goes to the end
            self._wishes[key] = work
            if urgency is _Urgency.OPEN:
                opens = [key for key in self._wishes if key[0] is _Urgency.OPEN]
                for outdated in opens[:-_COMPARED]:
                    del self._wishes[outdated]
            self._executor.submit(self._work)

    def _work(self) -> None:
        """Do the most urgent wish; there are as many calls as wishes, so that those for replaced ones do nothing."""
        with self._lock:
            if not self._wishes:
                return
            key = min(self._wishes, key=lambda key: key[0])
            work = self._wishes.pop(key)
        urgency, path = key
        try:
            work()
        except ObservatoryError as error:
            self._say_failed(urgency, path, str(error))
        except Exception:  # a bug: log it whole, show it short
            log.exception("Bug while %s was shown", path)
            self._say_failed(urgency, path, f"{path.name} cannot be shown because of a fault in Cupola: see the log")

    def _say_failed(self, urgency: _Urgency, path: Path, sentence: str) -> None:
        if urgency is _Urgency.THUMBNAIL:
            log.info("No thumbnail: %s", sentence)
            self._say(self.thumbnail_ready, path, QImage())
        else:
            self._forget(path)
            self._say(self.failed, path, sentence)

    def _say(self, signal: SignalInstance, *values: object) -> None:
        if not self._is_closed:
            signal.emit(*values)

    def _open(self, path: Path) -> None:
        picture = self._pictures.get(path)
        if picture is not None and picture.notice():
            self._forget(path)
        self._picture(path)
        self._say(self.opened, self._overviews[path])
        self._wish(_Urgency.COARSEN, path, lambda: self._coarsen(path))

    def _picture(self, path: Path) -> Picture:
        """The open frame, opened when it is not."""
        if path not in self._pictures:
            picture = Picture(path)
            self._pictures[path] = picture
            self._overviews[path] = picture.overview()
            while len(self._pictures) > _COMPARED:
                self._forget(next(iter(self._pictures)))
        self._pictures.move_to_end(path)
        return self._pictures[path]

    def _forget(self, path: Path) -> None:
        picture = self._pictures.pop(path, None)
        if picture is not None:
            picture.close()
        self._overviews.pop(path, None)
        self._views.pop(path, None)

    def _render(self, path: Path, view: View) -> None:
        picture = self._picture(path)
        self._views[path] = view
        self._say(self.rendered, Rendering(path, view, picture.render(view), picture.notice()))

    def _read_cursor(self, path: Path, x: float, y: float) -> None:
        picture = self._picture(path)
        self._say(self.cursor_read, CursorReading(path, x, y, picture.value_at(x, y), picture.sky_at(x, y)))

    def _coarsen(self, path: Path) -> None:
        picture = self._pictures.get(path)
        if picture is None:
            return
        if picture.coarsen():
            self._wish(_Urgency.COARSEN, path, lambda: self._coarsen(path))
            return
        view = self._views.get(path)
        with self._lock:
            is_waiting = (_Urgency.RENDER, path) in self._wishes
        if view is not None and view.zoom < 1.0 and not is_waiting:
            self._render(path, view)

    def _make_thumbnail(self, path: Path, width: int, height: int) -> None:
        key = (path, width, height)
        if key not in self._thumbnails:
            self._thumbnails[key] = _thumbnail(path, width, height)
            while len(self._thumbnails) > _THUMBNAILS:
                self._thumbnails.popitem(last=False)
        self._thumbnails.move_to_end(key)
        self._say(self.thumbnail_ready, path, self._thumbnails[key])

    def _close_pictures(self) -> None:
        for path in list(self._pictures):
            self._forget(path)


def _thumbnail(path: Path, width: int, height: int) -> QImage:
    """A whole frame within a size, in shades of grey that a theme may replace."""
    picture = Picture(path)
    try:
        while picture.rows * picture.columns <= _AVERAGED_PIXELS and picture.coarsen():
            pass
        zoom = fitting_zoom(picture.rows, picture.columns, width, height)
        size = max(1, round(picture.columns * zoom)), max(1, round(picture.rows * zoom))
        centre = (picture.columns + 1) / 2.0, (picture.rows + 1) / 2.0
        shades = picture.render(View(*centre, zoom, *size, *opening_limits(picture.limits())))
    finally:
        picture.close()
    image = QImage(shades.data, size[0], size[1], size[0], QImage.Format.Format_Indexed8)
    image.setColorTable(_GREYS)
    return image.copy()
