"""The last 12 hours: lines with gaps, limits, and what is loud."""

from datetime import UTC, datetime

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage

from app.model.settings import WeatherLimits
from app.model.surroundings import Moment
from app.widgets import theme
from app.widgets.night_plots import SPAN_S, NightPlots, _limit_text, line_pieces

SKY_S = datetime(2026, 11, 22, 4, 53, tzinfo=UTC).timestamp()


@pytest.fixture(autouse=True, scope="module")
def dark(qapp):
    theme.apply(qapp, "dark")


def test_no_line_crosses_north_and_gaps_stay_gaps():
    times = np.arange(8) * 30.0
    azimuths = np.array([350.0, 356.0, 2.0, 8.0, np.nan, 20.0, 26.0, 32.0])
    pieces = [values.tolist() for _, values in line_pieces(times, azimuths, 43200, 0.0, wraps=True)]
    assert [sorted(set(values)) for values in pieces] == [[350.0, 356.0], [2.0, 8.0], [20.0, 26.0, 32.0]]


def test_a_long_silence_is_a_gap():
    times = np.array([0.0, 30.0, 3600.0, 3630.0])
    assert len(list(line_pieces(times, np.ones(4), 720, 0.0))) == 2


def test_thinning_keeps_every_gust():
    times = np.linspace(0.0, SPAN_S, 5000)
    wind = np.full(5000, 5.0)
    wind[[1234, 4321]] = 30.0, 1.0
    ((columns, values),) = line_pieces(times, wind, 400, 0.0)
    assert columns.size <= 2 * 401
    assert (values.min(), values.max()) == (1.0, 30.0)


def night(points=200, **last):
    times = np.linspace(SKY_S - SPAN_S, SKY_S, points)
    moments = [Moment(at, 250.0, 251.0, 6.0, 60.0, 10.0, 8.0) for at in times]
    moments[-1] = Moment(times[-1], **{"wind_m_s": 6.0, **last})
    return tuple(moments)


def plots_of(qtbot, moments):
    plots = NightPlots()
    plots.resize(760, 200)
    qtbot.addWidget(plots)
    plots.set_moments(moments, WeatherLimits(wind_m_s=12.0), SKY_S)
    return plots


def has_color(widget, token):
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    return theme.current().color(token).rgb() in set(np.frombuffer(image.constBits(), np.uint32).tolist())


def test_only_what_is_beyond_its_limit_is_loud(qtbot):
    assert not has_color(plots_of(qtbot, night()), "alarm")
    assert has_color(plots_of(qtbot, night(wind_m_s=14.2)), "alarm")


def test_one_gust_beyond_the_limit_is_seen_when_it_is_over(qtbot):
    moments = list(night())
    moments[100] = Moment(moments[100].at_s, wind_m_s=14.2)
    assert has_color(plots_of(qtbot, tuple(moments)), "alarm")


def test_the_values_of_a_time_are_shown_by_mouse_and_keys(qtbot):
    plots = plots_of(qtbot, night(720, wind_m_s=9.5))
    plots.show()
    assert "wind 9.5 m/s" in plots.accessibleDescription()
    qtbot.mouseMove(plots, QPoint(300, 60))
    assert "UTC: dome 250.0°, tel 251.0°, wind 6.0 m/s" in plots.accessibleDescription()
    qtbot.keyClick(plots, Qt.Key.Key_Escape)
    qtbot.keyClick(plots, Qt.Key.Key_Left)
    assert plots.accessibleDescription().startswith("at 04:43 UTC")


def test_an_old_value_is_not_now(qtbot):
    moments = tuple(moment for moment in night(720) if moment.at_s < SKY_S - 600.0)
    assert plots_of(qtbot, moments).values_at(SKY_S)["wind"] is None


def test_silent_line_keeps_its_last_value_and_says_how_old_it_is(qtbot):
    moments = tuple(Moment(SKY_S - 3600.0 + second, wind_m_s=5.0) for second in range(0, 600, 60))
    plots = plots_of(qtbot, moments)
    never = plots_of(qtbot, (Moment(SKY_S - 3600.0, humidity_percent=50.0),))
    wind = plots._boxes()[1]
    right = (int(wind.right()) + 60, int(wind.top()) - 3, 80, int(wind.height()) + 6)
    assert plots.grab().copy(*right).toImage() != never.grab().copy(*right).toImage()


LIMITS = WeatherLimits(wind_m_s=12.0, gust_m_s=15.0, humidity_percent=90.0, cloud_percent=80.0)


def plots_with(qtbot, open_at=None, **last):
    plots = NightPlots()
    plots.resize(760, 260)
    qtbot.addWidget(plots)
    plots.set_moments(night(**last), LIMITS, SKY_S, open_at)
    return plots


def rows_of_levels(plots):
    """How many rows of the picture have a line of 1 px from end to end, which no value has moved."""
    image = plots.grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    plot = pixels[:, int(plots._boxes()[0].left()) + 2 : int(plots._boxes()[0].right()) - 2].astype(int)
    return np.count_nonzero((plot > plot.min() + 25).mean(axis=1) > 0.2)


def test_every_limit_has_a_line_and_another_where_the_dome_may_open_again(qtbot):
    limits_alone = rows_of_levels(plots_with(qtbot))
    assert rows_of_levels(plots_with(qtbot, 0.9)) == limits_alone + 4


def test_the_axis_names_both_levels(qtbot):
    lines = [line for strip in plots_with(qtbot, 0.9)._layout for line in strip.lines if line.limit is not None]
    texts = [_limit_text(line, line.name in ("wind", "gust")) for line in lines]
    assert texts == ["wind 12, open < 10.8", "gust 15, open < 13.5", "limit 90, open < 81", "limit 80, open < 72"]
    assert _limit_text(plots_with(qtbot)._layout[2].lines[0], False) == "limit 90"


def test_gusts_have_a_limit_of_their_own(qtbot):
    assert not has_color(plots_with(qtbot, wind_m_s=6.0, gust_m_s=14.0), "alarm")
    assert has_color(plots_with(qtbot, wind_m_s=6.0, gust_m_s=15.5), "alarm")
    assert "gust 15.5 m/s" in plots_with(qtbot, gust_m_s=15.5).accessibleDescription()


def test_levels_that_are_near_each_other_keep_their_labels_apart(qtbot):
    plots = plots_with(qtbot, 0.9)
    plots.resize(706, 196)
    image = plots.grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    wind = plots._boxes()[1]
    rows = (pixels[int(wind.top()) - 6 : int(wind.bottom()), 2 : int(wind.left()) - 8] > 90).any(axis=1)
    assert np.count_nonzero(np.diff(rows.astype(int)) == 1) >= 2  # at least two lines of text with a gap between
