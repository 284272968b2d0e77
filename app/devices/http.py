"""HTTP to one Alpaca server: one kept connection, a total deadline, one family of errors."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from time import monotonic
from typing import Any
from urllib.parse import urlencode

from app.devices.refusals import refusal
from app.model.dome import DeviceError, DeviceRefused, DeviceUnreachable

log = logging.getLogger(__name__)

#: A call that has no answer by then is given up, however the reply trickles.
TIMEOUT_S = 2.0

_LONGEST_REPLY = 4_000_000


class _DeadlineSocket(socket.socket):
    """A socket that gives up at one moment, not so many seconds after each byte."""

    deadline_s = 0.0

    def recv_into(self, *args: Any, **options: Any) -> int:
        self.settimeout(_left_s(self.deadline_s))
        return super().recv_into(*args, **options)

    def sendall(self, *args: Any, **options: Any) -> None:
        self.settimeout(_left_s(self.deadline_s))
        super().sendall(*args, **options)


class Http:
    """One kept connection to one server, without proxies; for one thread at a time.

    Parameters
    ----------
    server : str
        ``HOST:PORT``; an IPv6 host in brackets.

    Attributes
    ----------
    losses : int
        How often the server closed a connection that was kept: it was idle for too long, or the server began anew.
    """

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self.server = server
        self.losses = 0
        self._host = "127.0.0.1" if host == "localhost" else host.strip("[]")
        self._connection = HTTPConnection(self._host, int(port))
        # Servers refuse the zone of an IPv6 address (fe80::1%eth0) in the header.
        self._host_header = f"[{self._host.partition('%')[0]}]:{port}" if ":" in self._host else server

    def request(self, verb: str, path: str, fields: Mapping[str, Any], timeout_s: float, what: str) -> dict[str, Any]:
        """Send one request and check that the reply is one of Alpaca, to this request, without an error.

        Parameters
        ----------
        verb : str
            GET or PUT; a GET that loses its connection is sent a second time.
        fields : mapping
            The query of a GET, the form of a PUT.
        timeout_s : float
            For everything together: connection, request, reply.
        what : str
            The subject of the sentences, such as ``"Dome 0 at 127.0.0.1:11111, azimuth"``.

        Raises
        ------
        DeviceUnreachable
            Without an answer in time, or with one that is not Alpaca's or not to this request.
        DeviceRefused, DeviceNotSupported, DeviceBusy
            With an answer that is an error.
        """
        deadline_s = monotonic() + timeout_s
        try:
            try:
                status, body = self._send(verb, path, fields, deadline_s)
            except (ConnectionResetError, BrokenPipeError):
                self.losses += 1
                if verb != "GET":
                    raise
                status, body = self._send(verb, path, fields, deadline_s)
        except TimeoutError as error:
            raise DeviceUnreachable(
                f"{what}: no answer within {timeout_s:g} s; see whether the server hangs or the network is down"
            ) from error
        except (OSError, HTTPException, UnicodeError) as error:
            raise DeviceUnreachable(
                f"{what}: no connection ({_short(error)}); start the server or correct its address in the settings"
            ) from error
        try:
            return _checked(status, body, fields.get("ClientTransactionID"), what)
        except _OthersReply:
            self.close()  # what comes next on this connection may be another's too
            raise

    def warm(self) -> None:
        """Open the connection before it is needed; nothing is sent."""
        try:
            self._open(monotonic() + TIMEOUT_S)
        except OSError as error:
            log.debug("%s is not warmed: %s", self.server, error)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def _send(self, verb: str, path: str, fields: Mapping[str, Any], deadline_s: float) -> tuple[int, bytes]:
        form, headers = urlencode(fields), {"Host": self._host_header}
        try:
            self._open(deadline_s)
            if verb == "GET":
                self._connection.request(verb, f"{path}?{form}" if form else path, headers=headers)
            else:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
                self._connection.request(verb, path, form.encode(), headers)
            reply = self._connection.getresponse()
            body = reply.read(_LONGEST_REPLY)
            if not reply.isclosed():
                raise HTTPException(f"the reply is longer than {_LONGEST_REPLY} bytes")
        except BaseException:
            self._connection.close()
            raise
        return reply.status, body

    def _open(self, deadline_s: float) -> None:
        kept = self._connection.sock
        is_kept = isinstance(kept, _DeadlineSocket)
        if not isinstance(kept, _DeadlineSocket) or _is_dropped(kept):
            self.losses += is_kept
            self._connection.close()
            plain = socket.create_connection((self._host, self._connection.port), _left_s(deadline_s))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            kept = _DeadlineSocket(plain.family, plain.type, plain.proto, plain.detach())
            self._connection.sock = kept
        kept.deadline_s = deadline_s


class _OthersReply(DeviceUnreachable):
    """A reply to another request than the one that was sent."""


def _checked(status: int, body: bytes, transaction: object, what: str) -> dict[str, Any]:
    """The reply, when it is one of Alpaca to this transaction and no error."""
    text = body.decode("utf-8", "replace")
    try:
        reply = json.loads(text)
        number, message, echo = reply["ErrorNumber"], reply.get("ErrorMessage"), reply.get("ClientTransactionID")
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(number)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _no_alpaca(status, text, what) from error
    if transaction is not None and echo not in (None, 0, "0", transaction, str(transaction)):
        raise _OthersReply(
            f"{what}: the answer is to request {str(echo)[:20]}, not to {transaction}; see whether a proxy mixes them up"
        )
    if number != 0:
        raise refusal(what, number, str(message or "without a word"))
    if status != 200:
        raise _no_alpaca(status, text, what)
    checked: dict[str, Any] = reply
    return checked


def _no_alpaca(status: int, text: str, what: str) -> DeviceError:
    if status != 200:
        return DeviceRefused(f"{what}: refused with HTTP {status} ({_plain(text)}); see what the server says")
    return DeviceUnreachable(
        f"{what}: the answer is not Alpaca's ({_plain(text)}); correct the address in the settings"
    )


def _is_dropped(kept: socket.socket) -> bool:
    """Whether the server has closed an idle connection, or sent what nobody asked for."""
    kept.settimeout(0.0)
    try:
        kept.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - monotonic()
    if left_s <= 0.0:
        raise TimeoutError("the deadline has passed")
    return left_s


def _short(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return _plain(text) if text.strip() else type(error).__name__


def _plain(text: str) -> str:
    return " ".join(text.split())[:80] or "empty"
