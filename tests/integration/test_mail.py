"""An error in the middle of a night reaches the admins, whether their mail server is there or not."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from app.bootstrap.observatory import SETTINGS_VARIABLE, open_observatory, settings_of
from app.commands.console import mails
from app.model.errors import ObservatoryError
from app.model.settings import Mail
from app.services.alerts import deliver_due, try_account
from app.store.engine import open_database
from app.store.outbox import Outbox
from tests.builders import small_night
from tests.fakes import FakeClock
from tests.integration.nights import Home


class Postbox:
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.mails: list[Message] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def home(tmp_path: Path, port: int) -> Home:
    home = Home(tmp_path)
    home.settings(f'[mail]\nhost = "127.0.0.1"\nport = {port}\nadmins = ["night@example.org"]\n')
    return home


@pytest.fixture
def night_with_an_error(tmp_path: Path) -> Path:
    folder = small_night(tmp_path / "raw").folder
    (folder / "broken.fits").write_bytes(b"no frame")
    return folder


@pytest.fixture
def server(port: int) -> Iterator[Postbox]:
    postbox = Postbox()
    controller = Controller(postbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield postbox
    finally:
        controller.stop()


def test_error_is_mailed_to_the_admins(home: Home, night_with_an_error: Path, server: Postbox) -> None:
    home.json("process", str(night_with_an_error))
    (mail,) = server.mails
    assert mail["To"] == "night@example.org"
    assert "raw" in mail["Subject"]
    assert "broken.fits" in mail["Subject"]


def test_without_a_server_nothing_waits_and_the_mail_arrives_later(
    home: Home, night_with_an_error: Path, request: pytest.FixtureRequest
) -> None:
    began = time.monotonic()
    report = home.json("process", str(night_with_an_error))
    assert report["status"] == "done_with_problems"
    assert time.monotonic() - began < 60.0
    postbox: Postbox = request.getfixturevalue("server")
    settings = settings_of(Path(home.run("settings", "path").stdout.strip()))
    later = FakeClock(datetime.now(UTC) + timedelta(minutes=2))
    database = open_database(f"sqlite:///{home.database}", later)
    try:
        assert deliver_due(Outbox(database, later), settings.mail).sent == 1
    finally:
        database.close()
    assert ["broken.fits" in mail["Subject"] for mail in postbox.mails] == [True]


@pytest.mark.logs_warnings
def test_no_mail_piles_up_without_a_host(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTINGS_VARIABLE, str(home.settings('[mail]\nadmins = ["night@example.org"]\n')))
    with open_observatory() as observatory:
        with mails(observatory):
            logging.getLogger("app").error("nobody reads this")
        assert observatory.outbox.waiting_count() == 0


def test_account_is_tried_without_a_mail(server: Postbox, port: int) -> None:
    assert try_account(Mail(host="127.0.0.1", port=port)) == f"127.0.0.1:{port} answers (250); no mail was sent"
    assert server.mails == []


@pytest.mark.parametrize(("host", "says"), [(None, "No mail server is set"), ("127.0.0.1", "takes no mail")])
def test_account_without_a_server_says_what_to_do(host: str | None, says: str, port: int) -> None:
    with pytest.raises(ObservatoryError, match=says):
        try_account(Mail(host=host, port=port))
