"""A server of which every byte is a test's, for what real servers do wrong."""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import contextmanager

_LIMIT_S = 10.0


def reply(value=None, number=0, message="", **more):
    """An Alpaca reply as JSON."""
    return json.dumps({"Value": value, "ErrorNumber": number, "ErrorMessage": message, **more})


def http(body, status="200 OK"):
    """A whole HTTP response."""
    body = body.encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def raw_server(*answers):
    """A server that answers the connections' requests in order, in bytes; the address, and the requests it got.

    An answer is bytes; a pair of bytes and a pause sends one byte at a time; None closes the connection; a function
    takes the connection.
    """
    requests, stop = [], threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    rest = list(answers)

    def serve():
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            with connection:
                answer_all(connection)

    def whole_request(connection):
        request = b""
        while not stop.is_set():
            try:
                piece = connection.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                return None
            if not piece:
                return None
            request += piece
            head, end, form = request.partition(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            if end and len(form) >= int(length[1] if length else 0):
                return request
        return None

    def answer_all(connection):
        connection.settimeout(0.05)
        while request := whole_request(connection):
            requests.append(request.decode())
            answer = rest.pop(0) if len(rest) > 1 else rest[0]
            if answer is None:
                return
            pieces, pause_s = (
                ([answer], 0.0) if isinstance(answer, bytes) else ([bytes([b]) for b in answer[0]], answer[1])
            )
            for piece in pieces:
                try:
                    connection.sendall(piece)
                except OSError:
                    return
                if pause_s and stop.wait(pause_s):
                    return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        stop.set()
        thread.join(_LIMIT_S)
        listener.close()
