"""Rows of a stack of raw frames, from disk to disk: all that a worker needs to know of masters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.frames.fits_io import Encoding, FrameReader, FrameSource
from app.frames.product_file import Layout
from app.pipeline.kernels.stack import StackRule, combine
from app.pipeline.quick_median import quick_median

if TYPE_CHECKING:
    from app.pipeline.workers import Check

#: Raw frames of one task, and of one band of it: so much stays in the processor's cache with two of them at work.
_JOB_BYTES, _BAND_BYTES = 2**27, 2**22
#: Every so many rows tell the noise.
_NOISE_ROWS = 16
#: Standard deviation of normal noise over the median difference of two values.
_SIGMA_OVER_DIFFERENCE = 1.4826 / math.sqrt(2.0)


@dataclass(frozen=True, slots=True)
class StackJob:
    """Rows of a stack of raw frames.

    Attributes
    ----------
    frames : tuple of FrameSource
        All of them, of one size.
    rule : StackRule
        How they are combined.
    layout : Layout
        Of the stack: the pixels first.
    error_plane : int or None
        Number of the plane of standard errors, if there is one.
    first_row, last_row : int
        Which rows.
    """

    frames: tuple[FrameSource, ...]
    rule: StackRule
    layout: Layout
    error_plane: int | None
    first_row: int
    last_row: int


@dataclass(frozen=True, slots=True)
class Level:
    """What rows of a master say of its level and noise: each row by itself, so that the cut is no matter.

    Attributes
    ----------
    sums_adu : tuple of float
        Sum of the finite values of each row.
    pixels : int
        Finite values.
    noises_adu : tuple of float
        Standard deviation of the difference of neighbours over sqrt(2), robust, of every 16th row.
    """

    sums_adu: tuple[float, ...]
    pixels: int
    noises_adu: tuple[float, ...]


def stack_jobs(
    frames: tuple[FrameSource, ...], rule: StackRule, layout: Layout, error_plane: int | None = None
) -> Iterator[StackJob]:
    """All rows of a stack, in jobs of some hundred megabytes of raw frames; see `StackJob`."""
    height = max(1, _JOB_BYTES // (_encoding(frames).dtype.itemsize * len(frames) * layout.columns))
    for first in range(0, layout.rows, height):
        yield StackJob(frames, rule, layout, error_plane, first, min(first + height, layout.rows))


def stack_rows(job: StackJob, check: Check) -> Level:
    """Combine some rows of raw frames.

    Raises
    ------
    FrameError, OutputError
        A frame is no longer what it was; the stack cannot be written.
    """
    number, columns = len(job.frames), job.layout.columns
    encoding = _encoding(job.frames)
    height = max(1, min(_BAND_BYTES // (encoding.dtype.itemsize * number * columns), job.last_row - job.first_row))
    buffer = np.empty(number * height * columns, encoding.dtype)
    sums: list[float] = []
    noises: list[float] = []
    pixels = 0
    with ExitStack() as stack:
        readers = [stack.enter_context(FrameReader(frame)) for frame in job.frames]
        for first in range(job.first_row, job.last_row, height):
            check()
            last = min(first + height, job.last_row)
            shape = last - first, columns
            band = buffer[: number * shape[0] * columns].reshape(number, *shape)
            for reader, place in zip(readers, band, strict=True):
                if reader.encoding == encoding:
                    reader.read_encoded(first, last, place)
                else:
                    place[...] = reader.read(first, last)
            out = np.empty(shape, np.float32)
            error = None if job.error_plane is None else np.empty(shape, np.float32)
            combine(band, job.rule, out, encoding=encoding, error=error)
            job.layout.write(0, first, out)
            if error is not None and job.error_plane is not None:
                job.layout.write(job.error_plane, first, error)
            totals = out.sum(axis=1, dtype=np.float64).tolist()
            for row, (values, total) in enumerate(zip(out, totals, strict=True), first):
                if not math.isfinite(total):
                    values = values[np.isfinite(values)]  # noqa: PLW2901 - the row without what is no number
                    total = float(values.sum(dtype=np.float64))  # noqa: PLW2901
                sums.append(total)
                pixels += values.size
                if row % _NOISE_ROWS == 0 and values.size > 1:
                    noises.append(_noise(values))
    return Level(tuple(sums), pixels, tuple(noises))


def _noise(values: NDArray[np.float32]) -> float:
    return _SIGMA_OVER_DIFFERENCE * quick_median(np.abs(np.diff(values)))


def _encoding(frames: Sequence[FrameSource]) -> Encoding:
    """How all frames lie in memory when they are read; decoded when they do not agree."""
    encodings = {frame.encoding for frame in frames}
    return encodings.pop() if len(encodings) == 1 else Encoding(np.dtype(np.float32))
