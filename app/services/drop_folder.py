"""The drop folder: JSON files that are put there are taken in as work orders."""

from __future__ import annotations

import asyncio
import logging
from itertools import count
from pathlib import Path
from typing import NamedTuple

from app.model.clock import Clock
from app.model.errors import OrderRefused, StoreError
from app.model.work_order import LARGEST_ORDER, decode_order
from app.services.front_desk import FrontDesk

log = logging.getLogger(__name__)

#: Time between two looks, in seconds; a file that changed in between is still being written.
LOOK_S = 2.0


class _Signature(NamedTuple):
    size: int
    changed_ns: int
    status_changed_ns: int  # new permissions count as a change, too


class DropFolder:
    """Takes in what is put into a folder, each file once.

    A file that has stopped changing is moved to ``taking/``, its order is taken in, and it ends in ``taken/`` or
    ``refused/``, there beside a text with every problem. What a crash or a database out of order leaves in
    ``taking/`` is done at a later look: an order that was kept already is known by its id.

    Parameters
    ----------
    folder : Path
        Where files are put; it is made when it is not there.
    front_desk : FrontDesk
        Takes the orders in.
    clock : Clock
        Dates the refusals.
    """

    def __init__(self, folder: Path, front_desk: FrontDesk, clock: Clock) -> None:
        self._folder = folder
        self._front_desk = front_desk
        self._clock = clock
        self._seen: dict[Path, _Signature] = {}
        self._stuck: dict[Path, _Signature | None] = {}
        self._is_store_lost = False

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Take in every file that has not changed since the last look; blocks for disk and database."""
        taking = self._folder / "taking"
        try:
            for name in ("taking", "taken", "refused"):
                (self._folder / name).mkdir(parents=True, exist_ok=True)
            for file in self._settled():
                self._move(file, _free(taking, file.name))
            waiting = sorted(file for file in taking.iterdir() if file.is_file())
        except OSError as error:
            self._warn_once(self._folder, f"cannot be used: {error.strerror}")
            return
        self._stuck.pop(self._folder, None)
        for file in waiting:
            try:
                self._take_in(file)
            except Exception:  # a bug keeps one order waiting, never those behind it
                log.exception("Order file %s could not be taken in", file)
                self._stuck[file] = _signature(file)

    def _settled(self) -> list[Path]:
        """Files that are the same as at the last look."""
        now = {}
        for file in sorted(self._folder.iterdir()):
            signature = _signature(file)
            if file.suffix.lower() == ".json" and not file.name.startswith(".") and signature is not None:
                now[file] = signature
        before, self._seen = self._seen, now
        return [file for file, signature in now.items() if before.get(file) == signature and not self._is_stuck(file)]

    def _take_in(self, file: Path) -> None:
        if self._is_stuck(file):
            return
        try:
            with file.open("rb") as sent:
                payload = decode_order(sent.read(LARGEST_ORDER + 1))
            stored, is_new = self._front_desk.take_in(payload, "drop folder")
        except FileNotFoundError:  # somebody took it back
            return
        except OSError as error:
            self._warn_once(file, f"cannot be read: {error.strerror}: give Cupola the right to read it")
        except OrderRefused as refusal:
            self._refuse(file, refusal)
        except StoreError as error:
            if not self._is_store_lost:
                log.warning("Orders of the drop folder wait in %s: %s", file.parent, error)
            self._is_store_lost = True
        else:
            self._is_store_lost = False
            log.info("Order %s from %s: %s", stored.name, file.name, "taken in" if is_new else "is known already")
            self._move(file, _free(self._folder / "taken", file.name))

    def _refuse(self, file: Path, refusal: OrderRefused) -> None:
        target = _free(self._folder / "refused", file.name)
        lines = [f"{file.name} was refused at {self._clock.utc():%Y-%m-%d %H:%M:%S} UTC:"]
        lines += [f"  {problem}" for problem in refusal.problems]
        try:
            target.with_suffix(".txt").write_text("\n".join([*lines, ""]), encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            self._warn_once(file, f"was refused ({refusal}), which cannot be written beside it: {error.strerror}")
            return
        self._move(file, target)

    def _move(self, file: Path, target: Path) -> None:
        try:
            file.rename(target)
        except FileNotFoundError:  # somebody took it back
            self._seen.pop(file, None)
        except OSError as error:
            self._warn_once(file, f"cannot be moved to {target.parent}: {error.strerror}: move it away by hand")

    def _is_stuck(self, file: Path) -> bool:
        """Whether it could not be dealt with before, and has not changed since."""
        return file in self._stuck and self._stuck[file] == _signature(file)

    def _warn_once(self, file: Path, what: str) -> None:
        if file not in self._stuck:
            log.warning("Drop folder: %s %s", file, what)
        self._stuck[file] = _signature(file)


def _signature(file: Path) -> _Signature | None:
    """What changes when the file does; None for what is no file."""
    try:
        status = file.stat()
    except OSError:
        return None
    return _Signature(status.st_size, status.st_mtime_ns, status.st_ctime_ns) if file.is_file() else None


def _free(folder: Path, name: str) -> Path:
    """A path in `folder` that nothing has yet, and whose ``.txt`` is free, too."""
    wished = folder / name
    for number in count(2):
        if not wished.exists() and not wished.with_suffix(".txt").exists():
            break
        wished = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
    return wished
