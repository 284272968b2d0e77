"""Stacks of raw frames, against Siril, ccdproc, numpy, and reading the same bytes and doing nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from app.bench import siril
from app.bench.cost import Cost, child, middle, paired, peak_mb, ratio, rounds_text
from app.bench.place import Place, write_even_frames
from app.bench.table import Row

V = TypeVar("V")
Ours = Callable[..., Cost]

_FRAMES = 20
_SLOW_ROUNDS = 3
_SIRIL = {"median": "med", "sigma clip": "rej s 3 3", "winsorized": "rej w 3 3"}
_AGAINST_SIRIL = {"median": 0.35, "sigma clip": 0.35, "winsorized": 0.5}
_AGAINST_READING = {"median": 5.0, "sigma clip": 7.0}


def measure(place: Place) -> Iterator[Row]:
    """All figures of stacks."""
    side = 4096
    place.need(2.2 * _FRAMES * side * side + 3 * 4 * side * side)
    place.say(f"writing {_FRAMES} frames of {side} x {side}")
    frames = write_even_frames(place.sub("frames"), _FRAMES, side)

    def ours(method: str, number: int = _FRAMES) -> Cost:
        files = (frames * (number // _FRAMES + 1))[:number]
        return child("stack", place.folder, method, place.folder / "ours.fits", *files)

    ours("median", 2)  # compiles the kernels
    yield from _against_siril(place, frames[0].parent, ours, side)
    yield from _against_reading(place, frames, ours)
    if place.is_quick:
        return
    yield from _against_ccdproc(place, frames, ours, side)
    other, median = paired(place.rounds, lambda: _other(place, "numpy_stack", "median", frames), lambda: ours("median"))
    yield Row("stack", "median, CPU of a process: ours / numpy", ratio(median, other), details=_seconds(median, other))
    yield from _by_number(place, ours)
    yield _greatest(place)


def _against_siril(place: Place, folder: Path, ours: Ours, side: int) -> Iterator[Row]:
    for method, command in _of(place, _SIRIL).items():
        what = f"{method} of {_FRAMES} x {side}^2, CPU of a process: ours / Siril"
        limit = _AGAINST_SIRIL[method]
        if siril.siril() is None:
            yield Row("stack", what, None, limit=limit, details=siril.MISSING)
            continue
        place.say(f"{method}, in turn with Siril")
        theirs = partial(siril.run, folder, f"stack raw_ {command} -nonorm -out=siril")
        mine, other = paired(place.rounds, partial(ours, method), theirs)
        rss = f"; {middle(mine, peak_mb):.0f} / {middle(other, peak_mb):.0f} MB"
        yield Row("stack", what, ratio(mine, other), limit=limit, details=_seconds(mine, other) + rss)


def _against_reading(place: Place, frames: list[Path], ours: Ours) -> Iterator[Row]:
    for method, limit in _of(place, _AGAINST_READING).items():
        place.say(f"{method}, in turn with reading")
        mine, bare = paired(place.rounds, partial(ours, method), partial(child, "read", place.folder, *frames))
        took = f"{middle(mine, _in_process):.2f} s / {middle(bare, _in_process):.3f} s"
        what = f"{method}, CPU within the process: ours / reading only"
        yield Row("stack", what, ratio(mine, bare, _in_process), limit=limit, details=took)


def _against_ccdproc(place: Place, frames: list[Path], ours: Ours, side: int) -> Iterator[Row]:
    for method in ("median", "sigma clip"):
        place.say(f"{method}, in turn with ccdproc, which takes its time")
        theirs = partial(_other, place, "ccdproc_stack", method, frames)
        mine, other = paired(_SLOW_ROUNDS, partial(ours, method), theirs)
        what = f"{method} of {_FRAMES} x {side}^2, CPU of a process: ours / ccdproc.combine"
        yield Row("stack", what, ratio(mine, other), limit=1 / 25, details=_seconds(mine, other))
        took = f"{middle(mine, _in_process):.2f} s / {middle(other, _in_process):.2f} s"
        what = f"{method}, CPU within the process: ours / ccdproc.combine"
        yield Row("stack", what, ratio(mine, other, _in_process), limit=1 / 25, details=took)


def _by_number(place: Place, ours: Ours) -> Iterator[Row]:
    place.say("stacks of 5, 10 and 50 frames")
    five, ten, fifty = paired(
        place.rounds, lambda: ours("median", 5), lambda: ours("median", 10), lambda: ours("median", 50)
    )
    yield Row(
        "stack",
        "median, CPU per pixel within the process: 50 frames / 10 frames",
        ratio(fifty, ten, _in_process) / 5.0,
        limit=1.35,
        details=f"{middle(fifty, _in_process):.2f} s / {middle(ten, _in_process):.2f} s",
    )
    took = f"{middle(fifty, peak_mb):.0f} MB / {middle(five, peak_mb):.0f} MB"
    yield Row("stack", "peak RSS: 50 frames / 5 frames", ratio(fifty, five, peak_mb), limit=1.05, details=took)


def _greatest(place: Place) -> Row:
    """Frames of the mission's camera; there are four, read five times each."""
    side = 10560
    place.need(4 * 2 * side * side + 4 * side * side)
    place.say("20 frames of 10560 x 10560")
    frames = write_even_frames(place.sub("greatest"), 4, side)
    cost = child("stack", place.folder, "median", place.folder / "ours.fits", *(frames * 5))
    took = f"{cost.cpu_s:.1f} s CPU, {cost.wall_s:.1f} s"
    return Row("stack", "median of 20 x 10560^2: peak RSS", cost.peak_mb, "MB", 350.0, details=took)


def _of(place: Place, methods: dict[str, V]) -> dict[str, V]:
    """All of them, or the first where time is short."""
    return dict(list(methods.items())[:1]) if place.is_quick else methods


def _other(place: Place, task: str, method: str, frames: list[Path]) -> Cost:
    return child(task, place.folder, method, place.folder / "other.fits", *frames)


def _in_process(cost: Cost) -> float:
    return float(cost.said["cpu_s"])


def _seconds(ours: list[Cost], theirs: list[Cost]) -> str:
    return f"{middle(ours):.2f} s / {middle(theirs):.2f} s; {rounds_text(len(ours))}"
