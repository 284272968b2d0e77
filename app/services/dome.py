"""The dome's truth: readings with ages, commands followed to their final state, STOP past every queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from threading import Event
from typing import Any, Protocol, assert_never

from app.devices.closing import close_shutter, turn_to_contacts
from app.model.angles import parse_altitude_deg, parse_azimuth_deg
from app.model.clock import Clock
from app.model.dome import (
    ActiveOverride,
    ClosedBy,
    DeviceError,
    DomeFacts,
    DomeRefused,
    DomeSample,
    DomeState,
    DomeWish,
    Move,
    Override,
    Phase,
    ShutterState,
    WishKind,
)
from app.model.errors import ObservatoryError
from app.model.following import Follower, FollowState
from app.model.interlocks import SAFETY_CLOSE, Interlock, is_closed_word, unmet
from app.model.ports import DomeClient
from app.model.reading import FRESH_S, Reading
from app.model.settings import Dome, Enclosure
from app.services.dome_clients import DomeClients
from app.services.dome_journal import DomeJournal, Record, journal_values
from app.services.dome_moves import SHUTTER_WISHES, Follow, PendingStop, can, named, readable
from app.services.failed_closes import FailedCloses
from app.services.lanes import CLOSE_S, Lane

log = logging.getLogger(__name__)

#: An unconfirmed STOP is sent again after so long, and given up after so long.
STOP_AGAIN_S = 2.0
STOP_NOTICE_S = 5.0

_AT_REST_S = 1.0
_BACK_OFF_S = (1.0, 2.0, 5.0)
_FIRST_POLL_S = 5.0
_CLOSE_LANES_S = CLOSE_S
_KEPT_MOVES = 64


class Conditions(Protocol):
    """What stands between a wish and a motion; every method returns at once, from any thread."""

    @property
    def enclosure(self) -> Enclosure:
        """What is true of the building."""
        ...

    @property
    def closed_contact(self) -> Reading[bool]:
        """Whether an independent contact says that the shutter is closed; never read where there is none."""
        ...

    def of(self, kind: WishKind) -> tuple[Interlock, ...]:
        """Every interlock of a motion, met or not."""
        ...

    def opening(self, who: str) -> None:
        """The dome is told to open."""
        ...

    def override(self, override: Override, covers: tuple[str, ...]) -> None:
        """Somebody takes the responsibility for what is named."""
        ...

    def end_override(self, who: str) -> None:
        """Nobody answers for anything any more."""
        ...

    def stopped(self, who: str) -> None:
        """Somebody pressed STOP."""
        ...


@dataclass(slots=True)
class _Command:
    """A command, and its end for those who wait."""

    follow: Follow
    ended: asyncio.Future[None]


class DomeService:
    """One dome, in the one process that owns it.

    All methods but `stop`, `state` and `subscribe` belong to the thread of the service loop.

    Parameters
    ----------
    connect : callable
        Makes a client that has not asked the server yet; each lane has its own.
    settings : app.model.settings.Dome
        Geometry, tolerance and watchdogs.
    journal : callable
        Writes a row; it may block, and its failures are logged.
    clock : Clock
        Monotonic for ages and watchdogs, UTC for the readings.
    conditions : Conditions
        The interlocks, which hold for whoever asks.
    server : str
        ``HOST:PORT/device``, for people.
    is_ours : bool
        Whether a nonce proved that it is the simulator that this program started.
    is_owner : bool
        Whether this program alone commands the dome; another may watch, close and stop it.
    place : callable, optional
        Where the device is now, as `server`: one that is remembered by its UniqueID may be found elsewhere.
    """

    def __init__(
        self,
        connect: Callable[[], DomeClient],
        settings: Dome,
        journal: Record,
        clock: Clock,
        conditions: Conditions,
        *,
        server: str,
        is_ours: bool,
        is_owner: bool = True,
        place: Callable[[], str] | None = None,
    ) -> None:
        self._place = place or (lambda: server)
        self._settings = settings
        self._conditions = conditions
        self._journal = DomeJournal(journal, server)
        self._clock = clock
        self._state = DomeState(
            server=server,
            is_ours=is_ours,
            slit_width_deg=settings.slit_width_deg,
            park_deg=settings.park_deg,
            home_deg=settings.home_deg,
            fresh_s=max(FRESH_S, 3.0 * settings.poll_s),
            is_owner=is_owner,
        )
        self._poll_lane = Lane("dome-poll")
        self._command_lane = Lane("dome-command")
        self._stop_lane = Lane("dome-stop", threads=32)
        self._close_lane = Lane("dome-close", threads=4)
        self._poll_client, self._command_client = connect(), connect()
        self._stop_clients, self._close_clients = DomeClients(connect), DomeClients(connect)
        self._listeners: tuple[Callable[[DomeState], None], ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: asyncio.Task[Any] | None = None
        self._wake = asyncio.Event()
        self._was_polled = asyncio.Event()
        self._numbers = count(1)
        self._commands: dict[int, _Command] = {}
        self._last_move: Move | None = None
        self._stop: PendingStop | None = None
        self._dropped_below = 0  # commands up to this number are not sent any more: STOP came after them
        self._open_dropped_below = 0  # OPEN likewise: CLOSE came after it
        self._is_connected = False
        self._failures = 0
        self._failed_s = 0.0
        self._closing_seen = False
        self._failed_closes = FailedCloses(self._send_close_again)
        self._is_shut_down = False

    @property
    def state(self) -> DomeState:
        """Everything that is known now; from any thread."""
        return self._state

    def subscribe(self, listener: Callable[[DomeState], None]) -> Callable[[], None]:
        """Have each new state handed to a listener, on the loop's thread; return what ends that."""
        self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

        return unsubscribe

    async def run(self) -> None:
        """Read the dome until cancelled; no failure ends it."""
        self._loop, self._runner = asyncio.get_running_loop(), asyncio.current_task()
        while True:
            self._wake.clear()
            try:
                self._taken(*await self._poll_lane.call(self._read))
            except DeviceError as error:
                self._failed(str(error))
            except Exception:
                log.exception("Bug while the dome was read")
                self._failed("The dome is not read because of a bug, which the log has: restart Cupola")
            self._was_polled.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s()):  # wait_for of Python 3.11 may swallow a cancellation
                    await self._wake.wait()

    async def first_poll(self, timeout_s: float = _FIRST_POLL_S) -> DomeState:
        """Wait until the dome was read, or could not be; return what is known then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._was_polled.wait()
        return self._state

    async def ask(self, wish: DomeWish, who: str) -> Move:
        """Pass a wish to the dome.

        A new turn takes the place of a running one, a new wish for the shutter that of the one before.

        Parameters
        ----------
        wish : DomeWish
            CLOSE is sent whether the dome is read or not; the others only while it is.
        who : str
            For the journal.

        Returns
        -------
        Move
            As the device accepted it, or further.

        Raises
        ------
        DomeRefused
            If the wish is not passed on; the sentence says what clears the way.
        DeviceError
            If the dome did not accept it, or did not answer: then it may move all the same.
        """
        self._loop = self._loop or asyncio.get_running_loop()
        wish, covers = await self._checked(wish)
        self._forget_failed_closes()
        held = self._open_under(wish.override, covers, who) if wish.kind is WishKind.OPEN else None
        move, answer = self._issue(wish, who, held)
        await asyncio.shield(asyncio.wrap_future(answer))  # who stops waiting withdraws nothing
        return self._commands[move.number].follow.move

    async def final(self, move: Move, timeout_s: float | None = None) -> Move:
        """Wait for the end of a move; after `timeout_s` return it as it is then."""
        command = self._commands.get(move.number)
        if command is None:
            return move
        await asyncio.wait({command.ended}, timeout=timeout_s)
        return command.follow.move

    def stop(self, who: str) -> Future[None]:
        """Stop everything that moves; from any thread, past every queue, without waiting for anything.

        Returns
        -------
        Future
            Of `concurrent.futures`; done when the dome answered, with its `DeviceError` if it refused. Whether it
            stands still is seen in the state: the move is STOPPED, or there is a `stop_notice`.
        """
        number, pressed_s = next(self._numbers), self._clock.monotonic()
        self._dropped_below = number
        self._on_loop(self._stop_pressed, number, who, pressed_s)  # waits for nothing, and must come before the answer
        sent = self._send_stop(number, who, pressed_s)
        self._conditions.stopped(who)
        return sent

    def set_following(self, following: FollowState) -> None:
        """Take how the following stands; whoever follows tells it."""
        if following.who is not self._state.following.who:
            detail = {"who": str(following.who), "reason": following.reason, "before": self._values()}
            self._journal.write("following", "dome following", detail)
        self._state = replace(self._state, following=following)
        self._publish()

    def set_owner(self, is_owner: bool, owner: str = "") -> None:
        """Take the command over, or hand it on to `owner`; what is under way goes on, and is followed here."""
        self._state = replace(self._state, is_owner=is_owner, owner=owner)
        self._publish()

    def end_override(self, who: str) -> None:
        """Answer for nothing any more: the interlocks count again, and nothing moves by that."""
        if self._state.override is not None:
            self._journal.write(who, "dome override ended", {"override": str(self._state.override.override)})
            self._state = replace(self._state, override=None)
            self._conditions.end_override(who)
            self._publish()

    async def shut_down(self) -> None:
        """End the polling and the lanes within seconds; the dome stays as it is, and no command is sent.

        A second call does nothing.
        """
        if self._is_shut_down:
            return
        self._is_shut_down = True
        self._dropped_below = next(self._numbers)
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait({self._runner}, timeout=1.0)
        self._poll_lane.submit(self._poll_client.close)
        self._command_lane.submit(self._command_client.close)
        self._stop_lane.submit(self._stop_clients.close)
        self._close_lane.submit(self._close_clients.close)
        lanes = (self._poll_lane, self._command_lane, self._stop_lane, self._close_lane)
        await asyncio.gather(*(lane.close(_CLOSE_LANES_S) for lane in lanes))
        await self._journal.close(_CLOSE_LANES_S)

    # Polling

    def _read(self) -> tuple[DomeFacts | None, DomeSample, float]:
        """Read in the poll lane, and connect before where that is due."""
        facts = None if self._is_connected else self._poll_client.connect()
        asked_s = self._clock.monotonic()
        return facts, self._poll_client.read(), asked_s

    def _taken(self, facts: DomeFacts | None, sample: DomeSample, asked_s: float) -> None:
        now_s = self._clock.monotonic()
        if self._failures:
            log.info("The dome at %s is read again, after %.0f s", self._state.server, now_s - self._failed_s)
        self._is_connected, self._failures = True, 0
        self._warm()

        since_s = self._state.closed_since_s
        self._state = replace(
            self._state.sampled(sample, asked_s, self._clock.utc()),
            server=self._place(),
            facts=facts or self._state.facts,
            closed_contact=self._conditions.closed_contact,
            closed_since_s=(since_s or asked_s) if sample.shutter is ShutterState.CLOSED else None,
            latency_s=now_s - asked_s,
        )
        self._state = replace(self._state, closed_by=self._closed_by(sample.shutter, now_s))
        self._confirm_stop(sample, asked_s)
        if is_closed_word(self._state.shutter_word(now_s)) and not self._is_opening:
            self.end_override("Cupola")
        for command in self._open_commands():
            seen = command.follow if self._stop else self._seen(command.follow, sample, asked_s)
            self._follow(command, seen.at(now_s, self._settings))
        self._publish()

    def _seen(self, follow: Follow, sample: DomeSample, asked_s: float) -> Follow:
        """The command after a sample; a close is not done while an independent contact, which may be slower, says no."""
        seen, since_s = follow.seen(sample, asked_s, self._settings), self._state.closed_since_s
        if not seen.move.is_done or follow.move.wish.kind is not WishKind.CLOSE or since_s is None:
            return seen
        says = self._state.contact_says(self._clock.monotonic())
        if says is True or self._state.closed_contact.read_s is None:
            return seen
        if asked_s - max(since_s, follow.accepted_s or since_s) <= self._settings.motion_start_s:
            return follow
        if says is None:
            return seen
        return follow.ended(
            Phase.FAILED, "Close: the dome says closed, but the contact of the shutter says not; look at the shutter"
        )

    def _failed(self, why: str) -> None:
        """Keep the values: they age; what was proven before the server was lost is not proven any more."""
        now_s = self._clock.monotonic()
        if not self._failures:
            self._failed_s = now_s
            log.warning("The dome is not read: %s", why)
        self._failures += 1
        self._is_connected = self._closing_seen = False
        self._state = self._state.failed(why)
        for command in self._open_commands():
            self._follow(command, command.follow.at(now_s, self._settings))
        self._publish()

    def _closed_by(self, shutter: ShutterState | None, now_s: float) -> ClosedBy | None:
        """Whose word it is that the shutter is closed: a contact's, a whole closing motion's, or the driver's alone."""
        if shutter is ShutterState.CLOSED:
            if self._state.contact_says(now_s) is True:
                return ClosedBy.SWITCH
            return ClosedBy.MOTION if self._closing_seen else ClosedBy.DRIVER
        self._closing_seen = shutter is ShutterState.CLOSING
        return None

    def _warm(self) -> None:
        """Keep the connections of STOP and CLOSE open."""
        self._stop_lane.submit(self._stop_clients.warm)
        self._close_lane.submit(self._close_clients.warm)

    def _pause_s(self) -> float:
        if self._failures:
            return _BACK_OFF_S[min(self._failures, len(_BACK_OFF_S)) - 1]
        is_busy = self._stop is not None or self._open_commands() or self._state.is_moving(self._clock.monotonic())
        return self._settings.poll_s if is_busy else max(self._settings.poll_s, _AT_REST_S)

    # Commands

    async def _checked(self, wish: DomeWish) -> tuple[DomeWish, tuple[str, ...]]:
        """The wish if it may be sent, and what its override covers."""
        wish = readable(wish)
        if wish.kind is not WishKind.CLOSE:
            await self._require_command_of(named(wish), wish.kind)
        return wish, self._require_met(wish)

    def _require_met(self, wish: DomeWish) -> tuple[str, ...]:
        """Raise `DomeRefused` for an interlock that nobody answers for; return what the wish's override covers."""
        blocking = unmet(self._conditions.of(wish.kind))
        fixed = [one for one in blocking if wish.override is None or not one.may_be_overridden]
        if fixed:
            reasons = "; ".join(one.sentence for one in fixed)
            can_override = all(one.may_be_overridden for one in blocking)
            remedy = "; or override as NAME: REASON" if can_override else ""
            raise DomeRefused(f"{named(wish)} is refused at {self._state.server}: {reasons}{remedy}")
        return tuple(name for one in blocking for name in (one.covers or (one.name,)))

    async def _require_command_of(self, what: str, kind: WishKind) -> None:
        """Raise `DomeRefused` unless this program commands a dome that is read, rests from STOP, and can do it."""
        server = self._state.server
        if not self._state.is_owner:
            raise DomeRefused(
                f"{what} is refused: {self._state.owner or 'another Cupola'} commands the dome at {server}; from here "
                "it can be watched, closed and stopped: take over, or end the other one"
            )
        state = await self.first_poll()
        if not state.is_connected(self._clock.monotonic()):
            why = state.failure or "it was never read"
            raise DomeRefused(f"{what} is refused: the dome at {server} is not read ({why}); CLOSE and STOP are sent")
        if self._stop is not None and not self._stop.is_given_up:
            raise DomeRefused(f"{what} is refused: STOP is not confirmed yet; wait until the dome stands still")
        if state.facts is not None and not can(state.facts, kind):
            raise DomeRefused(f"{what} is refused: the dome at {server} cannot do that; do it by hand")
        is_turn = kind in (WishKind.GOTO, WishKind.PARK, WishKind.HOME)
        if is_turn and state.is_slaved.value and state.following.who is not Follower.CUPOLA:
            raise DomeRefused(
                f"{what} is refused: the dome's driver follows its telescope; switch that off there first"
            )

    def _open_under(self, override: Override | None, covers: tuple[str, ...], who: str) -> ActiveOverride | None:
        """Tell the guard that the dome opens, and who answers for what."""
        self._conditions.opening(who)
        if override is None or not covers:
            return None
        self._conditions.override(override, covers)
        return ActiveOverride(override, covers, self._clock.monotonic() + override.minutes * 60.0)

    def _issue(self, wish: DomeWish, who: str, held: ActiveOverride | None = None) -> tuple[Move, Future[None]]:
        """Send a command through its lane, and follow it; `held` is the override under which the dome opens."""
        move = Move(next(self._numbers), wish, who, self._clock.monotonic())
        before = self._values()
        self._on_loop(self._begin, move, held)
        if wish.kind is WishKind.CLOSE:
            self._open_dropped_below = move.number
            answer = self._close_lane.submit(lambda: self._close_clients.use(lambda client: self._send(client, move)))
        else:
            answer = self._command_lane.submit(lambda: self._send(self._command_client, move))
        answer.add_done_callback(lambda future: self._command_answered(move, before, future))
        return move, answer

    def _send(self, client: DomeClient, move: Move) -> None:
        """Send in a lane, unless what came after it forbids."""
        wish = move.wish
        self._require_not_dropped(move)
        match wish.kind:
            case WishKind.GOTO:
                client.slew_to_azimuth(parse_azimuth_deg(wish.azimuth_deg))
            case WishKind.ALTITUDE:
                client.slew_to_altitude(parse_altitude_deg(wish.altitude_deg))
            case WishKind.OPEN:
                contacts_deg = self._conditions.enclosure.shutter_azimuth_deg
                if contacts_deg is not None:
                    turn_to_contacts(client, contacts_deg, lambda seconds: self._pause(seconds, move))
                    self._require_not_dropped(move)
                    self._require_met(wish)  # the turn takes minutes, and it may rain since
                client.open_shutter()
            case WishKind.CLOSE:
                close_shutter(client, self._conditions.enclosure, lambda seconds: self._pause(seconds, move))
            case WishKind.PARK:
                client.park()
            case WishKind.HOME:
                client.find_home()
            case _:
                assert_never(wish.kind)

    def _pause(self, seconds: float, move: Move) -> None:
        """Wait in a lane, in the middle of a command of several steps; raises when it was dropped meanwhile."""
        Event().wait(seconds)
        self._require_not_dropped(move)

    def _require_not_dropped(self, move: Move) -> None:
        is_opening = move.wish.kind is WishKind.OPEN
        is_handed_on = not self._state.is_owner and move.wish.kind is not WishKind.CLOSE
        is_dropped = move.number <= self._dropped_below or (is_opening and move.number <= self._open_dropped_below)
        if is_dropped or is_handed_on:
            raise DomeRefused(
                f"{named(move.wish)} was dropped before it was sent: STOP, CLOSE or the end of Cupola came after it, or "
                "another owner"
            )

    def _command_answered(self, move: Move, before: dict[str, Any], answer: Future[None]) -> None:
        """Take the answer in the lane's thread."""
        at_s, error = self._clock.monotonic(), answer.exception()
        detail = {"number": move.number, "before": before, "latency_s": round(at_s - move.began_s, 3)}
        if move.wish.azimuth_deg is not None:
            detail["azimuth_deg"] = move.wish.azimuth_deg
        if move.wish.altitude_deg is not None:
            detail["altitude_deg"] = move.wish.altitude_deg
        detail["unmet"] = [one.sentence for one in unmet(self._conditions.of(move.wish.kind))]
        if move.wish.override is not None:
            detail["override"] = str(move.wish.override)
        self._journal.write(move.who, f"dome {move.wish.kind}", {**detail, "answer": str(error or "accepted")})
        if error is not None and not isinstance(error, ObservatoryError):
            log.error("Bug while a command was sent", exc_info=error)
        self._on_loop(self._answered, move.number, at_s, error)

    def _begin(self, move: Move, held: ActiveOverride | None) -> None:
        loop = asyncio.get_running_loop()
        if held is not None:
            self._state = replace(self._state, override=held)
        self._commands[move.number] = _Command(Follow(move), loop.create_future())
        for number in [number for number, command in self._commands.items() if not command.follow.is_open]:
            if len(self._commands) > _KEPT_MOVES:
                del self._commands[number]
        if move.wish.kind is WishKind.CLOSE or (self._stop is not None and self._stop.is_given_up):
            self._stop = None  # another AbortSlew would stop what was asked for since
            self._state = replace(self._state, stop_notice=None)
        self._publish()

    def _answered(self, number: int, at_s: float, error: BaseException | None) -> None:
        command = self._commands.get(number)
        if command is None:  # it hung for so long that nobody remembers it
            return
        move = command.follow.move
        if error is not None:
            if not isinstance(error, DomeRefused):  # else it was never sent
                self._state = replace(self._state, doubted_s=at_s)
            if command.follow.is_open:
                phase = Phase.REPLACED if isinstance(error, DomeRefused) else Phase.FAILED
                self._follow(command, command.follow.ended(phase, str(error)))
        elif command.follow.is_open:
            self._follow(command, command.follow.accepted(at_s))
            self._replace_rivals(number)
        elif move.phase is Phase.STOPPED and move.wish.kind is not WishKind.CLOSE and not self._open_commands():
            log.warning("%s was accepted after STOP had been confirmed: STOP is sent again", named(move.wish))
            self.stop(move.who)
        self._wake.set()
        self._publish()

    def _replace_rivals(self, number: int) -> None:
        """Of the accepted turns, and of the accepted wishes for the shutter, only the newest is under way."""
        is_shutter = self._commands[number].follow.move.wish.kind in SHUTTER_WISHES
        rivals = [
            command
            for command in self._open_commands()
            if command.follow.accepted_s is not None and (command.follow.move.wish.kind in SHUTTER_WISHES) is is_shutter
        ]
        newest = max(rivals, key=lambda command: command.follow.move.number)
        for command in rivals:
            if command is not newest:
                reason = f"{named(newest.follow.move.wish)} of {newest.follow.move.who} took its place"
                self._follow(command, command.follow.ended(Phase.REPLACED, reason))

    @property
    def _is_opening(self) -> bool:
        """Whether an OPEN is under way."""
        return any(command.follow.move.wish.kind is WishKind.OPEN for command in self._open_commands())

    def _open_commands(self) -> list[_Command]:
        return [command for command in self._commands.values() if command.follow.is_open]

    def _follow(self, command: _Command, follow: Follow) -> None:
        """Keep how far a command is; its end is logged, journalled, and told to those who wait."""
        was_open, command.follow = command.follow.is_open, follow
        if not was_open or follow.is_open:
            return
        move = self._last_move = follow.move
        level = logging.WARNING if move.phase is Phase.FAILED else logging.INFO
        log.log(
            level, "%s of %s: %s%s", named(move.wish), move.who, move.phase, f": {move.reason}" if move.reason else ""
        )
        took_s = round(self._clock.monotonic() - move.began_s, 3)
        detail = {"number": move.number, "phase": str(move.phase), "reason": move.reason, "seconds": took_s}
        self._journal.write(move.who, f"dome {move.wish.kind} ended", {**detail, "after": self._values()})
        command.ended.set_result(None)
        if move.wish.kind is WishKind.CLOSE:
            self._close_ended(move)

    # A close that failed is sent again

    def _close_ended(self, move: Move) -> None:
        if move.phase is Phase.FAILED and not self._is_shut_down:
            again_s = self._clock.monotonic() + self._failed_closes.add(move.who, move.reason)
            self._state = replace(self._state, close_again_s=again_s)
        elif move.phase is Phase.ARRIVED:
            self._forget_failed_closes()

    def _send_close_again(self, who: str) -> None:
        """Unless it is closed, or may not be; a guard that closes tries again itself, within the motor's duty."""
        is_closed = is_closed_word(self._state.shutter_word(self._clock.monotonic()))
        is_guards = any(one.name == SAFETY_CLOSE for one in unmet(self._conditions.of(WishKind.PARK)))
        if is_closed or is_guards or self._is_shut_down or unmet(self._conditions.of(WishKind.CLOSE)):
            self._forget_failed_closes()
        else:
            self._state = replace(self._state, close_again_s=None)
            self._issue(DomeWish(WishKind.CLOSE), who)

    def _forget_failed_closes(self) -> None:
        self._failed_closes.forget()
        self._state = replace(self._state, close_again_s=None)

    # STOP

    def _send_stop(self, number: int, who: str, pressed_s: float) -> Future[None]:
        sent = self._stop_lane.submit(self._stop_clients.stop)
        sent.add_done_callback(lambda future: self._stop_answered(number, who, pressed_s, future))
        return sent

    def _stop_answered(self, number: int, who: str, pressed_s: float, answer: Future[None]) -> None:
        """Take the answer in the lane's thread."""
        at_s, error = self._clock.monotonic(), answer.exception()
        detail = {"number": number, "before": self._values(), "latency_s": round(at_s - pressed_s, 3)}
        self._journal.write(who, "dome stop", {**detail, "answer": str(error or "accepted")})
        if error is not None:
            log.warning("STOP of %s was not accepted: %s", who, error)
        self._on_loop(self._stop_accepted, None if error is not None else at_s)

    def _stop_pressed(self, number: int, who: str, pressed_s: float) -> None:
        self._forget_failed_closes()
        if self._stop is not None and not self._stop.is_given_up:
            self._stop.number = number
            return
        log.info("STOP of %s", who)
        stop = self._stop = PendingStop(number, who, pressed_s)
        loop = asyncio.get_running_loop()
        loop.call_later(STOP_AGAIN_S, self._stop_again, stop)
        loop.call_later(STOP_NOTICE_S, self._give_stop_up, stop)
        self._publish()
        self._wake.set()

    def _stop_accepted(self, at_s: float | None) -> None:
        if self._stop is not None and at_s is not None:
            self._stop.accepted_s = at_s
        self._wake.set()

    def _stop_again(self, stop: PendingStop) -> None:
        if self._stop is not stop or stop.is_given_up or self._is_shut_down:
            return
        log.warning("STOP of %s is not confirmed after %g s and is sent again", stop.who, STOP_AGAIN_S)
        self._send_stop(stop.number, stop.who, self._clock.monotonic())
        asyncio.get_running_loop().call_later(STOP_AGAIN_S, self._stop_again, stop)

    def _give_stop_up(self, stop: PendingStop) -> None:
        if self._stop is not stop:
            return
        stop.is_given_up = True
        is_moving = self._state.is_moving(self._clock.monotonic())
        why = self._state.failure or ("the dome still moves" if is_moving else "the dome did not accept it")
        notice = f"STOP is not confirmed after {STOP_NOTICE_S:g} s ({why}): use the hardware stop"
        log.error("%s", notice)
        self._state = replace(self._state, stop_notice=notice)
        self._publish()

    def _confirm_stop(self, sample: DomeSample, asked_s: float) -> None:
        """End the STOP, and what it stopped, when the dome is seen to stand."""
        stop = self._stop
        if stop is None or not stop.is_confirmed(sample, asked_s):
            return
        self._stop = None
        self._state = replace(self._state, stop_notice=None)
        for command in self._open_commands():
            if command.follow.move.number < stop.number:
                self._follow(command, command.follow.ended(Phase.STOPPED, f"stopped by {stop.who}"))
        seconds = round(self._clock.monotonic() - stop.pressed_s, 3)
        self._journal.write(
            stop.who, "dome stop confirmed", {"number": stop.number, "seconds": seconds, "after": self._values()}
        )

    # Everybody's

    def _publish(self) -> None:
        """Make a state of what is known, and hand it out."""
        moves = [command.follow.move for command in self._open_commands()]
        newest = max(moves, key=lambda move: move.number, default=None)
        interlocks = self._conditions.of(WishKind.OPEN)
        self._state = replace(
            self._state,
            move=newest,
            last_move=self._last_move,
            interlocks=interlocks,
            is_stopping=self._stop is not None and not self._stop.is_given_up,
        )
        for listener in self._listeners:
            try:
                listener(self._state)
            except Exception:
                log.exception("Bug in a listener of the dome")

    def _values(self) -> dict[str, Any]:
        """What is known, as JSON for the journal."""
        return journal_values(self._state, self._clock.monotonic())

    def _on_loop(self, function: Callable[..., None], *values: object) -> None:
        """Call on the loop's thread, from any thread; without a loop nothing is followed."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(function, *values)
