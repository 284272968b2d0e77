"""What goes on for hours, over HTTP: whether the slit follows the telescope, and what the guard says."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from app.model.clock import Clock
from app.model.guard import GUARD_FRESH_S
from app.model.reading import Freshness
from app.services.dome_answer import DomeAnswer
from app.services.following import Following
from app.services.guard_watch import GuardWatch
from app.services.http_api import Json, Who, by_http


def duty_addresses(following: Following, guard: GuardWatch, clock: Clock) -> APIRouter:
    """Build the addresses; away from safe there is none here: LOCKOUT and overrides have names and reasons elsewhere.

    Parameters
    ----------
    following : Following
        Of the dome's owner; a program that only watches refuses.
    guard : GuardWatch
        Whose newest word is given, with its age.
    clock : Clock
        For that age.
    """
    router = APIRouter(prefix="/dome", default_response_class=Json)

    @router.put("/Follow")
    async def follow(on: bool, who: Who = "") -> Response:
        if on:
            following.start(by_http(who))
        else:
            following.stop(by_http(who))
        return Json(DomeAnswer(True, following.state.reason).as_json)

    @router.delete("/Follow")
    async def follow_no_more(who: Who = "") -> Response:
        return await follow(False, who)

    @router.get("/Guard")
    async def guard_state() -> Response:
        word, now_s = guard.state, clock.monotonic()
        return Json(
            {
                "is_fresh": word.freshness(now_s, GUARD_FRESH_S) is Freshness.FRESH,
                "age_s": word.age_s(now_s),
                "failure": word.failure,
                "state": None if word.value is None else word.value.model_dump(mode="json"),
            }
        )

    return router
