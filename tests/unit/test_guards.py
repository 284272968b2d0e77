"""The guards of conftest.py: a test stays on this machine, in its own home, and warns only on purpose."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

WARNING_TESTS = """
import logging
import pytest

def test_unexpected():
    logging.getLogger("app.pipeline").warning("bias from another camera")

@pytest.mark.logs_warnings
def test_on_purpose():
    logging.getLogger("app.pipeline").warning("bias from another camera")

def test_read(caplog):
    logging.getLogger("app.pipeline").warning("bias from another camera")
    assert "another camera" in caplog.text

def test_of_a_library():
    logging.getLogger("library").warning("not ours")
"""


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org"])
def test_connection_off_loopback_is_refused(host):
    with socket.socket() as plug, pytest.raises(RuntimeError, match="tests reach"):
        plug.connect((host, 80))


def test_connection_on_loopback_is_made():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as plug:
        assert plug.getpeername() == server.getsockname()


def test_home_is_empty_and_the_tests_own(own_home):
    assert Path.home() == own_home
    assert not list(own_home.iterdir())
    assert not [name for name in os.environ if name.startswith("CUPOLA_")]


def test_unexpected_warning_fails_its_test(tmp_path):
    (tmp_path / "test_warnings.py").write_text(WARNING_TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-c", os.devnull, "--rootdir", tmp_path, tmp_path],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert "WARNING app.pipeline: bias from another camera" in done.stdout
    assert "test_warnings.py::test_unexpected" in done.stdout
    assert "4 passed, 1 error" in done.stdout
