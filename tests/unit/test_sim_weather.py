"""The simulated weather: pleasant, smooth, the same each time; and the safety monitor that judges it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from app.model.settings import WeatherLimits
from app.sim.safety import is_safe
from app.sim.weather import dew_point_degc, weather_at

NIGHT = datetime(2024, 8, 5, 21, 0, tzinfo=UTC)
MINUTES = [weather_at(NIGHT + timedelta(minutes=n)) for n in range(-720, 720)]


def test_the_weather_is_pleasant_and_safe_all_night_and_has_structure():
    assert all(3.0 <= weather.wind_m_s <= 8.0 for weather in MINUTES)
    assert all(weather.wind_m_s < weather.gust_m_s < 12.0 for weather in MINUTES)
    assert all(45.0 <= weather.humidity_percent <= 65.0 for weather in MINUTES)
    assert all(5.0 <= weather.cloud_percent <= 20.0 for weather in MINUTES)
    assert all(weather.rain_mm_h == 0.0 for weather in MINUTES)
    assert all(is_safe(weather, WeatherLimits()) for weather in MINUTES)
    winds = [weather.wind_m_s for weather in MINUTES]
    assert max(winds) - min(winds) > 3.0


def test_the_weather_is_smooth_and_depends_on_the_time_alone():
    for one, two in pairwise(MINUTES):
        assert abs(two.wind_m_s - one.wind_m_s) < 0.5
        assert abs(two.humidity_percent - one.humidity_percent) < 1.0
    assert weather_at(NIGHT) == MINUTES[720]
    assert weather_at(NIGHT.astimezone()) == MINUTES[720]


def test_the_dew_point_is_that_of_the_tables():
    assert dew_point_degc(20.0, 50.0) == pytest.approx(9.3, abs=0.1)
    assert dew_point_degc(13.0, 100.0) == pytest.approx(13.0)
    assert all(weather.dew_point_degc < weather.temperature_degc for weather in MINUTES)


@pytest.mark.parametrize(
    "change",
    [
        {"wind_m_s": 12.1},
        {"gust_m_s": 15.1},
        {"humidity_percent": 90.1},
        {"cloud_percent": 80.1},
        {"rain_mm_h": 0.1},
        {"cloud_percent": None},
    ],
)
def test_any_sensor_beyond_its_limit_or_missing_is_not_safe(change):
    assert not is_safe(replace(weather_at(NIGHT), **change), WeatherLimits())
