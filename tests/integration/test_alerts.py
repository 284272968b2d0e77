"""Alerts, from the logged error to the mail that a real server took."""

from __future__ import annotations

import io
import logging
import queue
import smtplib
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from threading import Barrier, Event, Thread

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from sqlalchemy import select, text

from app.model.settings import Mail as MailAccount
from app.services.alerts import WAITS, AlertHandler, Delivery, deliver_due
from app.store.engine import open_database
from app.store.outbox import Outbox
from app.store.tables import MailRow
from tests.fakes import FakeClock

ADA = "ada@example.org"
GRACE = "grace@example.org"


class Mailbox:
    """What a mail server does with a mail: keep it, or refuse it."""

    def __init__(self) -> None:
        self.messages = []
        self.refuses: str | None = None

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        if address == self.refuses:
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.messages.append(message_from_bytes(envelope.content, policy=default))
        return "250 taken"


class Server(Controller):
    """A mail server at a port that the system chose."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def server(mailbox):
    server = Server(mailbox, hostname="127.0.0.1", port=0)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def account(server) -> MailAccount:
    return account_at(server.port)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 3, 14, 20, 0, tzinfo=UTC))


@pytest.fixture
def outbox(tmp_path, clock):
    database = open_database(f"sqlite:///{tmp_path / 'cupola.db'}?timeout=0.05")
    yield Outbox(database, clock)
    database.close()


@pytest.fixture
def logger():
    """A logger of its own, which `app` does not see."""
    logger = logging.getLogger("observatory")
    logger.propagate = False
    yield logger
    for handler in list(logger.handlers):
        logger.removeHandler(handler)


def account_at(port: int, **more) -> MailAccount:
    return MailAccount(host="127.0.0.1", port=port, sender="cupola@example.org", timeout_s=5.0, **more)


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def row_of(outbox: Outbox) -> MailRow:
    with outbox.database.reading() as session:
        return session.scalars(select(MailRow)).one()


def test_an_error_reaches_the_admins(outbox, account, mailbox, logger):
    logger.addHandler(AlertHandler(outbox, [ADA, GRACE]))
    logger.warning("only a warning")
    try:
        raise OSError("no space left")
    except OSError:
        logger.exception("Flat %s\nis lost: Ω", "R", extra={"batch": "night1"})

    assert deliver_due(outbox, account) == Delivery(sent=1)

    (message,) = mailbox.messages
    assert message["Subject"] == "[Cupola] night1: Flat R is lost: Ω"
    assert (message["From"], message["To"]) == ("cupola@example.org", f"{ADA}, {GRACE}")
    assert message["Date"].datetime == outbox.clock.utc()
    body = message.get_content().replace("\r\n", "\n")
    assert "ERROR of observatory" in body
    assert "Flat R\nis lost: Ω" in body
    assert "OSError: no space left" in body
    assert outbox.waiting_count() == 0
    assert deliver_due(outbox, account) == Delivery()


@pytest.mark.logs_warnings
def test_a_mail_waits_for_a_server_that_is_down(outbox, account, mailbox, clock):
    outbox.add([ADA], "first", "body")
    outbox.add([ADA], "second", "body")

    # The second mail is not tried: the server would not answer it either.
    assert deliver_due(outbox, account_at(closed_port())) == Delivery(failed=1)
    assert outbox.waiting_count() == 2

    clock.advance(minutes=1)
    assert deliver_due(outbox, account) == Delivery(sent=2)
    assert [message["Subject"] for message in mailbox.messages] == ["first", "second"]


@pytest.mark.logs_warnings
def test_waits_grow_from_a_minute_to_an_hour(outbox, clock):
    outbox.add([ADA], "subject", "body")
    down = account_at(closed_port())

    waited = []
    for _ in range(7):
        assert deliver_due(outbox, down) == Delivery(failed=1)
        row = row_of(outbox)
        waited.append(row.next_try_at - clock.utc())
        clock.now = row.next_try_at - timedelta(seconds=1)
        assert deliver_due(outbox, down) == Delivery()
        clock.now = row.next_try_at

    assert waited == [*WAITS, WAITS[-1], WAITS[-1]]
    assert [wait.total_seconds() / 60 for wait in WAITS] == [1, 2, 5, 15, 60]
    assert (row.attempts, row.sent_at) == (7, None)
    assert "refused" in row.last_error.lower()


@pytest.mark.logs_warnings
def test_a_mail_that_is_refused_does_not_stop_the_others(outbox, account, mailbox):
    mailbox.refuses = GRACE
    outbox.add([GRACE], "to nobody", "body")
    outbox.add([GRACE, ADA], "to one of two", "body")
    outbox.add([ADA, "line\nbreak"], "to no address", "body")

    assert deliver_due(outbox, account) == Delivery(sent=1, failed=2)
    assert [message["Subject"] for message in mailbox.messages] == ["to one of two"]


@pytest.mark.logs_warnings
@pytest.mark.parametrize("greets", [False, True])
def test_a_server_that_dribbles_is_left_in_time(outbox, greets):
    """Each byte comes within any time-out per packet, and the answer never ends."""
    stop = Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def dribble() -> None:
        connection, _ = listener.accept()
        with connection:
            if greets:
                connection.sendall(b"220 hello\r\n")
            while not stop.wait(0.02):
                try:
                    connection.sendall(b"2")
                except OSError:
                    return

    thread = Thread(target=dribble)
    thread.start()
    outbox.add([ADA], "subject", "body")
    account = MailAccount(host="127.0.0.1", port=listener.getsockname()[1], timeout_s=0.3)
    try:
        assert deliver_due(outbox, account) == Delivery(failed=1)
    finally:
        stop.set()
        thread.join(5)
        listener.close()

    assert "no mail taken within 0.3 s" in row_of(outbox).last_error


def test_two_deliverers_send_a_mail_once(outbox, account, mailbox):
    for number in range(8):
        outbox.add([ADA], f"mail {number}", "body")
    barrier = Barrier(2)

    def deliver(_: int) -> Delivery:
        barrier.wait(10)
        database = open_database(outbox.database.engine.url.set(query={}).render_as_string())
        try:
            return deliver_due(Outbox(database, outbox.clock), account)
        finally:
            database.close()

    with ThreadPoolExecutor(2) as pool:
        deliveries = list(pool.map(deliver, range(2)))

    assert sum(delivery.sent for delivery in deliveries) == 8
    assert sorted(message["Subject"] for message in mailbox.messages) == [f"mail {number}" for number in range(8)]


def test_a_mail_of_a_deliverer_that_died_is_sent_by_another(outbox, account, mailbox, clock):
    outbox.add([ADA], "subject", "body")
    (mail,) = outbox.due(clock.utc())
    assert outbox.claim(mail.key, clock.utc())  # and here it died

    assert deliver_due(outbox, account) == Delivery()
    clock.advance(minutes=10)
    assert deliver_due(outbox, account) == Delivery(sent=1)


def test_without_a_server_mails_stay(outbox):
    outbox.add([ADA], "subject", "body")

    assert deliver_due(outbox, MailAccount()) == Delivery()
    assert (outbox.waiting_count(), row_of(outbox).attempts) == (1, 0)


def test_a_server_that_asks_who_sends_is_told(outbox, mailbox):
    asked = queue.SimpleQueue()

    def check(server, session, envelope, mechanism, data):
        asked.put((data.login, data.password))
        return AuthResult(success=True)

    server = Server(mailbox, hostname="127.0.0.1", port=0, authenticator=check, auth_require_tls=False)
    server.start()
    try:
        outbox.add([ADA], "subject", "body")
        assert deliver_due(outbox, account_at(server.port, user="ada", password="s3cret")) == Delivery(sent=1)
    finally:
        server.stop()
    assert asked.get(timeout=5) == (b"ada", b"s3cret")


@pytest.mark.logs_warnings
def test_no_mail_goes_out_in_the_clear_when_it_is_to_be_encrypted(outbox, account, mailbox):
    outbox.add([ADA], "subject", "body")

    assert deliver_due(outbox, account.model_copy(update={"starttls": True})) == Delivery(failed=1)
    assert mailbox.messages == []
    assert "STARTTLS" in row_of(outbox).last_error


def test_the_same_error_mails_once(outbox, logger, clock):
    logger.addHandler(AlertHandler(outbox, [ADA]))
    for frame in ("a.fits", "a.fits", "b.fits", "a.fits"):
        logger.error("Frame %s is cut off", frame)

    assert [mail.subject for mail in outbox.due(clock.utc())] == [
        "[Cupola] Frame a.fits is cut off",
        "[Cupola] Frame b.fits is cut off",
    ]


def test_without_admins_there_is_no_mail(outbox, logger):
    logger.addHandler(AlertHandler(outbox, ()))
    logger.error("nobody reads this")

    assert outbox.waiting_count() == 0


def test_an_alert_that_cannot_be_kept_stops_nobody(outbox, logger, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    handler = AlertHandler(outbox, [ADA])
    logger.addHandler(handler)
    with outbox.database.writing() as session:
        session.execute(text("DELETE FROM mail"))
        logger.error("while the database is locked")
    handler.handle(logger.makeRecord("observatory", logging.ERROR, "file", 1, "three %s", ("values", "here"), None))

    said = sys.stderr.getvalue()
    assert "is locked by another program" in said
    assert "not all arguments converted" in said
    logger.error("while the database is locked")  # was not mailed, so this is no repetition
    assert outbox.waiting_count() == 1


def test_an_error_of_the_outbox_itself_is_no_alert(outbox, logger, monkeypatch):
    add = Outbox.add

    def complain(self, *arguments):
        logger.error("the outbox is unwell")
        add(self, *arguments)

    monkeypatch.setattr(Outbox, "add", complain)
    logger.addHandler(AlertHandler(outbox, [ADA]))
    logger.error("Frame a.fits is cut off")

    assert [mail.subject for mail in outbox.due(outbox.clock.utc())] == ["[Cupola] Frame a.fits is cut off"]


@pytest.mark.logs_warnings
def test_a_goodbye_without_an_answer_does_not_send_the_mail_again(outbox, account, mailbox, monkeypatch):
    def fall_silent(self):
        raise smtplib.SMTPServerDisconnected("gone")

    monkeypatch.setattr(smtplib.SMTP, "quit", fall_silent)
    outbox.add([ADA], "subject", "body")

    assert deliver_due(outbox, account) == Delivery(sent=1)
    assert outbox.waiting_count() == 0
