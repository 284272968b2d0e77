"""What every test gets: no network but loopback, no download, no unexpected warning, no home of the user's."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from app.commands.test import CACHE
from tests.simulated import end_guards

CHECKOUT = Path(__file__).parents[1]


class NotLoopback(RuntimeError):
    """A test reached for another machine."""


class Collector(logging.Handler):
    """Keeps the records of the program's own warnings and errors."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record."""
        self.records.append(record)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers; keep what is computed once (kernels, quads of the sky), whatever home each test has."""
    os.environ["XDG_CACHE_HOME"] = str(CACHE)
    os.environ["NUMBA_CACHE_DIR"] = str(CACHE / "cupola" / "kernels")
    config.addinivalue_line("markers", "logs_warnings: the test makes `app` log warnings or errors on purpose")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real frames and headers beside the checkout; most of them have no licence to be copied."""
    folder = CHECKOUT.parent / "shared"
    if not folder.is_dir():
        reason = f"{folder.name}/ with real frames is not beside the checkout"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}, and CI must have it")
        pytest.skip(reason)
    return folder


@pytest.fixture(autouse=True)
def own_home(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A home folder of this test alone, so that no test reads or writes the user's settings and database.

    Guards that were left on duty in it, or in homes that the test made in its own folder, end with the test.
    """
    folders = [request.getfixturevalue("tmp_path")] if "tmp_path" in request.fixturenames else []
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith(("CUPOLA_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    yield home
    for folder in (home, *folders):
        end_guards(folder)


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves the machine."""
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))


@pytest.fixture(autouse=True, scope="session")
def iers_offline() -> None:
    """Keep astropy from downloading Earth rotation tables in the middle of a coordinate transform."""
    from astropy.utils.iers import conf

    conf.auto_download = False
    conf.auto_max_age = None


@pytest.fixture(autouse=True)
def no_unexpected_warning(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test during which `app` warns, unless it is marked `logs_warnings` or reads `caplog` itself."""
    expects = request.node.get_closest_marker("logs_warnings") or "caplog" in request.fixturenames
    collector = Collector()
    logger = logging.getLogger("app")
    logger.addHandler(collector)
    try:
        yield
    finally:
        logger.removeHandler(collector)
    if collector.records and not expects:
        texts = [f"{record.levelname} {record.name}: {record.getMessage()}" for record in collector.records]
        pytest.fail("unexpected in the log:\n" + "\n".join(texts))


def _guarded(connect: Any) -> Any:
    """`connect`, but only to this machine."""

    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(str(address[0])):
            raise NotLoopback(f"a test connects to {address[0]}: tests reach 127.0.0.1 only")
        return connect(self, address)

    return guarded


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # another name
        return False
