"""Pixels that are not to be trusted: they stand out of their surroundings in a master dark or flat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.frames.product_file import Layout
from app.model.flags import Dq
from app.pipeline.kernels.local_median import REACH, flag_odd, local_median
from app.pipeline.workers import Check, Workers

#: Standard deviation of normal noise over the median of its absolute values.
_SIGMA_OVER_MAD = 1.4826
#: About so many pixels tell the noise.
_SAMPLE_PIXELS = 1 << 22
#: Rows of a job, and of a piece of it that is worked on at a time.
_JOB_ROWS, _BAND_ROWS = 512, 64


@dataclass(frozen=True, slots=True)
class BadPixels:
    """When a pixel of a master is bad.

    Attributes
    ----------
    sigmas : float
        So many standard deviations off the median around it, by the noise of the whole master.
    least : float
        And so much at least: adu, or a part of the median around it.
    is_relative : bool
        Whether deviations are measured as parts of the median around the pixel.
    missing : Dq
        What a pixel without a value is.
    """

    sigmas: float
    least: float
    is_relative: bool
    missing: Dq


#: Hot and cold pixels. A warm one that subtracts well is none: 10 sigma of a master are some 3 of a frame.
OF_DARK = BadPixels(10.0, 5.0, is_relative=False, missing=Dq.NO_DATA)
#: Pixels of odd response, and what a star or dust that moved left in the flat.
OF_FLAT = BadPixels(10.0, 0.1, is_relative=True, missing=Dq.NO_FLAT)


@dataclass(frozen=True, slots=True)
class FlagJob:
    """Rows of a master that is being made, and the deviation from which a pixel is bad."""

    layout: Layout
    plane: int
    rule: BadPixels
    limit: float
    first_row: int
    last_row: int


def flag_bad_pixels(layout: Layout, plane: int, rule: BadPixels, workers: Workers, check: Check) -> int:
    """Fill the DQ plane of a master whose pixels are written.

    Parameters
    ----------
    layout : Layout
        Of the unfinished master.
    plane : int
        Number of its DQ plane.
    rule : BadPixels
        Which pixels are bad.
    workers : Workers
        Compute it.
    check : callable
        Raises `Cancelled` when the work should stop.

    Returns
    -------
    int
        How many are bad.
    """
    limit = max(rule.sigmas * _noise(layout, rule, check), rule.least)
    jobs = [
        FlagJob(layout, plane, rule, limit, first, min(first + _JOB_ROWS, layout.rows))
        for first in range(0, layout.rows, _JOB_ROWS)
    ]
    with workers.each(flag_rows, jobs, check) as futures:
        return sum(future.result() for future in futures)


def flag_rows(job: FlagJob, check: Check) -> int:
    """Write some rows of a DQ plane; returns how many of their pixels are bad."""
    number = 0
    for first in range(job.first_row, job.last_row, _BAND_ROWS):
        check()
        last = min(first + _BAND_ROWS, job.last_row)
        values, around = _surroundings(job.layout, first, last)
        flags = np.empty(values.shape, np.uint8)
        bits = np.uint8(Dq.BAD), np.uint8(job.rule.missing)
        number += flag_odd(values, around, np.float32(job.limit), job.rule.is_relative, bits, flags)
        job.layout.write(job.plane, first, flags)
    return number


def sampled_rows(layout: Layout) -> Iterator[tuple[int, int]]:
    """Evenly spread rows of a master, the same whatever the bands: some 4 million pixels, or all."""
    step = max(1, layout.rows * layout.columns // _SAMPLE_PIXELS)
    for first in range(0, layout.rows, REACH * step):
        yield first, min(first + REACH, layout.rows)


def _noise(layout: Layout, rule: BadPixels, check: Check) -> float:
    """Standard deviation of the pixels about the median around them, by its median absolute value."""
    found = []
    for first, last in sampled_rows(layout):
        check()
        values, around = _surroundings(layout, first, last)
        with np.errstate(invalid="ignore", divide="ignore"):
            deviations = np.abs((values - around) / around if rule.is_relative else values - around)
        found.append(deviations[np.isfinite(deviations)])
    known = np.concatenate(found)
    return _SIGMA_OVER_MAD * float(np.median(known)) if known.size else 0.0


def _surroundings(layout: Layout, first: int, last: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rows [first, last), and the median around each of their pixels; beyond its ends the frame is mirrored."""
    low, high = max(first - REACH, 0), min(last + REACH, layout.rows)
    rows = layout.read(0, low, high)
    missing = REACH - (first - low), REACH - (high - last)
    return rows[first - low : last - low], local_median(np.pad(rows, (missing, (0, 0)), mode="reflect"))
