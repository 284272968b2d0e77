"""Work orders: the mission's JSON, validated whole, all problems at once."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from app.model.errors import FieldProblem, ObservatoryError, OrderRefused

#: What no database keeps in a text: control characters, and halves of characters.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

#: Largest order, in bytes of JSON, and how deep its lists and objects may lie in one another.
LARGEST_ORDER = 1_000_000
DEEPEST_ORDER = 100

_FILE_URL = "write it like file:///data/night, with # and ? in names as %23 and %3F"


class SourceRefused(ObservatoryError):
    """A ``file://`` URL that names no file of this machine."""


class NoJson(OrderRefused):
    """What was sent for an order cannot be read at all."""


class Request(StrEnum):
    """What an order asks for."""

    CALIBRATE = "calibrate_file_batch"
    RESUME = "resume_file_batch"
    RESTART = "restart_file_batch"
    OBSERVE = "observation"

    @property
    def for_processor(self) -> bool:
        """Whether the Processor takes it; the others are the Telescope's."""
        return self is not Request.OBSERVE


class OrderState(StrEnum):
    """Life of an order."""

    WAITING = "waiting"
    HELD = "held"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    DONE_WITH_PROBLEMS = "done_with_problems"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """One validated order; its identity is (user, id).

    Attributes
    ----------
    payload : dict
        The JSON as it came, with the keys that nobody knows.
    ordered_at : datetime
        The sender's ``datetime``, UTC.
    batch, url : str or None
        What a Processor order is about: a batch's name, or where its files are.
    ra_deg, dec_deg : float or None
        Where an observation points, ICRS.
    priority : float or None
        0 to 10, given by the scheduler.
    """

    user: str
    id: str
    request: Request
    ordered_at: datetime
    payload: dict[str, Any] = field(hash=False)
    url: str | None = None
    batch: str | None = None
    ra_deg: float | None = None
    dec_deg: float | None = None
    priority: float | None = None


def decode_order(sent: bytes) -> object:
    """Read the JSON of an order, from wherever it came.

    Parameters
    ----------
    sent : bytes
        JSON in UTF-8, UTF-16 or UTF-32.

    Returns
    -------
    object
        What it says, for `parse_work_order`.

    Raises
    ------
    NoJson
        If it is no JSON, larger than `LARGEST_ORDER`, or deeper than `DEEPEST_ORDER`.
    """
    if len(sent) > LARGEST_ORDER:
        raise _no_json(f"{len(sent)} bytes", f"is too large: send at most {LARGEST_ORDER} bytes")
    try:
        payload: object = json.loads(sent)
    except RecursionError as error:
        raise _no_json("JSON", _TOO_DEEP) from error
    except ValueError as error:  # UnicodeDecodeError is one
        shown = _shown(sent.decode("utf-8", "replace"))
        raise _no_json(shown, f"is no JSON ({error}): send one JSON object") from error
    if _is_deeper(payload, DEEPEST_ORDER):
        raise _no_json("JSON", _TOO_DEEP)
    return payload


def parse_work_order(payload: object) -> WorkOrder:
    """Check an order and return it as a value.

    Parameters
    ----------
    payload : object
        Decoded JSON.

    Returns
    -------
    WorkOrder
        The order as a value; its payload holds the JSON as it came.

    Raises
    ------
    OrderRefused
        With every problem found, by field.
    """
    if not isinstance(payload, dict):
        problem = FieldProblem("order", _shown(payload), 'must be a JSON object such as {"id": "1", "request": ...}')
        raise OrderRefused("Work order refused", (problem,))
    reader = _Fields(payload)
    order_id = reader.text("id")
    user = reader.text("user")
    request = reader.request()
    ordered_at = reader.time("datetime")
    url = batch = None
    ra_deg = dec_deg = priority = None
    if request is Request.OBSERVE:
        ra_deg = reader.number("ra", 0.0, 360.0, "degrees ICRS", upper_open=True)
        dec_deg = reader.number("dec", -90.0, 90.0, "degrees ICRS")
        if payload.get("priority") is not None:
            priority = reader.number("priority", 0.0, 10.0, "or null, which lets the scheduler decide")
    elif request is not None:
        url = reader.source("url")
        batch = reader.text("batch") if "batch" in payload else None
        if request is Request.CALIBRATE and "url" not in payload:
            reader.fault("url", None, "is missing: give the folder or file:// URL of the frames")
        elif "url" not in payload and "batch" not in payload:
            reader.fault("batch", None, 'is missing: name the batch by "batch" or "url"')
    reader.require_json()
    if reader.problems or order_id is None or user is None or request is None or ordered_at is None:
        raise OrderRefused(f"Work order {_shown(payload.get('id'))} refused", tuple(reader.problems))
    return WorkOrder(user, order_id, request, ordered_at, payload, url, batch, ra_deg, dec_deg, priority)


def source_of_url(url: str) -> str:
    """Local path of a path or ``file://`` URL; other URLs are returned as they are.

    Raises
    ------
    SourceRefused
        If a ``file://`` URL names another machine, or has a query or fragment.
    """
    from urllib.request import url2pathname  # brings HTTP and TLS along: not before the first paint

    if not url.lower().startswith("file:"):
        return url
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SourceRefused(f"{url!r} is no file:// URL ({error}): {_FILE_URL}") from error
    path = url2pathname(parts.path)
    if parts.netloc.lower() not in ("", "localhost") or "?" in url or "#" in url or _CONTROL.search(path):
        raise SourceRefused(f"{url!r} names no file of this machine: {_FILE_URL}")
    return path


@dataclass(slots=True)
class _Fields:
    """Reads the fields of one payload and gathers every problem."""

    payload: dict[str, Any]
    problems: list[FieldProblem] = field(default_factory=list)

    def fault(self, name: str, value: object, remedy: str) -> None:
        self.problems.append(FieldProblem(name, _shown(value), remedy))

    def text(self, name: str) -> str | None:
        value = self.payload.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value.strip() or len(value) > 200:
            self.fault(name, value, "must be a text of 1 to 200 characters")
            return None
        if _CONTROL.search(value.strip()):
            self.fault(name, value, "must be text without control characters")
            return None
        return value.strip()

    def request(self) -> Request | None:
        value = self.payload.get("request")
        if value not in tuple(Request):
            self.fault("request", value, "must be one of " + ", ".join(Request))
            return None
        return Request(value)

    def time(self, name: str) -> datetime | None:
        value = self.payload.get(name)
        try:
            if isinstance(value, str):
                moment = datetime.fromisoformat(value)
                return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):  # no time, or one before the year 1 in UTC
            pass
        self.fault(name, value, "must be an ISO 8601 time such as 2019-03-05T14:34:54.234 (UTC)")
        return None

    def number(self, name: str, low: float, high: float, unit: str, *, upper_open: bool = False) -> float | None:
        value = self.payload.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or value is None or not low <= value <= high or (upper_open and value == high):
            below = "less than " if upper_open else ""
            self.fault(name, value, f"must be a number from {low:g} to {below}{high:g} {unit}")
            return None
        return float(value)

    def source(self, name: str) -> str | None:
        if name not in self.payload:
            return None
        url = self.text(name)
        if url is None:
            return None
        if url.lower().startswith(("http:", "https:")):
            self.fault(name, url, "cannot be fetched yet: give a folder or a file:// URL that this machine can read")
            return None
        try:
            path = source_of_url(url)
        except SourceRefused:
            self.fault(name, url, f"must name a file of this machine: {_FILE_URL}")
            return None
        if not PurePath(path).is_absolute():
            self.fault(name, url, "must be an absolute path or a file:// URL")
            return None
        return url

    def require_json(self) -> None:
        """Find numbers that Python's JSON reader takes and JSON does not have."""
        for name in self.payload.keys() - {problem.field for problem in self.problems}:
            try:
                json.dumps(self.payload[name], allow_nan=False)
            except ValueError:
                self.fault(name, self.payload[name], "has NaN or Infinity: give null or a finite number")


_TOO_DEEP = f"is nested too deeply: put lists and objects at most {DEEPEST_ORDER} deep into one another"


def _no_json(value: str, remedy: str) -> NoJson:
    return NoJson("Work order refused", (FieldProblem("order", value, remedy),))


def _is_deeper(value: object, limit: int) -> bool:
    """Whether lists and objects lie deeper in one another than `limit`."""
    level = [value]
    for _ in range(limit):
        holders = [one for one in level if isinstance(one, dict | list)]
        level = [inner for one in holders for inner in (one.values() if isinstance(one, dict) else one)]
    return any(isinstance(one, dict | list) for one in level)


def _shown(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
