"""What the simulator does wrong on request, as a client meets it: real HTTP, real sockets."""

import json
import os
import socket
import subprocess
import sys
import time
from math import isnan

import httpx
import pytest

from tests.simulated import CHECKOUT, simulator

PATIENCE_S = 20.0
DEVICES = "/management/v1/configureddevices"
AZIMUTH = "/api/v1/dome/0/azimuth"


@pytest.fixture(scope="module")
def running():
    """One for all tests: a fault lasts until the next ones are set."""
    with simulator(scale=20.0) as simulated:
        yield simulated


@pytest.fixture
def sim(running):
    """The same, without faults and of the usual make."""
    running.put("faults")
    running.put("restart", {"interface": 3, "roof": "slit", "dome_number": 0})
    return running


@pytest.fixture
def http(sim):
    """A client of it."""
    with httpx.Client(base_url=f"http://{sim.server}", trust_env=False, timeout=PATIENCE_S) as client:
        yield client


def until_value(http, path, expected):
    deadline = time.monotonic() + PATIENCE_S
    while http.get(path).json()["Value"] != expected:
        assert time.monotonic() < deadline, f"{path} never became {expected}"


@pytest.mark.parametrize(("status", "kind"), [(404, "text/plain"), (500, "text/plain")])
def test_a_server_without_management_still_has_devices(sim, http, status, kind):
    sim.put("faults", {"status": status, "members": ["management"]})
    for path in ("/management/apiversions", "/management/v1/description", DEVICES):
        answer = http.get(path)
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (status, kind)
    assert http.get(AZIMUTH).status_code == 200


def test_faults_of_all_devices_leave_management_alone(sim, http):
    sim.put("faults", {"status": 500})
    assert http.get(AZIMUTH).status_code == 500
    assert http.get(DEVICES).status_code == 200


def test_discovery_can_fall_silent():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with simulator(discovery_port=port) as one, simulator(discovery_port=port) as two:
        one.put("faults", {"no_discovery": True})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            asker.settimeout(PATIENCE_S)
            for _ in range(2):
                asker.sendto(b"alpacadiscovery1", ("127.255.255.255", port))
                assert f"127.0.0.1:{json.loads(asker.recv(1024))['AlpacaPort']}" == two.server


@pytest.mark.parametrize("status", [400, 404, 405, 422, 500])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({}, "text/plain"),
        ({"html": True}, "text/html"),
        ({"other_json": True}, "application/json"),
        ({"empty": True}, ""),
    ],
)
def test_errors_come_in_every_status_and_body(sim, http, status, fault, kind):
    sim.put("faults", fault | {"status": status})
    answer = http.get(AZIMUTH)
    assert answer.status_code == status
    assert answer.headers.get("content-type", "").split(";")[0] == kind
    assert bool(answer.content) is bool(kind)


def test_a_reply_can_be_empty_and_understood_all_the_same(sim, http):
    sim.put("faults", {"empty": True, "members": ["openshutter"]})
    answer = http.put("/api/v1/dome/0/openshutter")
    assert (answer.status_code, answer.content) == (200, b"")
    until_value(http, "/api/v1/dome/0/shutterstatus", 0)


def test_a_reply_can_trickle_in_byte_by_byte(sim, http):
    sim.put("faults", {"trickle_s": 0.005})
    with http.stream("GET", AZIMUTH) as answer:
        assert answer.status_code == 200
        began = time.monotonic()
        pieces = list(answer.iter_raw())
    assert all(len(piece) < 10 for piece in pieces)
    assert json.loads(b"".join(pieces))["ErrorNumber"] == 0
    assert time.monotonic() - began > 0.005 * len(b"".join(pieces)) * 0.8


def test_a_reply_can_break_off_in_the_middle(sim, http):
    sim.put("faults", {"cut": True})
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        http.get(AZIMUTH)


def test_connections_are_refused_for_a_while_and_the_server_comes_back(sim, http):
    http.get(AZIMUTH)  # a connection that is kept open, and lost too
    began = time.monotonic()
    sim.put("faults", {"refuse_s": 1.0})
    refused = 0
    while True:
        try:
            with httpx.Client(trust_env=False) as fresh:
                fresh.get(f"http://{sim.server}{AZIMUTH}")
            break
        except httpx.ConnectError:
            if not refused:
                with pytest.raises(httpx.TransportError):
                    http.get(AZIMUTH)
            refused += 1
        except httpx.RemoteProtocolError:
            continue  # the listener was just closing
    assert refused
    assert 0.9 < time.monotonic() - began < 5.0
    assert sim.get("faults")["refuse_s"] == 1.0


def test_values_can_be_no_values(sim, http):
    def value(word):
        sim.put("faults", {"value": word, "members": ["azimuth"]})
        return http.get(AZIMUTH).json()

    assert value("null")["Value"] is None
    assert isnan(value("nan")["Value"])
    assert value("comma")["Value"] == "12,5"
    assert value("string")["Value"] == "255.0"
    assert "Value" not in value("absent")
    assert http.get("/api/v1/dome/0/slewing").json()["Value"] is False


def test_description_and_version_can_be_plain_strings(sim, http):
    sim.put("faults", {"value": "string", "members": ["management/description", "interfaceversion"]})
    assert http.get("/management/v1/description").json()["Value"].startswith("Cupola simulated observatory, ")
    assert http.get("/api/v1/dome/0/interfaceversion").json()["Value"] == "3"
    assert http.get("/api/v1/dome/0/description").json()["Value"].startswith("SIMULATED")


def test_the_list_of_devices_can_be_odd(sim, http):
    true = http.get(DEVICES).json()["Value"]
    sim.put("faults", {"odd_types": True, "extra_keys": True, "members": ["management"]})
    content = http.get(DEVICES).json()
    unknown, *odd = content["Value"]
    assert unknown["DeviceType"] == "CoffeeMaker"
    assert [device["UniqueID"] for device in odd] == [device["UniqueID"] for device in true]
    assert odd[0]["DeviceType"] == "dOME"
    assert all("extra_by_the_vendor" in device for device in (content, unknown, *odd))
    assert "extra_by_the_vendor" in http.get("/management/v1/description").json()["Value"]
    assert http.get("/management/apiversions").json()["Value"] == [1]


def test_an_echo_can_be_another_clients(sim, http):
    sim.put("faults", {"wrong_echo": True})
    assert http.get(AZIMUTH, params={"ClientTransactionID": 41}).json()["ClientTransactionID"] == 42


@pytest.mark.parametrize("number", [0x400, 0x40B, 0x7DA, -2147220478])
def test_an_error_can_come_from_what_was_done_all_the_same(sim, http, number):
    sim.put("faults", {"error": number, "members": ["devicestate", "synctoazimuth"]})
    for answer in (
        http.get("/api/v1/dome/0/devicestate").json(),
        http.put("/api/v1/dome/0/synctoazimuth", data={"Azimuth": "12.5"}).json(),
    ):
        assert answer["ErrorNumber"] == number
        assert answer["ErrorMessage"]
        assert "Value" not in answer
    assert http.get(AZIMUTH).json()["Value"] == 12.5


def test_devicestate_can_be_an_unknown_path(sim, http):
    sim.put("faults", {"status": 404, "members": ["devicestate"]})
    assert http.get("/api/v1/dome/0/devicestate").status_code == 404
    assert http.get(AZIMUTH).status_code == 200


def test_a_restarted_driver_has_lost_its_connection_and_may_have_another_number(sim, http):
    sim.put("faults", {"requires_connect": True})
    assert http.get(AZIMUTH).json()["ErrorNumber"] == 0x407
    assert http.put("/api/v1/dome/0/openshutter").json()["ErrorNumber"] == 0x407
    assert http.get("/api/v1/dome/0/name").json()["ErrorNumber"] == 0
    http.put("/api/v1/dome/0/connected", data={"Connected": "True"})
    assert http.get(AZIMUTH).json()["ErrorNumber"] == 0
    assert http.get("/api/v1/dome/0/shutterstatus").json()["Value"] in (0, 1), "nothing was done before"

    before = {device["UniqueID"]: device["DeviceNumber"] for device in http.get(DEVICES).json()["Value"]}
    make = sim.get("restart")
    assert sim.put("restart", {"dome_number": 7}) == sim.get("restart") == make | {"dome_number": 7}
    after = {device["UniqueID"]: device["DeviceNumber"] for device in http.get(DEVICES).json()["Value"]}
    assert before.keys() == after.keys()
    assert [number for unique, number in after.items() if number != before[unique]] == [7]
    assert http.get(AZIMUTH).status_code == 400
    answer = http.get("/api/v1/dome/7/azimuth").json()
    assert answer["ErrorNumber"] == 0x407
    assert http.get("/api/v1/dome/7/connected").json()["Value"] is False


def test_it_works_while_not_connected(http):
    assert http.get("/api/v1/dome/0/connected").json()["Value"] is False
    assert http.get(AZIMUTH).json()["ErrorNumber"] == 0
    assert http.put("/api/v1/dome/0/abortslew").json()["ErrorNumber"] == 0


def test_connecting_can_fail_and_says_so_where_the_standard_wants_it(sim, http):
    sim.put("faults", {"connect_fails": True, "members": ["connect", "connected"]})
    assert http.put("/api/v1/dome/0/connected", data={"Connected": "True"}).json()["ErrorNumber"] == 0x500
    assert http.put("/api/v1/dome/0/connect").json()["ErrorNumber"] == 0
    deadline = time.monotonic() + PATIENCE_S
    while (answer := http.get("/api/v1/dome/0/connecting").json())["ErrorNumber"] == 0:
        assert answer["Value"] is True
        assert time.monotonic() < deadline
    assert answer["ErrorNumber"] == 0x500
    assert http.get("/api/v1/dome/0/connected").json()["Value"] is False
    sim.put("faults")
    http.put("/api/v1/dome/0/connect")
    until_value(http, "/api/v1/dome/0/connecting", False)
    assert http.get("/api/v1/dome/0/connected").json()["Value"] is True


def test_a_fault_can_be_limited_to_some_replies(sim, http):
    sim.put("faults", {"status": 500, "times": 2, "members": ["azimuth"]})
    statuses = []
    for _ in range(4):
        statuses.append(http.get(AZIMUTH).status_code)
        assert http.get("/api/v1/dome/0/slewing").status_code == 200
    assert statuses == [500, 500, 200, 200]


def test_chance_is_the_same_for_the_same_seed(sim, http):
    def statuses(seed):
        sim.put("faults", {"status": 500, "probability": 0.5, "seed": seed})
        return [http.get(AZIMUTH).status_code for _ in range(30)]

    first = statuses(1)
    assert set(first) == {200, 500}
    assert statuses(1) == first
    assert statuses(2) != first


def test_several_faults_have_their_own_limits_and_add_up(sim, http):
    more = [{"members": ["azimuth"], "value": "null", "times": 1}, {"members": ["dome"], "extra_keys": True}]
    sim.put("faults", {"wrong_echo": True, "members": ["slewing"], "more": more})
    first, second = http.get(AZIMUTH).json(), http.get(AZIMUTH).json()
    assert (first["Value"], first["ClientTransactionID"]) == (None, 0)
    assert second["Value"] is not None
    assert "extra_by_the_vendor" in first.keys() & second.keys()
    assert http.get("/api/v1/dome/0/slewing").json()["ClientTransactionID"] == 1


def test_lies_are_kept_and_wrong_ones_refused(sim, http):
    assert sim.put("lies", {"says_parked": True})["says_parked"] is True
    assert http.get("/api/v1/dome/0/atpark").json()["Value"] is True
    assert http.put("/simulator/v1/lies", content=b'{"lies": 1}').status_code == 400
    assert sim.get("lies")["says_parked"] is True
    assert sim.put("lies")["says_parked"] is False


def test_a_request_with_nothing_but_its_line_is_understood(sim, http):
    with socket.create_connection(("127.0.0.1", int(sim.server.split(":")[1])), PATIENCE_S) as wire:
        wire.sendall(b"PUT /api/v1/dome/0/connected HTTP/1.0\r\n\r\n")
        assert b"400" in wire.recv(65536).split(b"\r\n")[0], "a needed parameter is still needed"
    with socket.create_connection(("127.0.0.1", int(sim.server.split(":")[1])), PATIENCE_S) as wire:
        wire.sendall(b"PUT /api/v1/dome/0/findhome HTTP/1.0\r\n\r\n")
        assert wire.recv(65536).startswith(b"HTTP/1.1 200")
    until_value(http, "/api/v1/dome/0/athome", True)


def test_the_command_line_chooses_the_make():
    options = ["--idle", "30", "--interface", "2", "--roof", "roll-off", "--dome-number", "3"]
    command = [sys.executable, "-P", "-m", "app", "simulate", *options]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            server = json.loads(process.stdout.readline())["server"]
            with httpx.Client(base_url=f"http://{server}/api/v1/dome/3/", trust_env=False, timeout=PATIENCE_S) as dome:
                assert dome.get("interfaceversion").json()["Value"] == 2
                assert dome.get("azimuth").json()["ErrorNumber"] == 0x400
                assert dome.get("connecting").status_code == 400
        finally:
            process.terminate()


@pytest.mark.parametrize("content", [b"{", b'{"interface": 4}', b'{"roof": "glass"}', b'{"dome_number": -1}'])
def test_a_make_that_is_none_is_refused_and_changes_nothing(sim, http, content):
    make = sim.get("restart")
    answer = http.put("/simulator/v1/restart", content=content)
    assert answer.status_code == 400
    assert answer.json()["problems"]
    assert sim.get("restart") == make
