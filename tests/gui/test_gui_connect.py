"""A first real dome, from bare settings: found, chosen, tested and saved on the page, by the mouse alone."""

from __future__ import annotations

import socket
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QPushButton, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from app.bootstrap.observatory import open_observatory
from app.bootstrap.station import open_station
from app.devices.discovery import discover
from app.model.found_device import FoundDevice
from tests.gui.window import Whole, named, whole_window
from tests.simulated import Simulator, simulator

AZIMUTH_DEG = 123.0
KINDS = ("dome", "telescope", "safetymonitor", "observingconditions")


@pytest.fixture
def found_by_discovery(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """Somebody else's server: of a dome with number 3, in a process that no nonce is known of.

    It has a UDP port of its own: devices of other simulators on this machine have the same UniqueIDs.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert discover.__kwdefaults__ is not None
    monkeypatch.setitem(discover.__kwdefaults__, "port", port)
    with simulator(discovery_port=port, dome_number=3) as running:
        running.put("state", {"dome_azimuth_deg": AZIMUTH_DEG})
        yield running


@pytest.fixture
def whole(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Whole]:
    with whole_window(QtBot(request), tmp_path) as opened:
        yield opened


def click(whole: Whole, part: QWidget) -> None:
    """Scroll to it, as whoever uses the mouse does, and click."""
    above = part.parentWidget()
    while above is not None and not isinstance(above, QScrollArea):
        above = above.parentWidget()
    if isinstance(above, QScrollArea):
        above.ensureWidgetVisible(part)
    whole.who.click(part)


def button(page: QWidget, text: str) -> QPushButton:
    (found,) = [one for one in page.findChildren(QPushButton) if one.text() == text and one.isVisible()]
    return found


def use(whole: Whole, line: FoundDevice) -> None:
    """Click on its row, then on *Use selected*."""
    form = whole.panel.settings.connect_form
    table, row = form._table, form._model.lines.index(line)
    table.scrollTo(form._model.index(row, 0))
    whole.who.click(table.viewport(), table.visualRect(form._model.index(row, 1)).center())
    click(whole, button(form, "Use selected"))


def choose(whole: Whole, box: QComboBox, text: str) -> None:
    """Open the box, and click on the line of that text: it takes no click so soon after the one that opened it."""
    click(whole, box)
    view, row = box.view(), box.findText(text)
    whole.wait(view.isVisible)

    def is_taken() -> bool:
        place = view.visualRect(box.model().index(row, 0)).center()
        QTest.mouseMove(view.viewport(), place)
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
        return not view.isVisible()

    whole.wait(is_taken)
    assert box.currentText() == text


def test_first_dome_is_found_chosen_tested_and_saved(
    whole: Whole, found_by_discovery: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUPOLA_SETTINGS", str(whole.settings))
    page, who = whole.panel.settings, whole.who
    form = page.connect_form
    who.begin("Night")
    who.click(whole.panel.window.rail.button("Settings"))
    click(whole, button(form, "Discover"))
    mine: list[FoundDevice] = []

    def is_found() -> bool:
        lines = form._model.lines
        mine[:] = [
            one for kind in KINDS for one in lines if one.kind == kind and one.server == found_by_discovery.server
        ]
        return len(mine) == len(KINDS)

    whole.wait(is_found)
    for line in mine:
        use(whole, line)
    for key in ("dome", "mount", "safety_monitor", "weather"):
        click(whole, form.chosen[key].test)
        whole.wait(lambda key=key: form.chosen[key].result.text().startswith("✓"))
    assert f"{AZIMUTH_DEG:.1f}" in form.chosen["dome"].result.text()
    choose(whole, named(form, "Can the closing roof hit the telescope?", QComboBox), "no")
    click(whole, button(form, "Save"))
    whole.wait(lambda: form._saved.text().startswith("✓"))

    saved: dict[str, Any] = tomllib.loads(whole.settings.read_text(encoding="utf-8"))
    dome = mine[0]
    assert saved["dome"] == {"server": found_by_discovery.server, "device": 3, "unique_id": dome.unique_id}
    assert dome.unique_id
    assert saved["enclosure"] == {"can_hit_mount": False}
    assert [saved[key]["server"] for key in ("mount", "safety_monitor", "weather")] == [found_by_discovery.server] * 3
    check_second_start(found_by_discovery)


def check_second_start(found: Simulator) -> None:
    """A station by the saved settings reads that dome, and knows that its shutter hits nothing."""
    with open_observatory() as observatory, open_station(observatory, is_guarded=False) as station:
        state = station.loop.submit(station.dome.first_poll()).result(10.0)
        assert state.server == f"{found.server}/3"
        assert state.azimuth_deg.value == pytest.approx(AZIMUTH_DEG)
        assert not station.devices.is_ours
        (rule,) = [one for one in state.interlocks if one.name == "collision rule"]
        assert rule.is_good
