"""The trend of a night: each light where its numbers are, its verdict by shape, and a click that chooses it."""

from datetime import UTC, datetime

import pytest
from PySide6.QtCore import QPoint, Qt

from app.model.batch import Combination, ProductKind
from app.model.frame import FrameFacts
from app.model.quality_trend import TRENDS, TrendPoint, trend_of
from app.model.settings import Quality
from app.model.verdict import Verdict
from app.widgets import theme
from app.widgets.quality_trend import QualityTrend

NOW = datetime(2026, 7, 1, 22, tzinfo=UTC)
WHY = "stars are 9.0 px wide: check focus"


def point(key, filter_name, at_s, fwhm, verdict=Verdict.ACCEPTED, **more):
    values = {"L1FWHM": fwhm, "FWHMPIX": fwhm, "NSTARS": 100.0, "L1MEDIAN": 300.0, "L1ELLIP": 0.1} | more
    reasons = () if verdict is Verdict.ACCEPTED else (WHY,)
    return TrendPoint(key, at_s, f"light_{key}.fits", filter_name, values, verdict, reasons)


POINTS = (
    point(1, "B", 1000.0, 2.0),
    point(2, "B", 2000.0, 5.0, Verdict.DOUBTFUL),
    point(3, "R", 1500.0, 3.0, Verdict.REJECTED),
)


@pytest.fixture
def trend(qtbot):
    widget = QualityTrend()
    qtbot.addWidget(widget)
    widget.set_points(POINTS)
    widget.resize(700, widget.height())
    widget.show()
    return widget


def press(qtbot, widget, place):
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton, pos=QPoint(round(place.x()), round(place.y())))


def colours(widget, place, reach=5):
    picture = widget.grab().toImage()
    ratio = picture.devicePixelRatio()
    at = [round(place.x() * ratio), round(place.y() * ratio)]
    return [
        picture.pixelColor(at[0] + dx, at[1] + dy) for dx in range(-reach, reach + 1) for dy in range(-reach, reach + 1)
    ]


def test_later_is_to_the_right_and_worse_is_higher(trend):
    early, late = (trend.place_of(key, "L1FWHM") for key in (1, 2))
    assert early.x() < late.x()
    assert early.y() > late.y()
    assert trend.place_of(3, "L1FWHM").x() > late.x()  # another filter has a column of its own
    assert trend.place_of(1, "MAGZP") is None


def test_a_number_that_no_light_has_has_no_row(trend):
    without = trend.height()
    trend.set_points([point(1, "B", 1000.0, 2.0, MAGZP=20.0)])
    assert trend.height() > without
    assert trend.place_of(1, "MAGZP") is not None


def test_a_click_chooses_the_light(trend, qtbot):
    with qtbot.waitSignal(trend.light_chosen) as chosen:
        press(qtbot, trend, trend.place_of(2, "NSTARS"))
    assert chosen.args == [2]
    assert WHY in trend.accessibleDescription()
    assert "light_2.fits, doubtful" in trend.accessibleDescription()
    assert "FWHM 5.0" in trend.accessibleDescription()


def test_keys_step_through_the_lights(trend, qtbot):
    for _ in range(2):
        qtbot.keyClick(trend, Qt.Key.Key_Right)
    assert trend.pointed.key == 2
    with qtbot.waitSignal(trend.light_chosen) as chosen:
        qtbot.keyClick(trend, Qt.Key.Key_Return)
    assert chosen.args == [2]
    qtbot.keyClick(trend, Qt.Key.Key_Escape)
    assert trend.pointed is None
    assert trend.accessibleDescription() == "1 accepted, 1 doubtful, 1 left out"


def test_verdicts_are_told_by_shape(trend):
    """A dot is filled, a ring is open, a cross has free sides: also where there is no colour."""
    look = theme.current()
    filled, ring, cross = (trend.place_of(key, "L1FWHM") for key in (1, 2, 3))
    assert colours(trend, filled, 0) == [look.color("text")]
    assert colours(trend, ring, 0) != [look.color("attention")]
    assert look.color("attention") in colours(trend, ring)
    assert look.color("alarm") in colours(trend, cross)


def test_the_limit_is_that_of_the_settings(trend):
    trend.set_limits(Quality(fwhm_ratio=9.0))
    far = trend.place_of(2, "L1FWHM").y()
    trend.set_limits(Quality(fwhm_ratio=1.1))
    assert trend.place_of(2, "L1FWHM").y() < far  # the axis made room for the limit


def test_without_lights_it_says_what_will_be_shown(qtbot):
    widget = QualityTrend()
    qtbot.addWidget(widget)
    assert "as soon as it is measured" in widget.accessibleDescription()
    widget.resize(700, widget.height())
    widget.grab()


def test_the_light_stays_pointed_at_when_another_one_comes(trend):
    trend._point_at(2)
    trend.set_points((point(9, "A", 500.0, 2.0), *POINTS))
    assert trend.pointed.key == 3


def test_numbers_come_from_the_database_by_filter_and_time():
    def light(key, minute, filter_name, **qc):
        facts = FrameFacts(filter=filter_name, started_at=NOW.replace(minute=minute))
        kind = ProductKind.CALIBRATED_LIGHT
        return Combination(kind, None, str(key), "", facts, (), key=key, inputs=(f"raw{key}.fits",), qc=qc)

    made = [
        light(1, 30, "R", NSTARS=50, verdict="doubtful", reasons=[WHY]),
        light(2, 20, "R", NSTARS=60, FWHMPIX=2.5, NCOMBINE=1),
        light(3, 40, "B", NSTARS=70),
        light(4, 40, "B"),  # not measured
    ]
    found = trend_of(made)
    assert [one.key for one in found] == [3, 2, 1]
    assert found[1].values == {"NSTARS": 60.0, "FWHMPIX": 2.5}
    assert (found[1].verdict, found[2].verdict, found[2].reasons) == (None, Verdict.DOUBTFUL, (WHY,))
    assert found[0].name == "raw3.fits"


def test_the_unit_is_that_which_most_lights_have():
    width = TRENDS[0]
    in_pixels = TrendPoint(1, 0.0, "", "", {"FWHMPIX": 2.0})
    in_both = TrendPoint(2, 0.0, "", "", {"FWHMPIX": 2.0, "L1FWHM": 1.0})
    assert width.chosen([in_both]) == ("L1FWHM", "\u2033")
    assert width.chosen([in_pixels, in_both]) == ("FWHMPIX", "px")


def test_no_scale_begins_below_nothing(trend):
    trend.set_points([point(1, "B", 1000.0, 2.0, L1ELLIP=0.0)])
    assert min(row.low for row in trend._rows) == 0.0
