"""The task of some lights: one pass over raw frames, masters and products, a band of rows at a time."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray

from app.frames.fits_io import Encoding, FrameReader, FrameSource, examine
from app.frames.headers import locate_plane
from app.frames.product_file import PIXELS, NewProduct, Plane
from app.frames.provenance import CardRow, add_cards
from app.model.batch import Combination
from app.model.errors import CalibrationError, FrameError, ObservatoryError
from app.model.flags import Dq
from app.model.matching import DarkChoice
from app.pipeline.cosmics import CosmicSearch, flag_cosmics
from app.pipeline.kernels.calibrate import calibrate, decode, peak, subtract, uncertainty
from app.pipeline.products import Made
from app.pipeline.step import FATAL
from app.pipeline.workers import Check

#: A pile-up of this many pixels at the very highest value is saturation.
PILE_UP_PIXELS = 20
PILE_UP_CONTRAST = 1.5
#: May be saturated from this part of the level on, for the levels of masters differ from pixel to pixel.
_CAUTION = 0.98
#: Pixels of a band: all buffers of a thread together are some 6 MB; fewer, and calls cost more than they compute.
BAND_PIXELS = 1 << 18
#: How the numbers of products are stored.
_OF_MASTERS = Encoding(np.dtype(np.float32), is_swapped=sys.byteorder == "little")

DQ = Plane("DQ", "u1", tuple((f"BIT{bit.bit_length() - 1}", bit.name or "", "") for bit in Dq))
UNCERT = Plane("UNCERT", ">f4", (("BUNIT", "adu", "one standard deviation"),))


@dataclass(frozen=True, slots=True)
class Master:
    """A master as tasks meet it; its planes are None where it has none.

    Attributes
    ----------
    pixels, dq, error : FrameSource
        Where they lie.
    """

    pixels: FrameSource
    dq: FrameSource | None
    error: FrameSource | None


def master_of(combination: Combination) -> Master:
    """Examine a master.

    Raises
    ------
    CalibrationError
        It is gone, or can no longer be read.
    """
    path = combination.file
    try:
        planes = [examine(path, plane=name) if locate_plane(path, name) else None for name in ("DQ", "UNCERT")]
        return Master(examine(path), *planes)
    except FrameError as error:
        raise CalibrationError(
            f"{combination.path.name} was there and cannot be read any more ({error}): resume the batch, "
            "which makes it again"
        ) from error


@dataclass(frozen=True, slots=True)
class Subtraction:
    """What is subtracted from a frame: the dark, or the bias, or bias + scale (dark - bias), or nothing."""

    bias: Master | None = None
    dark: Master | None = None
    scale: float = 1.0

    @classmethod
    def of(cls, choice: DarkChoice[Combination]) -> Subtraction:
        """The masters of a choice; raises as `master_of`."""
        bias, dark = (master_of(one) if one else None for one in (choice.bias, choice.dark))
        return cls(bias, dark, choice.scale)

    @property
    def terms(self) -> tuple[Master | None, Master | None]:
        """First and second of ``raw - first - kernel_scale (second - first)``: a master that is alone comes first."""
        return (self.bias, self.dark) if self.bias and self.dark else (self.bias or self.dark, None)

    @property
    def kernel_scale(self) -> float:
        """Of the second of the terms."""
        return self.scale if self.bias and self.dark else 0.0


@dataclass(frozen=True, slots=True)
class Noise:
    """What the uncertainty of a frame is computed from."""

    gain_e_per_adu: float
    read_noise_e: float


@dataclass(frozen=True, slots=True)
class LightJob:
    """How one light is calibrated.

    Attributes
    ----------
    raw : FrameSource
        The raw frame.
    target : Path
        The product.
    header : Header
        Of the product, but for SATURATE.
    subtraction : Subtraction
        What is taken off.
    flat : Master or None
        What it is divided by.
    flat_floor : float
        Flat values under it are no flat.
    saturation_adu : float or None
        Raw values, as read, from which on a pixel is saturated; None: seen by a pile-up of the highest values.
    subtracted_adu, brightest : float
        Mean level of what is subtracted, and how bright the flat gets, for SATURATE.
    noise : Noise or None
        Given when there shall be an UNCERT plane.
    cosmics : CosmicSearch or None
        Given when cosmic rays shall be flagged.
    """

    raw: FrameSource
    target: Path
    header: Header
    subtraction: Subtraction
    flat: Master | None
    flat_floor: float
    saturation_adu: float | None
    subtracted_adu: float = 0.0
    brightest: float = 1.0
    noise: Noise | None = None
    cosmics: CosmicSearch | None = None


class Rows:
    """Bands of a raw frame as float32, in a buffer that is used again.

    Parameters
    ----------
    stack : ExitStack
        Closes the file.
    source : FrameSource
        What is read.
    height, columns : int
        Of the greatest band.
    values : ndarray, float32, shape (height, columns), optional
        The buffer, where several frames use it in turn.
    """

    def __init__(
        self,
        stack: ExitStack,
        source: FrameSource,
        height: int,
        columns: int,
        values: NDArray[np.float32] | None = None,
    ) -> None:
        self._reader = stack.enter_context(FrameReader(source))
        self._values = np.empty((height, columns), np.float32) if values is None else values
        is_float = source.encoding.dtype == np.float32
        self._stored = self._values if is_float else np.empty((height, columns), source.encoding.dtype)

    def read(self, first_row: int, last_row: int) -> NDArray[np.float32]:
        """Rows [first_row, last_row), shape (pixels,), valid until the next call."""
        values, stored = self._values[: last_row - first_row], self._stored[: last_row - first_row]
        self._reader.read_encoded(first_row, last_row, stored)
        decode(stored, self._reader.encoding, values)
        return values.reshape(-1)


class Words:
    """Bands of a master or of its errors as the words of FITS, in a buffer that is used again; see `Words.read`.

    Parameters
    ----------
    stack : ExitStack
        As for `Rows`, like the next three.
    source : FrameSource or None
        The file.
    height : int
        Rows of the tallest band.
    columns : int
        Of the frame.
    value : float
        Of every pixel, without a source.

    Raises
    ------
    FrameError
        It is no float32 image.
    """

    def __init__(
        self, stack: ExitStack, source: FrameSource | None, height: int, columns: int, value: float = 0.0
    ) -> None:
        self._values = np.full((height, columns), value, ">f4")
        if source is not None and source.encoding != _OF_MASTERS:
            raise FrameError(f"{source.path.name} holds no float32 numbers as masters do: make it again")
        self._reader = stack.enter_context(FrameReader(source)) if source else None
        self._rows = 0, 0

    def read(self, first_row: int, last_row: int) -> NDArray[np.uint32]:
        """Rows [first_row, last_row), shape (pixels,), valid until other ones are wanted: the same are not read anew."""
        values = self._values[: last_row - first_row]
        if self._reader is not None and self._rows != (first_row, last_row):
            self._rows = 0, 0
            self._reader.read_encoded(first_row, last_row, values)
            self._rows = first_row, last_row
        return values.reshape(-1).view(np.uint32)


class Subtracted:
    """Bands of what is subtracted from frames, read once for all of them."""

    def __init__(self, stack: ExitStack, subtraction: Subtraction, height: int, columns: int) -> None:
        pixels = [master.pixels if master else None for master in subtraction.terms]
        self._words = [Words(stack, source, height, columns) for source in pixels]
        self.bias, self.dark = (words.read(0, 0) for words in self._words)

    def load(self, first_row: int, last_row: int) -> None:
        """Read bias and dark of rows [first_row, last_row)."""
        self.bias, self.dark = (words.read(first_row, last_row) for words in self._words)

    def take_off(self, raw: NDArray[np.float32], scale: float, values: NDArray[np.float32]) -> None:
        """Fill `values` with the band of a frame less what was loaded."""
        subtract(raw, self.bias, self.dark, scale, values)


def row_bands(first_row: int, last_row: int, columns: int) -> Iterator[tuple[int, int]]:
    """Cut rows into bands of `BAND_PIXELS`."""
    height = band_height(columns)
    for first in range(first_row, last_row, height):
        yield first, min(first + height, last_row)


def band_height(columns: int) -> int:
    """Rows of a band."""
    return max(1, BAND_PIXELS // max(columns, 1))


def calibrate_lights(jobs: Sequence[LightJob], check: Check) -> tuple[Made | ObservatoryError, ...]:
    """Subtract, divide, flag and write some lights, band by band: what they share of masters is read once.

    Planes of a light are the pixels; DQ, which has the flags of the masters and those of its own; and on request
    UNCERT. A BAD pixel keeps its value, for an eye that looks at one frame: who measures or stacks leaves flagged
    pixels out.

    Returns
    -------
    tuple
        Of each job what it made; or the error, `FrameError` where a file of it cannot be read or is not what it was.

    Raises
    ------
    OutputError
        A product cannot be written; none is left behind.
    """
    outcomes: dict[int, Made | ObservatoryError] = {}
    with ExitStack() as stack:
        shared = {shape: _Shared(stack, *shape) for shape in {_shape(job) for job in jobs}}
        lights = {
            number: stack.enter_context(closing(_calibrate(job, shared[_shape(job)], check)))
            for number, job in enumerate(jobs)
        }
        while lights:
            for number, light in tuple(lights.items()):
                try:
                    next(light)
                    continue
                except StopIteration as end:
                    outcomes[number] = end.value
                except FATAL:
                    raise
                except ObservatoryError as error:
                    outcomes[number] = error
                del lights[number]
    return tuple(outcomes[number] for number in range(len(jobs)))


def _shape(job: LightJob) -> tuple[int, int]:
    return job.raw.rows, job.raw.columns


def _calibrate(job: LightJob, shared: _Shared, check: Check) -> Generator[None, None, Made]:
    """Make one light; stops after each band, so that the next light gets the same rows of the masters."""
    saturation_adu = job.saturation_adu
    if saturation_adu is None:
        saturation_adu = _pile_up(job.raw, check)
    header = job.header.copy()
    add_cards(header, _saturation_cards(job, saturation_adu))
    planes = (PIXELS, DQ, UNCERT) if job.noise else (PIXELS, DQ)
    shape = _shape(job)
    with ExitStack() as stack:
        light = _Light(stack, job, shared, np.inf if saturation_adu is None else saturation_adu)
        product = stack.enter_context(NewProduct(job.target, header, shape, planes, is_draft=True))
        with product.layout.opened() as part:
            for first, last in row_bands(0, *shape):
                check()
                for plane, values in enumerate(light.bands(first, last)):
                    part.write(plane, first, values)
                yield
        qc = {}
        if job.cosmics is not None:
            qc["NCOSMIC"] = flag_cosmics(product.layout, planes.index(DQ), job.cosmics, check)
        return Made(product.finish(), qc)


class _Shared:
    """What lights of one size have in common: masters, opened once, and buffers, which they use in turn."""

    def __init__(self, stack: ExitStack, rows: int, columns: int) -> None:
        self._stack = stack
        self.size = min(band_height(columns), rows), columns
        self.counts = np.empty(self.size, np.float32)
        self.values = np.empty(self.size, np.uint32).reshape(-1)
        self.dq = np.empty(self.size, np.uint8).reshape(-1)
        self._words: dict[tuple[FrameSource | None, float], Words] = {}
        self._flags: dict[tuple[FrameSource, ...], _Flags] = {}

    def words(self, source: FrameSource | None, value: float = 0.0) -> Words:
        """Bands of a master."""
        if (source, value) not in self._words:
            self._words[source, value] = Words(self._stack, source, *self.size, value)
        return self._words[source, value]

    def flags(self, sources: tuple[FrameSource, ...]) -> _Flags:
        """Bands of the flags of some masters."""
        if sources not in self._flags:
            self._flags[sources] = _Flags(self._stack, sources, *self.size)
        return self._flags[sources]


class _Flags:
    """Bands of the flags of several masters put together."""

    def __init__(self, stack: ExitStack, sources: tuple[FrameSource, ...], height: int, columns: int) -> None:
        self._readers = [stack.enter_context(FrameReader(source)) for source in sources]
        self._values = np.zeros((height, columns), np.uint8)
        self._rows = 0, 0

    def read(self, first_row: int, last_row: int) -> NDArray[np.uint8]:
        """As `Words.read`."""
        values = self._values[: last_row - first_row]
        if self._rows != (first_row, last_row):
            self._rows = 0, 0
            values[...] = 0
            for reader in self._readers:
                values |= reader.read(first_row, last_row)
            self._rows = first_row, last_row
        return values.reshape(-1)


class _Light:
    """Bands of the planes of one light."""

    def __init__(self, stack: ExitStack, job: LightJob, shared: _Shared, saturation_adu: float) -> None:
        self._job, self._shared = job, shared
        self._raw = Rows(stack, job.raw, *shared.size, shared.counts)
        bias, dark = job.subtraction.terms
        used = (bias, dark, job.flat)
        self._masters = [
            shared.words(one.pixels if one else None, value) for one, value in zip(used, (0.0, 0.0, 1.0), strict=True)
        ]
        self._errors = [shared.words(one.error if one else None) for one in used] if job.noise else []
        self._flags = shared.flags(tuple(one.dq for one in used if one and one.dq))
        self._scale = job.subtraction.kernel_scale
        self._saturation_adu = np.float32(saturation_adu)

    def bands(self, first: int, last: int) -> Iterator[NDArray[Any]]:
        """Rows [first, last) of every plane as FITS has them; each is valid until the next."""
        raw, scale = self._raw.read(first, last), self._scale
        values, dq = self._shared.values[: raw.size], self._shared.dq[: raw.size]
        bias, dark, flat = (words.read(first, last) for words in self._masters)
        dq[...] = self._flags.read(first, last)
        floor = np.float32(self._job.flat_floor)
        calibrate(raw, bias, dark, scale, flat, floor, self._saturation_adu, values, dq)
        self._mark_dead(first, last, dq)
        yield values.view(">f4")
        yield dq
        if self._job.noise is None:
            return
        gain, read_noise_e = self._job.noise.gain_e_per_adu, self._job.noise.read_noise_e
        of_bias, of_dark, of_flat = (words.read(first, last) for words in self._errors)
        errors = of_bias, of_dark, of_flat
        uncertainty(
            raw, bias, dark, scale, flat, errors, np.float32(1.0 / gain), np.float32(read_noise_e / gain), values
        )
        yield values.view(">f4")

    def _mark_dead(self, first: int, last: int, dq: NDArray[np.uint8]) -> None:
        """Say of an amplifier that does not work that it is so: its pixels have no data."""
        readout = self._job.raw.readout
        for amplifier in readout.amplifiers if readout else ():
            place = amplifier.trimmed
            low, high = max(first, place.first_row), min(last, place.last_row)
            if amplifier.is_dead and low < high:
                rows = dq.reshape(last - first, -1)[low - first : high - first]
                rows[:, place.first_column : place.last_column] |= np.uint8(Dq.DEAD)


def _pile_up(raw: FrameSource, check: Check) -> float | None:
    """Highest value of a raw frame when many pixels have it, far over the median; else None: saturation is not seen."""
    highest, count = -np.inf, 0
    sampled = []
    with ExitStack() as stack:
        rows = Rows(stack, raw, min(band_height(raw.columns), raw.rows), raw.columns)
        for first, last in row_bands(0, raw.rows, raw.columns):
            check()
            values = rows.read(first, last)
            sampled.append(values.reshape(last - first, -1)[-first % 8 :: 8, ::8].ravel())
            top, number, _ = peak(values, np.float32(np.inf))
            if top > highest:
                highest, count = float(top), 0
            count += number if top == highest else 0
    known = np.concatenate(sampled)
    known = known[np.isfinite(known)]
    typical = float(np.median(known)) if known.size else np.inf
    return highest if count >= PILE_UP_PIXELS and highest > PILE_UP_CONTRAST * typical else None


def _saturation_cards(job: LightJob, saturation_adu: float | None) -> list[CardRow]:
    """Level over which calibrated values may be saturated: where the flat is brightest, they fall the lowest."""
    if saturation_adu is None:
        return []
    level = (saturation_adu - job.subtracted_adu) / job.brightest
    return [("SATURATE", round(_CAUTION * level, 1), "[adu] may be saturated from here on")]
