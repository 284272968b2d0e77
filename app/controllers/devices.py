"""*Connect your observatory*: devices looked for, tried out and saved, all beside the GUI thread."""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.model.errors import ObservatoryError
from app.model.settings import Mail, Settings
from app.services.device_search import at, everywhere, try_device
from app.services.settings_file import save_tables
from app.store.engine import Database

log = logging.getLogger(__name__)

_BUG = "Cupola made a mistake, which the log describes: report it"


class DevicesController(QObject):
    """Answers the wishes of the settings page.

    Parameters
    ----------
    executor : Executor
        A thread for what waits for the network.
    settings : Settings
        Those in force.
    file : Path
        Where they are saved.
    database : Database
        To be tried out.
    """

    found = Signal(object)  #: Tuple of FoundDevice.
    progressed = Signal(str)  #: How the search goes on, in a sentence.
    answered = Signal(str, str, bool)  #: Key of the wish, what came of it, and whether it went well.
    saved = Signal(object)  #: Settings, as the file gives them now.
    _ended = Signal(str, object)

    def __init__(
        self,
        executor: Executor,
        settings: Settings,
        file: Path,
        database: Database,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._executor = executor
        self._settings = settings
        self._file = file
        self._database = database
        self._ended.connect(self._tell)

    def discover(self) -> None:
        """Look for servers on the network."""
        self._do("discover", self._discover)

    def probe(self, server: str) -> None:
        """Ask one server for its devices."""
        self._do("probe", lambda: self._probe(server))

    def test(self, kind: str, server: str, number: int) -> None:
        """Try a device, or what `kind` names, out."""
        others: dict[str, Callable[[], str]] = {"mail": self._try_mail, "database": self._try_database}
        self._do(kind, others.get(kind, lambda: try_device(kind, server, number)))

    def save(self, tables: Mapping[str, Any]) -> None:
        """Save tables of the settings."""
        self._do("save", lambda: self._save(tables))

    def _discover(self) -> str:
        devices = everywhere(self.progressed.emit)
        self.found.emit(devices)
        if not devices:
            return "No Alpaca server answered: give its HOST:PORT by hand; a search does not leave this network"
        return f"{len(devices)} devices found: choose one for each part"

    def _probe(self, server: str) -> str:
        devices = at(server)
        self.found.emit(devices)
        return f"{server} offers {len(devices)} devices"

    def _save(self, tables: Mapping[str, Any]) -> str:
        self.saved.emit(save_tables(self._file, tables))
        return f"Saved to {self._file}; it takes effect at the next start"

    def _try_mail(self) -> str:
        account: Mail = self._settings.mail
        if account.host is None:
            raise ObservatoryError("No mail server is set: give mail.host, save, and start Cupola again")
        try:
            with smtplib.SMTP(account.host, account.port, timeout=account.timeout_s) as server:
                code, _ = server.noop()
        except (OSError, smtplib.SMTPException) as error:
            raise ObservatoryError(
                f"{account.host}:{account.port} takes no mail: {error}: check mail.host and mail.port"
            ) from error
        return f"{account.host}:{account.port} answers ({code}); no mail was sent"

    def _try_database(self) -> str:
        with self._database.reading():
            return f"{self._database.name} opens"

    def _do(self, key: str, work: Callable[[], str]) -> None:
        self._executor.submit(work).add_done_callback(lambda future: self._ended.emit(key, future))

    def _tell(self, key: str, future: Future[str]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            self.answered.emit(key, future.result(), True)
        elif isinstance(error, ObservatoryError):
            self.answered.emit(key, str(error), False)
        else:
            log.error("Bug in the settings", exc_info=error)
            self.answered.emit(key, _BUG, False)
