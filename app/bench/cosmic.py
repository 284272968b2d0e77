"""Cosmic rays of one rendered frame, against astroscrappy."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from app.bench.cost import child
from app.bench.place import Place
from app.bench.table import Row


def measure(place: Place) -> Iterator[Row]:
    """Cost, recall and confirmation."""
    side = 1024 if place.is_quick else 2048
    place.say(f"cosmic rays of {side} x {side} pixels, in turn with astroscrappy")
    said = child("cosmic", place.folder, place.rounds, place.folder, side).said
    mpix = side * side / 1e6
    ratios = [one / other for one, other in zip(said["ours_s"], said["astroscrappy_s"], strict=True)]
    took = f"{1e3 * median(said['ours_s']) / mpix:.1f} / {1e3 * median(said['astroscrappy_s']) / mpix:.0f} ms/Mpix"
    yield Row("cosmic", "CPU, flags written: ours / astroscrappy niter=1", median(ratios), limit=0.05, details=took)
    of = f"of {said['pixels']} pixels; astroscrappy with full medians, niter=1"
    yield Row("cosmic", "recall", 100.0 * said["recall"], "%", 97.0, is_least=True, details=of)
    yield Row("cosmic", "confirmation", 100.0 * said["confirmation"], "%", 97.0, is_least=True, details=of)
