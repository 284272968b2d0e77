"""The conformance checklist of the ASCOM Alpaca standard, every line, against the simulator over real HTTP.

The protocol lines go over every member of every simulated device; which members there are, and what they need, is read
from the official OpenAPI file. The conformance lines go over the dome.
"""

import functools
import json
import time
from dataclasses import dataclass, field

import httpx
import pytest
import yaml

from tests.simulated import simulator

PATIENCE_S = 20.0
KINDS = ("camera", "covercalibrator", "dome", "observingconditions", "safetymonitor", "switch", "telescope")
COMMON_KEYS = {"ClientTransactionID", "ServerTransactionID", "ErrorNumber", "ErrorMessage"}
NO_IDS = ("", "   ", "-12345", "NASDAQ")
#: Newest interface version of each kind on ASCOM's Platform 7.
VERSIONS = {
    "camera": 4,
    "covercalibrator": 2,
    "dome": 3,
    "observingconditions": 2,
    "safetymonitor": 3,
    "switch": 3,
    "telescope": 4,
}
#: Names that DeviceState may have, as each interface writes them.
STATES = {
    "camera": "CameraState CCDTemperature CoolerPower HeatSinkTemperature ImageReady IsPulseGuiding PercentCompleted",
    "covercalibrator": "Brightness CalibratorState CoverState CalibratorChanging CoverMoving",
    "dome": "Altitude AtHome AtPark Azimuth ShutterStatus Slewing",
    "observingconditions": "CloudCover DewPoint Humidity Pressure RainRate SkyBrightness SkyQuality SkyTemperature StarFWHM"
    " Temperature WindDirection WindGust WindSpeed",
    "safetymonitor": "IsSafe",
    "switch": " ".join(
        f"{name}{number}" for name in ("GetSwitch", "GetSwitchValue", "StateChangeComplete") for number in range(10)
    ),
    "telescope": "Altitude AtHome AtPark Azimuth Declination IsPulseGuiding RightAscension SideOfPier SiderealTime Slewing"
    " Tracking UTCDate",
}
NOT_IMPLEMENTED, INVALID_VALUE, INVALID_WHILE_SLAVED = 0x400, 0x401, 0x409
USUAL = {"interface": 3, "roof": "slit", "has_altitude": False, "can_slave": False, "dome_number": 0}
OPEN, CLOSED, OPENING, CLOSING = range(4)


@dataclass(frozen=True)
class Member:
    """One method on one member: its parameters and their JSON types."""

    method: str
    name: str
    parameters: dict[str, str] = field(default_factory=dict)

    def good(self):
        """Values that can be understood."""
        words = {"boolean": "False", "integer": "0", "number": "10.0", "string": "x"}
        return {name: words[kind] for name, kind in self.parameters.items()}


class Device:
    """A client of one device."""

    def __init__(self, server, kind, number=0):
        self.kind = kind
        self.http = httpx.Client(
            base_url=f"http://{server}/api/v1/{kind}/{number}/", trust_env=False, timeout=PATIENCE_S
        )

    def ask(self, member, given=None):
        """Query or form, as the method wants it."""
        place = "params" if member.method == "GET" else "data"
        return self.http.request(member.method, member.name, **{place: given or {}})

    def get(self, name, **query):
        answer = self.http.get(name, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def value(self, name, **query):
        answer = self.get(name, **query)
        assert answer["ErrorNumber"] == 0, answer
        return answer["Value"]

    def put(self, name, **form):
        """Error number of a command."""
        answer = self.http.put(name, data={key: str(value) for key, value in form.items()})
        assert answer.status_code == 200, answer.text
        return answer.json()["ErrorNumber"]

    def until(self, name, *expected):
        deadline = time.monotonic() + PATIENCE_S
        while (value := self.value(name)) not in expected:
            assert time.monotonic() < deadline, f"{name} is still {value!r}"
        return value


@pytest.fixture(scope="module")
def members(shared):
    """Every member of a kind of device, from the official file."""
    text = (shared / "reference" / "AlpacaDeviceAPI_v1.yaml").read_text()
    document = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))

    def resolved(part):
        while "$ref" in part:
            part = functools.reduce(lambda inside, key: inside[key], part["$ref"].split("/")[1:], document)
        return part

    def parameters(operation):
        found = {}
        for parameter in map(resolved, operation.get("parameters", ())):
            if parameter["in"] == "query" and not parameter["name"].startswith("Client"):
                found[parameter["name"]] = resolved(parameter["schema"])["type"]
        if "requestBody" in operation:
            (content,) = resolved(operation["requestBody"])["content"].values()
            for part in map(resolved, resolved(content["schema"]).get("allOf", ())):
                own = {name: resolved(kind)["type"] for name, kind in part.get("properties", {}).items()}
                found |= {name: kind for name, kind in own.items() if not name.startswith("Client")}
        return found

    @functools.cache
    def of(kind):
        found = []
        for path, operations in document["paths"].items():
            _, owner, _, name = path.split("/")
            if owner in ("{device_type}", kind):
                found += [Member(m.upper(), name, parameters(resolved(op))) for m, op in operations.items()]
        return found

    return of


@pytest.fixture(scope="module")
def quick():
    """A simulator with motors thirty times quicker than in truth."""
    with simulator(scale=30.0) as running:
        yield running


@pytest.fixture(params=KINDS, scope="module")
def device(request, quick):
    """Every simulated device after the other."""
    client = Device(quick.server, request.param)
    with client.http:
        yield client


@pytest.fixture
def dome(quick):
    """The dome of interface version 3, at rest at azimuth 90 and closed."""
    quick.put("restart", USUAL)
    quick.put("state", {"dome_azimuth_deg": 90.0, "shutter": "closed"})
    client = Device(quick.server, "dome")
    with client.http:
        assert client.put("connected", Connected=True) == 0
        yield client


def errors(device, members, given, expected, methods=("GET", "PUT")):
    """What does not answer as it should, with what it answered."""
    return [
        (member.method, member.name, answer.status_code, answer.text)
        for member in members(device.kind)
        if member.method in methods
        for answer in [device.ask(member, given(member))]
        if answer.status_code not in expected
    ]


# The protocol, of every device


def test_connected_is_written_and_its_parameters_stand_in_any_order(device):
    for content in (
        "Connected=True&ClientID=1&ClientTransactionID=2",
        "ClientTransactionID=2&ClientID=1&Connected=True",
        "ClientID=1&Connected=False&ClientTransactionID=2",
    ):
        answer = device.http.put(
            "connected", content=content, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert answer.status_code == 200
        assert answer.json()["ErrorNumber"] == 0


def test_bad_paths_are_4xx(device):
    kind = device.kind
    for path in (
        f"{kind.upper()}/0/description",
        "baddevicetype/0/description",
        f"{kind}/-1/description",
        f"{kind}/99999/description",
        f"{kind}/A/description",
        f"{kind}/0/descrip",
    ):
        assert 400 <= device.http.get(f"/api/v1/{path}").status_code < 500, path
    for path in ("/apx", "/api/1", "/api/v", "/api/V1", "/api/v2"):
        assert 400 <= device.http.get(f"{path}/{kind}/0/description").status_code < 500, path
    for method in ("POST", "DELETE"):
        assert 400 <= device.http.request(method, "connected").status_code < 500, method


@pytest.mark.parametrize("word", ["", "123456", "asdqwe"])
def test_connected_takes_nothing_but_booleans(device, word):
    assert device.http.put("connected", data={"Connected": word}).status_code == 400


def test_every_member_answers_200_also_when_it_is_not_implemented(device, members):
    assert errors(device, members, lambda member: member.good(), {200}) == []


def test_every_member_ignores_parameters_that_it_does_not_know(device, members):
    assert errors(device, members, lambda member: member.good() | {"ExtraParameter": "ExtraValue"}, {200}) == []


def test_every_member_takes_ids_in_lower_case_and_echoes_the_querys_alone(device, members):
    for member in members(device.kind):
        given = member.good() | {"clientid": "123", "clienttransactionid": "4567"}
        answer = device.ask(member, given)
        assert answer.status_code == 200, member
        assert answer.json()["ClientTransactionID"] == (4567 if member.method == "GET" else 0), member


def test_every_member_refuses_ids_that_are_no_uint32(device, members):
    for name in ("ClientID", "ClientTransactionID"):
        for text in NO_IDS:
            assert errors(device, members, lambda member, n=name, t=text: member.good() | {n: t}, {400}) == []


def test_every_parameter_of_a_put_needs_its_exact_name_and_a_value_of_its_type(device, members):
    for member in members(device.kind):
        if member.method != "PUT" or not is_implemented(device, member):
            continue
        for name, kind in member.parameters.items():
            rest = {other: word for other, word in member.good().items() if other != name}
            assert device.ask(member, rest | {name.swapcase(): member.good()[name]}).status_code == 400, (member, name)
            if kind != "string":
                assert device.ask(member, rest | {name: "asdqwe"}).status_code == 400, (member, name)


def test_every_parameter_of_a_get_has_its_name_in_any_case(device, members):
    for member in members(device.kind):
        if member.method == "GET" and member.parameters:
            given = {name.swapcase(): word for name, word in member.good().items()}
            assert device.ask(member, given).status_code == 200, member
            assert (
                device.ask(member, given).json()["ErrorNumber"]
                == device.ask(member, member.good()).json()["ErrorNumber"]
            )


def is_implemented(device, member):
    return device.ask(member, member.good()).json()["ErrorNumber"] != NOT_IMPLEMENTED


def test_every_reply_has_the_common_keys_and_a_value_when_a_read_succeeds(device, members):
    for member in members(device.kind):
        answer = device.ask(member, member.good())
        assert answer.headers["content-type"].partition(";")[0] == "application/json", member
        content = answer.json()
        assert content.keys() >= COMMON_KEYS, member
        if member.method == "GET":
            assert ("Value" in content) is (content["ErrorNumber"] == 0), (member, content)
        assert bool(content["ErrorMessage"]) is (content["ErrorNumber"] != 0), (member, content)


def test_transactions_are_echoed_and_counted_from_1(device, members):
    newest = 0
    for number, member in enumerate(members(device.kind), start=1):
        content = device.ask(member, member.good() | {"ClientID": "1", "ClientTransactionID": str(number)}).json()
        assert content["ClientTransactionID"] == number, member
        assert content["ServerTransactionID"] > newest, member
        newest = content["ServerTransactionID"]
    assert device.get("name", ClientTransactionID=2**32 - 1)["ClientTransactionID"] == 2**32 - 1


def test_devicestate_has_the_names_of_its_interface_and_values(device):
    state = device.value("devicestate")
    assert all(item.keys() == {"Name", "Value"} and item["Value"] is not None for item in state)
    names = [item["Name"] for item in state]
    assert len(names) == len(set(names))
    assert {"TimeStamp"} <= set(names) <= {*STATES[device.kind].split(), "TimeStamp"}


# The conformance of what all devices have in common


def test_the_interface_version_is_that_of_the_newest_platform(device):
    assert device.value("interfaceversion") == VERSIONS[device.kind]


def test_connected_is_read_back(device):
    for word in (True, False):
        assert device.put("connected", Connected=word) == 0
        assert device.value("connected") is word


def test_connect_and_disconnect_end_soon_and_connecting_says_when(device):
    for command, connected in (("connect", True), ("disconnect", False)):
        began = time.monotonic()
        assert device.put(command) == 0
        assert time.monotonic() - began < 1.0
        assert device.value("connecting") is True
        device.until("connecting", False)
        assert device.value("connected") is connected
        assert time.monotonic() - began < 5.0
        device.put(command)
        assert device.value("connecting") is False, "what is there already is not done again"


def test_reads_take_less_than_a_tenth_of_a_second(device, members):
    def seconds(member):
        began = time.monotonic()
        device.ask(member, member.good())
        return time.monotonic() - began

    # this machine may be busy: what is slow once is asked again, the best is the simulator's own
    slow = [
        member.name
        for member in members(device.kind)
        if member.method == "GET" and seconds(member) > 0.1 and min(seconds(member) for _ in range(5)) > 0.1
    ]
    assert slow == []


def test_the_descriptions_are_texts_and_the_actions_have_names(device):
    for name in ("description", "driverinfo", "driverversion", "name"):
        text = device.value(name)
        assert isinstance(text, str)
        assert text.strip()
    assert all(action.strip() for action in device.value("supportedactions"))


# The conformance of the dome

ABILITIES = {
    "canfindhome": ("findhome", {}),
    "canpark": ("park", {}),
    "cansetaltitude": ("slewtoaltitude", {"Altitude": 45}),
    "cansetazimuth": ("slewtoazimuth", {"Azimuth": 100}),
    "cansetpark": ("setpark", {}),
    "cansetshutter": ("openshutter", {}),
    "canslave": ("slaved", {"Slaved": True}),
    "cansyncazimuth": ("synctoazimuth", {"Azimuth": 100}),
}
MAKES = [(interface, roof) for roof in ("slit", "roll-off", "contacts") for interface in (3, 2, 1)]


@pytest.fixture
def made(quick, request):
    """A dome of any interface version and roof, where its shutter has power."""
    interface, roof = request.param
    quick.put("restart", USUAL | {"interface": interface, "roof": roof})
    quick.put("state", {"dome_azimuth_deg": 255.0, "shutter": "closed"})
    client = Device(quick.server, "dome")
    with client.http:
        yield client
    quick.put("restart", USUAL)


every_make = pytest.mark.parametrize("made", MAKES, indirect=True, ids=[f"{roof}-{version}" for version, roof in MAKES])


@every_make
def test_the_dome_says_of_which_version_it_is_and_has_its_members_alone(made, request):
    interface, _ = request.node.callspec.params["made"]
    assert made.value("interfaceversion") == interface
    of_platform_7 = [("GET", "connecting"), ("GET", "devicestate"), ("PUT", "connect"), ("PUT", "disconnect")]
    for method, name in of_platform_7:
        assert made.http.request(method, name).status_code == (200 if interface == 3 else 400), name
    assert made.put("connected", Connected=True) == 0
    assert made.value("connected") is True


@every_make
def test_what_the_dome_cannot_answers_0x400_exactly_and_nothing_else_does(made, request):
    _, roof = request.node.callspec.params["made"]
    for ability, (command, form) in ABILITIES.items():
        can = made.value(ability)
        assert isinstance(can, bool)
        assert (made.put(command, **form) == NOT_IMPLEMENTED) is not can, command
        made.put("abortslew")
    if roof == "roll-off":
        assert [name for name in ABILITIES if made.value(name)] == ["cansetshutter"]


@every_make
def test_slewing_and_slaved_are_read_and_slaved_agrees_with_canslave(made):
    assert isinstance(made.value("slewing"), bool)
    assert made.value("slaved") is False
    assert made.put("slaved", Slaved=False) == 0
    assert made.value("canslave") is False
    assert made.put("slaved", Slaved=True) == NOT_IMPLEMENTED
    assert made.value("slaved") is False


def test_a_dome_that_can_be_slaved_is_and_takes_no_slew_until_an_abort(dome, quick):
    quick.put("restart", USUAL | {"can_slave": True})
    assert dome.value("canslave") is True
    assert dome.put("slaved", Slaved=True) == 0
    assert dome.value("slaved") is True
    for command, form in (("slewtoazimuth", {"Azimuth": 100}), ("park", {}), ("findhome", {})):
        assert dome.put(command, **form) == INVALID_WHILE_SLAVED, command
    assert dome.put("slaved", Slaved=False) == 0
    assert dome.value("slaved") is False
    assert dome.put("slaved", Slaved=True) == 0
    assert dome.put("abortslew") == 0
    assert dome.value("slaved") is False
    dome.until("slewing", False)


def test_slews_to_altitude_begin_at_once_and_end_where_they_should(dome, quick):
    quick.put("restart", USUAL | {"has_altitude": True})
    assert dome.value("cansetaltitude") is True
    assert dome.put("openshutter") == 0
    dome.until("slewing", False)
    for altitude in range(0, 91, 15):
        began = time.monotonic()
        assert dome.put("slewtoaltitude", Altitude=altitude) == 0
        assert time.monotonic() - began < 1.0
        assert dome.value("slewing") or dome.value("altitude") == pytest.approx(altitude, abs=1.0)
        dome.until("slewing", False)
        assert dome.value("altitude") == pytest.approx(altitude, abs=1.0)
    for altitude in (-10, 100):
        assert dome.put("slewtoaltitude", Altitude=altitude) == INVALID_VALUE
    assert dome.value("devicestate")[0]["Name"] == "Altitude"


def test_an_altitude_is_taken_while_the_shutter_is_closed(dome, quick):
    quick.put("restart", USUAL | {"has_altitude": True})
    assert dome.put("slewtoaltitude", Altitude=45) == 0
    dome.until("slewing", False)
    assert dome.put("openshutter") == 0
    dome.until("slewing", False)
    assert dome.value("altitude") == pytest.approx(45.0, abs=1.0)


@every_make
def test_optional_reads_are_values_or_0x400(made):
    for name in ("altitude", "athome", "atpark", "azimuth", "shutterstatus"):
        answer = made.get(name)
        assert answer["ErrorNumber"] in (0, NOT_IMPLEMENTED), name
        assert ("Value" in answer) is (answer["ErrorNumber"] == 0), name


@every_make
def test_the_shutter_of_every_make_opens_and_closes(made, request):
    interface, _ = request.node.callspec.params["made"]
    for command, on_the_way, end in (("openshutter", OPENING, OPEN), ("closeshutter", CLOSING, CLOSED)):
        assert made.put(command) == 0
        assert made.value("shutterstatus") in (on_the_way, end)
        if interface < 3:
            assert made.value("slewing") is False, "before version 3 the shutter is no slew"
        made.until("shutterstatus", end)
        made.until("slewing", False)


def test_slews_to_azimuth_begin_at_once_and_end_where_they_should(dome):
    for azimuth in range(0, 360, 45):
        began = time.monotonic()
        assert dome.put("slewtoazimuth", Azimuth=azimuth) == 0
        assert time.monotonic() - began < 1.0
        assert dome.value("slewing") or near(dome, azimuth)
        dome.until("slewing", False)
        assert near(dome, azimuth), dome.value("azimuth")


def near(dome, azimuth):
    return abs((dome.value("azimuth") - azimuth + 180.0) % 360.0 - 180.0) <= 1.0


@pytest.mark.parametrize("azimuth", [-10, 360, 370])
def test_azimuths_outside_of_the_circle_are_0x401(dome, azimuth):
    assert dome.put("slewtoazimuth", Azimuth=azimuth) == INVALID_VALUE
    assert dome.put("synctoazimuth", Azimuth=azimuth) == INVALID_VALUE
    assert (dome.value("azimuth"), dome.value("slewing")) == (90.0, False)


def test_abortslew_at_rest_is_no_error_and_ends_slaving(dome):
    began = time.monotonic()
    assert dome.put("abortslew") == 0
    assert time.monotonic() - began < 1.0
    assert (dome.value("slaved"), dome.value("slewing")) == (False, False)


def test_a_sync_of_45_degrees_shows_and_is_undone(dome):
    for azimuth in (135.0, 45.0, 90.0):
        assert dome.put("synctoazimuth", Azimuth=azimuth) == 0
        assert near(dome, azimuth)
        assert dome.value("slewing") is False


def test_the_shutter_is_on_its_way_when_the_command_returns(dome):
    for command, on_the_way, end in (("openshutter", OPENING, OPEN), ("closeshutter", CLOSING, CLOSED)):
        began = time.monotonic()
        assert dome.put(command) == 0
        assert time.monotonic() - began < 1.0
        status, slewing = dome.value("shutterstatus"), dome.value("slewing")
        assert status in (on_the_way, end)
        assert slewing or dome.value("shutterstatus") == end
        dome.until("shutterstatus", end)
        dome.until("slewing", False)
        assert dome.put(command) == 0, "what is there already is a success"
        assert (dome.value("shutterstatus"), dome.value("slewing")) == (end, False)


def test_the_shutter_turns_back_on_its_way(dome):
    assert dome.put("openshutter") == 0
    assert dome.put("closeshutter") == 0
    assert dome.value("shutterstatus") in (CLOSING, CLOSED)
    assert dome.put("openshutter") == 0
    assert dome.value("shutterstatus") in (OPENING, OPEN)
    dome.until("shutterstatus", OPEN)


def test_home_is_found_and_park_is_reached_set_and_left(dome):
    assert dome.put("findhome") == 0
    dome.until("athome", True)
    dome.until("slewing", False)
    assert dome.put("slewtoazimuth", Azimuth=200) == 0
    dome.until("slewing", False)
    assert dome.put("setpark") == 0
    assert dome.put("slewtoazimuth", Azimuth=230) == 0
    dome.until("slewing", False)
    assert dome.put("park") == 0
    dome.until("atpark", True)
    assert (dome.value("slaved"), dome.value("slewing")) == (False, False)
    assert near(dome, 200)
    assert dome.put("park") == 0
    assert dome.put("slewtoazimuth", Azimuth=255) == 0
    assert dome.value("atpark") is False, "any slew unparks"
    dome.until("slewing", False)
    assert dome.put("setpark") == 0


def test_after_everything_it_closes_and_parks(dome):
    assert dome.put("openshutter") == 0
    assert dome.put("slewtoazimuth", Azimuth=30) == 0
    dome.until("slewing", False)
    assert dome.put("closeshutter") == 0
    assert dome.put("park") == 0
    dome.until("shutterstatus", CLOSED)
    dome.until("atpark", True)
    dome.until("slewing", False)


@pytest.mark.parametrize("name", ["azimuth", "shutterstatus", "slaved", "slewing"])
def test_a_read_can_be_asked_more_than_10_times_a_second(dome, name):
    best = 0.0
    for _ in range(3):
        began = time.monotonic()
        for _ in range(10):
            dome.value(name)
        best = max(best, 10.0 / (time.monotonic() - began))
    assert best > 10.0


def test_the_standards_own_client_works_in_every_step(dome, quick):
    from alpaca.dome import Dome, ShutterState

    client = Dome(quick.server, 0)
    client.rqs.trust_env = False
    try:
        client.Connect()
        dome.until("connecting", False)
        assert client.Connected
        client.OpenShutter()
        dome.until("shutterstatus", OPEN)
        assert client.ShutterStatus is ShutterState.shutterOpen
        client.SlewToAzimuth(140.0)
        dome.until("slewing", False)
        assert client.Azimuth == pytest.approx(140.0, abs=1.0)
        client.FindHome()
        dome.until("athome", True)
        client.Park()
        dome.until("atpark", True)
        client.CloseShutter()
        dome.until("shutterstatus", CLOSED)
        client.Disconnect()
        dome.until("connecting", False)
        assert not client.Connected
    finally:
        client.rqs.close()


def test_slews_of_half_a_circle_go_on_after_3_s_of_70_degrees_up_after_1_s_and_are_aborted_within_1_s():
    with simulator(scale=1.0, has_altitude=True) as running:
        running.put("state", {"dome_azimuth_deg": 45.0, "shutter": "open"})
        even = Device(running.server, "dome")
        with even.http:
            began = time.monotonic()
            assert even.put("slewtoazimuth", Azimuth=225) == 0
            while time.monotonic() - began < 3.0:
                assert even.value("slewing") is True
            began = time.monotonic()
            assert even.put("abortslew") == 0
            assert time.monotonic() - began < 1.0
            even.until("slewing", False)
            assert time.monotonic() - began < 30.0
            assert even.value("slaved") is False
            assert 45.0 < even.value("azimuth") < 225.0

            began = time.monotonic()
            assert even.put("slewtoaltitude", Altitude=80 if even.value("altitude") < 45.0 else 10) == 0
            while time.monotonic() - began < 1.0:
                assert even.value("slewing") is True
            assert even.put("abortslew") == 0
            even.until("slewing", False)


# The management and the set-up pages


def test_management_describes_the_server_and_lists_every_device_once(quick):
    with httpx.Client(base_url=f"http://{quick.server}", trust_env=False, timeout=PATIENCE_S) as http:
        assert http.get("/management/apiversions").json()["Value"] == [1]
        description = http.get("/management/v1/description", params={"clienttransactionid": 9}).json()
        assert description["ClientTransactionID"] == 9
        assert description["Value"].keys() == {"ServerName", "Manufacturer", "ManufacturerVersion", "Location"}
        assert all(description["Value"].values())
        listed = http.get("/management/v1/configureddevices").json()["Value"]
        assert all(d.keys() == {"DeviceName", "DeviceType", "DeviceNumber", "UniqueID"} for d in listed)
        assert sorted(d["DeviceType"].lower() for d in listed) == sorted(KINDS)
        assert len({d["UniqueID"] for d in listed}) == len(listed)


def test_the_server_and_every_device_have_a_set_up_page(quick):
    with httpx.Client(base_url=f"http://{quick.server}", trust_env=False, timeout=PATIENCE_S) as http:
        for path in ("/setup", *(f"/setup/v1/{kind}/0/setup" for kind in KINDS)):
            page = http.get(path)
            assert page.status_code == 200, path
            assert page.headers["content-type"].startswith("text/html")
            assert "SIMULATED" in page.text


def test_replies_are_plain_json_whatever_the_language_of_the_client(quick):
    with httpx.Client(base_url=f"http://{quick.server}", trust_env=False, timeout=PATIENCE_S) as http:
        answer = http.get("/api/v1/dome/0/azimuth", headers={"Accept-Language": "de-DE"})
        assert isinstance(json.loads(answer.content)["Value"], float)
        assert "set-cookie" not in answer.headers
