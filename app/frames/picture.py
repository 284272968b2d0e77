"""Pictures of a frame: any part of it at any zoom, its limits, its numbers, its header.

The file is read, not mapped: when another program cuts a mapped file short, touching it kills the process
(SIGBUS), and with it the window that watches over the dome. Only the rows and columns of a view are read; views of
the whole use coarser copies, which `Picture.coarsen` makes piece by piece.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from astropy.io import fits
from astropy.io.fits.card import Undefined
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from app.frames import dialects
from app.frames.fits_io import FrameReader
from app.frames.headers import is_gzipped, locate_image, require_whole, unreadable, value
from app.frames.recognise import recognise
from app.frames.stretch import shaded
from app.frames.world_coordinates import header_wcs
from app.model.errors import FrameError
from app.model.frame import FrameFacts
from app.model.picture_view import FrameOverview, HeaderCard, SkyFrame, Statistics, View

#: Statistics are exact up to so many pixels; beyond, one in n is taken along both axes.
SAMPLE_PIXELS = 2**20
#: One piece of `Picture.coarsen`: some 20 ms.
_PIECE_PIXELS = 2**22
#: No coarser copy is made of one that fits into a thumbnail.
_COARSEST = 128
_ZSCALE_PIXELS = 2000

Index = NDArray[np.intp]


class _Pixels(Protocol):
    """Values of a frame by rows and columns."""

    def read(self, first_row: int, last_row: int) -> NDArray[Any]:
        """Rows [first_row, last_row)."""

    def pick(self, rows: Index, first_column: int, last_column: int) -> NDArray[Any]:
        """Some rows, columns [first_column, last_column)."""


class _InMemory:
    """Values of a packed frame, or of a coarser copy."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values

    def read(self, first_row: int, last_row: int) -> NDArray[Any]:
        """Rows [first_row, last_row)."""
        return self.values[first_row:last_row]

    def pick(self, rows: Index, first_column: int, last_column: int) -> NDArray[Any]:
        """Some rows, columns [first_column, last_column)."""
        return np.asarray(self.values[rows, first_column:last_column])


class Picture:
    """One frame to be looked at; used by one thread.

    Parameters
    ----------
    path : Path
        A raw frame or a product: plain FITS of any BITPIX, gzipped or tile-compressed.

    Attributes
    ----------
    rows, columns : int
        Size of the frame as stored.
    header : Header
        As `app.frames.headers.read_header` gives it.

    Raises
    ------
    FrameError
        No such image, cut short, or unreadable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp = _stamp(path)
        self.header, _ = locate_image(path)
        self._pixels: _Pixels
        if _is_packed(path, self.header):
            values = _unpacked(path)
            self.rows, self.columns = values.shape
            self._pixels = _InMemory(values)
        else:
            reader = FrameReader(path)  # on POSIX it can be read also when the file was deleted
            self.rows, self.columns = reader.rows, reader.columns
            self._pixels = reader
        self._copies: list[_InMemory] = []
        self._pieces = self._coarser()
        self._wcs = header_wcs(self.header, (self.rows, self.columns))
        try:
            self._every = math.ceil(math.sqrt(self.rows * self.columns / SAMPLE_PIXELS))
            self._preview = self._every_nth()
        except BaseException:
            self.close()
            raise
        self._sample = _sorted_sample(self._preview.values)

    def close(self) -> None:
        """Let go of the file and of the memory."""
        if isinstance(self._pixels, FrameReader):
            self._pixels.close()
        self._copies.clear()

    @property
    def copies_bytes(self) -> int:
        """Memory of the coarser copies; at most a third of the frame as float32."""
        return sum(copy.values.nbytes for copy in self._copies)

    def notice(self) -> str:
        """What became of the file since it was opened; empty when it is as it was."""
        stamp = _stamp(self.path)
        if stamp == self._stamp:
            return ""
        return "changed on disk since it was opened" if stamp else "deleted since it was opened"

    def coarsen(self) -> bool:
        """Make one more piece of the coarser copies; False when they are complete."""
        return next(self._pieces, False)

    def render(self, view: View) -> NDArray[np.uint8]:
        """Draw a part of the frame.

        Zoomed in, a screen pixel shows the frame pixel under its centre; zoomed out, the mean of a square of
        2, 4, 8 ... pixels once the coarser copies are complete, and the pixel under its centre before.

        Returns
        -------
        ndarray, uint8, shape (view.height, view.width)
            The first row is the top of the screen, which is the highest row of the frame; 0 outside of the frame.
            Read-only.

        Raises
        ------
        FrameError
            The file can no longer be read.
        """
        source, factor = self._source(view.zoom)
        first_column, columns = _under(view.centre_x, view.zoom, view.width, self.columns, factor)
        first_row, rows = _under(view.centre_y, view.zoom, view.height, self.rows, factor)
        shades = np.zeros((view.height, view.width), np.uint8)
        if rows.size and columns.size:
            picked, row_of = np.unique(rows, return_inverse=True)
            taken, column_of = np.unique(columns - columns[0], return_inverse=True)
            values = source.pick(picked, int(columns[0]), int(columns[-1]) + 1)
            drawn = shaded(values if taken.size == values.shape[1] else values[:, taken], *view.shading)
            if picked.size < rows.size:
                drawn = drawn.take(row_of, axis=0)
            if taken.size < columns.size:
                drawn = drawn.take(column_of, axis=1)
            last_row = view.height - first_row  # screen rows count downwards
            shades[last_row - rows.size : last_row, first_column : first_column + columns.size] = drawn[::-1]
        shades.setflags(write=False)
        return shades

    def _source(self, zoom: float) -> tuple[_Pixels, int]:
        """The pixels to draw from, and how many of the frame's one of them stands for, along both axes."""
        level = min(len(self._copies), math.floor(0.3 - math.log2(zoom)))
        if level > 0:
            return self._copies[level - 1], 2**level
        if not self._copies and self._every > 1 and zoom * self._every <= 2.0:
            return self._preview, self._every  # the first picture of a large frame: nothing is read for it
        return self._pixels, 1

    def limits(self) -> tuple[float, float]:
        """Low and high by the zscale rule of IRAF, on a sample; the high limit is over the low one."""
        from astropy.visualization import ZScaleInterval

        if self._sample.size == 0:
            return 0.0, 1.0
        spread = np.linspace(0, self._sample.size - 1, min(_ZSCALE_PIXELS, self._sample.size)).astype(np.intp)
        low, high = ZScaleInterval(n_samples=_ZSCALE_PIXELS).get_limits(self._sample[spread])
        return float(low), float(high) if high > low else float(low) + 1.0

    def statistics(self) -> Statistics:
        """Numbers of all values, or of one pixel in `Statistics.every` along both axes of a large frame."""
        blank_percent = 100.0 * (1.0 - self._sample.size / self._preview.values.size)
        if self._sample.size == 0:
            return Statistics(None, None, None, None, None, None, blank_percent, self._every)
        median = float(np.median(self._sample))
        return Statistics(
            lowest=float(self._sample[0]),
            highest=float(self._sample[-1]),
            mean=float(self._sample.mean(dtype=np.float64)),
            median=median,
            sigma=float(self._sample.std(dtype=np.float64)),
            noise=1.4826 * float(np.median(np.abs(self._sample - np.float32(median)))),
            blank_percent=blank_percent,
            every=self._every,
        )

    def value_at(self, x: float, y: float) -> float | None:
        """The value of the pixel under a FITS position; None outside of the frame, NaN where it has none."""
        column, row = math.floor(x - 0.5), math.floor(y - 0.5)
        if not (0 <= column < self.columns and 0 <= row < self.rows):
            return None
        return float(self._pixels.pick(np.array([row]), column, column + 1)[0, 0])

    def sky_at(self, x: float, y: float) -> tuple[float, float] | None:
        """Right ascension and declination of a FITS position, degrees, distortion included; None without WCS."""
        if self._wcs is None:
            return None
        ra_deg, dec_deg = (float(angle) for angle in self._wcs.all_pix2world(x, y, 1))
        return (ra_deg, dec_deg) if math.isfinite(ra_deg) and math.isfinite(dec_deg) else None

    def sky(self) -> SkyFrame | None:
        """Scale and directions of the sky in the middle of the frame; None without world coordinates."""
        x, y = (self.columns + 1) / 2.0, (self.rows + 1) / 2.0
        places = [self.sky_at(x + dx, y + dy) for dx, dy in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))]
        known = [place for place in places if place is not None]
        if len(known) < len(places):
            return None
        (ra, dec), *steps = known
        to_sky = np.array(
            [[((a - ra + 180.0) % 360.0 - 180.0) * math.cos(math.radians(dec)), d - dec] for a, d in steps]
        ).T  # (east, north) of a step in x and in y, degrees
        scale_deg = math.sqrt(abs(np.linalg.det(to_sky)))
        if scale_deg == 0.0:
            return None
        to_frame = np.linalg.inv(to_sky)
        east, north = (to_frame[:, axis] / np.hypot(*to_frame[:, axis]) for axis in (0, 1))
        return SkyFrame(
            scale_deg * 3600.0, north=(float(north[0]), float(north[1])), east=(float(east[0]), float(east[1]))
        )

    def cards(self) -> tuple[HeaderCard, ...]:
        """The cards of the header as text, in the order of the file."""
        return tuple(
            HeaderCard(card.keyword, _card_text(card.value), card.comment)
            for card in self.header.cards
            if card.keyword or card.value
        )

    def overview(self) -> FrameOverview:
        """Everything that is shown beside the picture."""
        return FrameOverview(
            path=self.path,
            title=self.path.name,
            description=_description(self.path, self.header),
            unit=str(value(self.header, "BUNIT") or "adu").lower(),
            rows=self.rows,
            columns=self.columns,
            is_simulated=value(self.header, "SIMULATE") is True,
            statistics=self.statistics(),
            limits=self.limits(),
            sample=self._sample,
            sky=self.sky(),
            cards=self.cards(),
        )

    def _every_nth(self) -> _InMemory:
        """One pixel in `_every` along both axes."""
        taken = self._pixels.pick(np.arange(0, self.rows, self._every), 0, self.columns)
        return _InMemory(np.ascontiguousarray(taken[:, :: self._every]))

    def _coarser(self) -> Iterator[bool]:
        """Means of 2 x 2 pixels, of those again, and so on; shown only when all are there."""
        copies: list[_InMemory] = []
        source: _Pixels = self._pixels
        rows, columns = self.rows, self.columns
        while min(rows, columns) >= 2 and max(rows, columns) > _COARSEST:
            # the first copy of 16-bit frames stays 16-bit: rounding by half an adu is far below its noise
            is_short = not copies and source.read(0, 1).dtype == np.uint16
            means = np.empty((rows // 2, columns // 2), np.uint16 if is_short else np.float32)
            height = max(1, _PIECE_PIXELS // columns // 2)
            for first in range(0, rows // 2, height):
                last = min(rows // 2, first + height)
                mean = _halved(source.read(2 * first, 2 * last))
                means[first:last] = np.rint(mean) if is_short else mean
                yield True
            source = _InMemory(means)
            copies.append(source)
            rows, columns = means.shape
        self._copies = copies


def _sorted_sample(values: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    sample = np.sort(single[np.isfinite(single)])
    sample.setflags(write=False)
    return sample


def _under(centre: float, zoom: float, width: int, size: int, factor: int) -> tuple[int, Index]:
    """The first screen pixel inside of the frame, and the pixel of a copy under it and each that follows."""
    places = np.floor(centre - 0.5 + (np.arange(width) + 0.5 - width / 2.0) / zoom)
    inside = np.flatnonzero((places >= 0) & (places < size))
    if inside.size == 0:  # a frame of one row between two screen pixels is still to be seen
        middle = math.floor(width / 2.0 + (size / 2.0 - centre + 0.5) * zoom)
        return middle, np.full(int(0 <= middle < width), size // 2 // factor, np.intp)
    return int(inside[0]), np.minimum(places[inside].astype(np.intp) // factor, max(size // factor, 1) - 1)


def _halved(values: NDArray[Any]) -> NDArray[np.float32]:
    """Means of 2 x 2 pixels; pixels without a value do not count."""
    height, width = values.shape[0] // 2 * 2, values.shape[1] // 2 * 2
    with np.errstate(all="ignore"):
        pairs = np.add(values[0:height:2], values[1:height:2], dtype=np.float32)
        means: NDArray[np.float32] = (pairs[:, 0:width:2] + pairs[:, 1:width:2]) * np.float32(0.25)
    rows, columns = np.nonzero(~np.isfinite(means))
    if rows.size:
        four = np.stack([values[2 * rows + i, 2 * columns + j] for i in (0, 1) for j in (0, 1)]).astype(np.float64)
        there = np.isfinite(four)
        with np.errstate(invalid="ignore", over="ignore"):
            means[rows, columns] = np.where(there, four, 0.0).sum(axis=0) / there.sum(axis=0)
    return means


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of change of a file; None when it is gone."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _is_packed(path: Path, header: fits.Header) -> bool:
    try:
        return value(header, "ZIMAGE") is True or is_gzipped(path)
    except OSError as error:
        raise unreadable(path, error) from error


def _unpacked(path: Path) -> NDArray[Any]:
    """The first image of a packed file, whole in memory."""
    require_whole(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)  # faulty cards are shown as they stand
            with fits.open(path, memmap=False) as hdus:
                for hdu in hdus:
                    if hdu.is_image and len(hdu.shape) >= 2 and math.prod(hdu.shape[:-2]) == 1:
                        values = np.asarray(hdu.data).reshape(hdu.shape[-2:])
                        return values.astype(values.dtype.newbyteorder("="), copy=False)
    except Exception as error:  # damaged bytes fail in a decoder in any way: CFITSIO's own, KeyError, MemoryError
        raise FrameError(f"{path.name} cannot be unpacked ({error}): copy it again") from error
    raise FrameError(f"{path.name} holds no image of two axes: choose another file")


def _description(path: Path, header: fits.Header) -> str:
    """Such as ``light · M 51 · R · 60 s · bin 1x1 · QSI 683``."""
    facts: FrameFacts = dialects.facts(header)
    found = recognise(str(path), header, facts)
    parts = [
        (found.subtype or found.kind.value).replace("_", " "),
        facts.object_name,
        facts.filter,
        None if facts.exposure_s is None else f"{facts.exposure_s:g} s",
        None if facts.binning is None else f"bin {facts.binning[0]}\u00d7{facts.binning[1]}",
        facts.instrument,
        None if facts.started_at is None else f"{facts.started_at:%Y-%m-%d %H:%M:%S} UTC",
    ]
    return " \u00b7 ".join(part for part in parts if part)


def _card_text(content: Any) -> str:
    if isinstance(content, bool):
        return "T" if content else "F"
    return "" if isinstance(content, Undefined) else str(content).strip()
