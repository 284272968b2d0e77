"""Devices over real HTTP: versions 1 to 3, what is not there, devices that move to other numbers and ports, restarts."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import closing, contextmanager

import pytest

from app.devices import address as address_module
from app.devices.address import Address
from app.devices.answers import DOME_MEMBERS
from app.devices.contact import AlpacaContact
from app.devices.cover import AlpacaCover
from app.devices.discovery import discover, pick
from app.devices.dome import AlpacaDome
from app.devices.mount import AlpacaMount
from app.devices.refusals import DeviceNotConnected
from app.devices.transport import Wire
from app.devices.weather import AlpacaWeather
from app.model.clock import SystemClock
from app.model.dome import (
    DeviceBusy,
    DeviceError,
    DeviceNonsense,
    DeviceNotSupported,
    DeviceRefused,
    DeviceUnreachable,
    DomeWish,
    ShutterState,
    WishKind,
)
from app.model.found_device import FoundDevice
from app.model.settings import Contact, Dome
from app.model.surroundings import PierSide
from app.services import dome as dome_module
from app.services.device_search import try_contact, try_device
from app.services.dome import DomeService
from app.services.service_loop import ServiceLoop
from tests.conditions import FixedConditions
from tests.raw_server import http, raw_server, reply
from tests.simulated import simulator

LIMIT_S = 10.0
DOME_ID = "5c0f6d0e-8a55-4b0e-9a53-2f4dc1f8a001"
NO_STATE = http("no such member", "404 Not Found")
MISSING = http(reply(None, 0x400, "not implemented"))


@pytest.fixture(scope="module")
def server():
    with simulator(60.0, has_altitude=True, can_slave=True) as running:
        yield running


@contextmanager
def asked(kind, *answers):
    """A client of a server that gives these answers, and what it was asked."""
    with raw_server(*answers) as (server, requests), closing(kind(server, 0)) as client:
        yield client, requests


def members(requests):
    """What was asked, by member."""
    return [request.split("?")[0].split()[1].rpartition("/")[2] for request in requests]


def until(client, reached):
    """Read until a sample is what is waited for."""
    pause = threading.Event()
    for _ in range(500):
        sample = client.read()
        if reached(sample):
            return sample
        pause.wait(0.02)
    pytest.fail(f"not reached; the last sample was {sample}")


class TestReplies:
    def test_a_reply_to_another_request_is_never_taken_and_its_connection_is_left(self):
        with asked(lambda *at: Wire(at[0], "dome"), http(reply(1.0, ClientTransactionID=77)), http(reply(2.0))) as (
            wire,
            requests,
        ):
            with pytest.raises(DeviceUnreachable, match="the answer is to request 77, not to 1"):
                wire.get("azimuth")
            assert wire._http._connection.sock is None
            assert wire.get("azimuth") == 2.0
            assert len(requests) == 2

    def test_an_error_of_another_request_is_not_taken_either(self):
        with (
            asked(lambda *at: Wire(at[0], "dome"), http(reply(None, 0x400, ClientTransactionID=77))) as (wire, _),
            pytest.raises(DeviceUnreachable, match="request 77"),
        ):
            wire.put("abortslew")

    @pytest.mark.parametrize("echo", [0, "0", 1, "1", None])
    def test_servers_may_leave_the_number_out(self, echo):
        with asked(lambda *at: Wire(at[0], "dome"), http(reply(3.0, ClientTransactionID=echo))) as (wire, _):
            assert wire.get("azimuth") == 3.0

    def test_a_server_that_began_anew_is_noticed(self):
        good, anew = http(reply(98.0, ServerTransactionID=500)), http(reply(98.0, ServerTransactionID=2))
        with asked(lambda *at: Wire(at[0], "dome"), good, None, anew) as (wire, _):
            wire.get("azimuth")
            with pytest.raises(DeviceUnreachable, match="its server has begun anew"):
                wire.get("azimuth")
            assert wire.get("azimuth") == 98.0

    @pytest.mark.parametrize("number", [501, 0, None])
    def test_a_server_that_only_closed_an_idle_connection_has_not_begun_anew(self, number):
        good, later = http(reply(98.0, ServerTransactionID=500)), http(reply(99.0, ServerTransactionID=number))
        with asked(lambda *at: Wire(at[0], "dome"), good, None, later) as (wire, _):
            wire.get("azimuth")
            assert wire.get("azimuth") == 99.0


class TestConnecting:
    @pytest.mark.parametrize("version", ["3", 3, 3.0])
    def test_version_3_connects_in_the_background_and_is_waited_for(self, version):
        answers = [reply(version), reply(False), reply(), reply(True), reply(True), reply(False), reply(True)]
        with asked(lambda *at: Wire(at[0], "dome"), *map(http, answers)) as (wire, requests):
            assert wire.connect() == 3
        assert members(requests) == [
            "interfaceversion", "connected", "connect", "connecting", "connecting", "connecting", "connected"
        ]  # fmt: skip

    @pytest.mark.parametrize("missing", [NO_STATE, MISSING])
    def test_version_3_without_that_method_is_connected_by_its_property(self, missing):
        answers = [http(reply(3)), http(reply(False)), http(reply()), missing, http(reply()), http(reply(True))]
        with asked(lambda *at: Wire(at[0], "dome"), *answers) as (wire, requests):
            wire.connect()
        assert members(requests)[-3:] == ["connecting", "connected", "connected"]

    @pytest.mark.parametrize("version", ["three", None, float("inf"), []])
    def test_a_version_that_cannot_be_is_nonsense(self, version):
        with (
            asked(lambda *at: Wire(at[0], "dome"), http(reply(version))) as (wire, _),
            pytest.raises(DeviceNonsense, match="interfaceversion"),
        ):
            wire.connect()

    def test_a_dome_that_is_not_connected_any_more_is_not_read_until_it_is_adopted_again(self):
        lost = http(reply(None, 0x407, "not connected"))
        with asked(AlpacaDome, lost) as (dome, requests), pytest.raises(DeviceNotConnected):
            dome.read()
        assert members(requests) == ["devicestate"]

    def test_others_are_connected_again_and_read_at_once(self):
        lost = http(reply(None, 0x407, "not connected"))
        connect = [http(reply(2)), http(reply(False)), http(reply()), http(reply(True))]
        with asked(AlpacaContact, *connect, http(reply(True)), lost, *connect, http(reply(False))) as (contact, asks):
            assert contact.read() is True
            assert contact.read() is False
        assert [member for member in members(asks) if member == "getswitch"] == ["getswitch"] * 3


class TestDome:
    @pytest.mark.parametrize("version", [3, 2, 1])
    def test_every_version_is_read(self, server, version):
        server.put("restart", {"interface": version, "roof": "slit", "has_altitude": True, "can_slave": True})
        with closing(AlpacaDome(server.server)) as dome:
            facts = dome.connect()
            sample = dome.read()
        assert facts.interface_version == version
        assert (facts.can_set_azimuth, facts.can_set_altitude, facts.can_slave) == (True, True, True)
        assert sample.azimuth_deg is not None
        assert (sample.is_slaved, sample.is_slewing) == (False, False)

    def test_a_roof_has_a_shutter_alone(self, server):
        server.put("restart", {"interface": 3, "roof": "roll-off", "has_altitude": False, "can_slave": False})
        with closing(AlpacaDome(server.server)) as dome:
            facts, sample = dome.connect(), dome.read()
            since = server.newest()
            dome.read()
            with pytest.raises(DeviceNotSupported):
                dome.slew_to_azimuth(10.0)
        server.put("restart", {"roof": "slit", "has_altitude": True, "can_slave": True})
        can = (facts.can_set_azimuth, facts.can_set_altitude, facts.can_park, facts.can_find_home, facts.can_slave)
        assert can == (False,) * 5
        assert facts.can_set_shutter
        assert (sample.azimuth_deg, sample.altitude_deg, sample.is_slaved) == (None, None, None)
        assert sample.shutter is not None
        assert [one["path"].rpartition("/")[2] for one in server.requests(since)][:1] == ["devicestate"]
        assert len(server.requests(since)) <= 2  # what is not there was asked for once

    def test_altitude_and_slaving(self, server):
        with closing(AlpacaDome(server.server)) as dome:
            dome.connect()
            server.put("state", {"shutter": "open"})
            dome.slew_to_altitude(30.0)
            assert until(dome, lambda sample: not sample.is_slewing).altitude_deg == pytest.approx(30.0, abs=0.5)
            dome.set_slaved(True)
            assert dome.read().is_slaved is True
            dome.set_slaved(False)
            assert dome.read().is_slaved is False
            with pytest.raises(DeviceRefused):
                dome.slew_to_altitude(100.0)

    def test_an_altitude_that_cannot_be_is_nonsense(self):
        values = {"Azimuth": 98.0, "Altitude": 120.0, "Slewing": False, "AtPark": True, "AtHome": False}
        state = [{"Name": name, "Value": value} for name, value in {**values, "ShutterStatus": 1}.items()]
        with (
            asked(AlpacaDome, http(reply(state))) as (dome, _),
            pytest.raises(DeviceNonsense, match=r"altitude: '120\.0' is nonsense"),
        ):
            dome.read()

    def test_a_null_within_the_state_is_asked_for_alone_and_is_nonsense_there(self):
        state = [{"Name": "Azimuth", "Value": None}, *({"Name": name, "Value": False} for name in DOME_MEMBERS[1:])]
        with (
            asked(AlpacaDome, http(reply(state)), http(reply(None))) as (dome, requests),
            pytest.raises(DeviceNonsense, match="azimuth: 'None'"),
        ):
            dome.read()
        assert members(requests) == ["devicestate", "azimuth"]

    def test_what_was_not_there_is_asked_for_again_after_a_reconnect(self):
        connect = [http(reply(3)), http(reply(True))]
        with asked(lambda *at: Wire(at[0], "dome"), MISSING, *connect, http(reply(98.0))) as (wire, _):
            assert wire.optional("azimuth") is None
            wire.connect()
            assert wire.optional("azimuth") == 98.0

    def test_an_ability_that_old_drivers_do_not_know_is_none(self):
        facts = [http(reply(True))] * 4 + [MISSING, MISSING]
        with asked(AlpacaDome, http(reply(1)), http(reply(True)), http(reply("old")), *facts) as (dome, _):
            known = dome.connect()
        assert (known.can_find_home, known.can_set_altitude, known.can_slave) == (True, False, False)


class TestFoundAgain:
    def test_a_device_with_another_number_is_followed_by_all_its_clients(self, server):
        server.put("restart", {"dome_number": 3})
        try:
            address = Address(server.server, 0, DOME_ID)
            with closing(AlpacaDome(address)) as dome, closing(AlpacaDome(address)) as stop:
                since = server.newest()
                dome.connect()
                stop.abort_slew()
                assert str(address) == f"{server.server}/3"
                assert server.requests(since)[-1]["path"] == "/api/v1/dome/3/abortslew"
        finally:
            server.put("restart", {"dome_number": 0})

    def test_a_device_that_its_server_does_not_have_is_named(self, server):
        with (
            closing(AlpacaDome(Address(server.server, 0, "Baader-7", search=tuple))) as dome,
            pytest.raises(DeviceUnreachable, match="has no dome 'Baader-7'"),
        ):
            dome.connect()

    def test_a_device_at_another_port_is_found_on_the_network_and_moves_all_clients(self, caplog):
        caplog.set_level(logging.INFO, logger="app")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with socket.create_server(("127.0.0.1", 0)) as gone:
            before = f"127.0.0.1:{gone.getsockname()[1]}"

        def search():
            return discover(0.3, lambda _: None, port=port, targets=["127.255.255.255"])

        with simulator(discovery_port=port) as now:
            address = Address(before, 5, DOME_ID, search)
            with closing(AlpacaDome(address)) as dome, closing(AlpacaDome(address)) as stop:
                assert dome.connect().name
                stop.abort_slew()
                assert now.requests()[-1]["path"].endswith("/dome/0/abortslew")
        assert f"The dome that was {before}/5 is found again as {now.server}/0" in caplog.text

    def test_it_is_not_called_for_all_the_time(self, monkeypatch):
        now_s, searches = [100.0], []
        monkeypatch.setattr(address_module, "monotonic", lambda: now_s[0])
        with socket.create_server(("127.0.0.1", 0)) as gone:
            server = f"127.0.0.1:{gone.getsockname()[1]}"
        address = Address(server, 0, DOME_ID, lambda: searches.append(now_s[0]) or ())
        for second in (100.0, 101.0, 109.0, 111.0, 112.0):
            now_s[0] = second
            address.confirm("dome")
        assert searches == [100.0, 111.0]

    @pytest.mark.parametrize("answer", [http("no", "404 Not Found"), http("oops", "500 Internal Server Error")])
    def test_a_server_without_a_list_is_believed(self, answer):
        with raw_server(answer) as (server, _):
            address = Address(server, 4, DOME_ID, search=lambda: pytest.fail("it need not be searched"))
            address.confirm("dome")
            assert str(address) == f"{server}/4"

    def test_without_a_unique_id_nothing_is_asked(self):
        with raw_server(http(reply(1))) as (server, requests):
            Address(server, 0).confirm("dome")
            assert requests == []

    def test_a_lost_connection_makes_the_number_doubtful(self):
        listed = [{"DeviceName": "Dome", "DeviceType": "Dome", "DeviceNumber": 1, "UniqueID": "D"}]
        with (
            raw_server(http(reply(98.0)), None, http(reply(12.0))) as (server, _),
            raw_server(http(reply(listed))) as (lister, _),  # a raw server has one connection at a time
            closing(Wire(Address(server, 0), "dome")) as wire,
        ):
            wire.get("azimuth")
            wire.address.unique_id, wire.address._place = "D", (lister, 0)
            wire._http.server = lister  # the kept connection stays where it is
            with pytest.raises(DeviceUnreachable, match=f"it was {lister}/0 before"):
                wire.get("azimuth")
            assert wire.address.place == (lister, 1)

    def test_a_server_that_closes_every_connection_is_not_asked_for_its_list_each_time(self):
        listed = [{"DeviceName": "Dome", "DeviceType": "Dome", "DeviceNumber": 0, "UniqueID": "D"}]
        answers = (http(reply(98.0)), None, http(reply(98.0)), None, http(reply(98.0)))
        with (
            raw_server(*answers) as (server, _),
            raw_server(http(reply(listed))) as (lister, requests),
            closing(Wire(Address(server, 0), "dome")) as wire,
        ):
            wire.get("azimuth")
            wire.address.unique_id, wire.address._place = "D", (lister, 0)
            wire._http.server = lister
            wire.get("azimuth")
            wire.get("azimuth")
            assert members(requests) == ["configureddevices"]

    def test_the_name_stands_in_where_there_is_no_unique_id(self):
        named = FoundDevice("s:1", "dome", 2, "Baader", "")
        known = FoundDevice("s:1", "dome", 1, "Baader", "id")
        mount = FoundDevice("s:1", "telescope", 0, "Baader", "")
        assert pick((mount, known, named), "dome", "Baader") is named
        assert pick((mount, named, known), "dome", "id") is known
        assert pick((mount, known), "dome", "Baader") is None

    @pytest.mark.logs_warnings
    def test_the_service_adopts_a_restarted_server_with_other_numbers_and_commands_nothing(self, server, monkeypatch):
        monkeypatch.setattr(dome_module, "_BACK_OFF_S", (0.1,))
        address, loop = Address(server.server, 0, DOME_ID), ServiceLoop()
        loop.start()
        service = DomeService(
            lambda: AlpacaDome(address),
            Dome(poll_s=0.1),
            lambda *_: None,
            SystemClock(),
            FixedConditions(),
            server="",
            is_ours=True,
        )
        read_again = threading.Event()
        loop.submit(service.run())
        try:
            assert loop.submit(service.first_poll()).result(LIMIT_S).failure is None
            since, failed = server.newest(), []

            def look(state):
                if state.failure:
                    failed.append(state.failure)
                elif failed:
                    read_again.set()

            service.subscribe(look)
            server.put("restart", {"dome_number": 7})
            assert read_again.wait(LIMIT_S), service.state.failure
            assert str(address) == f"{server.server}/7"
            commands = {one["path"] for one in server.requests(since) if one["method"] == "PUT"}
            assert commands <= {"/api/v1/dome/7/connect", "/api/v1/dome/7/connected"}
            loop.submit(service.ask(DomeWish(WishKind.CLOSE), "ada")).result(LIMIT_S)
            assert server.requests()[-1]["path"].startswith("/api/v1/dome/7/")
        finally:
            loop.submit(service.shut_down()).result(LIMIT_S)
            loop.close(LIMIT_S)
            server.put("restart", {"dome_number": 0})


def mount_state(**more):
    """The answer of a mount's DeviceState."""
    values = {"Azimuth": 120.0, "Altitude": 45.0, "RightAscension": 20.2, "Declination": 38.4, "Tracking": True,
              "Slewing": False, "AtPark": False, "SideOfPier": 0, **more}  # fmt: skip
    return http(reply([{"Name": name, "Value": value} for name, value in values.items()]))


CONNECTED = (http(reply(4)), http(reply(True)))


class TestMount:
    @pytest.mark.parametrize(("number", "side"), [(0, PierSide.EAST), (1, PierSide.WEST), (-1, None)])
    def test_side_of_pier(self, number, side):
        with asked(AlpacaMount, *CONNECTED, mount_state(SideOfPier=number)) as (mount, requests):
            sample = mount.read()
        assert (sample.pier_side, sample.target_ra_deg, sample.target_pier_side) == (side, None, None)
        assert members(requests) == ["interfaceversion", "connected", "devicestate"]

    @pytest.mark.parametrize("wrong", [{"SideOfPier": 7}, {"Declination": 91.0}, {"RightAscension": 25.0}])
    def test_nonsense_is_refused(self, wrong):
        with (
            asked(AlpacaMount, *CONNECTED, mount_state(**wrong)) as (mount, _),
            pytest.raises(DeviceNonsense, match=next(iter(wrong)).lower()),
        ):
            mount.read()

    def test_a_mount_without_sides_does_not_tell_them(self):
        values = [http(reply(value)) for value in (120.0, 45.0, 20.2, 38.4, True, False, False)]
        with asked(AlpacaMount, *CONNECTED, NO_STATE, *values, MISSING) as (mount, _):
            assert mount.read().pier_side is None

    def test_where_a_slew_ends(self):
        ends = [http(reply(10.0)), http(reply(-20.0)), http(reply(1))]
        with asked(AlpacaMount, *CONNECTED, mount_state(Slewing=True), *ends) as (mount, requests):
            sample = mount.read()
        assert (sample.target_ra_deg, sample.target_dec_deg) == (150.0, -20.0)
        assert (sample.pier_side, sample.target_pier_side) == (PierSide.EAST, PierSide.WEST)
        assert "destinationsideofpier?RightAscension=10.0&Declination=-20.0&" in requests[-1]

    def test_where_it_ends_without_sides(self):
        ends = [http(reply(10.0)), http(reply(-20.0)), MISSING]
        with asked(AlpacaMount, *CONNECTED, mount_state(Slewing=True), *ends) as (mount, _):
            sample = mount.read()
        assert (sample.target_ra_deg, sample.target_dec_deg, sample.target_pier_side) == (150.0, -20.0, None)

    def test_a_slew_without_a_target_has_none(self):
        unset = http(reply(None, 0x402, "not set"))
        with asked(AlpacaMount, *CONNECTED, mount_state(Slewing=True), unset) as (mount, _):
            sample = mount.read()
        assert sample.is_slewing is True
        assert (sample.target_ra_deg, sample.target_pier_side) == (None, None)

    def test_it_stops_tracking_and_parks(self, server):
        with closing(AlpacaMount(server.server)) as mount:
            mount.stop_tracking()
            assert mount.read().is_tracking is False
            mount.park()
            assert until(mount, lambda sample: sample.is_parked).is_slewing is False
            mount.park()

    @pytest.mark.parametrize("is_parked", [True, False])
    def test_a_mount_that_refuses_to_park_is_asked_whether_it_is_parked(self, is_parked):
        refusal = http(reply(None, 0x408, "parked"))
        with asked(AlpacaMount, *CONNECTED, refusal, http(reply(is_parked))) as (mount, requests):
            if is_parked:
                mount.park()
            else:
                with pytest.raises(DeviceRefused, match="0x408"):
                    mount.park()
        assert members(requests)[-2:] == ["park", "atpark"]


class TestOthers:
    def test_a_contact_tells_the_truth_of_the_shutter(self, server):
        server.put("state", {"shutter": "open"})
        with (
            closing(AlpacaContact(server.server, contact=0)) as contact,
            closing(AlpacaContact(server.server, contact=0, is_inverted=True)) as inverted,
        ):
            assert contact.read() is False
            assert inverted.read() is True
            server.put("state", {"shutter": "closed"})
            assert contact.read() is True
            with pytest.raises(DeviceRefused), closing(AlpacaContact(server.server, contact=99)) as none:
                none.read()

    @pytest.mark.parametrize("value", [1, "True", 0.0])
    def test_a_contact_that_is_no_boolean_is_nonsense(self, value):
        with (
            asked(AlpacaContact, *CONNECTED, http(reply(value))) as (contact, _),
            pytest.raises(DeviceNonsense, match="contact 0"),
        ):
            contact.read()

    def test_a_cover_closes(self, server):
        with closing(AlpacaCover(server.server)) as cover:
            cover.close_cover()
            pause = threading.Event()
            for _ in range(300):
                if (state := cover.state()) == "closed":
                    break
                assert state == "moving"
                pause.wait(0.02)
            assert state == "closed"

    @pytest.mark.parametrize("value", [9, True, "1", 1.5, []])
    def test_a_state_of_the_cover_that_cannot_be_is_nonsense(self, value):
        with (
            asked(AlpacaCover, *CONNECTED, http(reply(value))) as (cover, _),
            pytest.raises(DeviceNonsense, match="coverstate"),
        ):
            cover.state()

    def test_weather_knows_its_age(self, server):
        server.put("state", {"weather_age_s": 42.0})
        with closing(AlpacaWeather(server.server)) as weather:
            assert weather.read().age_s == pytest.approx(42.0, abs=2.0)
        server.put("state", {"weather_age_s": None})

    def test_weather_without_an_age(self):
        values = [http(reply(value)) for value in (3.0, 4.0, 50.0, 10.0, 0.0, 8.0, 2.0)]
        with asked(AlpacaWeather, *CONNECTED, MISSING, NO_STATE, *values) as (weather, _):
            read = weather.read()
        assert (read.wind_m_s, read.dew_point_degc, read.age_s) == (3.0, 2.0, None)

    def test_weather_that_cannot_be_is_nonsense(self):
        state = [{"Name": "WindSpeed", "Value": -1.0}]
        with (
            asked(AlpacaWeather, *CONNECTED, http(reply(1.0)), http(reply(state)), MISSING) as (weather, _),
            pytest.raises(DeviceNonsense, match=r"windspeed: '-1\.0'"),
        ):
            weather.read()

    @pytest.mark.parametrize(
        ("kind", "says"),
        [("cover", "the mirror cover is "), ("switch", "its contact 0 is o"), ("camera", "the camera is "),
         ("dome", "its shutter is "), ("mount", "points to azimuth")],
    )  # fmt: skip
    def test_each_kind_can_be_tried_out(self, server, kind, says):
        said = try_device(kind, server.server, 0)
        assert said.startswith(f"{server.server}/0: ")
        assert says in said

    def test_contact_can_be_tried_out_and_one_without_a_server_is_none(self, server):
        says = {try_contact(Contact(server=server.server, contact=2, is_inverted=flag))[-4:] for flag in (False, True)}
        assert says == {" yes", "s no"}
        with pytest.raises(DeviceError, match="No contact is saved"):
            try_contact(Contact())


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"value": "null"}, DeviceNonsense),
        ({"value": "nan"}, DeviceNonsense),
        ({"value": "comma"}, DeviceNonsense),
        ({"value": "string"}, DeviceNonsense),
        ({"value": "absent"}, DeviceNonsense),
        ({"wrong_echo": True}, DeviceUnreachable),
        ({"cut": True}, DeviceUnreachable),
        ({"drop": True}, DeviceUnreachable),
        ({"empty": True}, DeviceUnreachable),
        ({"html": True}, DeviceUnreachable),
        ({"other_json": True}, DeviceUnreachable),
        ({"status": 404}, DeviceRefused),
        ({"status": 422, "html": True}, DeviceRefused),
        ({"status": 500}, DeviceRefused),
        ({"error": 0x7DA}, DeviceBusy),
        ({"error": 0x407}, DeviceNotConnected),
        ({"error": -2147220469}, DeviceRefused),
    ],
)
def test_every_fault_of_a_reply_is_one_of_the_family_and_passes(server, fault, error):
    with closing(AlpacaDome(server.server)) as dome:
        dome.connect()
        # without DeviceState, of which a client may do without
        server.put(
            "faults", {"members": ["dome/azimuth"], **fault, "more": [{"members": ["devicestate"], "status": 404}]}
        )
        try:
            with pytest.raises(error, match=f"^Dome 0 at {server.server}, azimuth: ") as caught:
                dome.read()
            assert type(caught.value) is error or error is DeviceUnreachable
        finally:
            server.put("faults")
        dome.connect()
        assert dome.read().azimuth_deg is not None


def test_nothing_is_commanded_by_connecting_and_reading(server):
    since = server.newest()
    with closing(AlpacaDome(server.server)) as dome:
        dome.connect()
        assert dome.read().shutter in ShutterState
    puts = {one["path"].rpartition("/")[2] for one in server.requests(since) if one["method"] == "PUT"}
    assert puts <= {"connect", "connected"}
