"""Mails of the guard, sent by a thread of its own: guarding waits for none of them."""

from __future__ import annotations

import logging
import queue
import smtplib
import socket
import ssl
import threading
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from app.model.settings import Mail

log = logging.getLogger(__name__)

#: Waits after the first, second, ... failure of a mail, seconds; the last one repeats.
WAITS_S = (10.0, 30.0, 60.0, 300.0, 900.0)


class Mailer:
    """Sends one mail after the other, each until a server takes it.

    Parameters
    ----------
    account : Mail
        Without a host or admins nothing is sent.
    waits_s : tuple of float
        Between tries.
    """

    def __init__(self, account: Mail, waits_s: tuple[float, ...] = WAITS_S) -> None:
        self._account = account
        self._waits_s = waits_s
        self._mails: queue.SimpleQueue[EmailMessage] = queue.SimpleQueue()
        self._ended = threading.Event()
        self.failure = ""
        if account.recipients:
            threading.Thread(target=self._run, name="mail", daemon=True).start()

    def send(self, subject: str, body: str) -> None:
        """Send it soon; returns at once."""
        if not self._account.recipients:
            return
        now = datetime.now(UTC)
        message = EmailMessage()
        message["From"] = self._account.sender
        message["To"] = ", ".join(self._account.recipients)
        message["Subject"] = " ".join(f"[Cupola guard] {subject}".split())[:150]
        message["Date"] = format_datetime(now)
        # The same at every try: should a server take a mail twice, the reader sees it once.
        message["Message-ID"] = make_msgid(domain=self._account.sender.rpartition("@")[2])
        message.set_content(f"{now:%Y-%m-%d %H:%M:%S} UTC\n\n{body}\n")
        self._mails.put(message)

    def close(self) -> None:
        """Try no more; what waits is lost."""
        self._ended.set()

    def _run(self) -> None:
        while True:
            message = self._mails.get()
            tries = 0
            while not self._is_sent(message):
                if self._ended.wait(self._waits_s[min(tries, len(self._waits_s) - 1)]):
                    return
                tries += 1

    def _is_sent(self, message: EmailMessage) -> bool:
        try:
            _deliver(message, self._account)
        except Exception as error:  # noqa: BLE001 - the next try may do better, and the thread must live
            place = f"{self._account.host}:{self._account.port}"
            self.failure = f"The mail {message['Subject']!r} is not taken by {place}: {error}"
            log.warning("%s", self.failure)
            return False
        self.failure = ""
        return True


def _deliver(message: EmailMessage, account: Mail) -> None:
    """One try."""
    with _Conversation(account.host or "", account.port, account.timeout_s) as server:
        if account.starttls:
            server.starttls(context=ssl.create_default_context())
        if account.user:
            server.login(account.user, account.password.get_secret_value() if account.password else "")
        refused = server.send_message(message)
    for recipient, answer in refused.items():
        log.warning("The mail %r was refused for %s: %s", message["Subject"], recipient, answer)


class _Conversation(smtplib.SMTP):
    """A conversation with a mail server that is broken off after `total_s`; smtplib's own limit is per packet."""

    def __init__(self, host: str, port: int, total_s: float) -> None:
        self._watch = threading.Timer(total_s, self._break_off)
        self._watch.daemon = True
        self._watch.start()
        try:
            # Its own choice of a name would ask the name server, for as long as that takes.
            super().__init__(host, port, local_hostname=socket.gethostname(), timeout=total_s)
        except BaseException:
            self._watch.cancel()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._watch.cancel()
        super().close()

    def _break_off(self) -> None:
        connection: socket.socket | None = self.sock
        if connection is not None:
            with suppress(OSError):  # it has gone meanwhile
                # Past `SSLSocket.shutdown`, which takes the encryption away from the thread that reads.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
