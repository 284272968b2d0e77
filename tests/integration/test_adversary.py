"""What a hostile tester found once, each by its symptom."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import nan

import httpx
import pytest

from app.bootstrap.embedded import embedded_simulator
from app.bootstrap.observatory import open_observatory
from app.commands import screenshot, simulate, window
from app.devices.transport import Http
from app.model.clock import SystemClock
from app.model.dome import DeviceUnreachable, Move, Phase
from app.model.errors import ObservatoryError, StoreError
from app.model.settings import Dome
from app.paths import user_data_folder
from app.services import dome as dome_module
from app.services.dome import DomeService
from app.services.http_api import create_api
from tests.conditions import FixedConditions
from tests.fakes import FakeClock, ScriptedDome

ADDRESS = "http://127.0.0.1:8750"


class AskedDome:
    """A dome service that keeps what it was asked, and has done it."""

    def __init__(self):
        self.asked = []

    async def ask(self, wish, who):
        self.asked.append((wish, who))
        return Move(1, wish, who, 0.0, Phase.ACCEPTED)

    async def final(self, move, timeout_s=None):
        return replace(move, phase=Phase.ARRIVED)


class StuckDesk:
    """A front desk on a locked database: no order gets in before it is let go."""

    def __init__(self):
        self.let_go = threading.Event()

    def take_in(self, payload, who):
        assert self.let_go.wait(20.0)
        raise StoreError("The database is locked by another program: wait until that has finished")

    cancel = hold = release = None


class NoOrders:
    def all(self, limit):
        return []


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """A server that says the same to whoever connects, and hangs up; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5.0)


def asked(api, method, address, **request):
    """One request, without a socket."""

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url=ADDRESS) as client:
            return await client.request(method, address, **request)

    return asyncio.run(ask())


class TestDome:
    @pytest.mark.logs_warnings
    def test_stop_that_was_not_confirmed_is_no_bug_after_the_end(self, monkeypatch):
        monkeypatch.setattr(dome_module, "STOP_AGAIN_S", 0.05)
        dome, bugs = ScriptedDome(hanging={"abort_slew"}), []

        async def run():
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: bugs.append(context))
            service = DomeService(
                lambda: dome, Dome(), lambda *_: None, FakeClock(), FixedConditions(), server="sim:1/0", is_ours=True
            )
            runner = asyncio.create_task(service.run())
            await service.first_poll()
            service.stop("ada")
            dome.let_go.set()
            await service.shut_down()
            sent = dome.calls.count("abort_slew")
            due = asyncio.Event()
            loop.call_later(0.15, due.set)
            await due.wait()
            assert runner.done()
            assert dome.calls.count("abort_slew") == sent

        asyncio.run(run())
        assert bugs == []

    def test_answer_that_is_no_http_stays_on_one_line(self):
        with answering(b"SSH-2.0-OpenSSH_9\r\n") as server, pytest.raises(DeviceUnreachable) as refused:
            Http(server).request("GET", "/api/v1/dome/0/azimuth", {}, 2.0, "Dome")
        assert "SSH-2.0-OpenSSH_9" in str(refused.value)
        assert "\n" not in str(refused.value)


class TestHttp:
    def test_name_over_http_writes_no_line_of_its_own_into_the_log(self):
        dome = AskedDome()
        api = create_api(StuckDesk(), NoOrders(), dome, SystemClock(), "0.1.0", lambda: None)
        who = {"who": "ada\n03:00:00 INFO    all is well\x1b[2J\u202e"}
        assert asked(api, "PUT", "/dome/CloseDome", params=who).json() == {"ok": True, "reason": ""}
        assert dome.asked[0][1] == "ada 03:00:00 INFO    all is well [2J over HTTP"

    def test_override_is_of_printable_text_and_of_bounded_length(self):
        dome = AskedDome()
        api = create_api(StuckDesk(), NoOrders(), dome, SystemClock(), "0.1.0", lambda: None)
        asked(api, "PUT", "/dome/OpenDome", params={"override": "Ada\nB: roof\x00 test"})
        assert str(dome.asked[0][0].override) == "Ada B: roof  test"
        long = asked(api, "PUT", "/dome/OpenDome", params={"override": "Ada: " + "x" * 20_000})
        assert (long.status_code, len(dome.asked)) == (422, 1)

    def test_orders_can_be_looked_at_while_many_wait_for_a_locked_database(self):
        desk = StuckDesk()
        api = create_api(desk, NoOrders(), None, SystemClock(), "0.1.0", lambda: None)

        async def run():
            async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url=ADDRESS, timeout=20.0) as client:
                posts = [asyncio.create_task(client.post("/work-orders", json={"id": n})) for n in range(60)]
                await asyncio.wait(posts, timeout=0.3)  # until as many wait as can
                try:
                    async with asyncio.timeout(5.0):
                        looked = await client.get("/work-orders")
                finally:
                    desk.let_go.set()
                answers = await asyncio.gather(*posts)
            assert (looked.status_code, looked.json()) == (200, [])
            assert {answer.status_code for answer in answers} == {503}

        asyncio.run(run())


class TestCommands:
    @pytest.mark.parametrize("size", ["10x10", "9999x9999", "1920", "１９２０x1080", "-1920x1080", "1024x99999"])
    def test_size_that_no_picture_can_have_is_refused(self, size, tmp_path, capsys):
        assert screenshot.run(tmp_path / "out.png", size, "Night", "dark") == 2
        assert "1024x640 to 7680x4320" in capsys.readouterr().err

    def test_simulation_that_would_never_know_when_to_end_is_refused(self):
        for idle_s in (nan, -5.0, 0.0):
            with pytest.raises(ObservatoryError, match="after its last client"):
                simulate.run(0, 1.0, frozen=False, idle_s=idle_s)

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
    def test_window_without_a_display_is_a_sentence_and_no_abort(self, monkeypatch, capsys):
        for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
            monkeypatch.delenv(name, raising=False)
        assert window.run() == 1
        assert capsys.readouterr().err.startswith(("there is no display", "the window needs system libraries"))


class TestFoldersThatCannotBeWritten:
    def test_simulator_whose_address_cannot_be_kept_is_a_sentence(self, tmp_path):
        (tmp_path / "simulator.lock").mkdir()
        with pytest.raises(ObservatoryError, match="cannot be kept"):
            embedded_simulator(tmp_path)

    def test_lock_of_the_orders_that_cannot_be_made_is_a_sentence(self):
        with open_observatory() as observatory:
            (user_data_folder() / "cupola.sqlite.orders.lock").mkdir()
            with pytest.raises(ObservatoryError, match="no orders can be taken"), observatory.processor.on_duty():
                pass

    def test_lock_of_the_dome_that_cannot_be_made_is_a_sentence(self, capsys):
        from app.bootstrap.dome_access import Manner
        from app.commands.dome import close_dome

        user_data_folder().mkdir(parents=True)
        (user_data_folder() / "domes").write_text("no folder")
        assert close_dome(Manner(server="127.0.0.1:1"), as_json=True) == 1
        assert "dome's lock" in json.loads(capsys.readouterr().out)["reason"]
