"""What an observatory without an operator does when its guard is lost: it closes by itself."""

from __future__ import annotations

import asyncio
import logging

from app.model.clock import Clock
from app.model.dome import DomeState, DomeWish, WishKind
from app.model.errors import ObservatoryError
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
        elif now_s - heard_s > WITHOUT_GUARD_S and not _is_closing(dome.state, now_s):
            log.error("No guard for %.0f s and nobody is here: the dome is closed", now_s - heard_s)
            heard_s = now_s
            try:
                await dome.ask(DomeWish(WishKind.CLOSE), _WHO)
            except ObservatoryError as error:
                log.warning("%s", error)
            except Exception:
                log.exception("Bug while the dome was closed, for no guard is there")


def _is_closing(dome: DomeState, now_s: float) -> bool:
    """Whether it is closed, or the dome service sees to that: asked anew, it would begin with its shortest wait."""
    is_told = dome.move is not None and dome.move.wish.kind is WishKind.CLOSE
    return is_told or dome.close_again_s is not None or is_closed_word(dome.shutter_word(now_s))
