"""What an order may become, and what it never does."""

from __future__ import annotations

import pytest

from app.model.order_life import ENDED, NOT_BEGUN, may_become
from app.model.work_order import OrderState


def test_held_order_waits_again_or_is_cancelled_and_nothing_else():
    assert {state for state in OrderState if may_become(OrderState.HELD, state)} == {
        OrderState.WAITING,
        OrderState.CANCELLED,
    }


def test_only_an_order_that_waits_can_be_held():
    assert {state for state in OrderState if may_become(state, OrderState.HELD)} == {OrderState.WAITING}


@pytest.mark.parametrize("state", sorted(ENDED))
def test_order_that_has_ended_stays_so(state):
    assert not any(may_become(state, then) for then in OrderState)


def test_every_state_is_before_under_way_or_an_end():
    assert set(OrderState) - ENDED - NOT_BEGUN == {OrderState.RUNNING, OrderState.CANCELLING}
