"""Brings what other threads answer into the thread of a controller."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Signal

from app.model.errors import ObservatoryError

log = logging.getLogger(__name__)

T = TypeVar("T")


class ProgramFault(ObservatoryError):
    """A bug as a sentence for the operator; the log has it whole."""


class Answers(QObject):
    """Hands the end of each future to one of two functions, in the thread of this object.

    Parameters
    ----------
    parent : QObject
        The controller, which lives as long.
    """

    _came = Signal(object, object, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._newest_bug = ""
        self._came.connect(self._hand_over)

    def expect(self, future: Future[T], then: Callable[[T], None], failed: Callable[[ObservatoryError], None]) -> None:
        """Call `then` with the result or `failed` with the error; neither when the future is cancelled.

        A bug arrives as a `ProgramFault`. It is logged, but not again by a look that meets it every second.
        """
        future.add_done_callback(partial(self._came.emit, then, failed))

    def _hand_over(
        self, then: Callable[[Any], None], failed: Callable[[ObservatoryError], None], future: Future[Any]
    ) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            then(future.result())
        elif isinstance(error, ObservatoryError):
            failed(error)
        else:
            if repr(error) != self._newest_bug:
                self._newest_bug = repr(error)
                log.error("Bug in what a page asked for", exc_info=error)
            failed(ProgramFault("Cupola made a mistake, which the log describes: report it"))
