"""Mount, sky and weather: what hangs ages alone, and unknown is never safe."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.model.dome import DeviceError, DeviceRefused, DeviceUnreachable
from app.model.reading import Reading
from app.model.settings import WeatherLimits
from app.model.sky_verdict import sky_verdict
from app.model.surroundings import MountSample, Surroundings, Weather
from app.model.wind_mean import WindMean
from app.services.surroundings import SurroundingsService
from tests.fakes import FakeClock, ScriptedSource

AT = datetime(2026, 3, 14, 20, 0, tzinfo=UTC)
LIMITS = WeatherLimits(wind_m_s=12.0, gust_m_s=15.0, humidity_percent=90.0, cloud_percent=80.0)
CALM = Weather(wind_m_s=6.0, gust_m_s=9.0, humidity_percent=50.0, cloud_percent=10.0, rain_mm_h=0.0)
TRACKING = MountSample(120.0, 45.0, 303.0, 38.4, True, False, False)


def read(value, read_s=100.0):
    return Reading(value, read_s, AT)


def verdict(weather=None, is_safe=None, now_s=101.0):
    around = Surroundings(
        has_safety_monitor=is_safe is not None,
        has_weather=weather is not None,
        is_safe=is_safe or Reading(),
        weather=weather or Reading(),
    )
    return sky_verdict(around, LIMITS, now_s, oldest_data_s=30.0)


class TestVerdict:
    def test_safe_names_what_is_nearest_to_its_limit(self):
        judged = verdict(read(CALM), read(True))
        assert judged.is_safe is True
        assert judged.decider == "gusts 9.0 m/s ≤ 15"

    @pytest.mark.parametrize(
        ("weather", "decider"),
        [
            (Weather(wind_m_s=14.2), "wind 14.2 m/s > 12"),
            (Weather(wind_m_s=8.0, gust_m_s=15.1), "gusts 15.1 m/s > 15"),
            (Weather(wind_m_s=18.0, wind_mean_m_s=9.0), "gusts 18.0 m/s > 15"),
            (Weather(wind_m_s=8.0, wind_mean_m_s=12.5), "wind 12.5 m/s > 12"),
            (Weather(humidity_percent=95.0, wind_m_s=3.0), "humidity 95.0 % > 90"),
            (Weather(cloud_percent=81.0), "cloud 81.0 % > 80"),
            (Weather(rain_mm_h=0.2), "rain 0.2 mm/h > 0"),
        ],
    )
    def test_one_sensor_beyond_its_limit_is_unsafe(self, weather, decider):
        assert verdict(read(weather), read(True)).decider == decider
        assert verdict(read(weather)).is_safe is False

    def test_the_monitor_overrules_good_weather(self):
        assert verdict(read(CALM), read(False)).is_safe is False

    @pytest.mark.parametrize(
        ("weather", "is_safe", "silent"),
        [
            (read(CALM, 90.0), read(True), "weather station is silent for 11 s"),
            (read(CALM), read(True, 90.0), "safety monitor is silent for 11 s"),
            (read(CALM), Reading(failure="no answer"), "safety monitor was never read"),
            (read(Weather(temperature_degc=4.0)), read(True), "no sensor of wind"),
        ],
    )
    def test_silence_is_not_safety(self, weather, is_safe, silent):
        judged = verdict(weather, is_safe)
        assert judged.is_safe is None
        assert silent in judged.decider

    def test_old_data_are_silence(self):
        around = Surroundings(has_weather=True, weather=read(replace(CALM, age_s=40.0)))
        assert sky_verdict(around, LIMITS, 101.0, oldest_data_s=41.5).is_safe is True
        judged = sky_verdict(around, LIMITS, 101.0, oldest_data_s=40.5)
        assert judged.is_safe is None
        assert judged.decider == "the weather station's newest data are 41 s old, limit 40.5 s"

    def test_every_sensor_beyond_its_limit_is_named(self):
        storm = Weather(wind_m_s=20.0, humidity_percent=95.0, cloud_percent=10.0, rain_mm_h=1.0)
        assert set(verdict(read(storm), read(False)).beyond) == {"safety monitor", "wind", "gusts", "humidity", "rain"}

    def test_unsafe_is_stronger_than_silence(self):
        assert verdict(read(Weather(wind_m_s=20.0)), read(True, 90.0)).is_safe is False

    def test_without_any_source_nothing_is_known(self):
        assert verdict().is_safe is None


def service(mount=None, safety=None, weather=None):
    def maker(source):
        return None if source is None else lambda: source

    return SurroundingsService(maker(mount), maker(safety), maker(weather), FakeClock(), poll_s=0.0)


async def watch(around, enough):
    """Run until a state is enough; return it."""
    reached = asyncio.Event()
    around.subscribe(lambda state: enough(state) and reached.set())
    runner = asyncio.create_task(around.run())
    try:
        await asyncio.wait_for(reached.wait(), 5.0)
        return around.state
    finally:
        await around.shut_down()
        assert runner.done()


def test_a_hanging_mount_does_not_keep_the_weather_from_being_read():
    let_go = threading.Event()
    around = service(ScriptedSource([TRACKING], hangs_until=let_go), ScriptedSource([True]), ScriptedSource([CALM]))

    async def run():
        reached = asyncio.Event()
        around.subscribe(lambda state: state.is_safe.value and state.weather.value and reached.set())
        runner = asyncio.create_task(around.run())
        await asyncio.wait_for(reached.wait(), 5.0)
        assert around.state.mount.read_s is None
        let_go.set()
        await around.shut_down()
        assert runner.cancelled()

    asyncio.run(run())


def test_a_failed_reading_keeps_its_value_and_recovers(caplog):
    source = ScriptedSource([CALM, DeviceUnreachable("gone"), DeviceUnreachable("gone"), Weather(wind_m_s=1.0)])
    seen = []

    async def run():
        around = service(weather=source)
        around.subscribe(lambda state: seen.append(state.weather))
        await watch(around, lambda state: state.weather.value is not None and state.weather.value.wind_m_s == 1.0)

    asyncio.run(run())
    assert [(reading.value.wind_m_s, reading.failure) for reading in seen[:4]] == [
        (6.0, None), (6.0, "gone"), (6.0, "gone"), (1.0, None)
    ]  # fmt: skip
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "The weather station is not read: gone"
    ]


def test_stop_reaches_the_mount_though_its_reading_hangs():
    let_go = threading.Event()
    mount = ScriptedSource([TRACKING], hangs_until=let_go)
    around = service(mount)

    async def run():
        runner = asyncio.create_task(around.run())
        await asyncio.sleep(0)
        around.stop_mount().result(5.0)
        assert mount.aborted.is_set()
        let_go.set()
        await around.shut_down()
        assert runner.done()

    asyncio.run(run())


def test_stop_without_a_mount_says_so():
    with pytest.raises(DeviceError, match="name none"):
        service().stop_mount().result(0.0)


@pytest.mark.logs_warnings
def test_stop_that_the_mount_refuses_is_in_the_log(caplog):
    class Deaf(ScriptedSource):
        def abort_slew(self):
            raise DeviceRefused("it is parked")

    async def run():
        around = service(Deaf([TRACKING]))
        with pytest.raises(DeviceRefused):
            around.stop_mount().result(5.0)
        await around.shut_down()

    asyncio.run(run())
    assert "STOP of the mount was not accepted: it is parked" in caplog.text


def test_what_the_settings_do_not_name_is_not_there():
    assert service(safety=ScriptedSource([True])).state == Surroundings(has_safety_monitor=True)


class TestWindMean:
    def test_it_is_that_of_ten_minutes(self):
        mean = WindMean()
        for minute in range(20):
            seen = mean.added_to(Weather(wind_m_s=20.0 if minute < 9 else 5.0), 60.0 * minute)
        assert seen.wind_mean_m_s == pytest.approx(5.0)

    def test_a_gust_of_one_moment_is_no_wind(self):
        mean = WindMean()
        for second in range(0, 60, 2):
            seen = mean.added_to(Weather(wind_m_s=16.0 if second == 30 else 4.0), float(second))
        assert verdict(read(seen)).is_safe is True

    def test_a_station_without_wind_has_no_mean(self):
        assert WindMean().added_to(Weather(humidity_percent=40.0), 1.0).wind_mean_m_s is None
