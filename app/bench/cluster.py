"""The same night on threads, and on two processes of dask on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from app.bench.cost import Cost, middle, paired, ratio, rounds_text
from app.bench.night import night_of, process, warm
from app.bench.place import Place
from app.bench.table import Row
from app.sim.big_night import write_big_night


def measure(place: Place) -> Iterator[Row]:
    """Time on the clock, the start of the processes included."""
    what = "whole night on the clock: dask with 2 local processes / threads"
    if find_spec("distributed") is None:
        yield Row("cluster", what, None, limit=1.15, details="distributed is not installed: it is the extra `cluster`")
        return
    night = night_of(place)
    side = night.rows
    place.need(side * side * (2 * night.frames + 6 * night.lights + 40))
    place.say(f"rendering {night.frames} frames of {side} x {side}")
    raw = place.sub("raw")
    write_big_night(raw, night)
    warm(place)
    place.say("threads and dask, in turn")

    def run(name: str, cluster: str) -> Cost:
        return process(place, raw, name, f'[processor]\ncluster = "{cluster}"\nthreads = 2\n')

    rounds = 1 if place.is_quick else 3
    dask, threads = paired(rounds, lambda: run("dask", "local"), lambda: run("threads", ""))
    details = (
        f"{middle(dask, _wall_s):.1f} s / {middle(threads, _wall_s):.1f} s; {night.frames} frames of {side} x {side}; "
        f"{rounds_text(rounds)}"
    )
    yield Row("cluster", what, ratio(dask, threads, _wall_s), limit=1.15, details=details)


def _wall_s(cost: Cost) -> float:
    return cost.wall_s
