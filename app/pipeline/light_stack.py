"""The stack of lights, row band by row band: each light masked, warped and scaled, outliers rejected, the rest combined."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.frames.fits_io import FrameReader
from app.frames.headers import locate_plane
from app.frames.product_file import PIXELS, Layout, Plane
from app.model.flags import Dq
from app.pipeline.calibrating import DQ
from app.pipeline.kernels.mask import count_saturated, flag_pixels, mask_rows
from app.pipeline.rejection import Rejection
from app.pipeline.sharp import SHARP_REACH_PX, sharp_pixels
from app.pipeline.warp import Placing, warp_rows
from app.pipeline.workers import Check

#: Planes of a stack, in this order; the last only on request.
_DQ, _COVERAGE, _UNCERT = 1, 2, 3
_PLANES = (PIXELS, DQ, Plane("COVERAGE", "u1"), Plane("UNCERT"))

#: Bytes of warped lights that a worker holds: the halo that bands read twice is small against it.
_BAND_BYTES = 32 * 2**20
_STRIPS_PER_WORKER = 4

_BAD = Dq.BAD | Dq.NO_FLAT | Dq.SATURATED | Dq.COSMIC | Dq.DEAD | Dq.NO_DATA
_NO_FLAGS = np.empty((0, 0), np.uint8)


@dataclass(frozen=True, slots=True)
class StackedLight:
    """A light as it goes into a stack.

    Attributes
    ----------
    path : Path
        Its file.
    matrix : tuple of tuple of float
        `app.pipeline.align.Alignment.matrix`.
    sky_adu, noise_adu : float
        Of its background, before scaling.
    scale : float
        Factor on its counts.
    weight : float
        In the mean.
    saturation_adu : float
        Values at or over this are saturated.
    """

    path: Path
    matrix: tuple[tuple[float, ...], ...]
    sky_adu: float
    noise_adu: float
    scale: float
    weight: float
    saturation_adu: float = np.inf


@dataclass(frozen=True, slots=True)
class Strip:
    """Rows [first_row, last_row) of a stack: the job of `stack_strip`.

    Attributes
    ----------
    lights : tuple of StackedLight
        On the pixels of the first.
    sky_adu : float
        Added to the mean.
    layout : Layout
        Takes the rows of the `planes`.
    """

    lights: tuple[StackedLight, ...]
    rejection: Rejection
    sky_adu: float
    layout: Layout
    first_row: int
    last_row: int


def planes(*, uncertainty: bool) -> tuple[Plane, ...]:
    """Planes of a stack: pixels; DQ; COVERAGE, how many values are in each pixel, 255 for more; UNCERT if wanted."""
    return _PLANES if uncertainty else _PLANES[:_UNCERT]


def strips(
    lights: tuple[StackedLight, ...], rejection: Rejection, sky_adu: float, layout: Layout, workers: int
) -> tuple[Strip, ...]:
    """Cut a stack into jobs, some for each worker; no value depends on the cut."""
    height = -(-layout.rows // (workers * _STRIPS_PER_WORKER))
    return tuple(
        Strip(lights, rejection, sky_adu, layout, first, min(first + height, layout.rows))
        for first in range(0, layout.rows, height)
    )


def stack_strip(job: Strip, check: Check) -> None:
    """Compute the rows of a strip and write them into the unfinished product.

    Raises
    ------
    FrameError, OutputError
        A light cannot be read, or the product not be written.
    Cancelled
        The operator stopped it.
    """
    number, columns = len(job.lights), job.layout.columns
    height = max(1, min(job.last_row - job.first_row, _BAND_BYTES // (4 * number * columns)))
    weights = np.array([light.weight for light in job.lights])
    noise_adu = np.array([light.noise_adu * light.scale for light in job.lights])
    reach = job.rejection.reach_rows
    frames = np.empty(number * (height + 2 * reach) * columns, np.float32)
    with ExitStack() as stack:
        readers = [_MaskedLight(stack, light, columns) for light in job.lights]
        for first in range(job.first_row, job.last_row, height):
            last = min(first + height, job.last_row)
            top, bottom = max(first - reach, 0), min(last + reach, job.layout.rows)
            band = frames[: number * (bottom - top) * columns].reshape(number, bottom - top, columns)
            saturated = np.zeros(band.shape[1:], np.uint16)
            for reader, out in zip(readers, band, strict=True):
                check()
                reader.warp(top, out, saturated)
            check()
            _combine(job, first, slice(first - top, last - top), band, weights, noise_adu, saturated)


def _combine(
    job: Strip,
    first_row: int,
    kept: slice,
    band: NDArray[np.float32],
    weights: NDArray[np.float64],
    noise_adu: NDArray[np.float64],
    saturated: NDArray[np.uint16],
) -> None:
    """Combine the warped lights of a band and write the rows of it that are kept, all planes."""
    shape = band.shape[1:]
    mean, count, flags = np.empty(shape, np.float32), np.empty(shape, np.uint16), np.empty(shape, np.uint8)
    error = np.empty(shape, np.float32) if len(job.layout.dtypes) > _UNCERT else None
    job.rejection.combine(band, weights, noise_adu, mean, count, error)
    mean += np.float32(job.sky_adu)
    flag_pixels(band, count, saturated, flags)
    job.layout.write(0, first_row, mean[kept])
    job.layout.write(_DQ, first_row, flags[kept])
    job.layout.write(_COVERAGE, first_row, np.minimum(count[kept], 255).astype(np.uint8))
    if error is not None:
        job.layout.write(_UNCERT, first_row, error[kept])


class _MaskedLight:
    """A light, band by band on the pixels and the flux scale of the stack, without what is not to be trusted."""

    def __init__(self, stack: ExitStack, light: StackedLight, columns: int) -> None:
        self._light = light
        self._pixels = stack.enter_context(FrameReader(light.path))
        has_flags = locate_plane(light.path, "DQ") is not None
        self._flags = stack.enter_context(FrameReader(light.path, plane="DQ")) if has_flags else None
        self._matrix = np.array(light.matrix)
        self._placing = Placing.of(self._matrix, self._pixels.rows, columns)

    def warp(self, first_row: int, out: NDArray[np.float32], saturated: NDArray[np.uint16]) -> None:
        """Fill `out` with rows of the stack, the sky subtracted; count where the light is saturated."""
        shape = (self._pixels.rows, self._pixels.columns)
        found: list[tuple[int, NDArray[np.bool_]]] = []

        def read(first: int, last: int) -> NDArray[np.float32]:
            rows, is_saturated, count = self._masked(first, last)
            if count:
                found.append((first, is_saturated))
            return rows

        last_row, columns = first_row + len(out), out.shape[1]
        warp_rows(read, shape, self._matrix, first_row, last_row, columns, factor=self._light.scale, out=out)
        for top, is_saturated in found:
            count_saturated(out, is_saturated, top, self._placing.inverse, first_row, saturated)

    def _masked(self, first: int, last: int) -> tuple[NDArray[np.float32], NDArray[np.bool_], int]:
        """Rows of the light less its sky, NaN where they are not to be trusted; which are saturated, and how many."""
        light, pixels = self._light, self._pixels
        low, high = max(0, first - SHARP_REACH_PX), min(pixels.rows, last + SHARP_REACH_PX)
        rows = np.empty((high - low, pixels.columns), np.float32)
        pixels.read_encoded(low, high, rows)
        if pixels.encoding.is_swapped:
            rows.view(np.uint32).byteswap(inplace=True)
        within = slice(first - low, last - low)
        is_sharp = sharp_pixels(rows, light.noise_adu)[within]
        rows = rows[within]
        flags = _NO_FLAGS if self._flags is None else self._flags.read(first, last)
        is_saturated = np.empty(rows.shape, np.bool_)
        bad, bit = np.uint8(_BAD), np.uint8(Dq.SATURATED)
        limits = np.float32(light.saturation_adu), np.float32(light.sky_adu)
        return rows, is_saturated, mask_rows(rows, is_sharp, flags, bad, bit, *limits, is_saturated)
