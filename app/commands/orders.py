"""`cupola orders`: bring orders in, look at them, hold and cancel them, and run those of the Processor."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from app.bootstrap.observatory import Observatory, open_observatory
from app.bootstrap.program import operator
from app.commands.console import BAD_USAGE, DONE, FAILED, ProgressLine, give, mails, refuse, say
from app.commands.process import cancelling, summary
from app.model.errors import ObservatoryError, OrderRefused
from app.model.order_life import StoredOrder
from app.model.work_order import OrderState, decode_order

_LISTED = 1000


def submit(file: str, *, as_json: bool) -> int:
    """Take in the order of a JSON file, or of standard input."""
    try:
        sent = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        return refuse(f"order {file} cannot be read: {error.strerror}: check the path", as_json=as_json, code=BAD_USAGE)
    try:
        payload = decode_order(sent)
        with open_observatory() as observatory:
            stored, is_new = observatory.front_desk.take_in(payload, operator())
    except OrderRefused as refusal:
        return _refused(str(refusal), refusal.as_json, as_json=as_json)
    except ObservatoryError as error:
        return _refused(str(error), [], as_json=as_json)
    text = f"order {stored.name} {'taken in' if is_new else 'is known already'}: {stored.state}"
    give({"accepted": True, "new": is_new, "order": stored.as_json}, text, as_json=as_json)
    return DONE


def show_all(*, as_json: bool) -> int:
    """List the orders."""
    with open_observatory() as observatory:
        orders = observatory.orders.all(_LISTED)
    text = "\n".join(_line(stored) for stored in orders) or "no orders: submit one with `cupola orders submit FILE`"
    give([stored.as_json for stored in orders], text, as_json=as_json)
    return DONE


def show(order_id: str, *, as_json: bool) -> int:
    """Show one order with its source JSON and its result."""
    with open_observatory() as observatory:
        found = observatory.orders.by_id(order_id).as_json
    give(found, json.dumps(found, indent=2, default=str), as_json=as_json)
    return DONE


def cancel(order_id: str, *, as_json: bool) -> int:
    """Cancel an order; a running one stops within seconds and keeps what it finished."""
    with open_observatory() as observatory:
        stored = observatory.front_desk.cancel(order_id, operator())
    give(stored.as_json, f"order {stored.name}: {stored.state}", as_json=as_json)
    return DONE


def hold(order_id: str, *, as_json: bool) -> int:
    """Keep a waiting order from being taken until it is released."""
    with open_observatory() as observatory:
        stored = observatory.front_desk.hold(order_id, operator())
    give(stored.as_json, f"order {stored.name}: {stored.state}", as_json=as_json)
    return DONE


def release(order_id: str, *, as_json: bool) -> int:
    """Let a held order wait again, at its old place in the queue."""
    with open_observatory() as observatory:
        stored = observatory.front_desk.release(order_id, operator())
    give(stored.as_json, f"order {stored.name}: {stored.state}", as_json=as_json)
    return DONE


def run(*, as_json: bool) -> int:
    """Run every waiting order of the Processor, oldest first."""
    ended: list[StoredOrder] = []
    with (
        open_observatory() as observatory,
        mails(observatory),
        observatory.processor.on_duty(),
        cancelling() as cancelled,
    ):
        while not cancelled.is_set() and (stored := _run_next(observatory, cancelled.is_set)):
            ended.append(stored)
    text = "\n".join(_result(stored) for stored in ended) or "no orders wait for the Processor"
    give([stored.as_json for stored in ended], text, as_json=as_json)
    good = (OrderState.DONE, OrderState.DONE_WITH_PROBLEMS)
    return DONE if all(stored.state in good for stored in ended) else FAILED


def _run_next(observatory: Observatory, is_cancelled: Any) -> StoredOrder | None:
    with ProgressLine() as report:
        return observatory.processor.run_next(report, is_cancelled)


def _refused(sentence: str, problems: list[dict[str, str]], *, as_json: bool) -> int:
    say(sentence)
    if as_json:
        give({"accepted": False, "reason": sentence, "problems": problems}, "", as_json=True)
    return FAILED


def _line(stored: StoredOrder) -> str:
    priority = "-" if stored.order.priority is None else f"{stored.order.priority:.2f}"
    where = stored.order.url or stored.order.batch or f"{stored.order.ra_deg:.4f} {stored.order.dec_deg:+.4f}"
    return f"{stored.state:<18} {priority:>5}  {stored.name:<24} {stored.order.request:<22} {where}"


def _result(stored: StoredOrder) -> str:
    heading = f"Order {stored.name}: {stored.state.replace('_', ' ')}"
    if stored.reason:
        return f"{heading}: {stored.reason}"
    return f"{heading}\n{summary(stored.result)}" if stored.result else heading
