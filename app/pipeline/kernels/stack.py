"""One frame from many: median, mean, sigma clip, winsorized sigma clip, and without the extremes.

Frames are taken in tiles of some hundred pixels that stay in the first cache: decoded, sorted by a network, and
combined. Where a bound proves that nothing is rejected, which is nearly everywhere, a pixel costs no iteration.
Nothing depends on how a frame is cut into bands, or on the number of threads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.frames.fits_io import Encoding
from app.pipeline.kernels.compiled import compiled
from app.pipeline.kernels.networks import median_network, sorting_network


class Method(StrEnum):
    """How the values of a pixel become one, by the names of the settings."""

    MEDIAN = "median"
    MEAN = "mean"
    SIGMA_CLIP = "sigma clip"
    WINSORIZED = "winsorized"
    MIN_MAX = "min/max"


@dataclass(frozen=True, slots=True)
class StackRule:
    """A method and its limits.

    Attributes
    ----------
    method : Method
        How the values of a pixel are combined.
    low, high : float
        Of the clips: how many standard deviations under and over the median a value may lie. Of min/max: how many of
        the lowest and of the highest values are dropped.
    """

    method: Method
    low: float = 3.0
    high: float = 3.0

    @property
    def text(self) -> str:
        """For HISTORY."""
        match self.method:
            case Method.MEDIAN | Method.MEAN:
                return str(self.method)
            case Method.MIN_MAX:
                return f"mean without the lowest {self.low:.0f} and the highest {self.high:.0f}"
        return f"mean after {self.method} at -{self.low:g} +{self.high:g} sigma"


#: Most frames of one stack.
MOST_FRAMES = 65535


class _Decoding(NamedTuple):
    """From bits to adu."""

    is_swapped: bool
    flip: np.uint32
    zero_adu: float
    is_scaled: bool
    scales: NDArray[np.float64]
    offsets: NDArray[np.float64]


#: Bits of positive infinity; every number that is not finite has them.
_INFINITY = np.int32(0x7F800000)

_TILE_BYTES = 24 * 1024
_WIDEST_TILE = 512
_NARROWEST_TILE = 32
_NO_WEIGHTS, _NO_COUNT, _NO_ERROR = np.empty(0), np.empty(0, np.uint16), np.empty(0, np.float32)
_METHODS = list(Method)
_MEDIAN, _MEAN, _SIGMA_CLIP, _WINSORIZED, _MIN_MAX = range(5)

#: Winsorizing: values further from the median than this many standard deviations are moved there; the factor makes the
#: result unbiased for normal noise; iterated until it changes by less than the tolerance.
_REACH = 1.5
_UNBIASED = 1.134
_TOLERANCE = 0.0005
#: A winsorized clip leaves so many values at least.
_WINSORIZED_KEEPS = 4
#: The bounds are computed in single precision; what is nearer to them than this is computed in full.
_MARGIN = 1.001
_LEAST_VARIANCE, _GREATEST_SQUARE = 1e-30, 1e30


def combine(
    frames: NDArray[Any],
    rule: StackRule,
    out: NDArray[np.float32],
    *,
    encoding: Encoding | None = None,
    offsets: NDArray[np.float64] | None = None,
    scales: NDArray[np.float64] | None = None,
    weights: NDArray[np.float64] | None = None,
    count: NDArray[np.uint16] | None = None,
    error: NDArray[np.float32] | None = None,
) -> int:
    """Combine a band of all frames; values that are not finite are left out.

    The clips are about the median. *sigma clip*: population standard deviation, repeated until nothing more is
    rejected, as `astropy.stats.sigma_clip` with ``cenfunc="median"``, ``stdfunc="std"``, ``maxiters=None``; the last
    value stays. *winsorized*: the standard deviation s (sample) of the values is found by moving those beyond
    median +- 1.5 s to that limit, s = 1.134 * (their standard deviation), again until s changes by at most 0.05 %
    (moved values stay moved); then values beyond low * s and high * s are rejected, the furthest first, while more
    than 4 are left; all again until none is. So Siril 1.0 and PixInsight's ImageIntegration define it, after Huber and
    Ronchetti (2009), Robust Statistics. The result of both is the mean of the values that stay.

    Parameters
    ----------
    frames : ndarray, shape (frames, rows, columns) or (frames, pixels), C-contiguous
        uint16, int16, int32 or float32, adu.
    rule : StackRule
        How they are combined.
    out : ndarray, float32, shape (rows, columns) or (pixels,), C-contiguous
        Takes the result; NaN where no value is finite.
    encoding : Encoding, optional
        How the numbers of `frames` lie in memory; as numpy understands them when not given.
    offsets, scales : ndarray, shape (frames,), optional
        Each value becomes ``scale * value + offset``, float32.
    weights : ndarray, shape (frames,), optional
        Of each frame in the mean of the values that stay; the median has none.
    count : ndarray, uint16, shape of `out`, optional
        Takes the number of values in each result; for the median, all that are finite.
    error : ndarray, float32, shape of `out`, optional
        Takes the standard error of the result from the scatter of the values that stay, for the median that of all
        (times sqrt(pi / 2), which holds for many frames); NaN for fewer than two.

    Returns
    -------
    int
        Finite values that were rejected.
    """
    number = len(frames)
    if not 1 <= number <= MOST_FRAMES:
        raise ValueError(f"a stack has 1 to {MOST_FRAMES} frames, not {number}")
    encoding = encoding or Encoding(frames.dtype)
    bits = frames.reshape(number, -1).view(f"u{frames.dtype.itemsize}")
    is_scaled = offsets is not None or scales is not None
    is_signed_short = encoding.dtype == np.int16
    native = np.dtype(np.uint16) if is_signed_short else encoding.dtype
    kind = np.dtype(np.float32) if is_scaled else native
    width = _TILE_BYTES // (number * kind.itemsize) // _NARROWEST_TILE * _NARROWEST_TILE
    width = max(_NARROWEST_TILE, min(_WIDEST_TILE, width))
    row = np.zeros(width, native)
    every = sorting_network(number)
    quick = every
    if rule.method is Method.MEDIAN:
        quick = median_network(number)
    elif rule.method is Method.MEAN and weights is None:
        quick = every[:0]
    tile = np.empty((number, width), kind)
    decoding = _Decoding(
        encoding.is_swapped,
        np.uint32(0x8000 if encoding.is_offset or is_signed_short else 0),
        -32768.0 if is_signed_short else 0.0,
        is_scaled,
        np.ones(number) if scales is None else np.asarray(scales, np.float64),
        np.zeros(number) if offsets is None else np.asarray(offsets, np.float64),
    )
    return int(
        _combine(
            bits,
            decoding,
            row,
            row.view(bits.dtype),
            tile,
            tile.view(np.int32) if kind == np.float32 else tile,
            np.empty(width, np.int32 if kind == np.uint16 else np.float64),
            quick,
            every,
            (_METHODS.index(rule.method), float(rule.low), float(rule.high)),
            _NO_WEIGHTS if weights is None else np.asarray(weights, np.float64),
            out.reshape(-1),
            _NO_COUNT if count is None else count.reshape(-1),
            _NO_ERROR if error is None else error.reshape(-1),
        )
    )


def warm() -> None:
    """Compile for raw frames of cameras, and for flats and lights; others are rare, and wait for theirs."""
    for dtype in (np.uint16, np.float32):
        combine(np.zeros((2, 1), dtype), StackRule(Method.MEDIAN), np.empty(1, np.float32))


@compiled
def _decode(bits: Any, is_swapped: bool, flip: Any, row: Any) -> None:
    """Fill a tile's row with numbers as this machine writes them; `flip` holds the bits that are inverted."""
    if not is_swapped:
        for x in range(len(bits)):
            row[x] = bits[x] ^ flip
    elif bits.itemsize == 2:
        for x in range(len(bits)):
            short = np.uint32(bits[x])
            row[x] = np.uint16(((short << np.uint32(8)) | (short >> np.uint32(8))) ^ flip)
    else:
        for x in range(len(bits)):
            word = np.uint32(bits[x])
            word = ((word & np.uint32(0xFF00FF)) << np.uint32(8)) | ((word >> np.uint32(8)) & np.uint32(0xFF00FF))
            row[x] = np.uint32(np.uint32(word << np.uint32(16)) | np.uint32(word >> np.uint32(16)))


@compiled
def _sort(tile: Any, network: Any) -> None:
    """Compare and exchange whole rows of a tile."""
    for k in range(len(network)):
        lesser, greater = tile[network[k, 0]], tile[network[k, 1]]
        for x in range(tile.shape[1]):
            one, other = lesser[x], greater[x]
            lesser[x] = min(one, other)
            greater[x] = max(one, other)


@compiled
def _set_missing(keys: Any, counts: Any) -> int:
    """Make numbers of a row that are not finite plus infinity, so that they sort last; how many there are."""
    highest = np.int32(0)
    for x in range(len(keys)):
        highest = max(highest, np.int32(keys[x] & _INFINITY))
    if highest < _INFINITY:
        return 0
    missing = 0
    for x in range(len(keys)):
        if keys[x] & _INFINITY == _INFINITY:
            keys[x] = _INFINITY
            counts[x] -= 1
            missing += 1
    return missing


@compiled
def _exchange_order(keys: Any) -> None:
    """Turn bits of floating point numbers into integers of the same order, or back: compilers sort those faster."""
    for i in range(len(keys)):
        row = keys[i]
        for x in range(len(row)):
            row[x] ^= np.int32(np.int32(row[x] >> np.int32(31)) & np.int32(0x7FFFFFFF))


@compiled
def _middle(values: Any, first: int, last: int) -> float:
    middle: float = 0.5 * (values[(first + last - 1) // 2] + values[(first + last) // 2])
    return middle


@compiled
def _moments(values: Any, first: int, last: int, centre: float) -> tuple[float, float]:
    """Sum, and sum of squares, of values less the centre."""
    total, squares = 0.0, 0.0
    for i in range(first, last):
        distance = values[i] - centre
        total += distance
        squares += distance * distance
    return total, squares


@compiled
def _trimmed(
    values: Any, first: int, last: int, centre: float, below: float, above: float, kept: int
) -> tuple[int, int]:
    """What lies within the limits, the furthest let go first, and so many kept at least."""
    while last - first > kept:
        under, over = centre - values[first], values[last - 1] - centre
        if under > below and (over <= above or under * above >= over * below):
            first += 1
        elif over > above:
            last -= 1
        else:
            break
    return first, last


@compiled
def _sum_outwards(values: Any, first: int, last: int, centre: float, outwards: Any) -> None:
    """For each value, sum and sum of squares, less the centre, of what lies from the middle to it."""
    middle = (first + last) // 2
    total, squares = 0.0, 0.0
    for i in range(middle - 1, first - 1, -1):
        total += values[i] - centre
        squares += (values[i] - centre) ** 2
        outwards[0, i], outwards[1, i] = total, squares
    total, squares = 0.0, 0.0
    for i in range(middle, last):
        total += values[i] - centre
        squares += (values[i] - centre) ** 2
        outwards[0, i], outwards[1, i] = total, squares


@compiled
def _winsorized_sigma(values: Any, first: int, last: int, centre: float, furthest: float, outwards: Any) -> float:
    """Standard deviation of sorted values, those far out moved to the limit.

    Infinite when it is surely not less than `furthest`: a standard deviation that is no less, and is so again when
    values are moved to the reach of `furthest`, stays so in every round, for moving less scatters more.
    """
    number = last - first
    _sum_outwards(values, first, last, centre, outwards)
    total, squares = outwards[0, first] + outwards[0, last - 1], outwards[1, first] + outwards[1, last - 1]
    share = 1.0 / number
    freedom = 1.0 / (number - 1)
    sigma = math.sqrt(max(squares - total * total * share, 0.0) * freedom)
    is_proving = sigma >= furthest * _MARGIN
    reach = _REACH * (furthest if is_proving else sigma)
    low, high = first, last
    while True:
        while low < high and centre - values[low] > reach:
            low += 1
        while low < high and values[high - 1] - centre > reach:
            high -= 1
        total, squares = 0.0, 0.0
        middle = (first + last) // 2
        if low < middle:
            total, squares = outwards[0, low], outwards[1, low]
        if high > middle:
            total, squares = total + outwards[0, high - 1], squares + outwards[1, high - 1]
        under, over = low - first, last - high
        moved_total = total + reach * (over - under)
        moved_squares = squares + reach * reach * (over + under)
        found = _UNBIASED * math.sqrt(max(moved_squares - moved_total * moved_total * share, 0.0) * freedom)
        if is_proving:
            if found >= furthest * _MARGIN:
                return np.inf
            is_proving = False
            low, high = first, last
            reach = _REACH * sigma
            continue
        before, sigma = sigma, found
        if abs(sigma - before) <= _TOLERANCE * before:
            return sigma
        if squares == 0.0 and _REACH * sigma < reach:  # each round takes the same part away, so that nothing is left
            return 0.0
        reach = min(reach, _REACH * sigma)


@compiled
def _survivors(values: Any, last: Any, method: int, low: float, high: float, outwards: Any) -> tuple[int, int]:
    """First and last of the sorted values that stay."""
    first: Any = np.int64(0)  # a literal would be a type, and all that is called from here be compiled for it as well
    if method == _MIN_MAX:
        first = min(int(low), (last - 1) // 2)
        return first, last - min(int(high), last - 1 - first)
    while method == _SIGMA_CLIP or (method == _WINSORIZED and last - first > _WINSORIZED_KEEPS):
        centre = _middle(values, first, last)
        least = 1
        if method == _SIGMA_CLIP:
            total, squares = _moments(values, first, last, centre)
            number = last - first
            sigma = math.sqrt(max(squares / number - (total / number) ** 2, 0.0))
        else:
            furthest = max((centre - values[first]) / low, (values[last - 1] - centre) / high)
            sigma = _winsorized_sigma(values, first, last, centre, furthest, outwards)
            least = _WINSORIZED_KEEPS
        kept = _trimmed(values, first, last, centre, low * sigma, high * sigma, least)
        if kept == (first, last):
            break
        first, last = kept
    return first, last


@compiled
def _load(
    bits: Any, start: int, size: int, decoding: _Decoding, row: Any, row_bits: Any, tile: Any, keys: Any, counts: Any
) -> int:
    """Fill a tile with decoded and scaled values, and count the finite ones of each pixel; how many are missing."""
    missing = 0
    is_float = tile.dtype.kind == "f"
    for i in range(len(tile)):
        _decode(bits[i, start : start + size], decoding.is_swapped, decoding.flip, row_bits)
        values = tile[i]
        if decoding.is_scaled:
            scale, offset, zero_adu = decoding.scales[i], decoding.offsets[i], decoding.zero_adu
            for x in range(len(row)):
                values[x] = (row[x] + zero_adu) * scale + offset
        else:
            for x in range(len(row)):
                values[x] = row[x]
        if is_float:
            missing += _set_missing(keys[i], counts)
    return missing


@compiled
def _tile_moments(tile: Any, first: int, last: int, base: Any, sums: Any, squares: Any) -> None:
    """Sums of the values less the base, and, less exactly, of their squares."""
    wide = sums.dtype.type
    sums[:] = 0
    squares[:] = 0
    for i in range(first, last):
        values = tile[i]
        for x in range(len(sums)):
            distance = wide(wide(values[x]) - wide(base[x]))
            sums[x] += distance
            single = np.float32(distance)
            squares[x] += single * single


@compiled
def _moved_scatter(tile: Any, base: Any, centre: Any, furthest: Any, wide: Any, scatter: Any) -> None:
    """At most the sum of squared deviations of the values when those beyond the reach of the furthest are moved there.

    The scatter of two values about any point is at least half of their squared difference; the lowest is paired with
    the highest, and so on.
    """
    scatter[:] = 0
    for i in range(len(tile) // 2):
        lows, highs = tile[i], tile[len(tile) - 1 - i]
        for x in range(len(scatter)):
            under = np.float32(wide(wide(base[x]) - wide(lows[x]))) + centre[x]
            over = np.float32(wide(wide(highs[x]) - wide(base[x]))) - centre[x]
            reach = np.float32(_REACH) * furthest[x]
            apart = min(under, reach) + min(over, reach)
            scatter[x] += np.float32(0.5) * apart * apart


@compiled
def _mark_quiet(
    tile: Any,
    lower: Any,
    upper: Any,
    low: float,
    high: float,
    is_winsorized: bool,
    sums: Any,
    squares: Any,
    room: Any,
    is_quiet: Any,
) -> None:
    """Which pixels of a sorted tile surely lose no value to a clip: none lies further out than the limits.

    In single precision: distances from the lower middle value are taken before they are rounded, and as half of the
    values lie on each side of it, the square of their sum cancels no more than half of the sum of their squares.
    """
    number, wide = len(tile), sums.dtype.type
    lowest, highest = tile[0], tile[number - 1]
    centre, furthest, scatter = room[0], room[1], room[2]
    half, per_low, per_high = np.float32(0.5), np.float32(1.0 / low), np.float32(1.0 / high)
    for x in range(len(is_quiet)):
        base = wide(lower[x])
        centre[x] = half * np.float32(wide(wide(upper[x]) - base))
        under = np.float32(wide(base - wide(lowest[x]))) + centre[x]
        over = np.float32(wide(wide(highest[x]) - base)) - centre[x]
        furthest[x] = max(under * per_low, over * per_high)
    scatter[:] = np.inf
    if is_winsorized:
        _moved_scatter(tile, lower, centre, furthest, wide, scatter)
    share = np.float32(1.0 / number)
    unbiased = np.float32(_UNBIASED * _UNBIASED)
    freedom = np.float32(1.0 / (max(number - 1, 1) if is_winsorized else number))
    for x in range(len(is_quiet)):
        single = np.float32(sums[x])
        spread = squares[x] - single * single * share
        least = min(spread, unbiased * scatter[x]) * freedom
        can_tell = (least > np.float32(_LEAST_VARIANCE)) & (squares[x] < np.float32(_GREATEST_SQUARE))
        is_inside = furthest[x] * furthest[x] * np.float32(_MARGIN) <= least
        is_quiet[x] = (can_tell & is_inside) | (furthest[x] == np.float32(0.0))


@compiled
def _combine(
    bits: Any,
    decoding: _Decoding,
    row: Any,
    row_bits: Any,
    tile: Any,
    keys: Any,
    sums: Any,
    quick: Any,
    every: Any,
    rule: tuple[int, float, float],
    weights: Any,
    out: Any,
    count: Any,
    error: Any,
) -> int:
    method, low, high = rule
    number, width = tile.shape
    is_float = tile.dtype.kind == "f"
    zero_adu = 0.0 if decoding.is_scaled else decoding.zero_adu
    column, outwards = np.empty(number), np.empty((2, number))
    first, last = 0, number
    if method == _MIN_MAX:
        first, last = _survivors(column, number, method, low, high, outwards)
    unsorted = np.empty((number if len(weights) > 0 else 0, width), tile.dtype)
    squares, room = np.empty(width, np.float32), np.empty((3, width), np.float32)
    counts, stay = np.empty(width, np.int32), np.empty(width, np.int32)
    lowest, highest = np.empty(width, tile.dtype), np.empty(width, tile.dtype)
    is_quiet = np.empty(width, np.bool_)
    needs_all = len(count) > 0 or len(error) > 0 or len(weights) > 0
    rejected = 0
    for start in range(0, len(out), width):
        size = min(width, len(out) - start)
        counts[:] = number
        missing = _load(bits, start, size, decoding, row, row_bits, tile, keys, counts)
        if len(weights) > 0:
            unsorted[:] = tile
        network = every if missing > 0 else quick
        if len(network) > 0:
            if is_float:
                _exchange_order(keys)
            _sort(keys, network)
            if is_float:
                _exchange_order(keys)
        lower, upper = tile[(number - 1) // 2], tile[number // 2]
        if method != _MEDIAN or len(error) > 0:
            _tile_moments(tile, first, last, lower, sums, squares)
        if method in (_SIGMA_CLIP, _WINSORIZED):
            is_winsorized = method == _WINSORIZED
            _mark_quiet(tile, lower, upper, low, high, is_winsorized, sums, squares, room, is_quiet)
        else:
            is_quiet[:] = True
        band = out[start : start + size]
        if method == _MEDIAN:
            for x in range(size):
                band[x] = 0.5 * (np.float64(lower[x]) + np.float64(upper[x])) + zero_adu
        else:
            for x in range(size):
                band[x] = np.float64(lower[x]) + zero_adu + sums[x] / np.float64(last - first)
        if missing == 0 and not needs_all and _are_all(is_quiet[:size]):
            rejected += size * (number - last + first)
            continue
        for x in range(size):
            at = start + x
            begin, end, scatter = first, last, 0.0
            if counts[x] == number and is_quiet[x]:
                if not needs_all:
                    rejected += number - last + first
                    continue
                scatter = float(squares[x] - np.float64(sums[x]) * np.float64(sums[x]) / (last - first))
            elif counts[x] > 0:
                for i in range(counts[x]):
                    column[i] = tile[i, x]
                begin, end = _survivors(column, np.int64(counts[x]), method, low, high, outwards)
                origin = _middle(column, begin, end)
                total, scatter = _moments(column, begin, end, origin)
                scatter -= total * total / float(end - begin)
                out[at] = origin + zero_adu + (0.0 if method == _MEDIAN else total / (end - begin))
            else:
                begin, end, scatter = 0, 0, 0.0
                out[at] = np.nan
            rejected += counts[x] - (end - begin)
            stay[x] = end - begin
            if len(weights) > 0 and stay[x] > 0:
                lowest[x], highest[x] = tile[begin, x], tile[end - 1, x]
            if len(count) > 0:
                count[at] = stay[x]
            if len(error) > 0:
                error[at] = _standard_error(scatter, stay[x], method)
        if len(weights) > 0 and method != _MEDIAN:
            for x in range(size):
                if stay[x] > 0:
                    at = start + x
                    mean, factor = _weighted(unsorted[:, x], weights, lowest[x], highest[x])
                    out[at] = mean + zero_adu
                    if len(error) > 0:
                        error[at] *= factor * math.sqrt(stay[x])
    return rejected


@compiled
def _are_all(flags: Any) -> bool:
    """As ``flags.all()``, for which numba would import scipy.linalg into every process that loads the kernel."""
    for flag in flags:  # noqa: SIM110 - kernels have no generators
        if not flag:
            return False
    return True


@compiled
def _weighted(values: Any, weights: Any, lowest: float, highest: float) -> tuple[float, float]:
    """Weighted mean of the values within limits; root of the sum of squared weights over their sum."""
    weight, squares, total = 0.0, 0.0, 0.0
    for i in range(len(weights)):
        if lowest <= values[i] <= highest:
            weight += weights[i]
            squares += weights[i] * weights[i]
            total += weights[i] * (values[i] - lowest)
    return lowest + total / weight, math.sqrt(squares) / weight


@compiled
def _standard_error(scatter: float, number: int, method: int) -> float:
    """Of the mean, or of the median, of values with that sum of squared deviations."""
    if number < 2:
        return np.nan
    error = math.sqrt(max(scatter, 0.0) / (number - 1) / number)
    return error * math.sqrt(0.5 * math.pi) if method == _MEDIAN and number > 2 else error
