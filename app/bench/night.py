"""A whole night of the mission's camera, from raw frames to stacks, as `cupola process` runs it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from app.bench.cost import Cost, cost_of, middle, paired, ratio, rounds_text
from app.bench.place import Place
from app.bench.table import Row
from app.sim.big_night import BigNight, write_big_night


def night_of(place: Place) -> BigNight:
    """How large it is."""
    return BigNight(2048, 2048, biases=3, darks=3, flats=3, lights=3) if place.is_quick else BigNight()


def warm(place: Place) -> None:
    """Have all kernels compiled: no night waits for that."""
    place.say("compiling the kernels that are not yet")
    cost_of((sys.executable, "-P", "-m", "app", "warm"), place.folder)


#: Programs that are installed beside Cupola are not what is measured; and frames that are smaller than the camera's have
#: too few stars of the catalogue to be solved: they would be looked for all over the sky.
SOLVERS = '[astrometry]\nsolvers = ["cupola"]\nblind = false\n'
_ROUNDS = 3


def process(place: Place, raw: Path, name: str, settings: str = "") -> Cost:
    """Cost of calibrating a folder in a home of its own; the products are removed."""
    home = place.sub(name)
    file = home / "settings.toml"
    file.write_text(settings + SOLVERS, encoding="utf-8")
    command = (sys.executable, "-P", "-m", "app", "process", str(raw), "--into", str(home / "products"), "--json")
    cost = cost_of(command, home, {"CUPOLA_SETTINGS": str(file)}, watch=True)
    shutil.rmtree(home)
    return cost


def measure(place: Place) -> Iterator[Row]:
    """Speed, memory, and whether the cost grows as the frames do and no faster."""
    night = night_of(place)
    pixels = night.rows * night.columns
    place.need(pixels * (2 * night.frames + 2 * 6 * night.lights + 40))
    raw = place.sub("raw")
    place.say(f"rendering {night.frames} frames of {night.columns} x {night.rows}")
    write_big_night(raw, night)
    warm(place)
    half = _half(raw, place.sub("half"), night)
    if place.is_quick:  # half of it would be mostly start-up
        place.say("processing the night")
        (whole,) = paired(1, lambda: process(place, raw, "whole"))
    else:
        place.say(f"processing the night and half of it in turn, {_ROUNDS} rounds")
        whole, part = paired(_ROUNDS, lambda: process(place, raw, "whole"), lambda: process(place, half, "part"))
    wall_s = middle(whole, lambda cost: cost.wall_s)
    details = (
        f"{night.biases} bias, {night.darks} darks, {night.flats} flats, {night.lights} lights of "
        f"{night.columns} x {night.rows}: {wall_s:.1f} s, {middle(whole):.1f} s CPU; {rounds_text(len(whole))}"
    )
    yield Row("night", "input, all steps", night.mpix / wall_s, "Mpix/s", 60.0, is_least=True, details=details)
    together_mb = max(cost.together_mb for cost in whole)
    greatest_mb = max(cost.peak_mb for cost in whole)
    yield Row(
        "night", "peak memory of all processes together", together_mb, "MB", 1200.0,
        details=f"greatest process {greatest_mb:.0f} MB; shared pages once; the most of {rounds_text(len(whole))}",
    )  # fmt: skip
    if place.is_quick:
        return
    frames = len(list(half.iterdir()))
    took = f"{middle(whole) / night.frames:.2f} s / {middle(part) / frames:.2f} s; {rounds_text(len(whole))}"
    figure = ratio(whole, part) * frames / night.frames
    yield Row("night", f"CPU per frame: {night.frames} frames / {frames} frames", figure, limit=1.1, details=took)


def _half(raw: Path, folder: Path, night: BigNight) -> Path:
    """Every second frame of each kind, but three at least: no stack is of another kind than in the whole night."""
    files = sorted(raw.iterdir())
    at = 0
    for number in (night.biases, night.darks, night.flats, night.lights):
        for file in files[at : at + max(3, number // 2)]:
            (folder / file.name).hardlink_to(file)
        at += number
    return folder
