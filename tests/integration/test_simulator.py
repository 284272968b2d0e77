"""The simulator as clients meet it: its own process, real HTTP, alpyca, discovery."""

import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

CHECKOUT = Path(__file__).parents[2]
START = "from app.commands.simulate import run; run({port}, {scale}, frozen={frozen}, idle_s={idle_s}, discovery_port={udp})"
NONCE = "4f" * 16
PATIENCE_S = 20.0


class Simulator:
    """A running simulator, and a client of it."""

    def __init__(self, process, ready, start_s):
        self.process = process
        self.ready = ready
        self.start_s = start_s
        self.server = ready["server"]
        self.http = httpx.Client(base_url=f"http://{self.server}", trust_env=False, timeout=PATIENCE_S)

    def get(self, path, **query):
        return self.http.get(f"/api/v1/{path}", params=query)

    def put(self, path, **form):
        return self.http.put(f"/api/v1/{path}", data=form)

    def value(self, path, **query):
        answer = self.get(path, **query).json()
        assert answer["ErrorNumber"] == 0, answer
        return answer["Value"]

    def error(self, answer):
        assert answer.status_code == 200
        assert "Value" not in answer.json()
        return answer.json()["ErrorNumber"]

    def control(self, what, **content):
        answer = self.http.put(f"/simulator/v1/{what}", json=content)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def state(self):
        return self.http.get("/simulator/v1/state").json()

    def requests(self, since=0):
        return self.http.get("/simulator/v1/requests", params={"since": since}).json()

    def until(self, path, expected):
        """Ask again and again, as a client polls."""
        deadline = time.monotonic() + PATIENCE_S
        while self.value(path) != expected:
            assert time.monotonic() < deadline, f"{path} never became {expected}"


@contextmanager
def simulator(port=0, scale=1.0, frozen=False, idle_s=None, udp=0, **environment):
    code = START.format(port=port, scale=scale, frozen=frozen, idle_s=idle_s, udp=udp)
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    try:
        line = process.stdout.readline()
        if not line:
            pytest.fail(process.communicate(timeout=PATIENCE_S)[1])
        running = Simulator(process, json.loads(line), time.monotonic() - began)
        with running.http:
            yield running
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def ended(running):
    """Exit code, and what it printed after the line."""
    out, err = running.process.communicate(timeout=PATIENCE_S)
    return running.process.returncode, out, err


@pytest.fixture(scope="module")
def quick():
    """Motors twenty times quicker than in truth."""
    with simulator(scale=20.0, CUPOLA_SIMULATOR_NONCE=NONCE) as running:
        yield running


@pytest.fixture(scope="module")
def even():
    """Motors as slow as in truth, so that even a busy machine meets them on their way."""
    with simulator() as running:
        yield running


@pytest.fixture
def sim(quick):
    """The quick one, in its place."""
    return in_place(quick)


@pytest.fixture
def slow(even):
    """The slow one, in its place."""
    return in_place(even)


def in_place(running):
    """At rest at 90 degrees, closed, the sky as it is, no faults."""
    running.control("faults")
    weather = dict.fromkeys(("wind_m_s", "gust_m_s", "humidity_percent", "cloud_percent", "rain_mm_h"))
    running.control("state", dome_azimuth_deg=90.0, shutter="closed", is_safe=None, weather_age_s=None, **weather)
    return running


def test_it_says_where_it_is_and_imports_no_arithmetic(sim, record_property):
    record_property("start_s", round(sim.start_s, 2))
    assert sim.ready == {"server": sim.server, "pid": sim.process.pid}
    assert sim.server.startswith("127.0.0.1:")
    heavy = ["numpy", "astropy", "scipy", "PySide6", "alpaca"]
    code = f"import sys, app.commands.simulate; print([name for name in {heavy} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_the_command_line_starts_it_too():
    command = [sys.executable, "-P", "-m", "app", "simulate", "--scale", "5", "--idle", "1"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
    )
    assert set(json.loads(done.stdout)) == {"server", "pid"}
    assert done.stderr == ""


def test_every_reply_has_the_four_keys_and_the_ids(sim):
    answer = sim.get("dome/0/azimuth", ClientID=7, ClientTransactionID=4711)
    assert answer.headers["content-type"].startswith("application/json")
    first = answer.json()
    assert set(first) == {"ClientTransactionID", "ServerTransactionID", "ErrorNumber", "ErrorMessage", "Value"}
    assert (first["ClientTransactionID"], first["ErrorNumber"], first["ErrorMessage"]) == (4711, 0, "")
    second = sim.get("dome/0/azimuth").json()
    assert second["ClientTransactionID"] == 0
    assert second["ServerTransactionID"] == first["ServerTransactionID"] + 1 >= 2


@pytest.mark.parametrize(
    "path",
    [
        "DOME/0/description",
        "baddevicetype/0/description",
        "dome/-1/description",
        "dome/99999/description",
        "dome/A/description",
        "dome/00/description",
        "dome/0/descrip",
        "dome/0/Azimuth",
        "dome/0",
        "dome/0/azimuth/more",
    ],
)
def test_a_path_in_the_wrong_words_or_case_is_400_and_text(sim, path):
    answer = sim.get(path)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text


@pytest.mark.parametrize("path", ["/apx", "/api/1", "/api/v", "/api/V1", "/api/v2/dome/0/azimuth"])
def test_other_roots_are_refused(sim, path):
    assert 400 <= sim.http.get(path).status_code < 500


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
def test_other_methods_are_refused(sim, method):
    answer = sim.http.request(method, "/api/v1/dome/0/connected")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PUT")


@pytest.mark.parametrize("word", ["", "123456", "asdqwe"])
def test_a_boolean_that_is_none_is_400(sim, word):
    assert sim.put("dome/0/connected", Connected=word).status_code == 400


def test_connected_is_written_in_any_case_and_order_and_read_back(sim):
    for word, value in (("True", True), ("false", False), ("TRUE", True)):
        assert sim.put("dome/0/connected", ClientTransactionID=5, Connected=word, ClientID=1).status_code == 200
        assert sim.value("dome/0/connected") is value
    sim.put("dome/0/disconnect")
    sim.until("dome/0/connecting", False)
    assert sim.value("dome/0/connected") is False
    sim.put("dome/0/connect")
    assert (sim.value("dome/0/connecting"), sim.value("dome/0/connected")) == (True, False)
    sim.until("dome/0/connecting", False)
    assert sim.value("dome/0/connected") is True


@pytest.mark.parametrize("name", ["ClientID", "ClientTransactionID"])
@pytest.mark.parametrize("text", ["", "   ", "-12345", "NASDAQ", "4294967296", "1.5"])
def test_ids_that_are_none_are_400(sim, name, text):
    assert sim.get("dome/0/name", **{name: text}).status_code == 400
    assert sim.put("dome/0/abortslew", **{name: text}).status_code == 400


def test_names_have_any_case_in_a_query_and_their_own_in_a_body(sim):
    assert sim.get("dome/0/name", clienttransactionid=77).json()["ClientTransactionID"] == 77
    assert sim.put("dome/0/abortslew", clienttransactionid=77).json()["ClientTransactionID"] == 0
    assert sim.put("dome/0/slewtoazimuth", aZIMUTH=10).status_code == 400
    assert sim.value("observingconditions/0/timesincelastupdate", sENSORnAME="windspeed") == 0.0
    assert sim.get("observingconditions/0/timesincelastupdate").status_code == 400
    assert sim.put("dome/0/synctoazimuth", Azimuth=91, ExtraParameter="ExtraValue").status_code == 200
    assert sim.get("dome/0/azimuth", ExtraParameter="ExtraValue").json()["Value"] == 91.0


@pytest.mark.parametrize("text", ["", "12,5", "east", "nan", "inf", "1_0", "1e999"])
def test_a_number_that_is_none_is_400(sim, text):
    assert sim.put("dome/0/slewtoazimuth", Azimuth=text).status_code == 400


def test_a_put_with_no_body_no_ids_and_no_content_type_is_understood(sim):
    with socket.create_connection(("127.0.0.1", int(sim.server.split(":")[1])), PATIENCE_S) as wire:
        wire.sendall(b"PUT /api/v1/dome/0/openshutter HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        reply = b"".join(iter(lambda: wire.recv(65536), b""))
    assert reply.startswith(b"HTTP/1.1 200")
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["ErrorNumber"] == 0
    sim.until("dome/0/shutterstatus", 0)


def test_a_body_that_is_no_text_is_400(sim):
    assert sim.http.put("/api/v1/dome/0/slewtoazimuth", content=b"\xff\xfe=1").status_code == 400


@pytest.mark.parametrize("device", ["dome", "telescope", "safetymonitor", "observingconditions"])
def test_every_device_has_the_common_members(sim, device):
    for name in ("description", "driverinfo", "driverversion", "name"):
        assert sim.value(f"{device}/0/{name}")
    assert "SIMULATED" in sim.value(f"{device}/0/description")
    versions = {"dome": 3, "telescope": 4, "safetymonitor": 3, "observingconditions": 2}
    assert sim.value(f"{device}/0/interfaceversion") == versions[device]
    assert sim.value(f"{device}/0/supportedactions") == []
    state = sim.value(f"{device}/0/devicestate")
    assert all(set(item) == {"Name", "Value"} for item in state)
    assert state[-1]["Name"] == "TimeStamp"
    assert sim.error(sim.put(f"{device}/0/action", Action="x", Parameters="")) == 0x40C
    assert sim.error(sim.put(f"{device}/0/commandblind", Command="x", Raw="true")) == 0x400


def test_the_dome_says_what_it_can_and_cannot(sim):
    can = {"canfindhome", "canpark", "cansetazimuth", "cansetpark", "cansetshutter", "cansyncazimuth"}
    cannot = {"cansetaltitude", "canslave"}
    assert all(sim.value(f"dome/0/{name}") is True for name in can)
    assert all(sim.value(f"dome/0/{name}") is False for name in cannot)
    assert sim.error(sim.get("dome/0/altitude")) == 0x400
    assert sim.error(sim.put("dome/0/slewtoaltitude", Altitude=45)) == 0x400
    assert sim.error(sim.put("dome/0/slaved", Slaved="True")) == 0x400
    assert sim.put("dome/0/slaved", Slaved="False").json()["ErrorNumber"] == 0
    assert sim.value("dome/0/slaved") is False
    names = [item["Name"] for item in sim.value("dome/0/devicestate")]
    assert names == ["AtHome", "AtPark", "Azimuth", "ShutterStatus", "Slewing", "TimeStamp"]


def test_a_slew_is_slewing_at_once_and_ends_at_its_azimuth(sim):
    assert sim.put("dome/0/slewtoazimuth", Azimuth="270.5").json()["ErrorNumber"] == 0
    assert sim.value("dome/0/slewing") is True
    sim.until("dome/0/slewing", False)
    assert sim.value("dome/0/azimuth") == 270.5
    for azimuth in (-10, 360, 370):
        assert sim.error(sim.put("dome/0/slewtoazimuth", Azimuth=azimuth)) == 0x401


def test_park_home_and_sync_end_where_they_should(sim):
    sim.put("dome/0/park")
    sim.until("dome/0/atpark", True)
    assert (sim.value("dome/0/azimuth"), sim.value("dome/0/slewing")) == (255.0, False)
    sim.put("dome/0/findhome")
    assert sim.value("dome/0/atpark") is False
    sim.until("dome/0/athome", True)
    assert sim.value("dome/0/azimuth") == 75.0
    sim.put("dome/0/synctoazimuth", Azimuth=120)
    assert sim.value("dome/0/azimuth") == 120.0


def test_a_shutter_stopped_midway_is_in_error_until_it_is_closed(slow):
    slow.put("dome/0/openshutter")
    assert (slow.value("dome/0/shutterstatus"), slow.value("dome/0/slewing")) == (2, True)
    slow.put("dome/0/abortslew")
    assert (slow.value("dome/0/shutterstatus"), slow.value("dome/0/slewing")) == (4, False)
    assert slow.error(slow.put("dome/0/openshutter")) == 0x40B
    slow.put("dome/0/closeshutter")
    assert slow.value("dome/0/shutterstatus") in (3, 1)
    slow.until("dome/0/shutterstatus", 1)
    slow.put("dome/0/openshutter")
    assert slow.value("dome/0/shutterstatus") == 2


def test_half_a_circle_lasts_longer_than_3_s_and_an_abort_stops_it(slow):
    slow.control("state", dome_azimuth_deg=45.0)
    began = time.monotonic()
    slow.put("dome/0/slewtoazimuth", Azimuth=225)
    speed = 0.0
    while time.monotonic() - began < 3.1:
        speed = slow.state()["dome"]["speed_deg_s"]
    assert (slow.value("dome/0/slewing"), speed) == (True, 6.0)
    stop = time.monotonic()
    slow.put("dome/0/abortslew")
    slow.until("dome/0/slewing", False)
    assert 0.9 < time.monotonic() - stop < 3.0, "the brake needs 1 s"
    azimuth = slow.value("dome/0/azimuth")
    assert azimuth == slow.value("dome/0/azimuth")
    assert 45.0 < azimuth < 90.0


def test_the_mount_tracks_slews_parks_and_says_so(sim):
    sim.control("state", mount_ra_deg=303.03, mount_dec_deg=89.0)
    assert sim.value("telescope/0/rightascension") == pytest.approx(303.03 / 15.0)
    assert sim.value("telescope/0/tracking") is True
    sidereal_h = sim.value("telescope/0/siderealtime")
    sim.put("telescope/0/slewtocoordinatesasync", RightAscension=sidereal_h, Declination=30.0)
    assert sim.value("telescope/0/slewing") is True
    sim.until("telescope/0/slewing", False)
    assert sim.value("telescope/0/altitude") == pytest.approx(90.0 - (30.0 - 28.76), abs=0.1), "on the meridian"
    assert sim.value("telescope/0/azimuth") == pytest.approx(0.0, abs=5.0) or sim.value("telescope/0/azimuth") > 355.0
    sim.put("telescope/0/park")
    sim.until("telescope/0/atpark", True)
    assert sim.value("telescope/0/tracking") is False
    assert sim.error(sim.put("telescope/0/abortslew")) == 0x408
    sim.put("telescope/0/unpark")
    assert sim.value("telescope/0/atpark") is False
    assert sim.error(sim.put("telescope/0/findhome")) == 0x400


def test_weather_and_safety_agree_and_follow_the_test_s_wish(sim):
    assert sim.value("safetymonitor/0/issafe") is True
    assert 3.0 <= sim.value("observingconditions/0/windspeed") <= 8.0
    assert sim.value("observingconditions/0/windgust") > sim.value("observingconditions/0/windspeed")
    assert sim.value("observingconditions/0/dewpoint") < sim.value("observingconditions/0/temperature")
    sim.control("state", rain_mm_h=3.0, weather_age_s=900.0)
    assert sim.value("observingconditions/0/rainrate") == 3.0
    assert sim.value("observingconditions/0/timesincelastupdate", SensorName="") == 900.0
    assert sim.value("safetymonitor/0/issafe") is False
    sim.control("state", rain_mm_h=None)
    assert sim.value("safetymonitor/0/issafe") is True
    sim.control("state", is_safe=False)
    assert sim.value("safetymonitor/0/issafe") is False
    assert sim.error(sim.get("observingconditions/0/pressure")) == 0x400
    assert sim.error(sim.get("observingconditions/0/timesincelastupdate", SensorName="Pressure")) == 0x400
    assert sim.error(sim.get("observingconditions/0/timesincelastupdate", SensorName="Sunshine")) == 0x401


def test_management_names_the_devices_and_setup_pages_are_there(sim):
    assert sim.http.get("/management/apiversions").json()["Value"] == [1]
    description = sim.http.get("/management/v1/description", params={"clientTRANSACTIONid": 9}).json()
    assert set(description["Value"]) == {"ServerName", "Manufacturer", "ManufacturerVersion", "Location"}
    assert description["ClientTransactionID"] == 9
    devices = sim.http.get("/management/v1/configureddevices").json()["Value"]
    kinds = ["Dome", "Telescope", "SafetyMonitor", "ObservingConditions", "Switch", "CoverCalibrator", "Camera"]
    assert [d["DeviceType"] for d in devices] == kinds
    assert len({d["UniqueID"] for d in devices}) == 7
    assert all(d["DeviceNumber"] == 0 for d in devices)
    for path in ("/setup", "/setup/v1/dome/0/setup"):
        page = sim.http.get(path)
        assert (page.status_code, "SIMULATED" in page.text) == (200, True)
    assert sim.http.get("/setup/v1/dome/1/setup").status_code == 403


def test_only_the_nonce_s_holder_can_foretell_the_proof(sim):
    answer = sim.http.get("/simulator/v1/proof", params={"challenge": "who are you?"}).json()
    assert answer == {"proof": hmac.new(NONCE.encode(), b"who are you?", hashlib.sha256).hexdigest()}


def test_requests_are_numbered_and_timed_as_they_arrive(sim):
    newest = max((seen["number"] for seen in sim.requests()), default=0)
    before = time.monotonic()
    sim.put("dome/0/slewtoazimuth", Azimuth=100, ClientID=3)
    after = time.monotonic()
    sim.get("dome/0/nonsense", a=1)
    slew, nonsense = sim.requests(since=newest)
    assert slew["number"] == newest + 1
    assert (slew["method"], slew["path"]) == ("PUT", "/api/v1/dome/0/slewtoazimuth")
    assert slew["form"] == {"Azimuth": "100", "ClientID": "3"}
    assert before <= slew["at_s"] <= after
    assert (nonsense["path"], nonsense["form"]) == ("/api/v1/dome/0/nonsense", {"a": "1"})
    assert sim.http.get("/simulator/v1/requests", params={"since": "soon"}).status_code == 400


def test_a_hanging_server_acts_at_once_and_answers_late(sim):
    sim.put("dome/0/slewtoazimuth", Azimuth=270)
    newest = sim.requests()[-1]["number"]
    sim.control("faults", hang_s=1.2)
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        stop = pool.submit(httpx.put, f"http://{sim.server}/api/v1/dome/0/abortslew", trust_env=False)
        while not (seen := sim.requests(since=newest)):
            assert time.monotonic() - began < PATIENCE_S
        while sim.state()["dome"]["is_slewing"]:
            assert time.monotonic() - began < 1.2, "stopped long before the reply"
        assert not stop.done()
        assert stop.result(PATIENCE_S).status_code == 200
    assert time.monotonic() - began >= 1.2
    assert seen[0]["at_s"] - began < 0.5


def test_faults_spoil_replies_but_not_deeds_and_only_where_they_are_wanted(sim):
    sim.control("faults", html=True, members=["azimuth", "telescope", "dome/name"])
    assert sim.get("dome/0/azimuth").headers["content-type"].startswith("text/html")
    assert sim.get("telescope/0/name").text.startswith("<!DOCTYPE html>")
    assert sim.get("dome/0/name").text.startswith("<!DOCTYPE html>")
    assert sim.value("safetymonitor/0/name")
    assert sim.value("dome/0/slewing") is False
    sim.control("faults", status=500)
    answer = sim.put("dome/0/openshutter")
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (500, "text/plain")
    sim.control("faults")
    sim.until("dome/0/shutterstatus", 0)


def test_replies_come_without_waiting_for_acknowledgements(sim):
    seconds = []
    for _ in range(40):
        began = time.monotonic()
        sim.value("dome/0/azimuth")
        seconds.append(time.monotonic() - began)
    assert sorted(seconds)[20] < 0.035, "Nagle's algorithm costs 44 ms"


def test_a_dropped_connection_has_no_reply(sim):
    sim.control("faults", drop=True, members=["slewtoazimuth"])
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        sim.put("dome/0/slewtoazimuth", Azimuth=200)
    sim.until("dome/0/azimuth", 200.0)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"hangs": 1}', b'{"hang_s": -1}', b'{"hang_s": "NaN"}'])
def test_faults_that_are_none_are_refused_and_change_nothing(sim, content):
    answer = sim.http.put("/simulator/v1/faults", content=content)
    assert answer.status_code == 400
    assert answer.json()["problems"]
    assert sim.http.get("/simulator/v1/faults").json()["hang_s"] == 0.0
    assert sim.http.put("/simulator/v1/state", content=b'{"dome_azimuth_deg": 360}').status_code == 400


def test_plain_alpyca_drives_the_dome(slow):
    from alpaca.dome import Dome, ShutterState
    from alpaca.exceptions import InvalidOperationException, InvalidValueException, NotImplementedException
    from alpaca.management import configureddevices

    assert len(configureddevices(slow.server)) == 7
    dome = Dome(slow.server, 0)
    dome.rqs.trust_env = False
    dome.Connected = True
    assert (dome.Connected, dome.InterfaceVersion, dome.CanSetShutter) == (True, 3, True)
    dome.OpenShutter()
    assert dome.ShutterStatus is ShutterState.shutterOpening
    dome.AbortSlew()
    with pytest.raises(InvalidOperationException):
        dome.OpenShutter()
    with pytest.raises(InvalidValueException):
        dome.SlewToAzimuth(370.0)
    with pytest.raises(NotImplementedException):
        _ = dome.Altitude
    dome.CloseShutter()
    slow.until("dome/0/shutterstatus", 1)
    assert {item["Name"]: item["Value"] for item in dome.DeviceState}["ShutterStatus"] == 1
    dome.rqs.close()


def test_the_picture_is_the_same_each_time_and_of_the_night_that_is_given():
    texts = []
    for _ in range(2):
        with simulator(frozen=True, CUPOLA_NIGHT="2024-08-06T01:02:03+00:00 step=0.0") as running:
            state = running.http.get("/simulator/v1/state").text
            assert running.http.get("/simulator/v1/state").text == state
            assert running.value("dome/0/azimuth") == pytest.approx(69.6)
            assert (running.value("dome/0/slewing"), running.value("dome/0/shutterstatus")) == (False, 0)
            assert running.value("telescope/0/tracking") is True
            assert running.value("telescope/0/utcdate") == "2024-08-06T01:02:03.000Z"
            texts.append(state)
    assert texts[0] == texts[1]


def test_the_sky_is_that_of_the_night_in_the_environment():
    with simulator(scale=20.0, CUPOLA_NIGHT=f"2024-08-05T21:00:00+00:00 {time.monotonic()}") as running:
        assert running.value("telescope/0/utcdate").startswith("2024-08-05T21:00:")
        assert running.value("telescope/0/altitude") > 30.0


def test_discovery_finds_two_simulators_beside_each_other():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with simulator(udp=port) as one, simulator(udp=port) as two:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            asker.settimeout(PATIENCE_S)
            asker.sendto(b"who is there?", ("127.255.255.255", port))
            asker.sendto(b"alpacadiscovery1 and more", ("127.255.255.255", port))
            answers = [asker.recv(1024) for _ in range(2)]
        ports = {f"127.0.0.1:{json.loads(answer)['AlpacaPort']}" for answer in answers}
        assert ports == {one.server, two.server}


@pytest.mark.parametrize("way", ["stop", signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_even_while_replies_hang(way):
    with simulator() as running, ThreadPoolExecutor() as pool:
        running.control("faults", hang_s=60.0)
        hung = pool.submit(httpx.get, f"http://{running.server}/api/v1/dome/0/azimuth", trust_env=False, timeout=20.0)
        while not running.requests():
            assert running.process.poll() is None
        began = time.monotonic()
        if way == "stop":
            running.control("stop")
        else:
            running.process.send_signal(way)
        assert ended(running) == (0, "", "")
        assert time.monotonic() - began < 3.0
        assert hung.result(PATIENCE_S).status_code == 200


def test_it_ends_when_nobody_asks_any_longer():
    with simulator(idle_s=1.0) as running:
        asked = time.monotonic()
        while time.monotonic() - asked < 1.5:
            running.value("dome/0/azimuth")
        newest = time.monotonic()
        assert ended(running) == (0, "", "")
        assert 0.9 < time.monotonic() - newest < 4.0


def test_a_taken_port_is_refused_in_one_sentence(sim):
    from app.model.errors import ObservatoryError
    from app.sim.serving import listen

    port = int(sim.server.split(":")[1])
    with pytest.raises(ObservatoryError, match=f"127.0.0.1:{port}.*take another port"):
        listen(port)


def test_a_scale_that_is_none_is_refused():
    from app.commands.simulate import run
    from app.model.errors import ObservatoryError

    for scale in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ObservatoryError, match="give more than 0"):
            run(0, scale, frozen=False, idle_s=None)
