"""Makes the slit follow the telescope: looks once a second, moves seldom, says why it waits and why it was dropped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from app.model.clock import Clock
from app.model.dome import DomeRefused, DomeState, DomeWish, Move, Phase, WishKind
from app.model.errors import ObservatoryError
from app.model.following import NOT_FOLLOWING, Follower, FollowState
from app.model.reading import FRESH_S, Freshness
from app.model.schedule import sidereal_time_deg
from app.model.settings import Dome, Site, Slaving
from app.model.slaving import Pointing, SlavingRefused, SlitGeometry, pointing_of, slew_end
from app.model.surroundings import Surroundings
from app.model.wording import age_text
from app.services.dome import DomeService
from app.services.dome_moves import named

log = logging.getLogger(__name__)

#: Who asks, in journal and dome.
FOLLOWING = "following"
#: Dome or mount that are not read for so long end the following, seconds.
LOST_S = 10.0
_LOOK_S = 1.0

#: A person who asks for these wants the dome for something else.
_TAKING = frozenset({WishKind.GOTO, WishKind.PARK})
#: Interlocks under which nothing may turn.
_FORBIDDING = frozenset({"lockout", "safety close"})


class Following:
    """Follows the telescope with the slit of one dome.

    All methods but `state` belong to the thread of the service loop.

    Parameters
    ----------
    dome : DomeService
        Takes the turns like anybody's, and is told how the following stands.
    surroundings : callable
        Gives the newest state of the mount.
    site : Site
        Latitude, and longitude for mounts that tell no azimuth.
    dome_settings : app.model.settings.Dome
        Slit width and tolerance.
    slaving : Slaving
        Geometry and margin.
    clock, sky_clock : Clock
        For ages, and of the sky.
    look_s : float
        Pause between two looks, seconds.
    """

    def __init__(
        self,
        dome: DomeService,
        surroundings: Callable[[], Surroundings],
        site: Site,
        dome_settings: Dome,
        slaving: Slaving,
        clock: Clock,
        sky_clock: Clock,
        *,
        look_s: float = _LOOK_S,
    ) -> None:
        self._dome = dome
        self._surroundings = surroundings
        self._site = site
        self._dome_settings = dome_settings
        self._slaving = slaving
        self._clock = clock
        self._sky_clock = sky_clock
        self._look_s = look_s
        self._geometry: SlitGeometry | None = None  # while it follows
        self._state = NOT_FOLLOWING
        self._move: Move | None = None
        self._since = 0  # number of the newest command before the start
        self._ended_by: Move | None = None
        self._wake = asyncio.Event()
        self._listeners: tuple[Callable[[FollowState], None], ...] = ()

    @property
    def state(self) -> FollowState:
        """How it stands; from any thread."""
        return self._state

    def subscribe(self, listener: Callable[[FollowState], None]) -> Callable[[], None]:
        """Have each new state handed to a listener, on the loop's thread; return what ends that."""
        self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

        return unsubscribe

    def start(self, who: str) -> None:
        """Follow from now on; following already, go on.

        Raises
        ------
        DomeRefused
            If the slit cannot follow now; the sentence says what clears the way.
        """
        if self._geometry is not None:
            return
        state = self._dome.state
        why = self._lost(state, FRESH_S)
        if why:
            raise DomeRefused(f"Following is refused: {why}")
        try:
            geometry = SlitGeometry(
                self._site.latitude_deg,
                self._slaving,
                self._dome_settings.slit_width_deg,
                self._dome_settings.tolerance_deg,
            )
            pointing, waits = self._followed(geometry)
            if pointing is not None:
                geometry.beam(pointing)
        except SlavingRefused as error:
            raise DomeRefused(str(error)) from error
        log.info("Following is switched on by %s", who)
        self._geometry, self._move, self._ended_by, self._since = geometry, None, None, _newest(state)
        self._set(FollowState(Follower.CUPOLA, is_suspended=bool(waits), reason=waits))
        self._wake.set()

    def stop(self, who: str, reason: str = "") -> None:
        """Follow no more, because somebody wants that: no alarm; a turn under way goes on to its end."""
        if self._geometry is not None:
            log.info("Following is switched off by %s%s", who, f": {reason}" if reason else "")
        self._end(is_dropped=False)

    def drop(self, reason: str) -> None:
        """Follow no more, because it cannot: an alarm until somebody follows again or switches it off."""
        if self._geometry is not None:
            log.warning("The dome follows the telescope no more: %s", reason)
            self._end(is_dropped=True, reason=reason)

    async def run(self) -> None:
        """Look until cancelled; no failure ends it."""
        unsubscribe = self._dome.subscribe(self._dome_changed)
        try:
            while True:
                self._wake.clear()
                try:
                    await self._look()
                except ObservatoryError as error:
                    self.drop(str(error))
                except Exception:
                    log.exception("Bug while the dome followed the telescope")
                    self.drop("because of a bug, which the log has")
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._look_s):
                        await self._wake.wait()
        finally:
            unsubscribe()

    async def _look(self) -> None:
        """See how the beam stands in the slit, and move the dome when that is due."""
        await self._see_moves()
        geometry, state = self._geometry, self._dome.state
        if geometry is None:
            self._set(replace(self._state, who=self._driver(state)))
            return
        if why := self._lost(state, LOST_S):
            self.drop(why)
            return
        pointing, waits = self._followed(geometry)
        waits = self._dome_waits(state) or waits
        azimuth_deg = state.azimuth_deg.value
        if pointing is None or azimuth_deg is None:
            self._set(FollowState(Follower.CUPOLA, is_suspended=True, reason=waits))
            return
        self._set(self._seen(geometry, pointing, azimuth_deg, waits))
        standing_deg = azimuth_deg if self._move is None else self._move.wish.azimuth_deg
        if waits or standing_deg is None:
            return
        next_deg = geometry.next_azimuth_deg(pointing, standing_deg)
        if next_deg is not None:
            self._move = await self._dome.ask(DomeWish(WishKind.GOTO, next_deg), FOLLOWING)

    def _dome_changed(self, state: DomeState) -> None:
        """Follow no more after STOP; notice at once who else moves the dome, and the next look acts on it."""
        if state.is_stopping and self._geometry is not None:
            self.stop("STOP")
            return
        for move in (state.move, state.last_move):
            if move is None or move.number <= self._since:
                continue
            if move.phase is Phase.STOPPED or (move.who != FOLLOWING and move.wish.kind in _TAKING):
                self._ended_by = move
        is_news = self._ended_by is not None or (
            state.move is not None and state.move.who != FOLLOWING and not self._state.is_suspended
        )
        if self._geometry is not None and is_news:
            self._wake.set()

    async def _see_moves(self) -> None:
        """Take the end of the own turn, and of the following by what somebody did."""
        if self._geometry is not None and (by := self._ended_by) is not None:
            was_stopped = by.phase is Phase.STOPPED
            self.stop("STOP" if was_stopped else by.who, by.reason if was_stopped else named(by.wish))
        if self._move is None:
            return
        move = await self._dome.final(self._move, 0.0)
        if move.phase.is_end:
            self._move = None
        if move.phase is Phase.FAILED:
            self.drop(move.reason)

    def _lost(self, state: DomeState, limit_s: float) -> str:
        """Why the slit cannot follow, unless it is only for a while; empty when it can."""
        if not state.is_owner:
            return f"another Cupola commands the dome at {state.server}; take over, or end the other one"
        if self._driver(state) is Follower.DRIVER:
            return "the dome's driver follows a telescope of its own; switch that off first"
        if state.facts is not None and not state.facts.can_set_azimuth:
            return f"the dome at {state.server} cannot turn to an azimuth"
        forbidding = [one for one in state.interlocks if one.name in _FORBIDDING and one.is_good is False]
        if forbidding:
            return forbidding[0].sentence
        around = self._surroundings()
        if not around.has_mount:
            return "the settings name no mount; choose one in Settings"
        now_s = self._clock.monotonic()
        for name, reading in (("dome", state.azimuth_deg), ("mount", around.mount)):
            if reading.freshness(now_s, limit_s) is not Freshness.FRESH:
                age_s = reading.age_s(now_s)
                since = "was never read" if age_s is None else f"has not been read for {age_text(age_s)}"
                return f"the {name} {since} ({reading.failure or 'it does not answer'}); see to its server"
        return ""

    def _followed(self, geometry: SlitGeometry) -> tuple[Pointing | None, str]:
        """What the slit shall follow, and why it waits: the end of a slew is followed, never the slew."""
        reading = self._surroundings().mount
        mount = reading.fresh_value(self._clock.monotonic(), FRESH_S)
        if mount is None:
            return None, "the mount is not read"
        if mount.is_parked:
            return None, "the mount is parked"
        sidereal_deg = sidereal_time_deg(self._site, self._sky_clock.utc())
        now = pointing_of(mount, self._site.latitude_deg, sidereal_deg)
        if now is None:
            raise SlavingRefused("The mount does not tell where it points, so that the slit cannot follow; see to it")
        if not mount.is_slewing:
            return now, ""
        end = slew_end(mount, now, sidereal_deg)
        if end is None:
            return None, "the mount slews, and does not tell where to"
        if geometry.needs_pier_side and end.pier_side is None:
            return None, "the mount slews, and does not tell to which side of its pier"
        return end, ""

    def _dome_waits(self, state: DomeState) -> str:
        """Why the dome is left alone for now; empty when it may be turned."""
        now_s = self._clock.monotonic()
        if not state.is_connected(now_s):
            return "the dome is not read"
        move = state.move
        if move is not None and move.who != FOLLOWING and move.wish.kind is not WishKind.ALTITUDE:
            return f"{named(move.wish)} of {move.who} is under way"
        if self._move is None and state.is_moving(now_s):
            return "the dome moves, not by a command of Cupola"
        return ""

    def _seen(self, geometry: SlitGeometry, pointing: Pointing, azimuth_deg: float, waits: str) -> FollowState:
        """How the beam stands; during a slew only where the slit shall be."""
        view = geometry.view(pointing, azimuth_deg)
        state = FollowState(Follower.CUPOLA, is_suspended=bool(waits), reason=waits, target_deg=view.target_deg)
        mount = self._surroundings().mount.value
        if mount is not None and mount.is_slewing:
            return state
        return replace(
            state,
            beam_deg=view.beam_deg,
            half_width_deg=view.half_width_deg,
            clip_s=geometry.clip_s(pointing, azimuth_deg),
            clipped_by=view.clipped_by,
        )

    def _driver(self, state: DomeState) -> Follower:
        """Who slaves when Cupola does not."""
        is_slaved = state.is_slaved.fresh_value(self._clock.monotonic(), state.fresh_s)
        return Follower.DRIVER if is_slaved else Follower.NOBODY

    def _end(self, *, is_dropped: bool, reason: str = "") -> None:
        self._geometry = self._move = None
        self._set(FollowState(self._driver(self._dome.state), is_dropped=is_dropped, reason=reason))

    def _set(self, state: FollowState) -> None:
        """Hand a new state out."""
        if state == self._state:
            return
        self._state = state
        self._dome.set_following(state)
        for listener in self._listeners:
            try:
                listener(state)
            except Exception:
                log.exception("Bug in a listener of the following")


def _newest(state: DomeState) -> int:
    """Number of the newest command that is known."""
    return max((move.number for move in (state.move, state.last_move) if move is not None), default=0)
