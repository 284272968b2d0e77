"""An order is taken whole or refused with every problem."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.model.errors import FieldProblem, OrderRefused
from app.model.work_order import (
    DEEPEST_ORDER,
    LARGEST_ORDER,
    NoJson,
    Request,
    SourceRefused,
    decode_order,
    parse_work_order,
    source_of_url,
)

CALIBRATE = {
    "id": "1",
    "request": "calibrate_file_batch",
    "url": "/data/x",
    "datetime": "2019-03-05T14:34:54.234",
    "user": "Main Module",
    "extra": [1, 2],
}
OBSERVE = {
    "id": 7,
    "request": "observation",
    "datetime": "2019-03-05T14:34:54+02:00",
    "user": "u",
    "ra": 10.5,
    "dec": -20,
    "priority": None,
}


def problems(payload: Any) -> dict[str, str]:
    with pytest.raises(OrderRefused) as refused:
        parse_work_order(payload)
    return {problem.field: problem.remedy for problem in refused.value.problems}


def test_calibration_order_keeps_what_nobody_knows() -> None:
    order = parse_work_order(CALIBRATE)
    assert (order.user, order.id, order.request, order.url) == ("Main Module", "1", Request.CALIBRATE, "/data/x")
    assert order.ordered_at == datetime(2019, 3, 5, 14, 34, 54, 234000, UTC)
    assert order.payload["extra"] == [1, 2]


def test_observation_order() -> None:
    order = parse_work_order(OBSERVE)
    assert (order.id, order.ra_deg, order.dec_deg, order.priority) == ("7", 10.5, -20.0, None)
    assert order.ordered_at == datetime(2019, 3, 5, 12, 34, 54, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ra", 360.0),
        ("ra", -0.1),
        ("ra", "10"),
        ("ra", True),
        ("ra", float("nan")),
        ("ra", None),
        ("dec", 90.1),
        ("dec", float("inf")),
        ("priority", 11),
        ("datetime", "05.03.2019"),
        ("datetime", 5),
        ("datetime", "0001-01-01T00:00:00+14:00"),
        ("ra", 10**400),
        ("user", "a\x00b"),
        ("id", "\udcff"),
        ("user", " "),
        ("id", None),
        ("request", "observe"),
        ("request", ["observation"]),
    ],
)
def test_one_bad_field_is_named_with_its_limit(field: str, value: Any) -> None:
    found = problems(OBSERVE | {field: value})
    assert set(found) == {field}
    assert found[field].startswith("must be")


def test_all_problems_come_at_once() -> None:
    assert set(problems({"request": "observation", "ra": 400, "dec": "x"})) == {"id", "user", "datetime", "ra", "dec"}


@pytest.mark.parametrize(
    "url",
    [
        "relative/path",
        "https://example.org/get?allfiles",
        "file://[x",
        "file://data/night",
        "file:///data/night#2",
        "file:///data/night?",
        "file:///data/a%00b",
    ],
)
def test_source_must_be_within_reach(url: str) -> None:
    assert set(problems(CALIBRATE | {"url": url})) == {"url"}


def test_number_that_json_does_not_have_is_refused_wherever_it_stands() -> None:
    assert problems(CALIBRATE | {"extra": {"gain": [float("nan")]}}) == {
        "extra": "has NaN or Infinity: give null or a finite number"
    }


def test_calibration_needs_a_url_and_resume_a_batch() -> None:
    without = {name: value for name, value in CALIBRATE.items() if name != "url"}
    assert set(problems(without)) == {"url"}
    assert set(problems(without | {"request": "resume_file_batch"})) == {"batch"}
    assert parse_work_order(without | {"request": "restart_file_batch", "batch": "night"}).batch == "night"


@pytest.mark.parametrize("payload", [None, [], "order", 5])
def test_what_is_no_object_is_refused(payload: Any) -> None:
    assert set(problems(payload)) == {"order"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_order_is_read_in_every_encoding_of_json(encoding: str) -> None:
    text = json.dumps(CALIBRATE | {"note": "ž"}, ensure_ascii=False)
    assert decode_order(text.encode(encoding)) == CALIBRATE | {"note": "ž"}


@pytest.mark.parametrize(
    ("sent", "remedy"),
    [
        (b"calibrate, please", "is no JSON"),
        (b"", "is no JSON"),
        (b"\xff\x00\xfe", "is no JSON"),
        (b"1" * 5000, "is no JSON"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'[{"a": ' * 50 + b"[1]" + b"}]" * 50, "is nested too deeply"),
        (b" " * LARGEST_ORDER + b"1", "is too large"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(sent: bytes, remedy: str) -> None:
    with pytest.raises(NoJson) as refused:
        decode_order(sent)
    (problem,) = refused.value.problems
    assert problem.field == "order"
    assert problem.remedy.startswith(remedy)


def test_order_may_be_a_hundred_deep() -> None:
    assert decode_order(b"[" * DEEPEST_ORDER + b"]" * DEEPEST_ORDER)


def test_file_url_is_a_path() -> None:
    assert source_of_url("file:///data/my%20night") == "/data/my night"
    assert source_of_url("FILE://localhost/data/night%232") == "/data/night#2"
    assert source_of_url("/data/a%20b?#") == "/data/a%20b?#"


def test_file_url_of_another_machine_is_no_path() -> None:
    with pytest.raises(SourceRefused, match="write it like file:///data/night"):
        source_of_url("file://data/night")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(database=None, deadline=None, max_examples=300)
@given(st.sampled_from([CALIBRATE, OBSERVE]), st.dictionaries(st.sampled_from([*CALIBRATE, *OBSERVE]), ANYTHING))
def test_whatever_comes_is_taken_whole_or_refused_with_reasons(good: dict[str, Any], changed: dict[str, Any]) -> None:
    assert all(problem.field and problem.remedy for problem in outcome(good | changed))


def outcome(payload: dict[str, Any]) -> tuple[FieldProblem, ...]:
    """The problems of an order, at least one when it is refused."""
    try:
        parse_work_order(payload)
    except OrderRefused as refused:
        return refused.problems or (FieldProblem("", "", "refused without a reason"),)
    return ()
