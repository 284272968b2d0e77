"""A real X server with a window manager, and real presses: Xvfb, openbox, and the XTEST extension spoken directly.

`start_display` gives a `Display`; programs are started with `Display.environment`. Nothing here needs a library of X:
a press is one request on the server's socket, as a mouse would make it, seen by whatever window lies there.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest

_KEY_PRESS, _KEY_RELEASE, _BUTTON_PRESS, _BUTTON_RELEASE, _MOTION = 2, 3, 4, 5, 6
_KEYSYMS = {"Ctrl": 0xFFE3, "Shift": 0xFFE1, "Escape": 0xFF1B, "Return": 0xFF0D, "Tab": 0xFF09, "space": 0x20}
_START_S = 20.0


class NoDisplay(RuntimeError):
    """The X server or the window manager did not start, or said no."""


@dataclass
class Pointer:
    """A connection to the X server that presses buttons and keys."""

    number: int
    _socket: socket.socket = field(init=False)
    _root: int = field(init=False)
    _xtest: int = field(init=False)
    _keycodes: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_START_S)
        self._socket.connect(f"/tmp/.X11-unix/X{self.number}")
        self._greet()
        name = b"XTEST"
        answer = self._ask(struct.pack("<BxHHxx", 98, 2 + 2, len(name)) + name.ljust(8, b"\0"))
        if not answer[8]:
            raise NoDisplay("the X server has no XTEST extension: no press can be made")
        self._xtest = answer[9]

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def move(self, x: int, y: int) -> None:
        """Put the pointer somewhere."""
        self._fake(_MOTION, 0, x, y)

    def press(self, x: int, y: int, button: int = 1) -> None:
        """Move there and press, without release."""
        self.move(x, y)
        self._fake(_BUTTON_PRESS, button)

    def release(self, button: int = 1) -> None:
        """Let the button go."""
        self._fake(_BUTTON_RELEASE, button)

    def click(self, x: int, y: int, button: int = 1) -> None:
        """Press and release."""
        self.press(x, y, button)
        self.release(button)

    def keys_down(self, *names: str) -> None:
        """Press keys, such as ``"Ctrl", "Shift", "s"``, and keep them down."""
        for name in names:
            self._fake(_KEY_PRESS, self._keycode(name))

    def keys_up(self, *names: str) -> None:
        """Let keys go, the last one first."""
        for name in reversed(names):
            self._fake(_KEY_RELEASE, self._keycode(name))

    def tap(self, *names: str) -> None:
        """Press keys together and let them go."""
        self.keys_down(*names)
        self.keys_up(*names)

    def sync(self) -> None:
        """Return when the server has done everything that was asked before."""
        self._ask(struct.pack("<BxH", 43, 1))  # GetInputFocus: the cheapest question

    def has_window_manager(self) -> bool:
        """Whether a window manager says that it is there (EWMH)."""
        atom = self._atom("_NET_SUPPORTING_WM_CHECK")
        if atom == 0:
            return False
        answer = self._ask(struct.pack("<BBHIIIII", 20, 0, 6, self._root, atom, 0, 0, 1))
        return bool(struct.unpack_from("<I", answer, 16)[0])

    def _atom(self, name: str) -> int:
        text = name.encode("ascii")
        padded = text.ljust(-len(text) % 4 + len(text), b"\0")
        answer = self._ask(struct.pack("<BBHHxx", 16, 1, 2 + len(padded) // 4, len(text)) + padded)
        return int(struct.unpack_from("<I", answer, 8)[0])

    def _greet(self) -> None:
        """Set the connection up; remember the root window and the codes of the keys."""
        self._socket.sendall(struct.pack("<BxHHHHxx", ord("l"), 11, 0, 0, 0))
        head = self._read(8)
        body = self._read(struct.unpack_from("<H", head, 6)[0] * 4)
        if head[0] != 1:
            raise NoDisplay("the X server refuses the connection")
        vendor, formats = struct.unpack_from("<H", body, 16)[0], body[21]
        first, last = body[26], body[27]
        self._root = struct.unpack_from("<I", body, 32 + vendor + -vendor % 4 + 8 * formats)[0]
        answer = self._ask(struct.pack("<BxHBBxx", 101, 2, first, last - first + 1))
        per_code = answer[1]
        symbols = struct.unpack_from(f"<{(len(answer) - 32) // 4}I", answer, 32)
        self._keycodes = {}
        for place, symbol in enumerate(symbols):
            if symbol:
                self._keycodes.setdefault(symbol, first + place // per_code)

    def _keycode(self, name: str) -> int:
        return self._keycodes[_KEYSYMS.get(name, ord(name[0]))]

    def _fake(self, kind: int, detail: int, x: int = 0, y: int = 0) -> None:
        root = self._root if kind == _MOTION else 0
        self._socket.sendall(struct.pack("<BBHBBxxII8xhh7xB", self._xtest, 2, 9, kind, detail, 0, root, x, y, 0))
        self.sync()

    def _ask(self, request: bytes) -> bytes:
        """Send a request; return its answer, past the events before it."""
        self._socket.sendall(request)
        while True:
            head = self._read(32)
            if head[0] == 0:
                raise NoDisplay(f"the X server refuses request {head[10]}: error {head[1]}")
            if head[0] == 1:
                return head + self._read(struct.unpack_from("<I", head, 4)[0] * 4)

    def _read(self, count: int) -> bytes:
        received = b""
        while len(received) < count:
            part = self._socket.recv(count - len(received))
            if not part:
                raise NoDisplay("the X server hung up")
            received += part
        return received


@dataclass
class Display:
    """A screen that nobody sees, with a window manager."""

    number: int
    pointer: Pointer
    pids: tuple[int, ...]

    @property
    def environment(self) -> dict[str, str]:
        """Environment in which a program shows its windows there."""
        kept = {name: value for name, value in os.environ.items() if name not in ("WAYLAND_DISPLAY", "XAUTHORITY")}
        return kept | {"DISPLAY": f":{self.number}", "QT_QPA_PLATFORM": "xcb", "QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "0"}


def missing_programs() -> tuple[str, ...]:
    """What a real display needs and this machine lacks."""
    return tuple(name for name in ("Xvfb", "openbox") if shutil.which(name) is None)


@contextmanager
def start_display(width: int = 1366, height: int = 768) -> Iterator[Display]:
    """Start Xvfb and openbox; end both, by their ids, at the end. Skips without them, and fails where CI is true."""
    if missing := missing_programs():
        reason = f"no {' and no '.join(missing)}: apt-get install xvfb openbox"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-noreset"],
        pass_fds=(writing,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    manager: subprocess.Popen[bytes] | None = None
    pointer: Pointer | None = None
    try:
        with os.fdopen(reading) as ready:
            line = ready.readline().strip()
        if not line:
            raise NoDisplay("Xvfb ended before it was ready")
        pointer = Pointer(int(line))
        manager = subprocess.Popen(
            ["openbox", "--sm-disable"],
            env=os.environ | {"DISPLAY": f":{line}", "HOME": str(Path.home())},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _wait_for_manager(pointer)
        yield Display(int(line), pointer, (server.pid, manager.pid))
    finally:
        if pointer is not None:
            pointer.close()
        for process in (manager, server):
            if process is not None:
                process.terminate()
                process.wait(timeout=_START_S)


def _wait_for_manager(pointer: Pointer) -> None:
    """Ask until openbox has introduced itself."""
    pause = Event()
    for _ in range(int(_START_S / 0.02)):
        if pointer.has_window_manager():
            return
        pause.wait(0.02)
    raise NoDisplay(f"openbox did not start within {_START_S:.0f} s")
