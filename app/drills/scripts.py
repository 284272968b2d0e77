"""The drills that the services play in this process: each makes a fault, and measures what comes of it."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from time import monotonic

from filelock import FileLock

from app.bootstrap.devices import Devices
from app.devices.discovery import devices_of
from app.drills.controls import Command
from app.drills.report import Outcome
from app.drills.stage import require
from app.drills.station import StationStage
from app.model.dome import DomeWish, WishKind
from app.model.guard import GuardPhase

RAIN_MM_H = 2.0
WHO = "drill"
#: Words of a shutter that is read again.
_READ = ("shutter open", "shutter closing", "shutter closed", "shutter proven closed")


def safety_monitor_unsafe(stage: StationStage) -> Outcome:
    """The safety monitor says unsafe over an open shutter."""
    stage.open_dome()
    fault_s = stage.begin()
    stage.controls.change(is_safe=False)
    return _closed(stage, fault_s, "the safety monitor said unsafe: the guard closed")


def rain_while_slewing(stage: StationStage) -> Outcome:
    """Rain while the dome turns, and its driver takes no command but AbortSlew meanwhile."""
    stage.controls.change(dome_azimuth_deg=0.0)
    stage.open_dome()
    stage.controls.lie(busy_while_moving=True)
    stage.ask(DomeWish(WishKind.GOTO, 170.0))
    stage.until("The turn", lambda: stage.truth().is_slewing, 5.0)
    fault_s = stage.begin()
    stage.controls.change(rain_mm_h=RAIN_MM_H)
    outcome = _closed(stage, fault_s, "it rained while the dome turned, and the busy driver was stopped: closed")
    told = [one.member for one in stage.commands("closeshutter", "abortslew")]
    require("abortslew" in told, f"The busy dome was not stopped before it was closed: it was told {told}")
    require(told[-1] == "closeshutter", f"A closing shutter was stopped: the dome was told {told}")
    return replace(outcome, facts={"commands": told})


def lockout_in_rain(stage: StationStage) -> Outcome:
    """It rains while people are in the dome: nothing moves until they release LOCKOUT."""
    stage.open_dome()
    stage.station.guard.take_lockout(WHO, "people in the dome").result(5.0)
    fault_s = stage.begin()
    stage.controls.change(rain_mm_h=RAIN_MM_H)
    detect_s = stage.first_word_s(fault_s, "alarm guard lockout") - fault_s
    require(
        "drill is in the dome" in stage.refusal(WishKind.CLOSE), "CLOSE was refused for another reason than LOCKOUT"
    )
    stage.during("The rest under LOCKOUT", lambda: not stage.commands() and stage.truth().opening == 1.0, 3.0)
    released_s = monotonic()
    stage.station.guard.release_lockout(WHO, WHO).result(5.0)
    closed_s = stage.closed_in_truth(15.0)
    did = "it rained under LOCKOUT: nothing moved, and after its release the guard closed"
    return Outcome(did, detect_s, stage.first_close_s() - released_s, closed_s - released_s)


def weather_feed_frozen(stage: StationStage) -> Outcome:
    """The weather station answers, and its data grow old."""
    stage.open_dome()
    fault_s = stage.begin()

    def is_told() -> bool:
        stage.controls.change(weather_age_s=monotonic() - fault_s)
        return stage.has_said(fault_s, "guard closing")

    stage.until("The guard's word of old data", is_told, 15.0)
    outcome = _closed(stage, fault_s, "the weather station answered with ever older data: the guard closed")
    return replace(outcome, facts={"limit_s": stage.station.observatory.settings.guard.silent_s})


def mains_lost(stage: StationStage) -> Outcome:
    """The mains fails, and the contact says so."""
    stage.open_dome()
    fault_s = stage.begin()
    stage.controls.change(has_mains=False)
    return _closed(stage, fault_s, "the mains failed: the guard closed on the battery")


def clock_jump(stage: StationStage) -> Outcome:
    """The time of day is set forward by an hour, and back by two: no lease, no age, no verdict is made of it."""
    stage.open_dome()
    jumped_s = stage.begin()
    for ahead in (timedelta(hours=1), timedelta(hours=-1)):
        stage.clock.ahead = ahead
        stage.during("Calm over the jump", lambda: _is_undisturbed(stage, jumped_s), 2.5)
    return Outcome("the clock was set forward by an hour, then back by two: nothing moved, nothing alarmed")


def comm_loss(stage: StationStage) -> Outcome:
    """The server of all devices refuses every connection, and comes back."""
    stage.open_dome()
    fault_s = stage.begin()
    stage.controls.spoil(refuse_s=9.0)
    detect_s = stage.first_word_s(fault_s, "dome not read") - fault_s
    unknown_s = stage.until("The word unknown", lambda: stage.shutter_word == "unknown", 9.0)
    stage.refusal(WishKind.OPEN)
    stage.until("The server's return", lambda: stage.has_said(unknown_s, *_READ), 20.0)  # a word before was on its way
    back_s = monotonic()
    closed_s = stage.closed_in_truth(15.0)
    did = "the server refused all connections for 9 s: unknown, OPEN refused; when it was back the guard closed"
    return Outcome(did, detect_s, None, unknown_s - fault_s, {"closed_after_return_s": round(closed_s - back_s, 2)})


def hung_server(stage: StationStage) -> Outcome:
    """Every reply of the dome hangs, and then it rains."""
    stage.open_dome()
    fault_s = stage.begin()
    stage.controls.spoil(members=["dome"], hang_s=600.0)
    detect_s = stage.first_word_s(fault_s, "dome not read") - fault_s
    unknown_s = stage.until("The word unknown", lambda: stage.shutter_word == "unknown", 9.0) - fault_s
    stage.refusal(WishKind.OPEN)
    rain_s = monotonic()
    stage.controls.change(rain_mm_h=RAIN_MM_H)
    safe_s = stage.closed_in_truth(15.0) - rain_s
    require(not stage.is_shown_closed(), "The shutter is shown as closed, though nobody could read it")
    stage.controls.spoil()
    stage.until("The word closed", stage.is_shown_closed, 15.0)
    did = "the dome's replies hung: unknown, OPEN refused; in the rain CloseShutter reached it all the same"
    return Outcome(did, detect_s, stage.first_close_s() - rain_s, safe_s, {"unknown_s": round(unknown_s, 2)})


def guard_killed(stage: StationStage) -> Outcome:
    """The guard is killed and cannot be started for some seconds: an alarm, and OPEN is refused; then it is back."""
    guard = stage.guard_word()
    require(guard is not None, "No guard is on duty before the drill")
    fault_s = stage.begin()
    lock = FileLock(stage.plan.runtime_file.with_suffix(".lock"))
    os.kill(guard.pid if guard else 0, signal.SIGKILL)
    lock.acquire(timeout=5.0)
    try:
        detect_s = stage.first_word_s(fault_s, "alarm guard") - fault_s
        require("guard" in stage.refusal(WishKind.OPEN), "OPEN was refused for another reason than the guard")
        safe_s = monotonic() - fault_s
    finally:
        lock.release()
    released_s = monotonic()
    back_s = stage.until("A new guard", lambda: stage.guard_word() is not None, 15.0) - released_s
    stage.open_dome()
    stage.begin()
    rain_s = monotonic()
    stage.controls.change(rain_mm_h=RAIN_MM_H)
    stage.closed_in_truth(15.0)
    facts = {"back_s": round(back_s, 2), "new_guard_close_s": round(stage.first_close_s() - rain_s, 2)}
    return Outcome(
        "the guard was killed: alarm, OPEN refused; a new one was on duty and closed", detect_s, None, safe_s, facts
    )


def server_restarted(stage: StationStage) -> Outcome:
    """The drivers start anew with another device number: the dome is found again, and told nothing."""
    stage.open_dome()
    fault_s = stage.begin()
    stage.controls.restart(dome_number=7)
    detect_s = stage.first_word_s(fault_s, "dome not read") - fault_s
    found_s = stage.until("The dome under its new number", lambda: stage.station.dome.state.failure is None, 15.0)
    stage.during("The rest after the restart", lambda: not stage.commands(), 2.0)
    require(stage.truth().opening == 1.0, f"The dome moved by itself; {stage.says()}")
    rain_s = monotonic()
    stage.controls.change(rain_mm_h=RAIN_MM_H)
    safe_s = stage.closed_in_truth(15.0) - rain_s
    close_s = stage.first_close_s() - rain_s
    stage.controls.restart(dome_number=0)
    did = "the drivers began anew under another number: found by UniqueID, not commanded; in the rain it was closed"
    return Outcome(did, detect_s, close_s, safe_s, {"found_again_s": round(found_s - fault_s, 2)})


def stuck_shutter(stage: StationStage) -> Outcome:
    """The shutter sticks at 60 % in the rain: it is tried again and again, and closes when it is freed."""
    stage.controls.change(shutter_stuck_at=0.6)
    stage.open_dome()
    fault_s = stage.begin()
    stage.controls.change(rain_mm_h=RAIN_MM_H)
    detect_s = stage.first_word_s(fault_s, "alarm sky", "guard closing") - fault_s
    stage.until("The second failed close", lambda: _failed_closes(stage) >= 2, 30.0)
    alarms = {one.key for one in stage.alarms}
    stage.until("The third failed close", lambda: _failed_closes(stage) >= 3, 30.0)
    require(alarms == {"sky"} == {one.key for one in stage.alarms}, f"There is more than one alarm: {sorted(alarms)}")
    require(not stage.has_said(fault_s, "shutter closed", "shutter proven"), "A stuck shutter was shown as closed")
    require(abs(stage.truth().opening - 0.6) < 0.01, f"The shutter is not stuck at 60 %; {stage.says()}")
    stage.controls.change(shutter_stuck_at=None)
    freed_s = monotonic()
    closed_s = stage.closed_in_truth(30.0)
    stage.until("The word closed", stage.is_shown_closed, 5.0)
    stage.until("A returned alarm that still sounds", lambda: _is_returned(stage), 5.0)
    waits = _waits_s(stage.commands("closeshutter"))
    require(len(waits) >= 3, f"Only {len(waits)} retries were made")
    require(all(later > earlier for earlier, later in pairwise(waits)), f"The waits do not grow: {waits}")
    facts = {
        "server": stage.plan.server,
        "alarms": sorted(alarms),
        "waits_s": waits,
        "closed_after_freed_s": round(closed_s - freed_s, 2),
    }
    did = f"the shutter stuck at 60 %: {len(waits)} retries with growing waits, one alarm; freed, it closed"
    return Outcome(did, detect_s, stage.first_close_s() - fault_s, closed_s - freed_s, facts)


def stop_during_rain_close(stage: StationStage) -> Outcome:
    """STOP halts a safety close: after the countdown the guard closes again."""
    countdown_s = stage.station.observatory.settings.guard.stop_countdown_s
    stage.open_dome()
    fault_s = stage.begin()
    stage.controls.change(rain_mm_h=RAIN_MM_H)
    stage.until("The closing", lambda: 0.0 < stage.truth().opening < 0.9, 10.0)
    detect_s, close_s = (
        stage.first_word_s(fault_s, "alarm sky", "guard closing") - fault_s,
        stage.first_close_s() - fault_s,
    )
    stopped_s = stage.begin()
    stage.station.dome.stop(WHO).result(5.0)
    stage.until("The countdown", lambda: _phase(stage) is GuardPhase.COUNTDOWN, 3.0)
    stage.during("The rest in the countdown", lambda: not stage.truth().is_moving, countdown_s - 2.0)
    require(not stage.commands("closeshutter"), "The guard closed before its countdown was over")
    closed_s = stage.closed_in_truth(15.0)
    again_s = stage.first_close_s() - stopped_s
    require(
        again_s >= countdown_s - 0.5, f"The guard closed again after {again_s:.1f} s, before its countdown was over"
    )
    did = f"STOP halted the close in the rain: it went on after the countdown of {countdown_s:g} s"
    return Outcome(did, detect_s, close_s, closed_s - stopped_s, {"closed_again_s": round(again_s, 2)})


def mount_under_roof(stage: StationStage) -> Outcome:
    """It rains over a mount that is not parked, under a roof that can hit it: the close waits for the park."""
    require(not stage.truth().mount_is_parked, "The mount is parked before the drill")
    stage.open_dome()
    fault_s = stage.begin()
    stage.controls.change(rain_mm_h=RAIN_MM_H)
    detect_s = stage.first_word_s(fault_s, "alarm sky", "guard closing") - fault_s

    def is_parked() -> bool:
        before = stage.commands("closeshutter")
        parked = stage.truth().mount_is_parked
        require(parked or not before, "The roof was told to close over a mount that was not parked")
        return parked

    parked_s = stage.until("The parked mount", is_parked, 40.0) - fault_s
    closed_s = stage.closed_in_truth(15.0) - fault_s
    did = "it rained over an unparked mount: it was parked first, then the roof was closed"
    close_s = stage.first_close_s() - fault_s
    return Outcome(did, detect_s, None, closed_s, {"parked_s": round(parked_s, 2), "close_s": round(close_s, 2)})


def hits_mount(devices: Devices) -> Devices:
    """The devices under a roof that can hit the telescope."""
    return replace(devices, enclosure=devices.enclosure.model_copy(update={"can_hit_mount": True}))


def impatient(devices: Devices) -> Devices:
    """The devices with a dome that is soon taken for stuck, and that is known by its UniqueID."""
    (unique_id,) = (one.unique_id for one in devices_of(str(devices.dome.server)) if one.kind == "dome")
    dome = devices.dome.model_copy(update={"unique_id": unique_id, "motion_start_s": 2.0, "motion_end_s": 3.0})
    return replace(devices, dome=dome)


def _closed(stage: StationStage, fault_s: float, did: str) -> Outcome:
    """Wait for the word of it, and for the shutter; raises `DrillFailed`."""
    detect_s = stage.first_word_s(fault_s, "alarm sky", "guard closing") - fault_s
    safe_s = stage.closed_in_truth(15.0) - fault_s
    stage.until("The word closed", stage.is_shown_closed, 5.0)
    return Outcome(did, detect_s, stage.first_close_s() - fault_s, safe_s)


def _is_undisturbed(stage: StationStage, since_s: float) -> bool:
    is_quiet = not stage.has_said(since_s, "alarm", "guard says", "dome not read", "shutter")
    return is_quiet and not stage.commands() and _phase(stage) is GuardPhase.WATCHING and stage.shutter_word == "open"


def _phase(stage: StationStage) -> GuardPhase | None:
    guard = stage.guard_word()
    return None if guard is None else guard.phase


def _failed_closes(stage: StationStage) -> int:
    guard = stage.guard_word()
    return 0 if guard is None else guard.failed_closes


def _is_returned(stage: StationStage) -> bool:
    alarm = stage.alarm("sky")
    return alarm is not None and alarm.is_returned and alarm.must_sound(monotonic())


def _waits_s(closes: list[Command]) -> list[float]:
    return [round(later.at_s - earlier.at_s, 2) for earlier, later in pairwise(closes)]
