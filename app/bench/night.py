"""A whole night of the mission's camera, from raw frames to stacks, as `cupola process` runs it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from app.bench.cost import Cost, cost_of
from app.bench.place import Place
from app.bench.table import Row
from app.sim.big_night import BigNight, write_big_night


def night_of(place: Place) -> BigNight:
    """How large it is."""
    return BigNight(2048, 2048, biases=3, darks=4, flats=4, lights=4) if place.is_quick else BigNight()


def warm(place: Place) -> None:
    """Have all kernels compiled: no night waits for that."""
    place.say("compiling the kernels that are not yet")
    cost_of((sys.executable, "-P", "-m", "app", "warm"), place.folder)


def process(place: Place, raw: Path, name: str, settings: str = "") -> Cost:
    """Cost of calibrating a folder in a home of its own; the products are removed."""
    home = place.sub(name)
    file = home / "settings.toml"
    file.write_text(settings, encoding="utf-8")
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
    place.say("processing the night")
    whole = process(place, raw, "whole")
    details = (
        f"{night.biases} bias, {night.darks} darks, {night.flats} flats, {night.lights} lights of "
        f"{night.columns} x {night.rows}: {whole.wall_s:.1f} s, {whole.cpu_s:.1f} s CPU"
    )
    yield Row("night", "input, all steps", night.mpix / whole.wall_s, "Mpix/s", 60.0, is_least=True, details=details)
    yield Row(
        "night", "peak memory of all processes together", whole.together_mb, "MB", 1200.0,
        details=f"greatest process {whole.peak_mb:.0f} MB; shared pages once",
    )  # fmt: skip
    if place.is_quick:  # that would be mostly start-up
        return
    half = _half(raw, place.sub("half"), night)
    place.say("processing half of the night")
    part = process(place, half, "part")
    frames = len(list(half.iterdir()))
    figure = (whole.cpu_s / night.frames) / (part.cpu_s / frames)
    took = f"{whole.cpu_s / night.frames:.2f} s / {part.cpu_s / frames:.2f} s"
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
