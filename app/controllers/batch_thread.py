"""The Processor on duty in the window: a thread that takes orders, supervises each batch's process, and never ends."""

from __future__ import annotations

import logging
import threading

from PySide6.QtCore import QObject, QThread, Signal

from app.model.batch import FileBatch
from app.model.errors import ObservatoryError
from app.model.order_life import ENDED, StoredOrder
from app.services.processor import Processor

log = logging.getLogger(__name__)

#: How often the queue is looked at when nobody wakes the thread.
LOOK_S = 1.0
#: How long to wait before going on duty again when another process is, or the database cannot be used.
RETRY_S = 5.0


class BatchThread(QThread):
    """Runs the Processor's orders, one at a time, until `stop`.

    Parameters
    ----------
    processor : Processor
        Whose orders are run.
    retry_s : float
        Seconds until the next try to go on duty.
    """

    duty_changed = Signal(bool)  #: Whether this window takes the orders.
    order_started = Signal(object, object)  #: StoredOrder and its FileBatch.
    progressed = Signal(object)  #: Event of the running batch, see app.pipeline.events.
    order_ended = Signal(object)  #: StoredOrder, exactly once for each order that ended here.
    order_put_off = Signal(object)  #: StoredOrder that waits again, because this window closes.
    failed = Signal(str)  #: Why no orders are taken now; another try follows.

    def __init__(self, processor: Processor, parent: QObject | None = None, *, retry_s: float = RETRY_S) -> None:
        super().__init__(parent)
        self._processor = processor
        self._retry_s = retry_s
        self._is_going = threading.Event()
        self._news = threading.Event()

    def wake(self) -> None:
        """Look at the queue now: an order came in."""
        self._news.set()

    def stop(self) -> None:
        """Go off duty and end: a running batch is stopped and its order waits for the next Processor; see `wait`."""
        self._is_going.set()
        self._news.set()

    def run(self) -> None:
        """Be on duty until the stop, whatever happens."""
        said = ""
        while not self._is_going.is_set():
            try:
                with self._processor.on_duty():
                    said = ""
                    self._take_orders()
            except ObservatoryError as error:
                sentence = str(error)
                if sentence != said:
                    log.warning("No orders are taken: %s", sentence)
            except Exception as bug:
                sentence = f"a fault of the program stopped the Processor ({bug!r}): it tries again, see the log"
                if sentence != said:
                    log.exception("Fault of the program in the Processor")
            else:
                return
            said = sentence
            self.failed.emit(sentence)
            self._is_going.wait(self._retry_s)

    def _take_orders(self) -> None:
        """Run what waits, until the stop."""
        self.duty_changed.emit(True)
        try:
            while not self._is_going.is_set():
                self._news.clear()
                stored = self._processor.run_next(self.progressed.emit, self._is_going.is_set, self._begun)
                if stored is None:
                    self._news.wait(LOOK_S)
                elif stored.state in ENDED:
                    self.order_ended.emit(stored)
                else:
                    self.order_put_off.emit(stored)
        finally:
            self.duty_changed.emit(False)

    def _begun(self, stored: StoredOrder, batch: FileBatch) -> None:
        self.order_started.emit(stored, batch)
