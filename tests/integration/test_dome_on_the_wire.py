"""Real HTTP: what servers do wrong, the simulated observatory, and how soon a STOP is on the wire."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from app.devices import discovery
from app.devices.discovery import devices_of, discover
from app.devices.dome import AlpacaDome
from app.devices.mount import AlpacaMount
from app.devices.refusals import DeviceNotConnected
from app.devices.safety import AlpacaSafety
from app.devices.transport import Wire
from app.devices.weather import AlpacaWeather
from app.model.clock import SystemClock
from app.model.dome import (
    ClosedBy,
    DeviceBusy,
    DeviceNonsense,
    DeviceNotSupported,
    DeviceRefused,
    DeviceUnreachable,
    DomeWish,
    Phase,
    ShutterState,
    WishKind,
)
from app.model.found_device import FoundDevice
from app.model.settings import Dome
from app.services import dome as dome_module
from app.services.dome import DomeService
from app.services.service_loop import ServiceLoop
from tests.conditions import FixedConditions
from tests.raw_server import http, raw_server, reply
from tests.simulated import simulator

LIMIT_S = 10.0


@contextmanager
def wired(*answers, timeout_s=2.0):
    """A wire to such a server."""
    with raw_server(*answers) as (server, requests):
        wire = Wire(server, "dome", 0, timeout_s)
        try:
            yield wire, requests
        finally:
            wire.close()


class TestWire:
    @pytest.mark.parametrize(
        ("answer", "error", "match"),
        [
            (http("<html><h1>router</h1></html>"), DeviceUnreachable, "is not Alpaca's .<html>"),
            (http(""), DeviceUnreachable, "is not Alpaca's .empty"),
            (http("[1, 2]"), DeviceUnreachable, "is not Alpaca's"),
            (http('{"detail": "ok"}'), DeviceUnreachable, "is not Alpaca's"),
            (http('{"Value": 1, "ErrorNumber": "none"}'), DeviceUnreachable, "is not Alpaca's"),
            (http("\ufffd\ud7ff"), DeviceUnreachable, "is not Alpaca's"),
            (b"SSH-2.0-OpenSSH_9.6\r\n", DeviceUnreachable, "no connection"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{", DeviceUnreachable, "no answer within 0.3 s"),
            (http("no such device", "400 Bad Request"), DeviceRefused, "HTTP 400 .no such device"),
            (http('{"error": 1}', "422 Unprocessable"), DeviceRefused, "HTTP 422"),
            (http("<html>oops</html>", "500 Internal Server Error"), DeviceRefused, "HTTP 500"),
            (http(reply(None, 0x400, "no such")), DeviceNotSupported, "no such part .no such"),
            (http(reply(None, 0x407, "not connected")), DeviceNotConnected, "error 0x407 .not connected"),
            (http(reply(None, -2147220480, "no such")), DeviceNotSupported, "no such part .no such"),
            (http(reply(None, 0x400, "no such"), "500 Internal Server Error"), DeviceNotSupported, "no such part"),
            (http(reply(None, 0x7DA, "moving")), DeviceBusy, "busy, error 0x7DA .moving"),
            (http(reply(None, 0x500, "I am BUSY")), DeviceBusy, "busy, error 0x500 .I am BUSY"),
            (http(reply(98.0), "500 Internal Server Error"), DeviceRefused, "HTTP 500"),
            (http(reply(None, -2147220991)), DeviceRefused, "error 0x80040"),
            (http(reply(None)), DeviceNonsense, "'None' is nonsense"),
        ],
    )
    def test_a_bad_answer_is_one_sentence(self, answer, error, match):
        with wired(answer, timeout_s=0.3) as (wire, _):
            with pytest.raises(error, match=match) as caught:
                wire.get("azimuth")
            assert type(caught.value) is error
            assert str(caught.value).startswith(f"Dome 0 at {wire.address.place[0]}, azimuth: ")

    @pytest.mark.parametrize("body", ["NaN", "Infinity", '"12,5"', "true", "[]", "1e999"])
    def test_a_value_that_is_no_number_is_nonsense(self, body):
        answer = http(f'{{"Value": {body}, "ErrorNumber": 0}}')
        with (
            wired(http("no", "404 Not Found"), answer) as (wire, _),
            pytest.raises(DeviceNonsense, match="is nonsense"),
        ):
            wire.values(["azimuth"]).number("azimuth")

    @pytest.mark.parametrize("value", [1, 0, "true", None])
    def test_a_value_that_is_no_boolean_is_nonsense(self, value):
        with wired(http(reply(value))) as (wire, _), pytest.raises(DeviceNonsense, match="is nonsense"):
            wire.flag("slewing")

    @pytest.mark.parametrize("verb", ["get", "put"])
    def test_a_reply_that_trickles_is_given_up_in_time(self, verb):
        with wired((http(reply(98.0)), 0.05), timeout_s=0.3) as (wire, _):
            began_s = time.monotonic()
            with pytest.raises(DeviceUnreachable, match=r"no answer within 0\.3 s"):
                getattr(wire, verb)("azimuth")
            assert 0.25 < time.monotonic() - began_s < 0.6

    def test_nobody_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with pytest.raises(DeviceUnreachable, match=r"no connection \(Connection refused\); start the server"):
            Wire(f"127.0.0.1:{port}", "dome", 0).get("azimuth")

    def test_a_read_that_loses_its_connection_is_sent_once_more(self):
        with wired(None, http(reply(98.0))) as (wire, requests):
            assert wire.get("azimuth") == 98.0
            assert len(requests) == 2

    def test_a_command_is_never_sent_twice(self):
        with wired(None, http(reply())) as (wire, requests):
            with pytest.raises(DeviceUnreachable):
                wire.put("slewtoazimuth", Azimuth=10.0)
            assert len(requests) == 1

    def test_a_connection_that_the_server_closed_while_it_was_idle_is_opened_anew(self):
        closing = http(reply(1)).replace(b"\r\n\r\n", b"\r\nX: y\r\n\r\n", 1)
        with raw_server(closing) as (server, requests):
            wire = Wire(server, "dome", 0)
            wire.get("azimuth")
            wire._http._connection.sock.shutdown(socket.SHUT_RDWR)
            wire.put("abortslew")
            wire.close()
            assert [request.split()[0] for request in requests] == ["GET", "PUT"]

    def test_proxies_of_the_environment_are_ignored(self, monkeypatch):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        with wired(http(reply(98.0))) as (wire, _):
            assert wire.get("azimuth") == 98.0

    def test_a_request_is_as_alpaca_wants_it(self):
        with wired(http(reply(98.0))) as (wire, requests):
            wire.get("azimuth")
            wire.put("slewtoazimuth", Azimuth=98.5)
            wire.put("connected", Connected=True)
        head, _, form = requests[1].partition("\r\n\r\n")
        assert requests[0].startswith("GET /api/v1/dome/0/azimuth?ClientID=")
        assert head.startswith("PUT /api/v1/dome/0/slewtoazimuth HTTP/1.1")
        assert "Content-Type: application/x-www-form-urlencoded" in head
        assert form.startswith("Azimuth=98.5&ClientID=")
        assert form.endswith("&ClientTransactionID=2")
        assert "Connected=True&" in requests[2]


class TestDome:
    @pytest.mark.parametrize(("value", "azimuth_deg"), [(360.0, 0.0), (0, 0.0), (359.99, 359.99)])
    def test_azimuths(self, value, azimuth_deg):
        state = [{"Name": "Azimuth", "Value": value}, {"Name": "Slewing", "Value": False},
                 {"Name": "ShutterStatus", "Value": 4}, {"Name": "AtPark", "Value": True},
                 {"Name": "AtHome", "Value": False}]  # fmt: skip
        with raw_server(http(reply(state))) as (server, _):
            dome = AlpacaDome(server, 0)
            sample = dome.read()
            assert (sample.azimuth_deg, sample.shutter) == (azimuth_deg, ShutterState.ERROR)
            dome.close()

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("Azimuth", 400.0),
            ("Azimuth", -1),
            ("Azimuth", "98"),
            ("ShutterStatus", 7),
            ("Slewing", 1),
            ("AtPark", "no"),
        ],
    )
    def test_nonsense_is_refused(self, name, value):
        good = {"Azimuth": 98.0, "Slewing": False, "ShutterStatus": 1, "AtPark": True, "AtHome": False}
        state = [{"Name": key, "Value": one} for key, one in {**good, name: value}.items()]
        with raw_server(http(reply(state))) as (server, _):
            dome = AlpacaDome(server, 0)
            with pytest.raises(DeviceNonsense, match=f"{name.lower()}: '{value}' is nonsense"):
                dome.read()
            dome.close()

    @pytest.mark.parametrize(
        "refusal", [http(reply(None, 0x400)), http(reply(None, 0x40B)), http("no", "404 Not Found"), http(reply(3))]
    )
    def test_without_device_state_members_are_read_one_by_one_and_missing_ones_asked_once(self, refusal):
        members = [
            http(reply(98.0)),
            http(reply(None, 0x400)),
            http(reply(False)),
            http(reply(None, 0x400)),
            http(reply(True)),
        ]
        with raw_server(refusal, *members, *[one for one in members if b"1024" not in one]) as (server, requests):
            dome = AlpacaDome(server, 0)
            first, second = dome.read(), dome.read()
            dome.close()
        assert first == second
        assert (first.azimuth_deg, first.shutter, first.is_at_park, first.is_at_home) == (98.0, None, None, True)
        asked = [request.split("?")[0].rpartition("/")[2] for request in requests]
        assert asked == ["devicestate", "azimuth", "shutterstatus", "slewing", "atpark", "athome", "azimuth", "slewing", "athome"]  # fmt: skip

    def test_an_old_device_is_connected_by_its_property(self):
        answers = [http(reply(2)), http(reply(False)), http(reply()), http(reply(True)), http(reply("old"))]
        with raw_server(*answers, http(reply(True))) as (server, requests):
            dome = AlpacaDome(server, 0)
            assert dome.connect().interface_version == 2
            dome.close()
        assert [request.split()[0] for request in requests[:4]] == ["GET", "GET", "PUT", "GET"]
        assert "Connected=True" in requests[2]

    def test_a_device_that_is_connected_gets_no_command(self):
        answers = [http(reply("3")), http(reply(True)), http(reply("new")), http(reply(True))]
        with raw_server(*answers) as (server, requests):
            dome = AlpacaDome(server, 0)
            assert dome.connect().interface_version == 3
            dome.close()
        assert {request.split()[0] for request in requests} == {"GET"}

    def test_a_device_that_does_not_connect_says_where_to_look(self):
        with raw_server(http(reply(2)), http(reply(False))) as (server, _):
            dome = AlpacaDome(server, 0)
            with pytest.raises(DeviceRefused, match=f"does not connect: see what its server says at {server}/setup"):
                dome.connect()
            dome.close()


@pytest.fixture(scope="module")
def observatory():
    with simulator(30.0) as running:
        yield running


class TestOthers:
    def test_one_request_reads_a_whole_dome(self, observatory):
        dome = AlpacaDome(observatory.server, 0)
        dome.connect()
        since = observatory.newest()
        dome.read()
        dome.close()
        assert [one["path"] for one in observatory.requests(since)] == ["/api/v1/dome/0/devicestate"]

    def test_the_mount_tracks(self, observatory):
        mount = AlpacaMount(observatory.server, 0)
        sample = mount.read()
        mount.close()
        assert sample.is_tracking is True
        assert sample.ra_deg == pytest.approx(303.0, abs=1.0)  # NGC 6888
        assert sample.dec_deg == pytest.approx(38.4, abs=1.0)
        assert 0.0 <= sample.azimuth_deg < 360.0

    def test_safety_and_weather_follow_the_sky(self, observatory):
        safety, weather = AlpacaSafety(observatory.server, 0), AlpacaWeather(observatory.server, 0)
        assert isinstance(safety.read(), bool)
        calm = weather.read()
        assert 0.0 <= calm.wind_m_s < 20.0
        assert 0.0 <= calm.humidity_percent <= 100.0
        assert calm.rain_mm_h == 0.0
        safety.close()
        weather.close()

    @pytest.mark.parametrize(
        ("age_s", "match"), [(301.0, "newest data are 301 s old, the limit is 300 s"), (-1.0, "never")]
    )
    def test_old_weather_is_refused(self, age_s, match):
        with raw_server(http(reply(1)), http(reply(True)), http(reply(age_s))) as (server, _):
            weather = AlpacaWeather(server, 0)
            with pytest.raises(DeviceRefused, match=match):
                weather.read()
            weather.close()


class TestDiscovery:
    def test_two_servers_of_one_machine_are_found_with_their_devices(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with simulator(discovery_port=port) as one, simulator(discovery_port=port) as two:
            said = []
            found = discover(0.5, said.append, port=port, targets=["127.255.255.255"])
            listed = devices_of(one.server) + devices_of(two.server)
        assert {device.server for device in listed} == {one.server, two.server}
        assert {device.kind for device in found} >= {"dome", "telescope", "safetymonitor", "observingconditions"}
        assert "2 servers have answered" in said
        assert set(found) <= set(listed)

    def test_a_server_without_a_list_of_devices_says_so(self):
        with raw_server(http("not here", "404 Not Found")) as (server, _), pytest.raises(DeviceRefused, match="404"):
            devices_of(server)

    def test_a_silent_server_is_given_up(self):
        with (
            raw_server((b"HTTP/1.1 200 OK\r\n", 0.2)) as (server, _),
            pytest.raises(DeviceUnreachable, match=r"0\.2 s"),
        ):
            devices_of(server, timeout_s=0.2)

    def test_what_is_listed_is_read_leniently(self):
        item = {"DeviceName": "Dome", "DeviceType": "DOME", "DeviceNumber": "7", "Extra": 1}
        with raw_server(http(reply([item]))) as (server, _):
            assert devices_of(server) == (FoundDevice(server, "dome", 7, "Dome", ""),)

    def test_every_network_is_called_and_loopback_too(self):
        assert "127.255.255.255" in discovery._broadcasts()

    def test_nobody_answers(self):
        assert discover(0.05, lambda _: None, port=1, targets=["127.255.255.255"]) == ()


@contextmanager
def serviced(server, *, is_ours=True, **settings):
    """A dome service on its loop, as the program runs it."""
    loop = ServiceLoop()
    loop.start()
    service = DomeService(
        lambda: AlpacaDome(server, 0), Dome(poll_s=0.1, **settings), lambda *_: None, SystemClock(), FixedConditions(),
        server=f"{server}/0", is_ours=is_ours,
    )  # fmt: skip
    loop.submit(service.run())
    try:
        loop.submit(service.first_poll()).result(LIMIT_S)
        yield service, loop
    finally:
        loop.submit(service.shut_down()).result(LIMIT_S)
        loop.close(LIMIT_S)


def do(service, loop, wish):
    """Ask, and follow to the end."""

    async def run():
        return await service.final(await service.ask(wish, "ada"), LIMIT_S)

    return loop.submit(run()).result(LIMIT_S + 1.0)


def wait_for(service, enough, limit_s=LIMIT_S):
    """Wait until a state is enough."""
    reached = threading.Event()
    unsubscribe = service.subscribe(lambda state: enough(state) and reached.set())
    try:
        assert enough(service.state) or reached.wait(limit_s), service.state
        return service.state
    finally:
        unsubscribe()


class TestService:
    def test_a_night(self, observatory):
        with serviced(observatory.server) as (service, loop):
            for wish in (DomeWish(WishKind.OPEN), DomeWish(WishKind.GOTO, 10.0), DomeWish(WishKind.HOME)):
                assert do(service, loop, wish).phase is Phase.ARRIVED
            assert do(service, loop, DomeWish(WishKind.CLOSE)).is_done
            assert service.state.closed_by is ClosedBy.MOTION
            assert do(service, loop, DomeWish(WishKind.PARK)).is_done
            assert service.state.is_at_park.value is True

    @pytest.mark.logs_warnings
    @pytest.mark.parametrize(
        ("fault", "match"),
        [({"hang_s": 30}, "no answer within 2 s"), ({"html": True}, "is not Alpaca's"), ({"status": 500}, "HTTP 500"),
         ({"drop": True}, "no connection")],
    )  # fmt: skip
    def test_a_fault_is_a_sentence_and_passes(self, observatory, fault, match, monkeypatch):
        monkeypatch.setattr(dome_module, "_BACK_OFF_S", (0.1,))
        with serviced(observatory.server) as (service, _):
            azimuth_deg, since = service.state.azimuth_deg.value, observatory.newest()
            observatory.put("faults", fault)
            try:
                state = wait_for(service, lambda state: state.failure)
            finally:
                observatory.put("faults")
            assert match in state.failure
            assert state.azimuth_deg.value == azimuth_deg
            wait_for(service, lambda state: state.failure is None)
            assert {one["method"] for one in observatory.requests(since)} == {"GET"}

    @pytest.mark.logs_warnings
    def test_a_server_that_dies_and_returns_is_adopted_and_gets_no_command(self, monkeypatch):
        monkeypatch.setattr(dome_module, "_BACK_OFF_S", (0.1,))
        with simulator() as first:
            port = int(first.server.rpartition(":")[2])
            with serviced(first.server) as (service, _):
                first.put("stop")
                wait_for(service, lambda state: state.failure)
                with simulator(port=port) as second:
                    assert wait_for(service, lambda state: state.failure is None).azimuth_deg.value == 255.0
                    commands = [one["path"] for one in second.requests() if one["method"] == "PUT"]
                assert [path.rpartition("/")[2] for path in commands] in ([], ["connect"])


@pytest.mark.logs_warnings
def test_stop_is_on_the_wire_at_once_though_the_server_hangs(monkeypatch, capsys):
    """100 presses from another thread, with a poll and a command hanging for 10 s."""
    monkeypatch.setattr(dome_module, "STOP_AGAIN_S", 60.0)  # only presses are counted
    with simulator() as observatory, serviced(observatory.server) as (service, loop):
        assert loop.submit(service.ask(DomeWish(WishKind.GOTO, 75.0), "ada")).result(LIMIT_S).phase is not Phase.FAILED
        observatory.put("faults", {"hang_s": 10})
        hung = loop.submit(service.ask(DomeWish(WishKind.PARK), "ada"))
        since, pause, pressed_s, answers = observatory.newest(), threading.Event(), [], []
        for _ in range(100):
            pressed_s.append(time.monotonic())
            answers.append(service.stop("ada"))
            pause.wait(0.08)
        observatory.put("faults")
        seen_s = [one["at_s"] for one in observatory.requests(since) if one["path"].endswith("/abortslew")]
        assert len(seen_s) == 100
        late_ms = sorted((seen - pressed) * 1000 for seen, pressed in zip(sorted(seen_s), pressed_s, strict=True))
        figures = f"median {late_ms[50]:.1f} ms, p99 {late_ms[98]:.1f} ms, worst {late_ms[99]:.1f} ms"
        with capsys.disabled():
            sys.stdout.write(f"\nSTOP on the wire: {figures}\n")
        assert late_ms[98] < 100.0, figures
        service.stop("ada").result(LIMIT_S)
        assert hung.exception(LIMIT_S) is not None
        wait_for(service, lambda state: state.last_move and state.last_move.phase is Phase.STOPPED)
        assert all(isinstance(answer.exception(LIMIT_S), DeviceUnreachable | None) for answer in answers)


def test_asyncio_is_not_needed_for_stop(observatory):
    service = DomeService(
        lambda: AlpacaDome(observatory.server, 0),
        Dome(),
        lambda *_: None,
        SystemClock(),
        FixedConditions(),
        server="",
        is_ours=True,
    )
    service.stop("ada").result(LIMIT_S)
    assert observatory.requests()[-1]["path"].endswith("/abortslew")
    asyncio.run(service.shut_down())
