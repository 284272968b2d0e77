"""The whole window against the simulated observatory over real HTTP, and against a real batch in its own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from astropy.wcs import WCS
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from app.model.batch import Status
from app.model.dome import ShutterWord
from app.model.wording import declination_text, right_ascension_text
from app.sim.raw_night import write_night
from tests.gui.window import Whole, named, newest, whole_window

#: Filters of warnings are every thread's: those that the threads of the window set for a moment stay set here.
pytestmark = pytest.mark.filterwarnings(
    "ignore::astropy.wcs.FITSFixedWarning", "ignore::astropy.utils.exceptions.AstropyWarning"
)

SCALE = 4.0


@pytest.fixture(scope="module")
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with whole_window(QtBot(request), tmp_path_factory.mktemp("whole"), SCALE) as opened:
        yield opened


@pytest.fixture(autouse=True)
def same_settings(own_home: Path, monkeypatch: pytest.MonkeyPatch, whole: Whole) -> None:
    """Every test gets a home of its own; the window keeps its settings."""
    monkeypatch.setenv("CUPOLA_SETTINGS", str(whole.settings))


def test_click_on_the_dial_turns_the_dome_and_the_dial_follows(whole: Whole) -> None:
    whole.who.begin("Night")
    dial, since = whole.panel.night.dome.dial, newest(whole.simulator)
    inner, outer = dial.shell_px
    at = dial.point_at(190.0, (inner + outer) / 2.0).toPoint()
    whole.who.click(dial, at)
    whole.wait(lambda: whole.commands(since) == ["slewtoazimuth"])
    (asked,) = [one for one in whole.simulator.requests(since) if one["path"].endswith("slewtoazimuth")]
    target = float(asked["form"]["Azimuth"])
    assert target == pytest.approx(190.0, abs=0.6)  # half a pixel of the dial
    whole.wait(lambda: whole.truth["dome"]["is_slewing"])
    shown = []
    whole.wait(lambda: bool(shown.append(dial._sight.state.azimuth_deg.value)) or not whole.truth["dome"]["is_slewing"])
    truth = whole.truth["dome"]["azimuth_deg"]
    assert truth == pytest.approx(target, abs=0.01)
    whole.wait(lambda: abs(dial._sight.state.azimuth_deg.value - truth) <= 0.1)
    assert len(set(shown)) >= 3, "the dial did not follow while the dome turned"
    assert f"{truth:.1f}°" in dial.accessibleDescription()


def test_only_a_hold_opens_and_one_click_closes(whole: Whole) -> None:
    whole.who.begin("Night")
    since = newest(whole.simulator)
    dome = whole.panel.night.dome
    button, close = named(dome, "OPEN"), named(dome, "CLOSE")
    whole.wait(button.isEnabled)
    whole.who.click(button)
    button.setFocus()
    whole.who.press("Space")
    whole.who.hold(button, until=lambda: button.progress >= 1.0 / 1.5)  # 1.0 s
    assert button.progress == 0.0
    assert whole.truth["dome"]["shutter"] == "closed"
    assert "openshutter" not in whole.commands(since)
    whole.who.hold(button, until=lambda: not button.isDown())
    whole.wait(lambda: whole.truth["dome"]["shutter"] == "open")
    assert whole.commands(since).count("openshutter") == 1
    whole.wait(lambda: shutter(whole) is ShutterWord.OPEN)
    whole.who.click(close)
    whole.wait(lambda: whole.truth["dome"]["shutter"] == "closed")
    whole.wait(lambda: shutter(whole) is ShutterWord.PROVEN_CLOSED or shutter(whole) is ShutterWord.CLOSED)
    assert whole.commands(since).count("closeshutter") == 1


def shutter(whole: Whole) -> ShutterWord:
    return whole.station.dome.state.shutter_word(whole.station.observatory.clock.monotonic())


@pytest.mark.logs_warnings
def test_order_of_the_form_becomes_stacks_with_their_sky(whole: Whole, tmp_path: Path) -> None:
    night = tmp_path / "2024-08-05_ngc6888"
    write_night(night)
    for file in night.glob("*_V_*.fits"):  # one filter is enough
        file.unlink()
    who, panel = whole.who, whole.panel
    who.begin("Orders")
    who.press("Ctrl+N")
    who.click(named(panel.orders, "Folder", QLineEdit))
    who.type(str(night), enters=False)
    who.press("Ctrl+Return")
    (line,) = wait_for(whole, lambda: panel.orders._model.lines)
    assert line.stored.order.url == str(night)

    who.press("Ctrl+3")
    story = wait_for(whole, lambda: panel.batches.story._story)
    assert story.batch.source == str(night)
    whole.wait(lambda: panel.batches.story._story.batch.status is Status.RUNNING)
    whole.wait(lambda: panel.batches.story._story.batch.status not in (Status.RUNNING, Status.WAITING), 60.0)
    story = panel.batches.story._story
    assert story.batch.status in (Status.DONE, Status.DONE_WITH_PROBLEMS)

    grid = panel.batches.story.products._grids[0][1]
    whole.wait(lambda: grid.cards.rowCount() == 1)
    stack = grid.cards.value_at(0).path
    assert stack.is_file()
    who.press("Ctrl+5")
    texts = wait_for(whole, lambda: log_lines_of(whole, story.batch.name))
    assert any(stack.name in text for text in texts)

    who.press("Ctrl+3")
    who.double_click(grid.viewport(), grid.visualRect(grid.cards.index(0, 0)).center())
    viewer = panel.frames.viewers[0]
    whole.wait(lambda: viewer.overview is not None and viewer.overview.path == stack and viewer.is_painted)
    assert panel.window.page == "Frames"
    wcs = WCS(fits.getheader(stack), fix=False)  # its mending warns, and filters of warnings are every thread's
    for at in (QPoint(60, 60), viewer.rect().center(), QPoint(viewer.width() - 50, viewer.height() // 3)):
        check_cursor(whole, at, wcs)


def check_cursor(whole: Whole, at: QPoint, wcs: WCS) -> None:
    """What is written below the frame is the sky of the pixel below the cursor, to the printed digits."""
    viewer, line = whole.panel.frames.viewers[0], whole.panel.frames._cursor
    with whole.bot.waitSignal(whole.session.connections.frames.cursor_read) as read:
        whole.who.point(viewer, at)
    (reading,) = read.args
    place, _, sky, _ = line.texts()
    assert place == f"FITS x {reading.x:.1f}  y {reading.y:.1f}"
    x, y = viewer.view().frame_at(at.x(), at.y())
    assert (reading.x, reading.y) == pytest.approx((x, y), abs=1e-6)
    ((ra, dec),) = wcs.all_pix2world([[reading.x, reading.y]], 1)
    assert sky == f"{right_ascension_text(ra)}  {declination_text(dec)}"


def log_lines_of(whole: Whole, batch: str) -> list[str]:
    model = whole.panel.log._model
    entries = [model.entry(row) for row in range(model.rowCount())]
    return [entry.message for entry in entries if entry.batch_name == batch]


def wait_for(whole: Whole, ask: Callable[[], Any]) -> Any:
    """What is there, once it is."""
    whole.wait(lambda: bool(ask()))
    return ask()


def test_window_ends_though_its_processor_was_quicker(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread may end between any two lines of the shutdown: nobody may wait for an end that has been."""
    thread = whole.session.connections.batch_thread
    is_running = thread.isRunning

    def look() -> bool:
        before = is_running()
        thread.stop()
        assert thread.wait(10_000)
        return before

    monkeypatch.setattr(thread, "isRunning", look)
    whole.session.leave()
    whole.wait(lambda: not whole.panel.window.isVisible())
