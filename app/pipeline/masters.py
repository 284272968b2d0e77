"""Masters: the median of frames, and where a frame finds its masters."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from app.frames.fits_io import bands
from app.frames.headers import read_header, value
from app.frames.product_file import write_product
from app.frames.provenance import add_cards, add_history
from app.model.batch import Combination, Exposure, ProductKind
from app.model.matching import TEMPERATURE_OK_DEGC
from app.model.wording import frames_text
from app.pipeline.kernels.plain import median
from app.pipeline.products import Made, Plan, input_cards, make, open_all, set_up_cards, software_card
from app.pipeline.step import Context, Findings


def stack_master(
    context: Context, findings: Findings, kind: ProductKind, path: Path, group: tuple[Exposure, ...]
) -> Combination:
    """Median of raw frames, exactly `numpy.median`, saved and recorded.

    Raises
    ------
    FrameError, OutputError
        A frame cannot be read, or the product not written.
    """
    warn_of_group(context, findings, kind, group)
    plan = Plan(kind, path, group[0].facts, group, parameters={"method": "median"})

    def write(target: Path) -> Made:
        with ExitStack() as stack:
            readers = open_all(stack, group)
            first = readers[0]
            level = _MeanLevel()
            header = master_header(plan, input_cards(group), [f"Median of {len(group)} frames"])
            row_bytes = sum(reader.bytes_per_pixel * reader.columns for reader in readers)

            def rows() -> Any:
                for low, high in bands(first.rows, row_bytes):
                    context.cancel.check()
                    band = median(np.stack([reader.read(low, high) for reader in readers]))
                    level.add(band)
                    yield band

            digest = write_product(target, header, (first.rows, first.columns), rows())
        return Made(digest, {"L1MEAN": level.value})

    return make(context, plan, write)


def warn_of_group(context: Context, findings: Findings, kind: ProductKind, group: tuple[Exposure, ...]) -> None:
    """Say when a group is small or its temperatures differ."""
    few = context.settings.calibration.few_frames
    name = str(kind).replace("_", " ")
    if len(group) < few:
        findings.warn(
            describe(group), f"{name} of {frames_text(len(group))}: fewer than {few} keep their outliers: take more"
        )
    known = [exposure.facts.temperature_degc for exposure in group if exposure.facts.temperature_degc is not None]
    if known and max(known) - min(known) > TEMPERATURE_OK_DEGC:
        findings.warn(
            describe(group),
            f"{name}: temperatures from {min(known):.1f} to {max(known):.1f} degC differ by more than "
            f"{TEMPERATURE_OK_DEGC:g} degC: let the camera settle",
        )


def master_header(plan: Plan, inputs: list[tuple[str, Any, str]], history: Sequence[str]) -> fits.Header:
    """Header of a master: what it is, its set-up, its inputs, how it was made."""
    header = fits.Header()
    if any(value(read_header(exposure.path), "SIMULATE") is True for exposure in plan.exposures):
        add_cards(header, [("SIMULATE", True, "made from simulated frames")])
    add_cards(header, [("IMAGETYP", str(plan.kind).upper().replace("_", " "), "product of Cupola")])
    add_cards(header, set_up_cards(plan.facts))
    add_cards(header, [("BUNIT", "adu", ""), software_card(), *inputs])
    add_history(header, history)
    return header


def describe(group: tuple[Exposure, ...]) -> str:
    """A group in a few words: kind, filter, exposure, number."""
    facts = group[0].facts
    seconds = None if not facts.exposure_s else f"{facts.exposure_s:g} s"
    words = [str(group[0].recognition.kind), facts.filter, seconds, f"({frames_text(len(group))})"]
    return " ".join(word for word in words if word)


class _MeanLevel:
    """Mean of all finite values of the bands, adu."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0

    def add(self, band: np.ndarray[Any, Any]) -> None:
        finite = band[np.isfinite(band)]
        self._sum += float(finite.sum(dtype=np.float64))
        self._count += finite.size

    @property
    def value(self) -> float:
        return round(self._sum / max(self._count, 1), 4)
