"""The embedded observatory: a simulator of our own, in a process of its own, found again by the next start."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import signal
import subprocess
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from filelock import FileLock

from app.bootstrap.night import NIGHT_VARIABLE, clock_of
from app.bootstrap.program import own_command
from app.model.clock import Clock
from app.model.errors import ObservatoryError
from app.paths import write_private
from app.sim.place import NIGHT, NONCE_VARIABLE

#: How long it may take to begin.
START_S = 30.0
_PROOF_S = 2.0


@dataclass(frozen=True, slots=True)
class Simulator:
    """A simulator that runs.

    Attributes
    ----------
    server : str
        HOST:PORT of its Alpaca devices.
    nonce : str
        The secret by which it proves that it is the one that we started; an address proves nothing.
    night : str
        Its sky clock, as the environment variable of the night has it.
    """

    server: str
    pid: int
    nonce: str
    night: str

    @property
    def sky_clock(self) -> Clock:
        """The clock of its sky."""
        return clock_of(self.night)

    def is_ours(self) -> bool:
        """Whether what answers at the address knows our nonce."""
        challenge = secrets.token_hex(16)
        proof = hmac.new(self.nonce.encode(), challenge.encode(), hashlib.sha256).hexdigest()
        opener = build_opener(ProxyHandler({}))
        try:
            url = f"http://{self.server}/simulator/v1/proof?challenge={challenge}"
            with opener.open(url, timeout=_PROOF_S) as reply:
                answer = json.load(reply)
        except (URLError, OSError, ValueError):
            return False
        return isinstance(answer, dict) and hmac.compare_digest(str(answer.get("proof")), proof)

    def end(self) -> None:
        """End its process, which we started."""
        if self.is_ours():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)


def embedded_simulator(folder: Path, *options: str) -> Simulator:
    """The simulator that an earlier start left running, or a new one.

    Parameters
    ----------
    folder : Path
        Where its address and nonce are kept, readable by the user alone.
    *options : str
        Of ``cupola simulate``, for a new one.

    Raises
    ------
    ObservatoryError
        It does not begin.
    """
    file = folder / "simulator.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "simulator.lock"):
            known = _known(file)
            if known is not None and known.is_ours():
                return known
            started = start_simulator(f"{NIGHT.isoformat()} {monotonic()}", *options)
            _keep(started, file)
            return started
    except OSError as error:
        raise ObservatoryError(
            f"the address of the simulated observatory cannot be kept in {folder} ({error.strerror}): "
            "allow writing there"
        ) from error


def start_simulator(night: str, *options: str) -> Simulator:
    """Start a simulator in a process session of its own, so that it outlives this program.

    Parameters
    ----------
    night : str
        Its sky clock, as the environment variable of the night has it.
    *options : str
        Of ``cupola simulate``.

    Raises
    ------
    ObservatoryError
        It does not begin.
    """
    nonce = secrets.token_hex(32)
    child = subprocess.Popen(
        own_command("simulate", *(options or ("--idle", "300"))),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, NIGHT_VARIABLE: night, NONCE_VARIABLE: nonce},
        start_new_session=True,
    )
    assert child.stdout is not None  # noqa: S101 - asked for in Popen
    watch = threading.Timer(START_S, child.kill)  # ends the reading below, should it never begin
    watch.start()
    with child.stdout:
        line = child.stdout.readline()
    watch.cancel()
    try:
        simulator = Simulator(json.loads(line)["server"], child.pid, nonce, night)
    except (ValueError, KeyError, TypeError) as error:
        child.kill()
        child.wait()
        raise ObservatoryError(
            "the simulated observatory did not begin: run `cupola simulate` and read what it says"
        ) from error
    threading.Thread(target=child.wait, name="simulator", daemon=True).start()  # no zombie when it ends first
    return simulator


def _known(file: Path) -> Simulator | None:
    try:
        return Simulator(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # none yet, or one that another version wrote
        return None


def _keep(simulator: Simulator, file: Path) -> None:
    write_private(file, json.dumps(asdict(simulator)))
