"""Detection of stars, against sep and SExtractor."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from app.bench.cost import BenchFailed, child, cost_of, middle, paired
from app.bench.place import Place, installed
from app.bench.skies import hit_field
from app.bench.table import Row


def measure(place: Place) -> Iterator[Row]:
    """CPU per Mpix; there is no target."""
    from astropy.io import fits

    side = 1024 if place.is_quick else 4096
    file = place.folder / "field.fits"
    fits.writeto(file, hit_field(side)[0])
    place.say(f"stars of {side} x {side} pixels, in turn with sep")
    said = child("detect", place.folder, place.rounds, file).said
    per_mpix = 1e3 / (side * side / 1e6)
    ours_ms, sep_ms = median(said["ours_s"]) * per_mpix, median(said["sep_s"]) * per_mpix
    details = f"{ours_ms:.1f} / {sep_ms:.1f} ms/Mpix; {said['stars']} stars measured / {said['objects']} objects"
    yield Row(
        "detect", "CPU within the process: ours / sep background and extraction", ours_ms / sep_ms, details=details
    )
    program = installed("source-extractor", "sex")
    what = "CPU: ours within the process / SExtractor"
    if program is None:
        yield Row("detect", what, None, details="SExtractor is not installed")
        return
    (place.folder / "bench.param").write_text("X_IMAGE\nY_IMAGE\nFLUX_AUTO\nFWHM_IMAGE\n", encoding="utf-8")
    options = {"PARAMETERS_NAME": "bench.param", "FILTER": "N", "DETECT_THRESH": "5", "VERBOSE_TYPE": "QUIET"}
    command = (
        program,
        str(file),
        "-c",
        "/dev/null",
        *(word for name, value in options.items() for word in (f"-{name}", value)),
    )
    try:
        (theirs,) = paired(place.rounds, lambda: cost_of(command, place.folder))
    except BenchFailed as error:
        yield Row("detect", what, None, details=str(error))
        return
    theirs_ms = middle(theirs) * per_mpix
    yield Row("detect", what, ours_ms / theirs_ms, details=f"{ours_ms:.1f} / {theirs_ms:.1f} ms/Mpix")
