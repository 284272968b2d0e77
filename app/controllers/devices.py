"""*Connect your observatory*: devices looked for, tried out and saved, all beside the GUI thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.controllers.answers import Answers
from app.model.settings import Settings
from app.services.alerts import try_account
from app.services.device_search import at, everywhere, try_contact, try_device
from app.services.settings_file import save_tables
from app.store.engine import Database


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
        self._answers = Answers(self)

    def discover(self) -> None:
        """Look for servers on the network."""
        self._do("discover", self._discover)

    def probe(self, server: str) -> None:
        """Ask one server for its devices."""
        self._do("probe", lambda: self._probe(server))

    def test(self, kind: str, server: str, number: int) -> None:
        """Try a device, or what `kind` names, out."""
        others: dict[str, Callable[[], str]] = {
            "mail": lambda: try_account(self._settings.mail),
            "database": self._try_database,
            "closed": lambda: try_contact(self._settings.enclosure.closed),
            "mount_parked": lambda: try_contact(self._settings.enclosure.mount_parked),
            "mains": lambda: try_contact(self._settings.enclosure.mains),
        }
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
        saved = save_tables(self._file, tables)
        # What is tried out next are the contacts that were saved; the password of the mail account is in no file.
        self._settings = self._settings.model_copy(update={"enclosure": saved.enclosure})
        self.saved.emit(saved)
        return f"Saved to {self._file}; it takes effect at the next start"

    def _try_database(self) -> str:
        with self._database.reading():
            return f"{self._database.name} opens"

    def _do(self, key: str, work: Callable[[], str]) -> None:
        self._answers.expect(
            self._executor.submit(work),
            lambda sentence: self.answered.emit(key, sentence, True),
            lambda error: self.answered.emit(key, str(error), False),
        )
