"""What other programs ask of the dome, followed to the answer: done or not, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.model.clock import Clock
from app.model.dome import DomeState, DomeWish
from app.services.dome import DomeService

#: A dome that still moves so long after STOP needs the hardware stop.
STOP_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class DomeAnswer:
    """Whether the dome did it, and why not."""

    is_ok: bool
    reason: str = ""

    @property
    def as_json(self) -> dict[str, Any]:
        """The answer for other programs."""
        return {"ok": self.is_ok, "reason": self.reason}


async def carry_out(dome: DomeService, wish: DomeWish, who: str, *, waits: bool, timeout_s: float) -> DomeAnswer:
    """Ask for a motion and follow it.

    Parameters
    ----------
    who : str
        Who asks, for the journal.
    waits : bool
        Whether to wait for the final state, instead of for the dome's acceptance.
    timeout_s : float
        Longest wait; the dome goes on with its motion after it.

    Returns
    -------
    DomeAnswer
        Good only when the dome's final state says so, or it accepted and nobody waits.

    Raises
    ------
    DomeRefused, DeviceError
        The wish was not passed on, or the dome did not take it.
    """
    try:
        async with asyncio.timeout(timeout_s):
            move = await dome.ask(wish, who)
            if not waits:
                return DomeAnswer(True, f"{wish.kind} accepted; its end was not waited for")
            move = await dome.final(move)
    except TimeoutError:
        sentence = f"The dome did not finish {wish.kind!s} within {timeout_s:g} s and may still move: ask its status"
        return DomeAnswer(False, sentence)
    if move.is_done:
        return DomeAnswer(True, move.reason)
    return DomeAnswer(False, move.reason or f"The dome did not finish {wish.kind!s}: it was {move.phase}")


async def stop(dome: DomeService, who: str, clock: Clock, *, waits: bool) -> DomeAnswer:
    """Stop everything; good only when the dome is seen standing still afterwards, or nobody waits."""
    asked_s = clock.monotonic()
    sent = dome.stop(who)
    if not waits:
        return DomeAnswer(True, "stop sent; its effect was not waited for")

    def stands(state: DomeState) -> bool:
        return (state.is_slewing.read_s or 0.0) > asked_s and state.is_moving(clock.monotonic()) is False

    try:
        async with asyncio.timeout(STOP_PATIENCE_S):
            await asyncio.shield(asyncio.wrap_future(sent))  # nothing may take a STOP back
            await until(dome, stands)
    except TimeoutError:
        sentence = f"The dome was not seen standing still within {STOP_PATIENCE_S:g} s of STOP: use the hardware stop"
        return DomeAnswer(False, dome.state.stop_notice or sentence)
    return DomeAnswer(True)


async def until(dome: DomeService, is_so: Callable[[DomeState], bool]) -> None:
    """Wait until the state of the dome is as wanted."""
    changed = asyncio.Event()
    unsubscribe = dome.subscribe(lambda _: changed.set())
    try:
        while not is_so(dome.state):
            await changed.wait()
            changed.clear()
    finally:
        unsubscribe()
