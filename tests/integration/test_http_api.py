"""The front desk over real HTTP, on a real database: orders, the dome by its names, and who may ask at all."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.model.clock import SystemClock
from app.model.dome import (
    ClosedBy,
    DeviceUnreachable,
    DomeRefused,
    DomeState,
    DomeWish,
    Move,
    Phase,
    ShutterState,
    WishKind,
)
from app.model.errors import ObservatoryError
from app.model.reading import Reading
from app.model.settings import Site
from app.services.front_desk import FrontDesk
from app.services.http_api import create_api
from app.services.http_server import HttpFrontDesk
from app.services.service_loop import ServiceLoop
from app.store.batches import Batches
from app.store.engine import Database, open_database
from app.store.journal import Journal
from app.store.work_orders import WorkOrders

ORDER = {
    "id": "1",
    "user": "Main Module",
    "request": "calibrate_file_batch",
    "datetime": "2019-03-05T14:34:54.234",
    "url": "/data/night",
}
CLOCK = SystemClock()


class Dome:
    """A dome service whose commands end as `end` says, or not at all."""

    def __init__(self) -> None:
        self.state = DomeState()
        self.asked: list[tuple[DomeWish, str]] = []
        self.stopped_by: list[str] = []
        self.end: tuple[Phase, str] | None = (Phase.ARRIVED, "")
        self.refusal: ObservatoryError | None = None
        self._listeners: list[Callable[[DomeState], None]] = []

    def read(self, azimuth_deg: float = 34.2, **values: Any) -> None:
        """Have the state read now."""
        readings = {"azimuth_deg": azimuth_deg, "is_slewing": False, **values}
        now_s, now = CLOCK.monotonic(), CLOCK.utc()
        read = {name: Reading(value, now_s, now) for name, value in readings.items()}
        self.state = replace(self.state, **read)
        for listener in tuple(self._listeners):
            listener(self.state)

    def subscribe(self, listener: Callable[[DomeState], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def ask(self, wish: DomeWish, who: str) -> Move:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append((wish, who))
        return Move(len(self.asked), wish, who, CLOCK.monotonic(), Phase.ACCEPTED)

    async def final(self, move: Move, timeout_s: float | None = None) -> Move:
        if self.end is None:
            await asyncio.Event().wait()
        phase, reason = self.end or (Phase.FAILED, "")
        return replace(move, phase=phase, reason=reason)

    def stop(self, who: str) -> Future[None]:
        self.stopped_by.append(who)
        sent: Future[None] = Future()
        sent.set_result(None)
        return sent


@dataclass
class Served:
    """A front desk that runs, and a client of it."""

    database: Database
    loop: ServiceLoop
    http: HttpFrontDesk
    dome: Dome
    front_desk: FrontDesk
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.http.address, trust_env=False, timeout=20.0)

    def another(self, port: int) -> HttpFrontDesk:
        """A second front desk, of a program that has no dome."""
        return HttpFrontDesk(
            create_api(self.front_desk, WorkOrders(self.database), None, CLOCK, "0.1.0", lambda: None), port
        )

    @property
    def journal(self) -> list[tuple[str, str]]:
        return [(entry.who, entry.what) for entry in Journal(self.database).newest(100)]


@contextmanager
def opened(folder: Path) -> Iterator[Served]:
    database = open_database(f"sqlite:///{folder / 'cupola.db'}?timeout=10")
    orders = WorkOrders(database)
    desk = FrontDesk(orders, Batches(database), Journal(database), Site(), CLOCK)
    dome, loop = Dome(), ServiceLoop()
    loop.start()
    http = HttpFrontDesk(create_api(desk, orders, dome, CLOCK, "0.1.0", lambda: None), 0)
    loop.submit(http.start()).result(5.0)
    served = Served(database, loop, http, dome, desk)
    with served.client:
        yield served
    loop.submit(http.stop()).result(5.0)
    loop.close(5.0)
    database.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with opened(tmp_path) as served:
        yield served


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with opened(tmp_path_factory.mktemp("desk")) as served:
        yield served


@pytest.fixture
def with_new_dome(standing: Served) -> Served:
    """The same front desk for many tests, whose dome was asked nothing yet."""
    standing.dome.__init__()
    return standing


def raw(served: Served, *lines: str, body: bytes = b"") -> tuple[int, str]:
    """Send a request as it stands; returns the status and everything that came back."""
    with socket.create_connection(("127.0.0.1", served.http.port), timeout=10.0) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
        answer = b""
        while received := connection.recv(65536):
            answer += received
    return int(answer.split(b" ", 2)[1]), answer.decode()


class TestOrders:
    def test_order_is_taken_in_once_and_looked_up_by_its_name(self, served):
        new = served.client.post("/work-orders", json=ORDER)
        again = served.client.post("/work-orders", json=ORDER)

        assert (new.status_code, again.status_code) == (201, 200)
        assert (new.json()["new"], again.json()["new"]) == (True, False)
        for address in (new.headers["location"], "/work-orders/1", "/work-orders/Main%20Module/1"):
            shown = served.client.get(address).json()
            assert (shown["order"], shown["state"]) == (ORDER, "waiting")

    def test_order_is_on_the_disk_before_it_is_answered(self, served, tmp_path):
        served.client.post("/work-orders", json=ORDER)

        with closing(sqlite3.connect(f"file:{tmp_path / 'cupola.db'}?mode=ro", uri=True)) as other:
            assert other.execute("SELECT user, id, state FROM work_order").fetchall() == [
                ("Main Module", "1", "waiting")
            ]

    @pytest.mark.logs_warnings
    def test_id_of_another_order_is_a_conflict(self, served):
        served.client.post("/work-orders", json=ORDER)
        refused = served.client.post("/work-orders", json=ORDER | {"url": "/elsewhere"})

        assert refused.status_code == 409
        assert [problem["field"] for problem in refused.json()["problems"]] == ["id"]

    @pytest.mark.logs_warnings
    def test_every_problem_of_an_order_is_told(self, served):
        bad = {"id": "", "request": "observation", "datetime": "yesterday", "ra": 400, "dec": None, "user": "u"}
        refused = served.client.post("/work-orders", json=bad)

        assert refused.status_code == 422
        problems = refused.json()["problems"]
        assert {problem["field"] for problem in problems} == {"id", "datetime", "ra", "dec"}
        assert all(problem["value"] and problem["remedy"] for problem in problems)
        assert served.client.get("/work-orders").json() == []
        assert served.journal == [("HTTP", "order refused")]

    @pytest.mark.logs_warnings
    @pytest.mark.parametrize(
        ("body", "content_type", "status"),
        [
            (b"calibrate, please", "application/json", 400),
            (b"", "application/json", 400),
            (b"[" * 100_000, "application/json", 400),
            (b"\xff\xfe\x00", "application/json", 400),
            (b"[]", "application/json", 422),
            (b'{"ra": NaN}', "application/json; charset=utf-8", 422),
            (json.dumps(ORDER).encode(), "text/plain", 415),
            (json.dumps(ORDER).encode(), "application/x-www-form-urlencoded", 415),
            (b'"' + b"x" * 1_000_000 + b'"', "application/json", 413),
            (b'"' + b"x" * 8_000_000 + b'"', "application/json", 413),
        ],
    )
    def test_what_is_no_order_gets_a_sentence(self, served, body, content_type, status):
        refused = served.client.post("/work-orders", content=body, headers={"Content-Type": content_type})

        assert refused.status_code == status
        assert refused.json()["ok"] is False
        assert refused.json()["reason"]
        assert served.client.get("/work-orders").json() == []

    def test_order_without_a_content_type_is_refused(self, served):
        body = json.dumps(ORDER).encode()
        host, length = f"Host: 127.0.0.1:{served.http.port}", f"Content-Length: {len(body)}"
        assert raw(served, "POST /work-orders HTTP/1.1", host, length, body=body)[0] == 415

    def test_text_that_no_encoding_takes_comes_back(self, served):
        odd = ORDER | {"note": "half a \ud83d character, a \x00, and ž"}
        served.client.post("/work-orders", content=json.dumps(odd), headers={"Content-Type": "application/json"})

        assert served.client.get("/work-orders/1").json()["order"] == odd

    def test_names_with_slashes_and_verbs_are_found(self, served):
        for user, order_id in (("a/b", "c d?#%"), ("u", "hold"), ("u", "x/cancel")):
            order = ORDER | {"user": user, "id": order_id}
            address = served.client.post("/work-orders", json=order).headers["location"]
            assert served.client.get(address).json()["order"] == order
            assert served.client.post(f"{address}/hold").json()["state"] == "held"

    def test_list_is_newest_first_and_as_long_as_asked(self, served):
        for number in ("1", "2", "3"):
            served.client.post("/work-orders", json=ORDER | {"id": number})

        assert [order["id"] for order in served.client.get("/work-orders").json()] == ["3", "2", "1"]
        assert [order["id"] for order in served.client.get("/work-orders?limit=2").json()] == ["3", "2"]
        for limit in ("0", "many", "-1"):
            refused = served.client.get(f"/work-orders?limit={limit}")
            assert (refused.status_code, refused.json()["problems"][0]["field"]) == (422, "limit")

    def test_order_is_held_released_and_cancelled(self, served):
        served.client.post("/work-orders?who=Ada", json=ORDER)
        states = [
            served.client.post(f"/work-orders/Main Module/1/{verb}?who=Ada").json()["state"]
            for verb in ("hold", "release", "hold", "cancel")
        ]
        assert states == ["held", "waiting", "held", "cancelled"]
        actions = ["order taken in", "order held", "order released", "order held", "order cancelled"]
        assert served.journal[::-1] == [("Ada over HTTP", what) for what in actions]

        for verb in ("hold", "release", "cancel"):
            refused = served.client.post(f"/work-orders/1/{verb}")
            assert refused.status_code == 409
            assert "cancelled" in refused.json()["reason"]

    def test_unknown_order_and_unknown_address(self, served):
        assert served.client.get("/work-orders/nope").status_code == 404
        assert "'nope'" in served.client.post("/work-orders/nope/cancel").json()["reason"]
        for answer in (served.client.get("/nope"), served.client.get("/docs"), served.client.get("/openapi.json")):
            assert answer.status_code == 404
            assert "/work-orders" in answer.json()["reason"]
        assert served.client.delete("/work-orders/1").status_code == 405

    def test_database_that_is_locked_is_a_sentence(self, tmp_path, served):
        with closing(sqlite3.connect(tmp_path / "cupola.db")) as other:
            served.database.engine.dispose()
            object.__setattr__(served.database, "engine", impatient(tmp_path / "cupola.db"))
            other.execute("BEGIN IMMEDIATE")
            refused = served.client.post("/work-orders", json=ORDER)

        assert refused.status_code == 503
        assert "is locked by another program" in refused.json()["reason"]
        assert served.client.post("/work-orders", json=ORDER).status_code == 201

    def test_200_orders_of_8_clients_at_once_are_all_there_once(self, served):
        numbers = [str(number) for number in range(200)]
        own = threading.local()

        def post(number: str) -> int:
            if not hasattr(own, "client"):
                own.client = clients.enter_context(httpx.Client(trust_env=False, timeout=60.0))
            answer = own.client.post(f"{served.http.address}/work-orders", json=ORDER | {"id": number})
            return int(answer.status_code)

        with ExitStack() as clients, ThreadPoolExecutor(8) as threads:
            began = time.monotonic()
            statuses = list(threads.map(post, numbers + numbers[:40]))
            took_s = time.monotonic() - began

        assert sorted(statuses) == [200] * 40 + [201] * 200
        kept = served.client.get("/work-orders?limit=1000").json()
        assert sorted(order["id"] for order in kept) == sorted(numbers)
        print(f"\n200 orders (40 of them twice) by 8 clients: {took_s:.2f} s")  # noqa: T201 - a figure to look at


def impatient(file: Path) -> Any:
    return open_database(f"sqlite:///{file}?timeout=0.1").engine


class TestDome:
    @pytest.fixture
    def desk(self, with_new_dome: Served) -> Served:
        return with_new_dome

    def test_status_before_anything_was_read(self, desk):
        assert desk.client.get("/dome/DomeStatus").json() == {
            "azim": None,
            "open": True,
            "park": False,
            "connected": False,
            "time": None,
            "version": "v0.1.0",
            "closed_by": None,
        }

    def test_status_of_a_closed_dome(self, desk):
        before = time.time()
        desk.dome.read(120.5, shutter=ShutterState.CLOSED, is_at_park=True)
        desk.dome.state = replace(desk.dome.state, closed_by=ClosedBy.MOTION)
        status = desk.client.get("/dome/DomeStatus").json()

        assert before <= status.pop("time") <= time.time()
        assert status == {
            "azim": 120.5,
            "open": False,
            "park": True,
            "connected": True,
            "version": "v0.1.0",
            "closed_by": "motion",
        }

    def test_status_that_is_stale_claims_nothing(self, desk):
        desk.dome.read(120.5, shutter=ShutterState.CLOSED, is_at_park=True)
        desk.dome.state = replace(desk.dome.state, closed_by=ClosedBy.DRIVER, fresh_s=0.0)
        status = desk.client.get("/dome/DomeStatus").json()

        assert (status["azim"], status["open"], status["park"], status["connected"]) == (120.5, True, False, False)
        assert status["closed_by"] is None
        assert status["time"] is not None

    @pytest.mark.parametrize("shutter", [state for state in ShutterState if state is not ShutterState.CLOSED])
    def test_only_the_word_closed_is_not_open(self, desk, shutter):
        desk.dome.read(shutter=shutter)
        assert desk.client.get("/dome/DomeStatus").json()["open"] is True

    @pytest.mark.parametrize(
        ("address", "wish"),
        [
            ("SetAzim?azim=120.5", DomeWish(WishKind.GOTO, 120.5)),
            ("SetAzim?azim=0", DomeWish(WishKind.GOTO, 0.0)),
            ("OpenDome", DomeWish(WishKind.OPEN)),
            ("CloseDome", DomeWish(WishKind.CLOSE)),
            ("ParkPosition", DomeWish(WishKind.PARK)),
            ("ParkPostion", DomeWish(WishKind.PARK)),
        ],
    )
    def test_commands_by_their_names(self, desk, address, wish):
        answer = desk.client.put(f"/dome/{address}")

        assert (answer.status_code, answer.json()) == (200, {"ok": True, "reason": ""})
        assert desk.dome.asked == [(wish, "HTTP")]

    def test_override_is_passed_on_whole(self, desk):
        desk.client.put("/dome/OpenDome", params={"override": "Ada: seen by eye: clear", "who": "ada"})
        ((wish, who),) = desk.dome.asked
        assert (str(wish.override), who) == ("Ada: seen by eye: clear", "ada over HTTP")

    @pytest.mark.parametrize("azimuth", ["400", "360", "-1", "NaN", "inf", "east", "", "1e999"])
    def test_azimuth_that_is_none(self, desk, azimuth):
        answer = desk.client.put("/dome/SetAzim", params={"azim": azimuth})

        assert (answer.status_code, answer.json()["ok"]) == (422, False)
        assert "0 to less than 360 degrees" in answer.json()["reason"]
        assert desk.dome.asked == []

    @pytest.mark.parametrize(
        "query", ["wait=maybe", "timeout_s=0", "timeout_s=nan", "timeout_s=4000", "who=" + "x" * 101]
    )
    def test_parameters_that_cannot_be_used(self, desk, query):
        answer = desk.client.put(f"/dome/CloseDome?{query}")
        assert (answer.status_code, answer.json()["problems"][0]["field"]) == (422, query.split("=")[0])
        assert desk.dome.asked == []

    def test_motion_that_fails_is_not_ok(self, desk):
        desk.dome.end = (Phase.FAILED, "accepted but never moved: look at the motor")
        answer = desk.client.put("/dome/SetAzim?azim=5")
        assert answer.json() == {"ok": False, "reason": "accepted but never moved: look at the motor"}

        desk.dome.end = (Phase.STOPPED, "")
        assert desk.client.put("/dome/CloseDome").json() == {
            "ok": False,
            "reason": "The dome did not finish close: it was stopped",
        }

    def test_motion_that_takes_too_long_is_not_ok_and_without_wait_it_is_accepted(self, desk):
        desk.dome.end = None
        late = desk.client.put("/dome/ParkPosition?timeout_s=0.05").json()
        assert late["ok"] is False
        assert "within 0.05 s" in late["reason"]
        assert desk.client.put("/dome/ParkPosition?wait=false").json()["ok"] is True

    @pytest.mark.parametrize(
        ("refusal", "status"),
        [
            (DomeRefused("OPEN needs an override: write NAME: REASON"), 409),
            (DeviceUnreachable("the dome server does not answer"), 502),
        ],
    )
    def test_refusal_is_a_sentence(self, desk, refusal, status):
        desk.dome.refusal = refusal
        answer = desk.client.put("/dome/OpenDome")
        assert (answer.status_code, answer.json()["ok"], answer.json()["reason"]) == (status, False, str(refusal))

    def test_override_without_a_reason_is_refused(self, desk):
        answer = desk.client.put("/dome/OpenDome?override=Ada")
        assert (answer.status_code, answer.json()["ok"]) == (409, False)
        assert desk.dome.asked == []

    def test_stop_is_done_when_the_dome_is_seen_standing_afterwards(self, desk):
        desk.dome.read(is_slewing=False)  # before STOP: proves nothing
        with ThreadPoolExecutor(1) as client:
            answer = client.submit(desk.client.put, "/dome/Stop?who=ada")
            while not desk.dome.stopped_by:
                threading.Event().wait(0.01)
            desk.loop.submit(seen(desk.dome, is_slewing=True)).result(5.0)
            assert not answer.done()
            desk.loop.submit(seen(desk.dome, is_slewing=False)).result(5.0)
            assert answer.result(5.0).json() == {"ok": True, "reason": ""}
        assert desk.dome.stopped_by == ["ada over HTTP"]

    def test_command_under_way_is_answered_when_the_program_ends(self, served):
        served.dome.end = None
        with ThreadPoolExecutor(1) as client:
            answer = client.submit(served.client.put, "/dome/CloseDome")
            while not served.dome.asked:
                threading.Event().wait(0.01)
            began = time.monotonic()
            served.loop.submit(served.http.stop()).result(5.0)
            assert answer.result(5.0).json()["reason"].startswith("Cupola was closed before")
        assert time.monotonic() - began < 2.0


async def seen(dome: Dome, *, is_slewing: bool) -> None:
    """A poll on the service loop, as the dome service makes them."""
    dome.read(is_slewing=is_slewing)


class TestWhoMayAsk:
    @pytest.fixture
    def desk(self, with_new_dome: Served) -> Served:
        return with_new_dome

    @pytest.mark.parametrize(
        "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{port}", ""]
    )
    def test_name_that_was_bent_to_loopback_is_refused(self, desk, host):
        host = host.format(port=desk.http.port)
        status, answer = raw(desk, "GET /work-orders HTTP/1.1", f"Host: {host}")
        assert status == 403
        assert "is not this front desk" in answer

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
    def test_own_names_are_served(self, desk, host):
        assert raw(desk, "GET /work-orders HTTP/1.1", f"Host: {host}:{desk.http.port}")[0] == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://127.0.0.1:1"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ],
    )
    def test_page_of_another_site_can_order_and_move_nothing(self, desk, headers):
        desk.client.post("/work-orders", json=ORDER)
        for method, address in (
            ("POST", "/work-orders"),
            ("POST", "/work-orders/1/cancel"),
            ("PUT", "/dome/OpenDome"),
            ("PUT", "/dome/Stop"),
            ("GET", "/work-orders"),
            ("GET", "/nope"),
        ):
            json_body = ORDER | {"id": "2"} if address == "/work-orders" and method == "POST" else None
            answer = desk.client.request(method, address, json=json_body, headers=headers)
            assert answer.status_code == 403
            assert "may not ask here" in answer.json()["reason"]
        assert (desk.dome.asked, desk.dome.stopped_by) == ([], [])
        kept = {order["id"]: order["state"] for order in desk.client.get("/work-orders").json()}
        assert kept["1"] == "waiting"
        assert "2" not in kept

    def test_no_preflight_is_granted(self, desk):
        for origin in ("https://evil.example", desk.http.address):
            asked = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
            answer = desk.client.options("/dome/OpenDome", headers=asked)
            assert answer.status_code in (403, 405)
            assert not [name for name in answer.headers if name.startswith("access-control")]

    def test_own_page_is_served(self, desk):
        headers = {"Origin": desk.http.address, "Sec-Fetch-Site": "same-origin"}
        assert desk.client.post("/work-orders", json=ORDER | {"id": "own"}, headers=headers).status_code == 201

    def test_it_listens_on_loopback_alone(self, desk):
        assert desk.http.address == f"http://127.0.0.1:{desk.http.port}"
        with closing(socket.socket()) as other:
            other.bind(("127.0.0.2", desk.http.port))  # taken, had it bound all addresses


class TestServer:
    def test_port_that_is_taken_is_named_with_the_remedy(self, served):
        with pytest.raises(ObservatoryError, match=f"port {served.http.port} .*front_desk.port"):
            served.loop.submit(served.another(served.http.port).start()).result(5.0)

    def test_it_ends_within_a_second_and_frees_its_port(self, served):
        served.client.get("/work-orders")  # its connection stays open
        with socket.create_connection(("127.0.0.1", served.http.port)) as half:
            half.sendall(b"POST /work-orders HTTP/1.1\r\nHost:")
            began = time.monotonic()
            served.loop.submit(served.http.stop()).result(5.0)
            assert time.monotonic() - began < 1.5
        socket.create_server(("127.0.0.1", served.http.port)).close()

    def test_bug_is_logged_whole_and_answered_with_a_sentence(self, served, caplog):
        served.dome.refusal = RuntimeError("a bug")
        with caplog.at_level(logging.ERROR):
            answer = served.client.put("/dome/CloseDome")
            served.loop.submit(served.http.stop()).result(5.0)  # it logs behind the answer
        assert (answer.status_code, answer.json()["ok"]) == (500, False)
        assert "see its log" in answer.json()["reason"]
        assert "RuntimeError: a bug" in caplog.text
