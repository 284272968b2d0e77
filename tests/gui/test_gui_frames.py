"""The page Frames: what is shown is what was asked for last, by mouse and by keys alike."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PySide6.QtCore import QEvent, QPoint, QPointF, QSize, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtWidgets import QApplication

from app.controllers.frames import FramesController
from app.frames.picture import Picture
from app.model.picture_view import CursorReading, Rendering, Stretch, View
from app.widgets import theme
from app.widgets.cursor_line import value_text
from app.widgets.film_strip import StripItem
from app.widgets.frame_viewer import FrameViewer, themed
from app.widgets.frames_page import FramesPage, Mode
from tests.fakes import LaterExecutor


def written(path, rows=60, columns=80, level=1000.0, **cards):
    rng = np.random.default_rng(1)
    hdu = fits.PrimaryHDU(rng.normal(level, 10.0, (rows, columns)).astype(np.float32))
    hdu.header.update(cards)
    hdu.writeto(path)
    return path


def overview_of(path):
    picture = Picture(path)
    try:
        return picture.overview()
    finally:
        picture.close()


def heard(signal):
    """What a signal says, as a list."""
    told = []
    signal.connect(lambda *values: told.append(values))
    return told


@pytest.fixture
def page(qtbot):
    page = FramesPage()
    qtbot.addWidget(page)
    page.resize(1208, 624)
    with qtbot.waitExposed(page):
        page.show()
    return page


@pytest.fixture
def viewer(qtbot, tmp_path):
    viewer = FrameViewer()
    qtbot.addWidget(viewer)
    viewer.resize(400, 300)
    with qtbot.waitExposed(viewer):
        viewer.show()
    viewer.show_frame(overview_of(written(tmp_path / "v.fits")), (900.0, 1100.0, Stretch.ASINH))
    return viewer


@pytest.fixture
def live(qtbot, page):
    """The page with its controller on a worker of its own."""
    executor = ThreadPoolExecutor(1)
    controller = FramesController(executor)
    page.open_requested.connect(controller.open)
    page.render_requested.connect(controller.render)
    page.cursor_asked.connect(controller.read_cursor)
    page.thumbnail_requested.connect(controller.make_thumbnail)
    controller.opened.connect(page.set_overview)
    controller.rendered.connect(page.set_rendering)
    controller.cursor_read.connect(page.set_cursor)
    controller.thumbnail_ready.connect(page.set_thumbnail)
    controller.failed.connect(page.set_failure)
    yield page
    controller.close()
    executor.shutdown()


# --- controller -------------------------------------------------------------------------------------------------


def test_only_the_newest_view_is_drawn(tmp_path, qapp):
    later = LaterExecutor()
    controller = FramesController(later)
    drawn = heard(controller.rendered)
    path = written(tmp_path / "a.fits")
    views = [View(40.0, 30.0, zoom, 50, 40, 900.0, 1100.0) for zoom in (1.0, 2.0, 4.0)]
    for view in views:
        controller.render(path, view)
    later.work()
    assert [rendering.view for (rendering,) in drawn] == views[-1:]
    assert drawn[0][0].shades.shape == (40, 50)
    controller.close()
    later.work()


def test_two_newest_wishes_to_open_are_kept_and_pictures_come_before_thumbnails(tmp_path, qapp):
    later = LaterExecutor()
    controller = FramesController(later)
    told = []
    controller.opened.connect(lambda overview: told.append(overview.title))
    controller.thumbnail_ready.connect(
        lambda path, image: told.append(("thumbnail", path.name, image.size().toTuple()))
    )
    paths = [written(tmp_path / f"{name}.fits") for name in "abc"]
    controller.make_thumbnail(paths[0], QSize(40, 40))
    for path in paths:
        controller.open(path)
    later.work()
    assert told == ["b.fits", "c.fits", ("thumbnail", "a.fits", (40, 30))]
    controller.close()
    later.work()


def test_failures_are_sentences_and_bugs_are_logged(tmp_path, qapp, monkeypatch, caplog):
    later = LaterExecutor()
    controller = FramesController(later)
    failed, thumbnails = heard(controller.failed), heard(controller.thumbnail_ready)
    controller.open(tmp_path / "none.fits")
    controller.make_thumbnail(tmp_path / "none.fits", QSize(40, 40))
    later.work()
    assert "none.fits cannot be read" in failed[0][1]
    assert thumbnails[0][1].isNull()
    path = written(tmp_path / "a.fits")
    monkeypatch.setattr(Picture, "overview", lambda _self: 1 / 0)
    controller.open(path)
    later.work()
    assert "fault in Cupola" in failed[1][1]
    assert "ZeroDivisionError" in caplog.text
    controller.close()
    later.work()


def test_a_closed_controller_says_nothing(tmp_path, qapp, monkeypatch):
    later = LaterExecutor()
    controller = FramesController(later)
    told = heard(controller.opened)
    path = written(tmp_path / "a.fits")
    controller.open(path)
    controller.close()
    later.work()
    assert told == []
    controller = FramesController(later)
    told = heard(controller.opened)
    monkeypatch.setattr(Picture, "coarsen", lambda _self: False)
    monkeypatch.setattr(Picture, "overview", lambda _self: controller.close())  # while it is under way
    controller.open(path)
    later.work()
    assert told == []


def test_a_frame_zoomed_out_is_drawn_again_when_its_coarser_copies_are_there(tmp_path, qapp):
    later = LaterExecutor()
    controller = FramesController(later)
    drawn = heard(controller.rendered)
    path = written(tmp_path / "a.fits", 400, 400)
    controller.open(path)
    controller.render(path, View(200.0, 200.0, 0.25, 100, 100, 900.0, 1100.0))
    later.work()
    assert len(drawn) == 2
    assert drawn[1][0].shades.std() < 0.5 * drawn[0][0].shades.std()  # means of 16 pixels have less noise
    controller.close()
    later.work()


# --- viewer -----------------------------------------------------------------------------------------------------


def test_wheel_zooms_about_the_cursor(viewer):
    at = QPointF(300.0, 80.0)
    before = viewer.view().frame_at(at.x(), at.y())
    event = QWheelEvent(
        at, at, QPoint(), QPoint(0, 240), Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    zoom = viewer.place[2]
    QApplication.sendEvent(viewer, event)
    assert viewer.place[2] == pytest.approx(2.0 * zoom)
    assert viewer.view().frame_at(at.x(), at.y()) == pytest.approx(before)


def test_drag_moves_the_frame_with_the_hand(qtbot, viewer):
    x, y, zoom = viewer.place
    qtbot.mousePress(viewer, Qt.MouseButton.LeftButton, pos=QPoint(200, 150))
    qtbot.mouseMove(viewer, QPoint(220, 160))
    qtbot.mouseRelease(viewer, Qt.MouseButton.LeftButton, pos=QPoint(220, 160))
    assert viewer.place[:2] == pytest.approx((x - 20 / zoom, y + 10 / zoom))


def test_keys_do_what_the_mouse_does(qtbot, viewer):
    fitted = viewer.place
    assert viewer.is_fitted
    qtbot.keyClick(viewer, Qt.Key.Key_Right)
    assert viewer.place[0] == pytest.approx(fitted[0] + 400 / 8 / fitted[2])
    qtbot.keyClicks(viewer, "+")
    assert viewer.place[2] == pytest.approx(2 * fitted[2])
    qtbot.keyClicks(viewer, "1")
    assert viewer.place[2] == 1.0
    qtbot.keyClicks(viewer, "f")
    assert viewer.place == fitted


def test_the_crosshair_is_moved_by_keys_and_reads_its_pixel(qtbot, viewer):
    asked = heard(viewer.cursor_asked)
    qtbot.keyClicks(viewer, "c")
    x, y = viewer.crosshair
    qtbot.keyClick(viewer, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(viewer, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier)
    assert viewer.crosshair == (x - 10, y + 1)  # up is a higher row
    assert asked[-1][1:] == (x - 10, y + 1)
    for _ in range(9):
        qtbot.keyClick(viewer, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier)
    assert viewer.crosshair[0] == 1.0  # stays in the frame


def test_the_mouse_reads_the_pixel_below_in_fits_coordinates(qtbot, viewer):
    viewer.set_place(40.0, 30.0, 4.0)
    asked = heard(viewer.cursor_asked)
    qtbot.mouseMove(viewer, QPoint(200 + 8, 150 - 12))
    assert asked[-1][1:] == pytest.approx((42.0, 33.0))


def test_the_last_drawing_is_shown_moved_until_the_new_one_comes(qtbot, viewer):
    view = viewer.view()
    shades = np.zeros((view.height, view.width), np.uint8)
    shades[140:160, 190:210] = 255
    viewer.set_rendering(Rendering(viewer.overview.path, view, shades))
    qtbot.keyClick(viewer, Qt.Key.Key_Right)  # the frame goes 50 pixels to the left
    picture = viewer.grab().toImage()
    assert picture.pixelColor(150, 150).red() == 255
    assert picture.pixelColor(200, 150).red() == 0


def test_a_drawing_of_another_frame_is_not_shown(viewer):
    view = viewer.view()
    viewer.set_rendering(Rendering(Path("other.fits"), view, np.full((view.height, view.width), 255, np.uint8)))
    assert not viewer.is_painted


def test_a_frame_of_the_same_size_keeps_its_place(tmp_path, viewer):
    viewer.set_place(10.0, 12.0, 5.0)
    viewer.show_frame(overview_of(written(tmp_path / "same.fits")), viewer.shading)
    assert viewer.place == (10.0, 12.0, 5.0)
    viewer.show_frame(overview_of(written(tmp_path / "other.fits", 30, 30)), viewer.shading)
    assert viewer.place[:2] == (15.5, 15.5)
    assert viewer.is_fitted


def test_everything_is_red_at_night(qtbot, tmp_path, monkeypatch, page):
    path = written(tmp_path / "a.fits", CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRVAL1=10.0, CRVAL2=20.0, CRPIX1=40.0,
                   CRPIX2=30.0, CDELT1=-1e-3, CDELT2=1e-3, SIMULATE=True)  # fmt: skip
    monkeypatch.setattr(theme, "_current", theme.RED)
    page.open(path)
    page.set_overview(overview_of(path))
    viewer = page.viewers[0]
    view = viewer.view()
    shades = np.tile(np.arange(view.width, dtype=np.uint8), (view.height, 1))
    viewer.set_rendering(Rendering(path, view, shades))
    qtbot.keyClicks(viewer, "c")
    strip = QImage(4, 4, QImage.Format.Format_Indexed8)
    strip.setColorTable([0xFFFFFFFF] * 256)
    strip.fill(200)
    for image in (viewer.grab().toImage(), page._histogram.histogram.grab().toImage(), themed(strip)):
        image.convertTo(QImage.Format.Format_RGB32)
        pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1, 4)
        assert pixels[..., 2].max() > 190
        assert not pixels[..., :2].any()  # blue and green


# --- page -------------------------------------------------------------------------------------------------------


def test_opens_draws_and_reads(qtbot, tmp_path, live):
    path = written(tmp_path / "a.fits", EXPTIME=60.0, IMAGETYP="Light Frame")
    live.open(path)
    viewer = live.viewers[0]
    qtbot.waitUntil(lambda: viewer.is_painted)
    assert viewer.grab().toImage().pixelColor(viewer.rect().center()).lightness() > 20
    live.cursor_asked.emit(path, 3.0, 2.0)
    qtbot.waitUntil(lambda: live._cursor.texts()[0] == "FITS x 3.0  y 2.0")
    assert live._cursor.texts()[1] == value_text(float(fits.getdata(path)[1, 2]), "adu")
    assert live._cursor.texts()[2] == "no sky coordinates"


def test_what_cannot_be_opened_is_said_in_the_page_and_the_last_frame_is_gone(qtbot, tmp_path, live):
    live.open(written(tmp_path / "a.fits"))
    qtbot.waitUntil(lambda: live.viewers[0].is_painted)
    live.open(tmp_path / "none.fits")
    qtbot.waitUntil(lambda: not live.viewers[0].isVisible())
    assert live.viewers[0].overview is None
    panel = live._stacks[0].currentWidget()
    assert "none.fits cannot be read" in panel.accessibleName()
    assert live._title.accessibleName() == "none.fits"
    assert live.header.model.counts == (0, 0)
    live._show_working()  # patience ends after the failure
    assert "cannot be read" in panel.accessibleName()
    live.open(tmp_path / "a.fits")
    qtbot.waitUntil(live.viewers[0].isVisible)


def test_a_late_answer_is_not_shown(tmp_path, page):
    first, second = written(tmp_path / "a.fits"), written(tmp_path / "b.fits")
    page.open(first)
    page.open(second)
    page.set_overview(overview_of(first))
    assert page.viewers[0].overview is None
    page.set_overview(overview_of(second))
    assert page.viewers[0].overview.title == "b.fits"
    page.set_cursor(CursorReading(first, 1.0, 1.0, 5.0, None))
    assert page._cursor.texts()[0] != "FITS x 1.0  y 1.0"


def test_the_same_stretch_is_kept_for_the_next_frame(qtbot, tmp_path, page):
    first, second = written(tmp_path / "a.fits"), written(tmp_path / "b.fits", level=3000.0)
    page.open(first)
    page.set_overview(overview_of(first))
    own = page.viewers[0].shading
    page._same_stretch.setChecked(True)
    page.open(second)
    page.set_overview(overview_of(second))
    assert page.viewers[0].shading == own
    page._same_stretch.setChecked(False)
    page.open(first)
    page.set_overview(overview_of(first))
    page.open(second)
    page.set_overview(overview_of(second))
    assert page.viewers[0].shading[0] > 2000.0


def test_two_frames_pan_and_zoom_together(qtbot, tmp_path, page):
    raw, calibrated = written(tmp_path / "raw.fits"), written(tmp_path / "cal.fits")
    asked = heard(page.open_requested)
    page.compare(raw, calibrated, ("raw", "calibrated"))
    assert asked == [(raw,), (calibrated,)]
    for path in (raw, calibrated):
        page.set_overview(overview_of(path))
    assert page.viewers[1].isVisible()
    page.viewers[0].zoom_by(4.0, QPointF(20.0, 30.0))
    assert page.viewers[1].place == page.viewers[0].place
    qtbot.keyClick(page.viewers[1], Qt.Key.Key_Left)
    assert page.viewers[0].place == page.viewers[1].place
    page.viewers[1].setFocus()
    assert page._title.accessibleName() == "cal.fits"
    page.open(raw)
    assert page.mode is Mode.SINGLE
    assert not page.viewers[1].isVisible()


def test_two_selected_frames_blink(qtbot, tmp_path, live):
    paths = [written(tmp_path / f"{name}.fits") for name in "abc"]
    live.set_items([StripItem(path, path.name) for path in paths])
    live.open(paths[0])
    qtbot.waitUntil(lambda: live.viewers[0].is_painted)
    assert not live._blink_button.isEnabled()
    assert "select two frames" in live._blink_button.accessibleDescription()
    live.strip.setFocus()
    qtbot.keyClick(live.strip, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert live.strip.selected_paths() == (paths[0], paths[1])
    live._blink.setInterval(1)
    qtbot.keyClick(live.strip, Qt.Key.Key_B)
    assert live.mode is Mode.BLINK
    seen = set()

    def has_seen_both():
        seen.add(live._title.accessibleName())
        assert live.viewers[0].isVisible() != live.viewers[1].isVisible()
        return {"a.fits", "b.fits"} <= seen

    qtbot.waitUntil(has_seen_both)
    qtbot.keyClick(live.strip, Qt.Key.Key_B)
    assert live.mode is Mode.SINGLE
    assert live.viewers[0].isVisible()


def test_keys_go_through_the_strip(qtbot, tmp_path, page):
    paths = [written(tmp_path / f"{name}.fits") for name in "abc"]
    page.set_items([StripItem(path, path.name) for path in paths])
    page.open(paths[0])
    page.set_overview(overview_of(paths[0]))
    asked = heard(page.open_requested)
    qtbot.keyClick(page.strip, Qt.Key.Key_Right)
    qtbot.keyClick(page.viewers[0], Qt.Key.Key_PageDown)
    qtbot.keyClick(page.viewers[0], Qt.Key.Key_PageDown)
    qtbot.keyClick(page.strip, Qt.Key.Key_Left)
    assert asked == [(paths[1],), (paths[2],), (paths[1],)]
    assert page._count.text() == "2 of 3"


def test_a_strip_that_grows_keeps_its_selection_and_its_pictures(qtbot, page):
    paths = [Path(f"/night/{number}.fits") for number in range(40)]
    page.set_items([StripItem(path, path.name) for path in paths[:30]])
    page.strip.show_current(paths[7])
    qtbot.keyClick(page.strip, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    page.set_thumbnail(paths[7], QImage(8, 8, QImage.Format.Format_Indexed8))
    asked = heard(page.open_requested)
    page.set_items([StripItem(path, path.name) for path in paths])
    assert page.strip.selected_paths() == (paths[7], paths[8])
    assert page.strip.frames.has_image(paths[7])
    assert asked == []  # nobody chose anything


def test_thumbnails_are_asked_once_for_what_is_in_sight(qtbot, page):
    asked = heard(page.thumbnail_requested)
    page.set_items([StripItem(Path(f"/night/{number}.fits"), str(number)) for number in range(500)])
    page.strip.grab()
    page.strip.grab()
    names = [path.name for path, _ in asked]
    assert 2 <= len(names) <= 12
    assert len(set(names)) == len(names)


def test_limits_by_mouse_by_keys_and_as_numbers(qtbot, tmp_path, page):
    path = written(tmp_path / "a.fits")
    page.open(path)
    overview = overview_of(path)
    page.set_overview(overview)
    panel, viewer = page._histogram, page.viewers[0]
    low, high, _ = viewer.shading
    qtbot.keyClick(panel.histogram, Qt.Key.Key_Right)
    assert low < viewer.shading[0] < high
    qtbot.keyClick(panel.histogram, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert viewer.shading[1] < high
    at = panel.histogram.rect().center()
    qtbot.mousePress(panel.histogram, Qt.MouseButton.LeftButton, pos=QPoint(at.x() // 4, at.y()))
    qtbot.mouseRelease(panel.histogram, Qt.MouseButton.LeftButton, pos=QPoint(at.x() // 4, at.y()))
    assert panel.histogram.limits == viewer.shading[:2]
    panel._low.setText("950")
    qtbot.keyClick(panel._low, Qt.Key.Key_Return)
    assert viewer.shading[0] == 950.0
    panel._low.setText("99999")
    qtbot.keyClick(panel._low, Qt.Key.Key_Return)
    assert viewer.shading[0] == 950.0
    assert "below the high one" in panel._low.toolTip()
    panel._min_max()
    assert viewer.shading[:2] == (overview.statistics.lowest, overview.statistics.highest)
    panel._zscale()
    assert viewer.shading[:2] == overview.limits
    panel._stretches.button(0).click()
    assert viewer.shading[2] is Stretch.LINEAR
    panel._reset()
    assert viewer.shading == (low, high, Stretch.ASINH)


def test_header_is_searched_and_copied(qtbot, tmp_path, page):
    path = written(tmp_path / "a.fits", EXPTIME=60.0, FILTER="R", OBSERVER="nobody")
    page.open(path)
    page.set_overview(overview_of(path))
    page.focus_filter()
    qtbot.keyClicks(page.header.filter, "expt")
    assert page.header.model.counts[0] == 1
    page.header.table.selectAll()
    qtbot.keyClick(page.header.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QApplication.clipboard().text() == "EXPTIME = 60.0"
    page.header.filter.clear()
    assert page.header.model.counts[0] == page.header.model.counts[1] > 5


def test_the_view_comes_back(tmp_path, qtbot, page):
    path = written(tmp_path / "a.fits")
    page.open(path)
    page.set_overview(overview_of(path))
    page.viewers[0].zoom_to(3.0)
    state = page.view_state()
    other = FramesPage()
    qtbot.addWidget(other)
    asked = heard(other.open_requested)
    other.restore_view(state)
    assert asked == [(path,)]
    other.set_overview(overview_of(path))
    assert other.viewers[0].place == pytest.approx(page.viewers[0].place)


@pytest.mark.parametrize(
    "state", [{}, {"path": 3, "place": ["a", None], "stretch": 7, "tab": "x"}, {"place": [1, 2, -5]}, {"tab": 99}]
)
def test_any_state_is_survived(page, state):
    page.restore_view(state)
    assert page.shown_paths == ()


def test_simulated_frames_say_so(tmp_path, page):
    path = written(tmp_path / "a.fits", SIMULATE=True)
    page.open(path)
    page.set_overview(overview_of(path))
    shown = page.viewers[0].grab().toImage()
    page.open(real := written(tmp_path / "b.fits"))
    page.set_overview(overview_of(real))
    assert shown != page.viewers[0].grab().toImage()


def test_marks_lie_on_the_frame_and_not_beside_it(qtbot, tmp_path):
    viewer = FrameViewer()
    qtbot.addWidget(viewer)
    viewer.resize(900, 400)
    path = written(tmp_path / "a.fits", 80, 80, SIMULATE=True, CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRVAL1=10.0,
                   CRVAL2=20.0, CRPIX1=40.0, CRPIX2=30.0, CDELT1=-1e-3, CDELT2=1e-3)  # fmt: skip
    viewer.show_frame(overview_of(path), (900.0, 1100.0, Stretch.ASINH))
    image = viewer.grab().toImage()
    ground = theme.current().color("background").rgb()
    lit = {x for x in range(900) for y in range(400) if image.pixel(x, y) != ground}
    assert 250 <= min(lit) < 290  # the frame lies from 250 to 650
    assert 600 < max(lit) <= 650


def test_two_frames_fit_into_a_small_window_also_when_they_cannot_be_shown(tmp_path, page):
    page.compare(tmp_path / "a.fits", tmp_path / "b.fits")
    for name in "ab":
        page.set_failure(tmp_path / f"{name}.fits", "It is cut off: copy it again.")
    assert page.minimumSizeHint().width() <= 1208


def test_pixel_is_read_only_while_something_points_at_it(qtbot, tmp_path, page):
    path = written(tmp_path / "a.fits")
    page.open(path)
    page.set_overview(overview_of(path))
    assert page._cursor._hint.isVisible()
    page.set_cursor(CursorReading(path, 3.0, 2.0, 1000.0, None))
    assert not page._cursor._hint.isVisible()
    asked = heard(page.cursor_asked)
    QApplication.sendEvent(page.viewers[0], QEvent(QEvent.Type.Leave))
    assert page._cursor._hint.isVisible()
    assert not any(page._cursor.texts()[:3])
    assert asked == []
    qtbot.keyClicks(page.viewers[0], "c")
    QApplication.sendEvent(page.viewers[0], QEvent(QEvent.Type.Leave))
    assert [place for _, *place in asked] == [list(page.viewers[0].crosshair)] * 2


def test_comment_of_a_card_is_read_below_the_table(qtbot, tmp_path, page):
    path = tmp_path / "a.fits"
    header = fits.Header([("EXPTIME", 60.0, "[s] exposure time of one frame")])
    fits.PrimaryHDU(np.zeros((9, 9), np.float32), header).writeto(path)
    page.open(path)
    page.set_overview(overview_of(path))
    page.focus_filter()
    qtbot.keyClicks(page.header.filter, "exptime")
    page.header.table.setCurrentIndex(page.header.model.index(0, 0))
    assert page.header._whole.text() == "EXPTIME = 60.0 / [s] exposure time of one frame"
    page.header.filter.setText("nothing")
    assert "Choose a card" in page.header._whole.text()


def test_keys_reach_a_frame_that_was_opened_from_elsewhere(qtbot, tmp_path, page):
    path = written(tmp_path / "a.fits")
    page.activateWindow()
    qtbot.waitUntil(page.isActiveWindow)
    page.open(path)
    page.set_overview(overview_of(path))
    assert page.viewers[0].hasFocus()
    page.header.filter.setFocus()
    page.set_overview(overview_of(path))  # it changed on disk
    assert not page.viewers[0].hasFocus()


def test_nothing_but_what_opens_a_frame_is_offered_before_there_is_one(tmp_path, page):
    assert not page._beside.isVisible()
    assert not page._fit.isVisible()
    page.open(tmp_path / "a.fits")
    assert page._beside.isVisible()
    assert page._open.isVisible()


def test_every_control_has_a_name_and_says_why_it_is_disabled(page):
    for button in (page._open, page._compare_button, page._blink_button, page._fit, page._before):
        assert button.accessibleName()
    assert page._compare_button.accessibleDescription()
    assert page.viewers[0].accessibleDescription()
