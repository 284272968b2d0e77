"""The embedded simulator: started once, found again, proved by its nonce, and never taken for another."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from app.bootstrap.embedded import Simulator, embedded_simulator
from tests.simulated import simulator


@pytest.fixture
def started(tmp_path):
    ours = embedded_simulator(tmp_path)
    yield ours
    ours.end()


def test_the_next_start_finds_the_simulator_and_its_night_again(started, tmp_path):
    again = embedded_simulator(tmp_path)
    assert again == started
    assert abs((again.sky_clock.utc() - started.sky_clock.utc()).total_seconds()) < 1.0


def test_its_address_and_nonce_are_the_users_alone(started, tmp_path):
    file = tmp_path / "simulator.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text())["nonce"] == started.nonce


def test_another_simulator_at_the_address_is_not_ours(started, tmp_path):
    with simulator() as foreign:
        forged = replace(started, server=foreign.server)
        assert not forged.is_ours()
        (tmp_path / "simulator.json").write_text(
            json.dumps({"server": foreign.server, "pid": os.getpid(), "nonce": started.nonce, "night": started.night})
        )
        fresh = embedded_simulator(tmp_path)
    try:
        assert fresh.server != foreign.server
        assert fresh.is_ours()
    finally:
        fresh.end()


def test_nobody_at_the_address_is_not_ours(started):
    assert not Simulator("127.0.0.1:1", started.pid, started.nonce, started.night).is_ours()


def test_a_broken_file_of_its_address_means_a_new_one(started, tmp_path):
    (tmp_path / "simulator.json").write_text("{")
    fresh = embedded_simulator(tmp_path)
    try:
        assert fresh.is_ours()
        assert fresh.pid != started.pid
    finally:
        fresh.end()
