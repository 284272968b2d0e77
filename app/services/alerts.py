"""Mails to the operators: every error goes into the outbox at once, and out when a mail server takes it.

Nothing here waits for the network but `deliver_due`, which somebody calls now and then.
"""

from __future__ import annotations

import asyncio
import logging
import smtplib
import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime

from app.model.errors import ObservatoryError, StoreError
from app.model.records import QueuedMail
from app.model.settings import Mail as MailAccount
from app.store.outbox import Outbox

log = logging.getLogger(__name__)

#: Waits after the first, second, ... failure of a mail; the last one repeats.
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 60))

#: How often a program that stays looks for mails that are due, seconds.
MAILS_S = 60.0

#: Longest subject, in characters; the body has the whole message.
SUBJECT_LENGTH = 150

#: Answers of a server about one mail; with any other failure there is no point in trying the next mail now.
_REFUSALS = (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError, ValueError)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of one delivery: numbers of mails."""

    sent: int = 0
    failed: int = 0


async def send_mails(outbox: Outbox, account: MailAccount) -> None:
    """Deliver what is due, again and again, until cancelled."""
    while True:
        try:
            await asyncio.to_thread(deliver_due, outbox, account)
        except StoreError as error:
            log.debug("Mails wait: %s", error)
        await asyncio.sleep(MAILS_S)


def deliver_due(outbox: Outbox, account: MailAccount) -> Delivery:
    """Send the mails whose time has come.

    A mail that fails waits longer and longer (`WAITS`). When the server itself fails, the mails behind the first one
    are left as they are, due at the next call. Several deliverers may work at once: each mail is claimed by one.

    Parameters
    ----------
    outbox : Outbox
        Where the mails are.
    account : app.model.settings.Mail
        How to send them; without a host they stay where they are.

    Returns
    -------
    Delivery
        How many mails a server took, and how many it did not.

    Raises
    ------
    StoreError
        If the outbox cannot be used; never for a mail server.
    """
    host = account.host
    if host is None:
        return Delivery()
    sent = failed = 0
    for mail in outbox.due(outbox.clock.utc()):
        if not outbox.claim(mail.key, outbox.clock.utc()):
            continue
        try:
            _send(mail, host, account)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            failed += 1
            _put_back(outbox, mail, f"{host}:{account.port}: {error}")
            if not isinstance(error, _REFUSALS):
                break
        else:
            sent += 1
            outbox.sent(mail.key, outbox.clock.utc())
    return Delivery(sent, failed)


def try_account(account: MailAccount) -> str:
    """Greet the mail server, and say in a sentence what it answered; no mail is sent.

    Raises
    ------
    ObservatoryError
        There is none, or it takes no mail.
    """
    if account.host is None:
        raise ObservatoryError("No mail server is set: give mail.host, save, and start Cupola again")
    place = f"{account.host}:{account.port}"
    try:
        server = _Conversation(account.host, account.port, account.timeout_s)
        try:
            code, _ = server.noop()
        finally:
            server.part()
    except (OSError, smtplib.SMTPException) as error:
        raise ObservatoryError(f"{place} takes no mail: {error}: check mail.host and mail.port") from error
    return f"{place} answers ({code}); no mail was sent"


class AlertHandler(logging.Handler):
    """Puts one mail per ERROR into the outbox; the same error mails once in the life of the process.

    A record may say by an attribute `batch` which batch it is about.

    Parameters
    ----------
    outbox : Outbox
        Where the mails wait.
    admins : sequence of str
        Addresses that they go to.
    """

    def __init__(self, outbox: Outbox, admins: Sequence[str]) -> None:
        super().__init__(logging.ERROR)
        self._outbox = outbox
        self._admins = tuple(admins)
        self._mailed: set[str] = set()
        self._is_adding = False

    def emit(self, record: logging.LogRecord) -> None:
        """Put the record's mail into the outbox; a failure to do so is shown on standard error."""
        # The handler's lock is held here, so only an error logged by the outbox itself can come in between.
        if self._is_adding or not self._admins:
            return
        self._is_adding = True
        try:
            subject, body = _alert(record)
            if subject + body not in self._mailed:
                when = datetime.fromtimestamp(record.created, UTC).isoformat(" ", "seconds")
                self._outbox.add(self._admins, subject, f"{when}\n{body}")
                self._mailed.add(subject + body)
        except Exception:  # noqa: BLE001 - logging never stops the work that logs; standard error has it whole
            self.handleError(record)
        finally:
            self._is_adding = False


def _alert(record: logging.LogRecord) -> tuple[str, str]:
    """Subject and body, the same for the same error: without its time."""
    message = record.getMessage()
    batch = getattr(record, "batch", None)
    subject = " ".join(f"[Cupola] {f'{batch}: ' if batch else ''}{message}".split())
    lines = [f"{record.levelname} of {record.name}", "", message]
    if record.exc_info:
        lines += ["", logging.Formatter().formatException(record.exc_info)]
    return subject[:SUBJECT_LENGTH], "\n".join(lines)


def _put_back(outbox: Outbox, mail: QueuedMail, error: str) -> None:
    wait = WAITS[min(mail.attempts, len(WAITS) - 1)]
    outbox.failed(mail.key, error, outbox.clock.utc() + wait)
    # Not an ERROR: that would send another mail.
    log.warning("Mail %r not sent (%s); next try in %d minutes", mail.subject, error, wait.total_seconds() // 60)


def _send(mail: QueuedMail, host: str, account: MailAccount) -> None:
    message = _message(mail, account.sender)
    server = _Conversation(host, account.port, account.timeout_s)
    try:
        if account.starttls:
            server.starttls(context=ssl.create_default_context())
        if account.user:
            server.login(account.user, account.password.get_secret_value() if account.password else "")
        refused = server.send_message(message)
    finally:
        server.part()
    for recipient, answer in refused.items():
        log.warning("Mail %r was refused for %s: %s", mail.subject, recipient, answer)


def _message(mail: QueuedMail, sender: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(mail.recipients)
    message["Subject"] = " ".join(mail.subject.split())
    message["Date"] = format_datetime(mail.created_at)
    # The same at every try: should a server take a mail twice, the reader sees it once.
    message["Message-ID"] = f"<{mail.created_at:%Y%m%d%H%M%S%f}.{mail.key}@{sender.rpartition('@')[2]}>"
    message.set_content(mail.body)
    return message


class _Conversation(smtplib.SMTP):
    """A conversation with a mail server that is broken off after `total_s`; smtplib's own limit is per packet."""

    def __init__(self, host: str, port: int, total_s: float) -> None:
        self._total_s = total_s
        self._is_late = threading.Event()
        self._watch = threading.Timer(total_s, self._break_off)
        self._watch.daemon = True
        self._watch.start()
        try:
            # Its own choice of a name would ask the name server, for as long as that takes.
            super().__init__(host, port, local_hostname=socket.gethostname(), timeout=total_s)
        except BaseException:
            self.close()
            raise

    def part(self) -> None:
        """Say goodbye; whether the server answers says nothing about the mail any more."""
        with suppress(OSError, smtplib.SMTPException):
            self.quit()
        self.close()

    def getreply(self) -> tuple[int, bytes]:
        """Read an answer; one that was broken off is no answer, though smtplib would take it for one."""
        self._refuse_late()
        try:
            answer = super().getreply()
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            self._refuse_late(error)
            raise
        self._refuse_late()
        return answer

    def _refuse_late(self, cause: Exception | None = None) -> None:
        if self._is_late.is_set():
            raise TimeoutError(f"no mail taken within {self._total_s:g} s") from cause

    def close(self) -> None:
        """Close the connection."""
        self._watch.cancel()
        super().close()

    def _break_off(self) -> None:
        self._is_late.set()
        connection: socket.socket | None = self.sock
        if connection is not None:
            with suppress(OSError):  # it has gone meanwhile
                # Past `SSLSocket.shutdown`, which takes the encryption away from the thread that reads.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
