"""What the guard must not forget when it is killed: LOCKOUT, overrides, reopenings; a small file, written whole."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from app.model.guard import Lockout
from app.paths import write_private

log = logging.getLogger(__name__)


class KeptOverride(BaseModel):
    """An override with its end by the machine's clock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    reason: str
    covers: tuple[str, ...]
    minutes: float
    until: datetime


class Memory(BaseModel):
    """What is kept.

    Attributes
    ----------
    lapsed : tuple of str
        Names of the reasons whose override has ended while they went on: they alarm, and move nothing, until they
        cease.
    night : str
        The date of the evening to which `reopenings` and `closed_for` belong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lockout: Lockout | None = None
    override: KeptOverride | None = None
    lapsed: tuple[str, ...] = ()
    night: str = ""
    reopenings: int = 0
    closed_for: str = ""
    needs_operator: str = ""


def recall(file: Path, reopenings_a_night: int) -> tuple[Memory, str]:
    """Read the file.

    Returns
    -------
    Memory
        Of a file that cannot be read: the careful side, on which only an operator opens.
    str
        What is wrong with the file; empty when nothing is.
    """
    try:
        return Memory.model_validate_json(file.read_bytes()), ""
    except FileNotFoundError:
        return Memory(), ""
    except (OSError, ValidationError) as error:
        says = f"The guard's memory {file} cannot be read, LOCKOUT may be lost: see that nobody is in the dome; you open it"
        log.error("%s (%s)", says, error)
        with suppress(OSError):
            file.replace(file.with_suffix(".unreadable"))
        return Memory(reopenings=reopenings_a_night, needs_operator="the guard's memory could not be read"), says


class Keeper:
    """Writes the newest memory in a thread of its own: a disk that hangs must not keep the guard from guarding."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._changed = threading.Condition()
        self._wanted: Memory | None = None
        self._wanted_number = 0
        self._kept_number = 0
        self._tried_number = 0
        self.failure = ""
        threading.Thread(target=self._run, name="memory", daemon=True).start()

    def keep(self, memory: Memory) -> int:
        """Write it soon; return its number."""
        with self._changed:
            self._wanted, self._wanted_number = memory, self._wanted_number + 1
            self._changed.notify_all()
            return self._wanted_number

    def is_kept(self, number: int, timeout_s: float) -> bool:
        """Whether that memory, or a newer one, is on the disk within the time."""
        with self._changed:
            self._changed.wait_for(lambda: self._tried_number >= number, timeout_s)
            return self._kept_number >= number

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted_number > self._tried_number)
                memory, number = self._wanted, self._wanted_number
            assert memory is not None  # noqa: S101 - numbers are given with memories
            failure = self._write(memory)
            with self._changed:
                self.failure, self._tried_number = failure, number
                self._kept_number = self._kept_number if failure else number
                self._changed.notify_all()

    def _write(self, memory: Memory) -> str:
        try:
            write_private(self._file, memory.model_dump_json())
        except OSError as error:
            log.warning("The guard's memory %s is not written: %s", self._file, error)
            return f"The guard's memory {self._file} cannot be written ({error.strerror}): a restart would forget it"
        return ""
