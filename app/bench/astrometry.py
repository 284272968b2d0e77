"""The embedded plate solver, on fields of known place all over the sky."""

from __future__ import annotations

from collections.abc import Iterator

from app.bench.cost import child
from app.bench.place import Place
from app.bench.table import Row


def measure(place: Place) -> Iterator[Row]:
    """How many are solved, how many wrongly, and how fast."""
    number = 20 if place.is_quick else 100
    place.say(f"solving {number} fields")
    said = child("astrometry", place.folder, number).said
    fields = "star lists of 1.25 x 1.67 degrees: poles, plane, clouds, mirrored; hints off by 1 degree, scales by 18 %"
    solved = 100.0 * said["solved"] / number
    yield Row(
        "astrometry",
        "fields solved",
        solved,
        "%",
        99.0,
        is_least=True,
        details=f"{said['solved']} of {number} {fields}",
    )
    yield Row("astrometry", "fields solved wrongly", said["wrong"], "", 0.0, details="over 3 pixels off")
    yield Row("astrometry", "median time after detection", said["median_s"], "s", 0.1, details="solved or not")
