from datetime import UTC, datetime, timedelta

from app.model.order_life import StoredOrder
from app.model.order_queue import order_lines
from app.model.settings import Site
from app.model.work_order import OrderState, parse_work_order

SITE = Site(name="Tenerife", latitude_deg=28.3, longitude_deg=-16.5)
NOW = datetime(2026, 3, 14, 21, 0, tzinfo=UTC)


def stored(key, state=OrderState.WAITING, minutes_ago=60.0, lasted_s=None, reason=None, result=None, **about):
    received = NOW - timedelta(minutes=minutes_ago)
    request = "observation" if "ra" in about else "calibrate_file_batch"
    payload = {"user": "ada", "id": str(key), "request": request, "datetime": received.isoformat()}
    payload |= about or {"url": "/data/night"}
    ended = received + timedelta(seconds=lasted_s) if lasted_s is not None else None
    started = None if state in (OrderState.WAITING, OrderState.HELD) else received
    return StoredOrder(key, parse_work_order(payload), state, received, started, ended, result or {}, reason)


def reasons(*orders, site=SITE, failure=""):
    return {line.stored.key: line.reason for line in order_lines(orders, site, NOW, NOW, failure)}


def test_each_order_of_the_processor_knows_what_is_before_it():
    running = stored(1, OrderState.RUNNING, minutes_ago=50.0)
    queue = [stored(4, minutes_ago=20.0), stored(2, minutes_ago=40.0), stored(3, minutes_ago=30.0)]
    lines = {line.stored.key: line for line in order_lines([*queue, running], SITE, NOW, NOW)}
    assert {key: line.place for key, line in lines.items()} == {1: None, 2: 0, 3: 1, 4: 2}
    assert lines[2].reason == "Next, after ada/1"
    assert lines[3].reason == "1 order is before it"
    assert lines[4].reason == "2 orders are before it"
    assert reasons(stored(2)) == {2: "Next in the queue"}


def test_start_is_predicted_from_how_long_orders_took():
    done = [stored(key, OrderState.DONE, 300.0 - key, lasted_s=600.0) for key in range(1, 4)]
    running = stored(5, OrderState.RUNNING, minutes_ago=4.0)
    waiting = [stored(6, minutes_ago=3.0), stored(7, minutes_ago=2.0)]
    lines = {line.stored.key: line for line in order_lines([*done, running, *waiting], SITE, NOW, NOW)}
    assert lines[6].starts_at == NOW + timedelta(minutes=6)
    assert lines[7].starts_at == NOW + timedelta(minutes=16)
    (unknown,) = order_lines(waiting[:1], SITE, NOW, NOW)
    assert unknown.starts_at is None


def test_processor_that_takes_nothing_is_the_reason_of_all_that_wait_for_it():
    said = reasons(stored(1), stored(2, ra=180.0, dec=28.0), failure="Another Cupola takes the orders")
    assert said == {1: "Another Cupola takes the orders", 2: "No telescope takes orders yet"}


def test_observation_says_its_window_or_that_there_is_none():
    high, low = order_lines([stored(1, ra=180.0, dec=28.0), stored(2, ra=0.0, dec=-75.0)], SITE, NOW, NOW)
    assert high.window.begins_at < high.window.ends_at
    assert high.reason == "No telescope takes orders yet"
    assert low.window is None
    assert low.reason == "Its target stays below 20° this night"
    (nowhere,) = order_lines([stored(1, ra=0.0, dec=-75.0)], Site(), NOW, NOW)
    assert (nowhere.window, nowhere.reason) == (None, "No telescope takes orders yet")


def test_what_does_not_wait_says_what_happened():
    problems = {"problems": [{"message": "Two flats are saturated"}, {"message": "x"}]}
    assert reasons(
        stored(1, OrderState.HELD),
        stored(2, OrderState.FAILED, reason="no FITS file"),
        stored(3, OrderState.DONE_WITH_PROBLEMS, result=problems),
        stored(4, OrderState.DONE),
    ) == {1: "Held: release it to go on", 2: "no FITS file", 3: "2 problems, the first: Two flats are saturated", 4: ""}


def test_simulated_sky_has_its_own_night_and_orders_begin_in_ours():
    done, waiting = stored(1, OrderState.DONE, 300.0, lasted_s=600.0), stored(2)
    later = NOW + timedelta(days=180)
    lines = order_lines([done, waiting, stored(3, ra=180.0, dec=28.0)], SITE, later, NOW)
    assert lines[1].starts_at == NOW
    assert lines[2].window is None or lines[2].window.begins_at > later - timedelta(days=1)
