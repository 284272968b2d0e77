"""The ten tasks of an operator on the whole window: each in three actions or fewer, by mouse and by keyboard.

Each begins on another page than its own, with the focus on the rail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from PySide6.QtCore import QModelIndex, QPoint, QRect
from PySide6.QtWidgets import QFileDialog, QListView, QPushButton, QTableView, QWidget
from pytestqt.qtbot import QtBot

from app.model.batch import ProductKind, Status
from app.model.dome import ShutterState
from app.model.order_queue import OrderLine
from app.model.work_order import OrderState
from app.widgets.log_table import level_text
from tests.builders import small_night
from tests.gui.window import Operator, Whole, newest, whole_window

MOST = 3
NIGHT, EMPTY = "2026-03-14_field", "2026-03-13_empty"
#: Filters of warnings are every thread's: those that the threads of the window set for a moment stay set here.
pytestmark = pytest.mark.filterwarnings(
    "ignore::astropy.wcs.FITSFixedWarning", "ignore::astropy.utils.exceptions.AstropyWarning"
)

SCALE = 8.0
TASKS: list[tuple[str, str, Callable[[Whole, Operator], None]]] = []


def task(name: str, way: str) -> Callable[[Callable[[Whole, Operator], None]], Callable[[Whole, Operator], None]]:
    """Make a function one way of doing a task."""

    def take(does: Callable[[Whole, Operator], None]) -> Callable[[Whole, Operator], None]:
        TASKS.append((name, way, does))
        return does

    return take


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_night(tmp_path_factory.mktemp("raw") / NIGHT).folder


@pytest.fixture(scope="module")
def whole(request: pytest.FixtureRequest, night: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """A window with a batch that is done, one that failed, and an observation that waits."""
    with whole_window(QtBot(request), tmp_path_factory.mktemp("tasks"), SCALE) as opened:
        (night.parent / EMPTY).mkdir()
        opened.order(id="good", request="calibrate_file_batch", url=str(night))
        opened.order(id="bad", request="calibrate_file_batch", url=str(night.parent / EMPTY))
        opened.order(id="later", request="observation", ra=303.03, dec=38.35)
        opened.session.connections.batch_thread.wake()
        opened.wait(
            lambda: states(opened) == {OrderState.DONE_WITH_PROBLEMS, OrderState.FAILED, OrderState.WAITING}, 60
        )
        opened.wait(lambda: {line.status for line in opened.panel.batches._lines} >= {Status.FAILED})
        yield opened


@pytest.fixture(autouse=True)
def same_settings(own_home: Path, monkeypatch: pytest.MonkeyPatch, whole: Whole) -> None:
    """Every test gets a home of its own; the window keeps its settings."""
    monkeypatch.setenv("CUPOLA_SETTINGS", str(whole.settings))


def wait_for_end(whole: Whole, folder: Path) -> None:
    """Until the order for a folder has ended: its process has the settings of this test."""
    whole.wait(
        lambda: (
            {OrderState.FAILED} == {line.stored.state for line in lines(whole) if line.stored.order.url == str(folder)}
        )
    )


def lines(whole: Whole) -> Sequence[OrderLine]:
    return whole.panel.orders._model.lines


def states(whole: Whole) -> set[OrderState]:
    return {line.stored.state for line in lines(whole)}


# What is seen: only what lies within the window and in sight counts


def is_seen(widget: QWidget, rect: QRect | None = None) -> bool:
    """Whether a widget, or a part of it, is wholly in sight."""
    wanted = widget.rect() if rect is None else rect
    return widget.isVisible() and widget.visibleRegion().boundingRect().contains(wanted)


def cell_of(table: QTableView, text: str) -> QModelIndex:
    """The cell with that text that is in sight."""
    model = table.model()
    cells = [model.index(row, column) for row in range(model.rowCount()) for column in range(model.columnCount())]
    (found,) = [
        cell for cell in cells if text in str(cell.data()) and is_seen(table.viewport(), table.visualRect(cell))
    ]
    return found


def click_cell(who: Operator, table: QTableView, text: str) -> None:
    who.click(table.viewport(), table.visualRect(cell_of(table, text)).center())


def button(parent: QWidget, text: str) -> QPushButton:
    (found,) = [one for one in parent.findChildren(QPushButton) if one.text() == text and one.isVisible()]
    return found


def rail(whole: Whole, page: str) -> QWidget:
    return whole.panel.window.rail.button(page)


def stacks(whole: Whole) -> QListView:
    return whole.panel.batches.story.products._grids[0][1]


def batches(whole: Whole) -> QTableView:
    return whole.panel.batches.list._table


def sees_stack(whole: Whole) -> bool:
    """Whether the R stack of the night is in sight, with its text."""
    grid = stacks(whole)
    if not (whole.panel.batches.story._story and whole.panel.batches.story._story.batch.name == NIGHT):
        return False
    cards = [grid.cards.index(row, 0) for row in range(grid.cards.rowCount())]
    return any("Stack R" in card.data() and is_seen(grid.viewport(), grid.visualRect(card)) for card in cards)


# The tasks


@task("open the dome safely", "mouse")
def open_by_mouse(whole: Whole, who: Operator) -> None:
    who.click(rail(whole, "Night"))
    opening = whole.panel.night.dome._open
    whole.wait(opening.isEnabled)
    who.hold(opening, until=lambda: not opening.isDown())
    whole.wait(lambda: whole.truth["dome"]["shutter"] == ShutterState.OPEN)


@task("open the dome safely", "keyboard")
def open_by_keyboard(whole: Whole, who: Operator) -> None:
    who.press("Ctrl+1")
    opening = whole.panel.night.dome._open
    whole.wait(opening.isEnabled)
    who.hold_keys("Ctrl+Shift+O", until=lambda: not opening.isDown())
    whole.wait(lambda: whole.truth["dome"]["shutter"] == ShutterState.OPEN)


@task("go to an azimuth", "mouse")
def go_by_mouse(whole: Whole, who: Operator) -> None:
    who.click(rail(whole, "Night"))
    dial = whole.panel.night.dome.dial
    who.click(dial, dial.point_at(120.0, sum(dial.shell_px) / 2.0).toPoint())
    whole.wait(lambda: abs(whole.truth["dome"]["azimuth_deg"] - 120.0) < 1.0)


@task("go to an azimuth", "keyboard")
def go_by_keyboard(whole: Whole, who: Operator) -> None:
    who.press("Ctrl+1")
    who.press("Ctrl+G")
    who.type("223.4")
    whole.wait(lambda: abs(whole.truth["dome"]["azimuth_deg"] - 223.4) < 0.05)


@task("stop everything", "mouse")
def stop_by_mouse(whole: Whole, who: Operator) -> None:
    since = newest(whole.simulator)
    who.click(whole.panel.stop)
    whole.wait(lambda: "abortslew" in whole.commands(since))


@task("stop everything", "keyboard")
def stop_by_keyboard(whole: Whole, who: Operator) -> None:
    since = newest(whole.simulator)
    who.press("Ctrl+Shift+S")
    whole.wait(lambda: "abortslew" in whole.commands(since))


@task("calibrate a folder", "mouse")
def calibrate_by_mouse(whole: Whole, who: Operator) -> None:
    folder = Path(whole.settings.parent) / "dropped"
    folder.mkdir()
    who.click(rail(whole, "Batches"))
    who.drop(folder, whole.panel.batches)
    who.click(button(whole.panel.batches, "Run (Ctrl+Return)"))
    wait_for_end(whole, folder)


@task("calibrate a folder", "keyboard")
def calibrate_by_keyboard(whole: Whole, who: Operator) -> None:
    folder = Path(whole.settings.parent) / "typed"
    folder.mkdir()
    who.press("Ctrl+Shift+N")
    whole.wait(lambda: bool(whole.panel.batches.findChildren(QFileDialog)))
    (dialog,) = whole.panel.batches.findChildren(QFileDialog)
    whole.wait(dialog.isActiveWindow)
    who.type(str(folder))
    whole.wait(lambda: not whole.panel.batches.findChildren(QFileDialog))
    who.press("Ctrl+Return")
    wait_for_end(whole, folder)


@task("see why an order waits", "mouse")
def why_by_mouse(whole: Whole, who: Operator) -> None:
    who.click(rail(whole, "Orders"))
    click_cell(who, whole.panel.orders._table, "ada/later")
    reason = whole.panel.orders._details._reason
    whole.wait(lambda: "telescope" in reason.text() and is_seen(reason))


@task("see why an order waits", "keyboard")
def why_by_keyboard(whole: Whole, who: Operator) -> None:
    who.press("Ctrl+2")
    who.press("Ctrl+F")
    who.type("ada/later")
    assert "telescope" in cell_of(whole.panel.orders._table, "telescope").data()
    whole.panel.orders._filter.clear()


@task("find last night's R stack", "mouse")
def stack_by_mouse(whole: Whole, who: Operator) -> None:
    who.click(rail(whole, "Batches"))
    click_cell(who, batches(whole), "field")
    whole.wait(lambda: sees_stack(whole))
    open_first(whole, lambda: who.double_click(stacks(whole).viewport(), card_at(whole)))


@task("find last night's R stack", "keyboard")
def stack_by_keyboard(whole: Whole, who: Operator) -> None:
    who.press("Ctrl+3")
    who.press("Ctrl+F")
    who.type("field")
    whole.wait(lambda: sees_stack(whole))
    whole.panel.batches.list.clear_filter()


@task("see its FWHM", "mouse")
def fwhm_by_mouse(whole: Whole, who: Operator) -> None:
    who.click(rail(whole, "Batches"))
    click_cell(who, batches(whole), "field")
    whole.wait(lambda: sees_stack(whole))
    assert "FWHM 3.5" in stacks(whole).cards.index(0, 0).data()


@task("see its FWHM", "keyboard")
def fwhm_by_keyboard(whole: Whole, who: Operator) -> None:
    stack_by_keyboard(whole, who)
    assert "FWHM 3.5" in stacks(whole).cards.index(0, 0).data()


@task("compare raw and calibrated", "mouse")
def compare_by_mouse(whole: Whole, who: Operator) -> None:
    who.click(rail(whole, "Frames"))
    strip = whole.panel.frames.strip
    row = next(row for row, item in enumerate(strip.frames.items) if item.path.parent.name == "calibrated")
    who.click(strip.viewport(), strip.visualRect(strip.frames.index(row)).center())
    compare = button(whole.panel.frames, "Compare")
    whole.wait(compare.isEnabled)
    who.click(compare)
    check_compared(whole)


@task("compare raw and calibrated", "keyboard")
def compare_by_keyboard(whole: Whole, who: Operator) -> None:
    who.press("Ctrl+4")
    who.press("Down")
    whole.wait(lambda: bool(whole.panel.frames.shown_paths))
    who.press("B")
    check_compared(whole)


def check_compared(whole: Whole) -> None:
    """A raw light and what became of it are drawn, under one pan and zoom; then one frame is shown again."""
    page = whole.panel.frames
    whole.wait(lambda: len(page.shown_paths) == 2 and all(viewer.is_painted for viewer in page.viewers))
    raw, calibrated = page.shown_paths
    assert raw.name.removesuffix(".fits") + "_calibrated.fits" == calibrated.name
    assert page.viewers[0].place == page.viewers[1].place
    page.open(calibrated)


@task("redo a failed batch", "mouse")
def redo_by_mouse(whole: Whole, who: Operator) -> None:
    runs = failures(whole)
    who.click(rail(whole, "Batches"))
    click_cell(who, batches(whole), "empty")
    restart = whole.panel.batches.story.head.restart
    whole.wait(
        lambda: is_seen(restart) and restart.isEnabled() and whole.panel.batches.story._story.batch.name == EMPTY
    )
    who.click(restart)
    whole.wait(lambda: failures(whole) > runs, 30.0)


@task("redo a failed batch", "keyboard")
def redo_by_keyboard(whole: Whole, who: Operator) -> None:
    runs = failures(whole)
    whole.wait(lambda: whole.panel.batches._lines[0].status is Status.FAILED)
    last, story = whole.panel.batches._lines[0], whole.panel.batches.story
    who.press("Ctrl+3")
    who.press("Ctrl+Home")  # the newest
    whole.wait(lambda: story.key == last.key and is_seen(story.head.resume) and story.head.resume.isEnabled())
    who.press("Ctrl+Return")
    whole.wait(lambda: failures(whole) > runs, 30.0)


@task("find the log line of an error", "mouse")
def error_by_mouse(whole: Whole, who: Operator) -> None:
    who.click(rail(whole, "Log"))
    who.click(whole.panel.log._level_chips[40])
    check_error(whole)


@task("find the log line of an error", "keyboard")
def error_by_keyboard(whole: Whole, who: Operator) -> None:
    who.press("Ctrl+5")
    who.press("Ctrl+F")
    who.type("transfer failed")
    check_error(whole)


def check_error(whole: Whole) -> None:
    """What is in sight are the lines of errors alone."""
    model, table = whole.panel.log._model, whole.panel.log._table
    shown = lambda: [model.entry(row) for row in range(model.rowCount())]  # noqa: E731
    whole.wait(lambda: bool(shown()) and all("has no FITS files" in entry.message for entry in shown()))
    assert "ERROR" in {level_text(entry.level) for entry in shown()}
    assert is_seen(table.viewport(), table.visualRect(model.index(model.rowCount() - 1, 0)))
    whole.panel.log._show_everything()


def failures(whole: Whole) -> int:
    return sum(line.stored.state is OrderState.FAILED for line in lines(whole))


def card_at(whole: Whole) -> QPoint:
    grid = stacks(whole)
    return grid.visualRect(grid.cards.index(0, 0)).center()


def open_first(whole: Whole, act: Callable[[], None]) -> None:
    card = stacks(whole).cards.value_at(0)
    act()
    viewer = whole.panel.frames.viewers[0]
    whole.wait(lambda: viewer.overview is not None and viewer.overview.path == card.path and viewer.is_painted)
    assert whole.panel.window.page == "Frames"
    assert card.kind is ProductKind.LIGHT_STACK


@pytest.mark.logs_warnings
@pytest.mark.parametrize(("name", "way", "does"), TASKS, ids=[f"{name}, {way}" for name, way, _ in TASKS])
def test_task_takes_three_actions_at_most(
    whole: Whole, name: str, way: str, does: Callable[[Whole, Operator], None]
) -> None:
    whole.who.begin("Settings" if name != "stop everything" else "Log")
    does(whole, whole.who)
    actions = whole.who.actions
    assert len(actions) <= MOST, f"{name} by {way}: {', '.join(actions)}"
