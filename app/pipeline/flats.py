"""The tasks of flats: whether one is a flat at all, and rows of their stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.frames.fits_io import FrameSource
from app.frames.product_file import Layout
from app.model.errors import CalibrationError
from app.model.settings import Calibration
from app.pipeline.calibrating import Rows, Subtracted, Subtraction, band_height, row_bands
from app.pipeline.kernels.calibrate import peak
from app.pipeline.kernels.order import Distribution, Median
from app.pipeline.kernels.stack import StackRule, combine
from app.pipeline.workers import Check

#: A flat whose 99.5th percentile is this many times its median is no evenly lit field, but a spectrum or a scene.
STRUCTURE_LIMIT = 3.0
#: More saturated pixels than this part of the frame spoil a flat.
SATURATED_PART = 0.01

_WIDE_PART = 0.995
#: Of the flats in a tile; more no longer stays in the processor's cache.
_TILE_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class FlatJob:
    """A raw flat, what is taken off it, and the raw value, as read, from which it is saturated, where that is known."""

    raw: FrameSource
    subtraction: Subtraction
    saturation_adu: float | None


@dataclass(frozen=True, slots=True)
class FlatLevels:
    """What decides whether a frame serves as a flat.

    Attributes
    ----------
    median_adu : float
        Of all its finite pixels without bias and dark current; exact; NaN without any.
    low_adu, high_adu : float
        Values that 0.5 and 99.5 % of them lie under, to 1 %.
    saturation_adu : float
        Raw value, as read, from which it is saturated; the highest value when that is not known.
    saturated_part : float
        Of its pixels.
    """

    median_adu: float
    low_adu: float
    high_adu: float
    saturation_adu: float
    saturated_part: float

    def refuse(self, limits: Calibration) -> None:
        """Raise `CalibrationError` when it cannot serve as a flat."""
        level = self.median_adu
        if np.isnan(level):
            raise CalibrationError("none of its pixels has a value: take it again")
        if level <= 0.0:
            raise CalibrationError(f"its median is {level:.1f} adu over bias and dark: light the field")
        if self.high_adu > STRUCTURE_LIMIT * level:
            raise CalibrationError(
                f"it spans {self.low_adu / level:.1f} to {self.high_adu / level:.1f} times its median, the limit is "
                f"{STRUCTURE_LIMIT:g}: it is no evenly lit field (a slit spectrum?)"
            )
        if level < limits.flat_minimum_adu:
            least = limits.flat_minimum_adu
            raise CalibrationError(f"underexposed: its median is {level:.0f} adu, at least {least:g} is needed")
        if self.saturated_part > SATURATED_PART:
            raise CalibrationError(
                f"saturated: {100 * self.saturated_part:.1f} % of its pixels are at {self.saturation_adu:.0f} adu or "
                f"more, {100 * SATURATED_PART:g} % are allowed: expose shorter"
            )


def examine_flat(job: FlatJob, check: Check) -> FlatLevels:
    """Measure a flat in two passes.

    Raises
    ------
    FrameError
        It, or what is taken off it, cannot be read.
    """
    values, highest = Distribution(), _Highest(job.saturation_adu)
    for raw, band in _bands(job, check):
        highest.add(raw)
        values.add(band)
    median = Median(values)
    for _, band in _bands(job, check):
        median.add(band)
    part = highest.count / (job.raw.rows * job.raw.columns)
    low, high = values.quantile(1.0 - _WIDE_PART), values.quantile(_WIDE_PART)
    return FlatLevels(median.value, low, high, highest.level, part)


class _Highest:
    """How many values are at the level or above; at the highest value, when no level is known."""

    def __init__(self, level: float | None) -> None:
        self.level = -np.inf if level is None else level
        self.count = 0
        self._is_known = level is not None

    def add(self, raw: NDArray[np.float32]) -> None:
        """Count a band."""
        top, number, above = peak(raw, np.float32(self.level))
        if self._is_known:
            self.count += above
            return
        if top > self.level:
            self.level, self.count = float(top), 0
        self.count += number if top == self.level else 0


def _bands(job: FlatJob, check: Check) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Bands of a flat as it was read, and without bias and dark current."""
    rows, columns = job.raw.rows, job.raw.columns
    height = min(band_height(columns), rows)
    with ExitStack() as stack:
        raw, subtracted = Rows(stack, job.raw, height, columns), Subtracted(stack, job.subtraction, height, columns)
        values = np.empty(height * columns, np.float32)
        for first, last in row_bands(0, rows, columns):
            check()
            counts = raw.read(first, last)
            subtracted.load(first, last)
            subtracted.take_off(counts, job.subtraction.kernel_scale, values[: counts.size])
            yield counts, values[: counts.size]


@dataclass(frozen=True, slots=True)
class FlatRowsJob:
    """Rows of a stack of flats.

    Attributes
    ----------
    flats : tuple of FlatJob
        All of them.
    levels_adu : tuple of float
        What each is normalised by.
    rule : StackRule
        How they are combined.
    floor : float
        Values of the stack under it are NaN.
    layout : Layout
        Of the stack: the pixels first.
    error_plane : int or None
        Number of the plane of standard errors, if there is one.
    first_row, last_row : int
        Which rows.
    """

    flats: tuple[FlatJob, ...]
    levels_adu: tuple[float, ...]
    rule: StackRule
    floor: float
    layout: Layout
    error_plane: int | None
    first_row: int
    last_row: int


def stack_flat_rows(job: FlatRowsJob, check: Check) -> None:
    """Combine some rows of flats, each without its dark current and over its level.

    Raises
    ------
    FrameError, OutputError
        A flat or a master cannot be read; the stack cannot be written.
    """
    columns, number = job.layout.columns, len(job.flats)
    height = max(1, min(_TILE_BYTES // (4 * number * columns), job.last_row - job.first_row))
    scales = 1.0 / np.array(job.levels_adu)
    with ExitStack() as stack:
        flats = [Rows(stack, flat.raw, height, columns) for flat in job.flats]
        masters = {
            key: Subtracted(stack, flat.subtraction, height, columns)
            for key, flat in {_masters(flat): flat for flat in job.flats}.items()
        }
        tile = np.empty((number, height * columns), np.float32)
        for first in range(job.first_row, job.last_row, height):
            check()
            last = min(first + height, job.last_row)
            pixels = (last - first) * columns
            for subtracted in masters.values():
                subtracted.load(first, last)
            frames = tile.reshape(-1)[: number * pixels].reshape(number, pixels)
            for flat, rows, place in zip(job.flats, flats, frames, strict=True):
                masters[_masters(flat)].take_off(rows.read(first, last), flat.subtraction.kernel_scale, place)
            out = np.empty(pixels, np.float32)
            error = None if job.error_plane is None else np.empty(pixels, np.float32)
            combine(frames, job.rule, out, scales=scales, error=error)
            out[~(out >= job.floor)] = np.nan
            job.layout.write(0, first, out.reshape(-1, columns))
            if error is not None and job.error_plane is not None:
                job.layout.write(job.error_plane, first, error.reshape(-1, columns))


def _masters(flat: FlatJob) -> tuple[FrameSource | None, FrameSource | None]:
    """What is read for the subtraction: once for all flats of the same masters, whatever their exposures."""
    bias, dark = flat.subtraction.bias, flat.subtraction.dark
    return bias.pixels if bias else None, dark.pixels if dark else None
