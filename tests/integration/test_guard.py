"""The guard against the simulator: killed, hung, stopped, stuck and abandoned domes are closed, and proven closed."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from email import message_from_bytes
from email.header import decode_header, make_header
from http.client import HTTPConnection
from itertools import pairwise

import pytest
from aiosmtpd.controller import Controller

from app.bootstrap.guarding import end_hung_guard, start_guard
from app.devices.dome import AlpacaDome
from app.guard.close import devices_at
from app.guard.desk import Desk
from app.guard.duty import Guard
from app.guard.errand import turn_dome
from app.guard.mail import Mailer
from app.guard.memory import Keeper, recall
from app.guard.places import Places
from app.guard.watch import Watch
from app.model.clock import SystemClock
from app.model.dome import Override
from app.model.guard import GuardPhase, GuardPlan
from app.model.settings import Contact, Device, Dome, Enclosure, Mail, Site
from app.model.settings import Guard as Rules
from app.services.guard_watch import GuardSaidNo, GuardUnreachable, GuardWatch
from app.services.service_loop import ServiceLoop
from tests.simulated import CHECKOUT, simulator

measured = logging.getLogger("measured")

pytestmark = pytest.mark.logs_warnings
#: The night of the simulated observatory's sky, whatever the clock on the wall says.
NIGHT = "2024-08-05T22:00:00+00:00"
SITE = Site(latitude_deg=28.76, longitude_deg=-17.88)
LEASE_S = 5.0
CLOSE = "/api/v1/dome/0/closeshutter"
HEAVY = ("numpy", "astropy", "PySide6", "sqlalchemy")

#: A guard's process that says at its end which heavy modules its life has brought in.
GUARD = f"""
import sys; from pathlib import Path; from app.guard.__main__ import run
code = run(Path(sys.argv[1]))
sys.stdout.write(f"{{[name for name in {HEAVY} if name in sys.modules]}}\\n")
sys.exit(code)
"""
#: A window that ticks, until it is killed.
HOLDER = """
import sys, threading; from pathlib import Path
from app.model.clock import SystemClock; from app.model.guard import GuardPlan
from app.services.guard_watch import GuardWatch; from app.services.service_loop import ServiceLoop
watch = GuardWatch(GuardPlan.model_validate_json(Path(sys.argv[1]).read_bytes()), lambda: None, SystemClock(), poll_s=0.2)
loop = ServiceLoop(); loop.start(); loop.submit(watch.run())
while True:
    watch.tick("window")
    threading.Event().wait(0.2)
"""


@pytest.fixture(scope="module")
def observatory():
    """A simulator of which motors run sixteen times as fast."""
    with simulator(16.0) as sim:
        yield sim


@pytest.fixture
def sim(observatory):
    """The same with an open shutter, a safe sky, an unparked mount and no faults."""
    observatory.put("faults")
    for verb in ("unpark", "abortslew"):
        form = "ClientID=1&ClientTransactionID=1"
        host, _, port = observatory.server.partition(":")
        connection = HTTPConnection(host, int(port), timeout=5.0)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("PUT", f"/api/v1/telescope/0/{verb}", form, headers)
        connection.getresponse().read()
        connection.close()
    observatory.put("state", {"shutter_stuck_at": None})
    observatory.put("state", {"shutter": "open", "is_safe": True, "rain_mm_h": None, "weather_age_s": None})
    return observatory


@pytest.fixture
def plan(sim, tmp_path):
    device = Device(server=sim.server)
    return GuardPlan(
        folder=str(tmp_path),
        dome=Dome(server=sim.server, motion_start_s=2.0, motion_end_s=5.0),
        mount=device,
        safety_monitor=device,
        weather=device,
        cover=device,
        site=SITE,
        enclosure=Enclosure(
            can_hit_mount=False, closed=Contact(server=sim.server), mains=Contact(server=sim.server, contact=2)
        ),
        guard=Rules(lease_s=LEASE_S, silent_s=5.0),
        night=f"{NIGHT} {time.monotonic()}",
    )


def until(is_so, limit_s=10.0):
    """Look until it is so, and return what was looked for."""
    deadline_s, pause = time.monotonic() + limit_s, threading.Event()
    while not (found := is_so()):
        assert time.monotonic() < deadline_s, "it did not come to be in time"
        pause.wait(0.02)
    return found


def puts(sim, since, path=CLOSE):
    """Such requests since then."""
    return [seen for seen in sim.requests(since) if seen["method"] == "PUT" and seen["path"] == path]


def plan_file(plan, tmp_path):
    file = tmp_path / "plan.json"
    file.write_text(plan.as_text)
    return str(file)


@contextmanager
def process(*arguments):
    """A child with a line to say."""
    command = [sys.executable, "-c", *arguments]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        try:
            yield child
        finally:
            child.kill()


def ask(plan, verb, path, token=None, **body):
    """Speak with the guard as anybody may; return status and answer."""
    runtime = json.loads(plan.runtime_file.read_text())
    connection = HTTPConnection("127.0.0.1", runtime["port"], timeout=3.0)
    connection.request(verb, path, json.dumps(body), {"X-Cupola-Token": runtime["token"] if token is None else token})
    reply = connection.getresponse()
    answer = json.loads(reply.read())
    connection.close()
    return reply.status, answer


def test_unsafe_sky_closes_within_five_seconds_though_the_mount_hangs(sim, plan, tmp_path):
    file = plan_file(plan, tmp_path)
    with process(GUARD, file) as guard:
        ready = json.loads(guard.stdout.readline())
        assert (ready["pid"], ready["server"]) == (guard.pid, f"{sim.server}/0")
        assert plan.runtime_file.stat().st_mode & 0o777 == 0o600
        until(lambda: ask(plan, "GET", "/state")[1]["is_safe"])
        assert ask(plan, "GET", "/state", token="guess")[0] == 403
        assert ask(plan, "GET", "/nowhere")[0] == 404
        for verb, path, body in (
            ("PUT", "/lease", {}),
            ("PUT", "/lease", {"name": " "}),
            ("PUT", "/override", {"name": "Ada", "reason": "test", "minutes": -1, "covers": ["sun"]}),
            ("PUT", "/override", {"name": "Ada", "reason": "test", "minutes": 1e9, "covers": ["sun"]}),
            ("PUT", "/lockout", {"who": "Ada"}),
        ):
            assert ask(plan, verb, path, **body)[0] == 400
        with process(GUARD, file) as second:
            assert second.wait(10) == 3

        sim.put("faults", {"members": ["telescope"], "hang_s": 30.0})
        since, unsafe_s = sim.newest(), time.monotonic()
        sim.put("state", {"is_safe": False})
        (sent,) = until(lambda: puts(sim, since))
        measured.info("unsafe_to_closeshutter_s: %s", sent["at_s"] - unsafe_s)
        assert sent["at_s"] - unsafe_s < 5.0
        state = until(lambda: (told := ask(plan, "GET", "/state")[1])["shutter"] == "proven closed" and told)
        assert state["closed_for"] == "the safety monitor says unsafe"
        assert len(puts(sim, since, "/api/v1/dome/0/abortslew")) == 0
        guard.terminate()
        assert guard.stdout.readline().strip() == "[]", "the guard is not light"
        assert guard.wait(5) == 0
        assert not plan.runtime_file.exists()


def test_a_killed_window_closes_the_dome(sim, plan, tmp_path):
    file = plan_file(plan, tmp_path)
    with process(GUARD, file) as guard, process(HOLDER, file) as window:
        guard.stdout.readline()
        until(lambda: ask(plan, "GET", "/state")[1]["leases"])
        since, killed_s = sim.newest(), time.monotonic()
        window.kill()
        sent = until(lambda: puts(sim, since), LEASE_S + 5.0)[0]
        measured.info("killed_to_closeshutter_s: %s", sent["at_s"] - killed_s)
        assert LEASE_S - 1.0 < sent["at_s"] - killed_s < LEASE_S + 2.0
        assert "was lost" in until(lambda: ask(plan, "GET", "/state")[1]["needs_operator"])


@pytest.fixture
def watching(plan):
    """Services that watch over the guard and start it, as a window has them."""
    loop = ServiceLoop()
    loop.start()
    watch = GuardWatch(plan, lambda: start_guard(plan), SystemClock(), poll_s=0.2)
    loop.submit(watch.run())
    yield watch
    loop.submit(watch.shut_down()).result(5.0)
    loop.close(5.0)
    if plan.runtime_file.exists():
        with suppress(ProcessLookupError):
            os.kill(json.loads(plan.runtime_file.read_text())["pid"], signal.SIGTERM)


def fresh(watch):
    """The guard's word, when it is fresh."""
    return watch.state.fresh_value(time.monotonic(), 1.0)


def test_a_living_guard_is_adopted_and_a_frozen_window_is_no_window(plan, watching):
    first = until(lambda: fresh(watching))
    assert os.getsid(first.pid) != os.getsid(0)
    watching.tick("window")
    until(lambda: fresh(watching).leases)
    loop, started = ServiceLoop(), []
    loop.start()
    other = GuardWatch(plan, lambda: started.append(1), SystemClock(), poll_s=0.2)
    loop.submit(other.run())
    try:
        assert until(lambda: fresh(other)).pid == first.pid
        assert started == []
        # No tick any more: the poll goes on, but the lease is not renewed.
        until(lambda: fresh(watching).leases[0].age_s > 1.0)
        assert watching.end_lease("window").result(3.0).leases == ()
        other.tick("serve")
        until(lambda: [lease.name for lease in fresh(watching).leases] == ["serve"])
        other.tick("serve")
    finally:
        loop.submit(other.shut_down()).result(5.0)
        loop.close(5.0)
    until(lambda: fresh(watching).leases == ())  # who ends in order is not taken for dead


def test_a_killed_guard_is_started_again_and_keeps_lockout(sim, plan, watching):
    first = until(lambda: fresh(watching))
    watching.take_lockout("Ada", "wheel").result(3.0)
    with pytest.raises(GuardSaidNo, match="held by Ada, not by Bob"):
        watching.release_lockout("Bob", "Bob").result(3.0)
    watching.override(Override("Ada", "test", 5.0), ("sky: cloud",)).result(3.0)
    killed_s = time.monotonic()
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: watching.state.failure, 5.0)
    measured.info("guard_killed_to_known_s: %s", time.monotonic() - killed_s)
    second = until(lambda: (state := fresh(watching)) is not None and state.pid != first.pid and state)
    measured.info("guard_killed_to_guard_back_s: %s", time.monotonic() - killed_s)
    assert time.monotonic() - killed_s < 10.0
    assert (second.phase, second.lockout.who) == (GuardPhase.LOCKOUT, "Ada")
    assert second.override.covers == ("sky: cloud",)
    assert second.safe_for_s < 5.0
    since = sim.newest()
    sim.put("state", {"rain_mm_h": 3.0})
    until(lambda: "rain" in watching.state.value.reason)
    assert puts(sim, since) == []
    assert watching.release_lockout("Bob", "Ada").result(3.0).lockout is None
    until(lambda: puts(sim, since))
    assert watching.opening("Ada", is_attended=True).result(3.0).reopenings_left == 2


def test_a_guard_that_hangs_is_killed_and_another_takes_its_place(plan):
    loop = ServiceLoop()
    loop.start()
    end_hung = lambda: end_hung_guard(plan)  # noqa: E731
    watch = GuardWatch(plan, lambda: start_guard(plan), SystemClock(), poll_s=0.2, end_hung=end_hung, hangs_s=2.5)
    loop.submit(watch.run())
    try:
        first = until(lambda: fresh(watch))
        os.kill(first.pid, signal.SIGSTOP)
        stopped_s = time.monotonic()
        second = until(lambda: (state := fresh(watch)) is not None and state.pid != first.pid and state, 20.0)
        measured.info("guard_hung_to_guard_back_s: %s", time.monotonic() - stopped_s)
        os.kill(second.pid, signal.SIGTERM)
    finally:
        loop.submit(watch.shut_down()).result(5.0)
        loop.close(5.0)


def test_no_process_but_a_guard_is_killed_for_one_that_hangs(plan):
    with process("import threading; threading.Event().wait(60.0)") as other:
        plan.runtime_file.write_text(json.dumps({"port": 1, "pid": other.pid, "token": "", "digest": ""}))
        end_hung_guard(plan)
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.3)
    plan.runtime_file.write_text("{")
    end_hung_guard(plan)
    plan.runtime_file.unlink()
    end_hung_guard(plan)


def test_a_slit_in_the_lee_stays_and_one_against_the_wind_is_turned(sim, plan):
    def told(azimuth_deg):
        errand = turn_dome(Places.of(plan), azimuth_deg)
        until(lambda: errand.ended_s)
        return errand.failure, len(puts(sim, since, "/api/v1/dome/0/slewtoazimuth"))

    sim.put("state", {"dome_azimuth_deg": 80.0})
    since = sim.newest()
    assert told(60.0) == ("", 0)
    sim.put("restart", {"roof": "roll-off"})
    try:
        assert told(200.0) == ("", 0)
    finally:
        sim.put("restart", {"roof": "slit"})
    sim.put("state", {"dome_azimuth_deg": 80.0})
    assert told(200.0) == ("", 1)


@contextmanager
def guarding(plan, mails=None):
    """A guard in this process, by rules that settings would not allow: shorter than a test can wait."""
    places, clock = Places.of(plan), SystemClock()
    file = plan.runtime_file.with_suffix(".memory.json")
    memory, flaw = recall(file, 3)
    watch = Watch(plan, places, clock)
    # The Sun of the sky's clock is not this test's.
    calm = plan.model_copy(update={"guard": plan.guard.model_copy(update={"sun_altitude_deg": 90.0})})
    devices, keeper = devices_at(places, plan.enclosure), Keeper(file)
    guard = Guard(calm, watch, devices, memory, keeper, mails or Mailer(Mail()), clock, flaw=flaw)
    watch.open()
    guard.look()
    thread = threading.Thread(target=guard.run)
    thread.start()
    try:
        until(lambda: guard.state().is_safe is not None and guard.state().shutter != "unknown")
        yield guard
    finally:
        guard.leave()
        thread.join(5.0)
        watch.close()


def quick(plan, **rules):
    return plan.model_copy(update={"guard": plan.guard.model_copy(update=rules)})


class Postbox:
    """Keeps subjects of what arrives."""

    def __init__(self):
        self.subjects = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.subjects.append(str(make_header(decode_header(message_from_bytes(envelope.content)["Subject"]))))
        return "250 OK"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_stuck_shutter_is_told_again_and_again_with_one_mail_until_it_is_closed(sim, plan):
    box, port = Postbox(), free_port()
    mails = Mailer(Mail(host="127.0.0.1", port=port, admins=("night@example.org",)), waits_s=(0.3,))
    short = quick(plan, retry_s=0.3, longest_retry_s=1.2)
    short = short.model_copy(update={"dome": short.dome.model_copy(update={"motion_end_s": 0.6})})
    sim.put("state", {"shutter_stuck_at": 0.6, "dome_azimuth_deg": 255.0, "wind_direction_deg": 250.0})
    since = sim.newest()
    post = Controller(box, hostname="127.0.0.1", port=port)
    with guarding(short, mails) as guard:
        sim.put("state", {"is_safe": False})
        until(lambda: guard.state().failed_closes >= 2)
        until(lambda: "is not taken" in " ".join(guard.state().faults))  # the mail server is away
        post.start()
        try:
            tried = until(lambda: len(found := puts(sim, since)) >= 4 and found, 15.0)
            times = [seen["at_s"] for seen in tried]
            gaps = [after - before for before, after in pairwise(times)]
            measured.info("gaps_of_retries_s: %s", gaps)
            assert gaps == sorted(gaps)
            assert guard.state().shutter in ("closing", "NOT CLOSED")
            assert guard.state().phase is GuardPhase.CLOSING
            assert puts(sim, since, "/api/v1/covercalibrator/0/closecover")
            until(lambda: puts(sim, since, "/api/v1/dome/0/slewtoazimuth"))
            until(lambda: 40.0 < sim.get("state")["dome"]["azimuth_deg"] < 100.0)  # in the lee
            sim.put("state", {"shutter_stuck_at": None})
            until(lambda: guard.state().shutter == "proven closed", 15.0)
            until(lambda: len(box.subjects) == 2)
        finally:
            post.stop()
    assert "does not close" in box.subjects[0]
    assert "is proven closed at last" in box.subjects[1]


def test_stop_of_a_safety_close_counts_down_and_then_it_closes_again(sim, plan):
    with guarding(quick(plan, stop_countdown_s=1.0)) as guard:
        since = sim.newest()
        sim.put("state", {"is_safe": False})
        until(lambda: puts(sim, since))
        dome = AlpacaDome(plan.dome.server, 0)
        stopped_s = time.monotonic()
        dome.abort_slew()
        guard.stop("Ada")
        dome.close()
        assert guard.state().phase is GuardPhase.COUNTDOWN
        first, second = until(lambda: len(found := puts(sim, since)) == 2 and found)
        measured.info("stop_to_closeshutter_s: %s", second["at_s"] - stopped_s)
        assert 1.0 <= second["at_s"] - stopped_s < 3.0
        until(lambda: guard.state().shutter == "proven closed")
        assert first["at_s"] < stopped_s


def test_a_roof_closes_only_over_a_parked_mount(sim, plan):
    roof = plan.model_copy(update={"enclosure": plan.enclosure.model_copy(update={"can_hit_mount": True})})
    with guarding(roof) as guard:
        since = sim.newest()
        sim.put("state", {"is_safe": False})
        sent = until(lambda: puts(sim, since), 20.0)[0]
        (park,) = puts(sim, since, "/api/v1/telescope/0/park")
        parked = [seen for seen in sim.requests(park["number"]) if seen["number"] < sent["number"]]
        assert parked, "the roof did not wait"
        assert sim.get("state")["mount"]["is_parked"]
        until(lambda: guard.state().shutter == "proven closed")


def test_a_guard_by_an_older_plan_is_replaced_once_the_dome_is_closed(sim, plan):
    with guarding(plan) as guard, Desk(guard, "token") as desk:
        desk.open()
        runtime = {"port": desk.port, "pid": os.getpid(), "token": "token", "digest": plan.digest}
        plan.runtime_file.write_text(json.dumps(runtime))
        newer = GuardWatch(quick(plan, lease_s=77.0), lambda: None, SystemClock())
        passing = GuardWatch(quick(plan, lease_s=78.0), lambda: None, SystemClock())
        newer.tick("window")
        assert newer._poll().shutter == "open"
        assert not guard._is_over
        sim.put("state", {"shutter": "closed"})
        until(lambda: passing._poll().shutter.endswith("closed"))
        assert not guard._is_over, "a program that keeps no guard ends none"
        until(lambda: newer._poll() and guard._is_over)
        desk.shutdown()


def test_a_guard_that_answers_and_does_not_look_any_more_counts_as_silent(plan):
    with guarding(plan) as guard, Desk(guard, "token") as desk:
        desk.open()
        runtime = {"port": desk.port, "pid": os.getpid(), "token": "token", "digest": plan.digest}
        plan.runtime_file.write_text(json.dumps(runtime))
        watch = GuardWatch(plan, lambda: None, SystemClock())
        assert watch._poll().shutter == "open"
        guard.leave()
        with pytest.raises(GuardUnreachable, match="has not looked for"):
            until(lambda: not watch._poll())
        desk.shutdown()


def test_weather_that_stands_still_closes(sim, plan):
    with guarding(quick(plan, silent_s=2.5)) as guard:
        sim.put("state", {"weather_age_s": 100.0})
        until(lambda: guard.state().shutter == "proven closed")
        assert "newest data are" in guard.state().closed_for
        assert "fell silent" in guard.state().needs_operator


def test_a_mail_server_that_never_ends_its_words_is_left():
    with socket.create_server(("127.0.0.1", 0)) as server:
        account = Mail(host="127.0.0.1", port=server.getsockname()[1], admins=("night@example.org",), timeout_s=0.5)
        mails = Mailer(account, waits_s=(60.0,))
        began_s = time.monotonic()
        mails.send("test", "test")
        with server.accept()[0]:  # says nothing, for ever
            until(lambda: mails.failure)
        mails.close()
        assert time.monotonic() - began_s < 3.0


def test_a_guard_that_cannot_say_where_it_answers_ends_and_its_log_says_why(plan, tmp_path):
    file = tmp_path / "plan.json"
    file.write_text(plan.as_text)
    plan.runtime_file.mkdir(parents=True)  # in the way of the file
    command = [sys.executable, "-m", "app.guard", "--plan", str(file)]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=20.0, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "cannot say where it answers" in plan.runtime_file.with_suffix(".log").read_text()
