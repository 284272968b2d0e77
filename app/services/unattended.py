"""What an observatory without an operator does when its guard is lost: it closes by itself."""

from __future__ import annotations

import asyncio
import logging

from app.model.clock import Clock
from app.model.dome import DeviceError, DomeRefused, DomeWish, WishKind
from app.model.guard import GUARD_FRESH_S
from app.model.interlocks import is_closed_word
from app.services.conditions import GuardPort
from app.services.dome import DomeService

log = logging.getLogger(__name__)

#: A guard that is not back by then is not waited for.
WITHOUT_GUARD_S = 30.0
_LOOK_S = 1.0
_WHO = "Cupola without a guard"


async def close_without_guard(dome: DomeService, guard: GuardPort, clock: Clock) -> None:
    """Close the dome when no guard was heard of for half a minute; goes on until cancelled."""
    heard_s = clock.monotonic()
    while True:
        await asyncio.sleep(_LOOK_S)
        now_s = clock.monotonic()
        if guard.state.fresh_value(now_s, GUARD_FRESH_S) is not None:
            heard_s = now_s
        elif now_s - heard_s > WITHOUT_GUARD_S and not is_closed_word(dome.state.shutter_word(now_s)):
            log.error("No guard for %.0f s and nobody is here: the dome is closed", now_s - heard_s)
            heard_s = now_s
            try:
                await dome.ask(DomeWish(WishKind.CLOSE), _WHO)
            except (DomeRefused, DeviceError) as error:  # a close that failed is sent again by the dome service
                log.warning("%s", error)
