"""Who commands a dome: one process at a time, by a lock; another may watch, close, stop, and take over."""

from __future__ import annotations

import json
import logging
import os
import threading
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlencode

from filelock import FileLock, Timeout

from app.bootstrap.program import operator
from app.model.dome import DomeRefused
from app.model.errors import ObservatoryError
from app.model.settings import Dome

log = logging.getLogger(__name__)

#: How long the owner has to hand the dome on, seconds.
_HANDS_ON_S = 5.0


class Ownership:
    """The lock of one dome, and the address at which its owner is spoken to.

    Parameters
    ----------
    folder : Path
        Where the locks of this user's domes are.
    dome : Dome
        Which dome.

    Raises
    ------
    ObservatoryError
        The lock cannot be made.
    """

    def __init__(self, folder: Path, dome: Dome) -> None:
        place = dome.place.lower().replace("localhost:", "127.0.0.1:")  # one dome, one lock
        name = place.replace(":", "-").replace("/", "-")
        self._lock = FileLock(folder / f"{name}.lock", timeout=0, thread_local=False)
        self._address = folder / f"{name}.json"
        self._mutex = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.acquire()
        except OSError as error:
            raise ObservatoryError(
                f"The dome's lock {self._lock.lock_file} cannot be made ({error.strerror}): allow writing there"
            ) from error

    @property
    def is_ours(self) -> bool:
        """Whether this process has it."""
        return bool(self._lock.is_locked)

    def acquire(self, timeout_s: float = 0.0) -> bool:
        """Take it if nobody has it; whether this process has it now."""
        with self._mutex, suppress(Timeout):
            if not self._lock.is_locked:
                self._lock.acquire(timeout=timeout_s)
        return self.is_ours

    def release(self) -> None:
        """Let another have it."""
        with self._mutex:
            if self._lock.is_locked:
                self._address.unlink(missing_ok=True)
                self._lock.release()

    def announce(self, port: int) -> None:
        """Write down at which port of this machine the owner listens."""
        try:
            known = {"port": port, "pid": os.getpid(), "who": operator()}
            self._address.write_text(json.dumps(known), encoding="utf-8")
        except OSError as error:
            log.warning("Nobody can take the dome over: %s cannot be written (%s)", self._address, error.strerror)

    def holder(self) -> str:
        """Who commands the dome, as its owner wrote it down; empty when nobody did."""
        try:
            known = json.loads(self._address.read_text(encoding="utf-8"))
            return f"{known['who']}'s Cupola (process {int(known['pid'])})"
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def take_over(self, who: str) -> None:
        """Have the owner hand the dome on, and take it; blocks for some seconds.

        Raises
        ------
        DomeRefused
            The owner does not hand it on.
        """
        if self.acquire():
            return
        try:
            port = int(json.loads(self._address.read_text(encoding="utf-8"))["port"])
            connection = HTTPConnection("127.0.0.1", port, timeout=_HANDS_ON_S)
            try:
                connection.request("PUT", f"/dome/HandOver?{urlencode({'who': who})}")
                connection.getresponse().read()
            finally:
                connection.close()
        except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
            log.info("The owner of the dome was not reached: %s", error)
        if not self.acquire(_HANDS_ON_S):
            raise DomeRefused(
                f"The other Cupola did not hand the dome on within {_HANDS_ON_S:g} s: end it, then take over again"
            )
