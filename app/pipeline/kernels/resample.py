"""A frame on the pixels of another: holes filled, Lanczos weights, and the place nearest to a pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from app.pipeline.kernels.compiled import compiled

#: The kernel reaches 3 pixels, also beyond the edge; what it finds masked there was filled from 4 pixels further.
TAPS = 6
FILL_PX = 4
EDGE_PX = TAPS // 2
HALO_PX = EDGE_PX + FILL_PX
#: Of a pixel: a place is off by 1/1024 at most; OpenCV's warps have 32. More would break up runs of like neighbours.
KERNEL_STEPS = 512
MASKED_WEIGHT = 0.25

#: Values that are computed at once: six taps, and two of weight 0.
LANES = 8
_BLOCK = 512
_SCAN = 256
#: Neighbours are looked at together where the fraction of their places stays within a step for so many or more.
_LEAST_RUN = 12

_UNFILLED = np.float32(np.nan)


def framed_shape(rows: int, columns: int) -> tuple[int, int]:
    """Shape of the arrays that `frame_rows` fills."""
    return rows, columns + 2 * EDGE_PX + LANES - TAPS


def kernel_table() -> NDArray[np.float32]:
    """Lanczos weights of the six taps around a place (Duchon 1979, J. Appl. Meteor. 18, 1016), then two zeros.

    Returns
    -------
    ndarray, float32, shape (KERNEL_STEPS + 1, LANES)
        By the place's fraction of a pixel in steps; each row sums to 1.
    """
    fraction = np.arange(KERNEL_STEPS + 1) / KERNEL_STEPS
    distance = fraction[:, None] - np.arange(-2, 4)
    weights = np.sinc(distance) * np.sinc(distance / 3.0) * (np.abs(distance) < 3.0)
    weights[np.abs(weights) < 1e-12] = 0.0
    table = np.zeros((KERNEL_STEPS + 1, LANES), np.float32)
    table[:, :TAPS] = weights / weights.sum(axis=1, keepdims=True)
    return table


@compiled
def frame_rows(
    rows: NDArray[np.float32],
    counts: NDArray[np.float32],
    is_masked: NDArray[np.uint8],
    is_near: NDArray[np.uint8],
) -> None:
    """Put masked pixels beside rows, and fill what is masked from its surroundings, growing inwards.

    Parameters
    ----------
    rows : ndarray, float32, shape (rows, columns)
        adu; not finite where a pixel is masked.
    counts : ndarray, float32, shape `framed_shape`
        Takes the pixels, without NaN. A filled value depends on the pixels within `FILL_PX` only; what lies deeper
        is 0.
    is_masked : ndarray, uint8, shape `framed_shape`
        Takes 1 where a pixel is masked.
    is_near : ndarray, uint8, shape `framed_shape`
        Takes 1 where one of the `TAPS` x `TAPS` pixels that begin there is masked.
    """
    end = EDGE_PX + rows.shape[1]
    is_near[:] = 0
    masked_in = np.empty((rows.shape[0], rows.shape[1] // _SCAN + 1), np.int32)
    most = counts.size - rows.size
    for row in range(rows.shape[0]):
        line, framed, masked = rows[row], counts[row], is_masked[row]
        framed[:EDGE_PX] = framed[end:] = _UNFILLED
        masked[:EDGE_PX] = masked[end:] = 1
        for part in range(masked_in.shape[1]):
            begin, stop = part * _SCAN, min(part * _SCAN + _SCAN, rows.shape[1])
            masked_in[row, part] = _copy_part(line[begin:stop], framed[EDGE_PX + begin :], masked[EDGE_PX + begin :])
            most += masked_in[row, part]
    holes = np.empty((most, 2), np.int32)
    found = 0
    for row in range(rows.shape[0]):
        found = _note_holes(is_masked, is_near, holes, found, row, 0, EDGE_PX)
        for part in range(masked_in.shape[1]):
            if masked_in[row, part]:
                first = EDGE_PX + part * _SCAN
                found = _note_holes(is_masked, is_near, holes, found, row, first, min(first + _SCAN, end))
        found = _note_holes(is_masked, is_near, holes, found, row, end, counts.shape[1])
    _fill(counts, holes)


@compiled
def _copy_part(line: NDArray[np.float32], framed: NDArray[np.float32], masked: NDArray[np.uint8]) -> int:
    """Copy pixels, note which are masked, and count them."""
    here = np.int32(0)
    for column in range(len(line)):
        value = line[column]
        framed[column] = value
        here += np.int32(not abs(value) < np.float32(np.inf))
    for column in range(len(line)):
        masked[column] = 0
    if here:
        for column in range(len(line)):
            if not abs(line[column]) < np.inf:
                framed[column] = _UNFILLED
                masked[column] = 1
    return int(here)


@compiled
def _note_holes(
    is_masked: NDArray[np.uint8],
    is_near: NDArray[np.uint8],
    holes: NDArray[np.int32],
    found: int,
    row: int,
    begin: int,
    end: int,
) -> int:
    """List the masked pixels of a part of a row, and mark the places whose taps they are under."""
    for column in range(begin, end):
        if is_masked[row, column]:
            holes[found, 0], holes[found, 1] = row, column
            found += 1
            for above in range(max(row - TAPS + 1, 0), row + 1):
                for left in range(max(column - TAPS + 1, 0), column + 1):
                    is_near[above, left] = 1
    return found


@compiled
def _fill(counts: NDArray[np.float32], holes: NDArray[np.int32]) -> None:
    """Give each hole the mean of its neighbours that have a value; those filled in one round serve the next."""
    height, width = counts.shape
    left = holes.shape[0]
    filled = np.empty(left, np.float32)
    for _ in range(FILL_PX):
        for hole in range(left):
            row, column = holes[hole]
            total, count = 0.0, 0
            for down in range(max(row - 1, 0), min(row + 2, height)):
                for right in range(max(column - 1, 0), min(column + 2, width)):
                    value = counts[down, right]
                    if not np.isnan(value):
                        total += value
                        count += 1
            filled[hole] = total / count if count else _UNFILLED
        unfilled = 0
        for hole in range(left):
            row, column = holes[hole]
            counts[row, column] = filled[hole]
            if np.isnan(filled[hole]):
                holes[unfilled] = holes[hole]
                unfilled += 1
        left = unfilled
    for hole in range(left):
        counts[holes[hole, 0], holes[hole, 1]] = 0.0


_VECTOR = ir.VectorType(ir.FloatType(), LANES)


def _lanes(builder: Any, vectors: tuple[Any, Any], chosen: list[int]) -> Any:
    """Some of the values of two vectors."""
    return builder.shuffle_vector(*vectors, ir.Constant(ir.VectorType(ir.IntType(32), len(chosen)), chosen))


def _loaded(builder: Any, pointer: Any, index: Any) -> Any:
    """Eight values from an index on."""
    return builder.load(builder.bitcast(builder.gep(pointer, [index]), _VECTOR.as_pointer()), align=4)


def _weight(builder: Any, weights: Any, at: Any, tap: int) -> Any:
    """One weight in all lanes."""
    unset = ir.Constant(_VECTOR, ir.Undefined)
    weight = builder.load(builder.gep(weights, [builder.add(at, ir.Constant(at.type, tap))]))
    first = builder.insert_element(unset, weight, ir.Constant(ir.IntType(32), 0))
    return _lanes(builder, (first, unset), [0] * LANES)


def _sums_down(builder: Any, values: Any, at: Any, row_length: Any, down: list[Any]) -> Any:
    """Weighted sums over six rows, in eight columns."""
    total = ir.Constant(_VECTOR, [0.0] * LANES)
    for weight in down:
        total = builder.fadd(total, builder.fmul(weight, _loaded(builder, values, at)))
        at = builder.add(at, row_length)
    return total


def _taps_of_one(
    typing: Any, counts: Any, start: Any, width: Any, table: Any, across: Any, down: Any
) -> tuple[Any, Any]:
    """Sum of 6 x 6 values of the flat `counts` from `start` on, by two rows of the flat `table` of weights.

    Eight columns at a time, of which the last two have the weight 0: numba alone does not find this vector.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, weights = (
            context.make_array(signature.args[place])(context, builder, arguments[place]).data for place in (0, 3)
        )
        at, row_length, across_at, down_at = (arguments[place] for place in (1, 2, 4, 5))
        by_row = [_weight(builder, weights, down_at, tap) for tap in range(TAPS)]
        total = _sums_down(builder, values, at, row_length, by_row)
        total = builder.fmul(total, _loaded(builder, weights, across_at))
        for size in (LANES, LANES // 2):
            halves = (_lanes(builder, (total, total), list(range(k, k + size // 2))) for k in (0, size // 2))
            total = builder.fadd(*halves)
        return builder.fadd(*(builder.extract_element(total, ir.Constant(ir.IntType(32), n)) for n in range(2)))

    whole = types.intp
    return types.float32(counts, whole, whole, table, whole, whole), generate


def _taps_of_eight(
    typing: Any, counts: Any, start: Any, width: Any, table: Any, across: Any, down: Any, factor: Any, out: Any, to: Any
) -> tuple[Any, Any]:
    """`_taps_of_one` of eight neighbours with the same weights, times a factor, to `out` from `to` on.

    A sum over rows serves six of them; terms are added in the same order. Reads 16 columns.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, weights, target = (
            context.make_array(signature.args[place])(context, builder, arguments[place]).data for place in (0, 3, 7)
        )
        at, row_length, across_at, down_at, times, to_at = (arguments[place] for place in (1, 2, 4, 5, 6, 8))
        by_row = [_weight(builder, weights, down_at, tap) for tap in range(TAPS)]
        further = builder.add(at, ir.Constant(at.type, LANES))
        sums = tuple(_sums_down(builder, values, begin, row_length, by_row) for begin in (at, further))
        terms = [
            builder.fmul(
                _lanes(builder, sums, list(range(tap, tap + LANES))), _weight(builder, weights, across_at, tap)
            )
            for tap in range(TAPS)
        ]
        even, odd = (builder.fadd(builder.fadd(terms[k], terms[k + 4]), terms[k + 2]) for k in (0, 1))
        unset = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(unset, times, ir.Constant(ir.IntType(32), 0))
        total = builder.fmul(_lanes(builder, (first, unset), [0] * LANES), builder.fadd(even, odd))
        builder.store(total, builder.bitcast(builder.gep(target, [to_at]), _VECTOR.as_pointer()), align=4)
        return context.get_dummy_value()

    whole = types.intp
    return types.none(counts, whole, whole, table, whole, whole, types.float32, out, whole), generate


_one_value: Callable[..., np.float32] = intrinsic(_taps_of_one)
_eight_values: Callable[..., None] = intrinsic(_taps_of_eight)


@compiled
def resample(
    counts: NDArray[np.float32],
    is_masked: NDArray[np.uint8],
    is_near: NDArray[np.uint8],
    top: int,
    table: NDArray[np.float32],
    inverse: NDArray[np.float64],
    first_row: int,
    factor: np.float32,
    out: NDArray[np.float32],
) -> None:
    """Weighted means of a moving frame's pixels around the places of the reference's pixels.

    Parameters
    ----------
    counts, is_masked, is_near : ndarray
        Of `frame_rows`.
    top : int
        Row of the moving frame that `counts` begins with.
    table : ndarray
        `kernel_table`.
    inverse : ndarray, float64, shape (2, 3)
        Maps (x, y) of the reference to the moving frame.
    first_row : int
        Row of the reference that `out` begins with.
    factor : float32
        Multiplies every value.
    out : ndarray, float32, shape (rows, columns)
        NaN outside of the moving frame, and where masked pixels have more than `MASKED_WEIGHT` of the weight.
    """
    width, columns = counts.shape[1], out.shape[1]
    values, masked, near, weights = counts.reshape(-1), is_masked.reshape(-1), is_near.reshape(-1), table.reshape(-1)
    starts, across, down = np.empty(_BLOCK, np.int32), np.empty(_BLOCK, np.int32), np.empty(_BLOCK, np.int32)
    starts_of_eight = values.size - (TAPS - 1) * width - 2 * LANES
    x_change, y_change = KERNEL_STEPS * (inverse[0, 0] - 1.0), KERNEL_STEPS * inverse[1, 0]
    has_runs = max(abs(x_change), abs(y_change)) * _LEAST_RUN < 1.0
    for row in range(out.shape[0]):
        x_begin = inverse[0, 1] * (first_row + row) + inverse[0, 2]
        y_begin = inverse[1, 1] * (first_row + row) + inverse[1, 2]
        begin = 0
        while begin < columns:
            size = min(_BLOCK, columns - begin)
            if has_runs:
                x, y = inverse[0, 0] * begin + x_begin, inverse[1, 0] * begin + y_begin
                size = min(size, _alike(x, x_change), _alike(y, y_change))
            is_run = has_runs and size >= LANES
            if is_run:
                _locate(counts.shape, top, inverse, x_begin, y_begin, begin, size - 1, 2, starts, across, down)
                is_run = 0 <= starts[0] <= starts_of_eight - size and starts[1] - starts[0] == size - 1
                is_run = is_run and across[1] == across[0] and down[1] == down[0]
            line = out[row, begin : begin + size]
            begin += size
            if is_run:
                start = starts[0]
                for place in range(0, size, LANES):
                    eight = min(place, size - LANES)  # some twice, and the same
                    _eight_values(values, start + eight, width, weights, across[0], down[0], factor, line, eight)
                any_near = np.uint8(0)
                for place in range(size):
                    any_near |= near[start + place]
                if any_near:
                    for place in range(size):
                        if near[start + place] and _masked_weight(
                            masked, start + place, width, weights, across[0], down[0]
                        ):
                            line[place] = _UNFILLED
                continue
            _locate(counts.shape, top, inverse, x_begin, y_begin, begin - size, 1, size, starts, across, down)
            for place in range(size):
                start = starts[place]
                if start < 0:
                    line[place] = _UNFILLED
                    continue
                value = _one_value(values, start, width, weights, across[place], down[place])
                if near[start] and _masked_weight(masked, start, width, weights, across[place], down[place]):
                    value = _UNFILLED
                line[place] = factor * value


@compiled
def _alike(place: float, change: float) -> int:
    """From a place on, how many pixels have its fraction, which changes by so many steps from one to the next."""
    if change == 0.0:
        return _BLOCK
    fraction = (place - np.floor(place)) * KERNEL_STEPS
    over = fraction - np.rint(fraction)
    room = min(0.5 - over, KERNEL_STEPS - fraction) if change > 0.0 else min(0.5 + over, fraction)
    return max(int(min(room / abs(change), float(_BLOCK))), 1)


@compiled
def _locate(
    shape: tuple[int, int],
    top: int,
    inverse: NDArray[np.float64],
    x_begin: float,
    y_begin: float,
    begin: int,
    step: int,
    count: int,
    starts: NDArray[np.int32],
    across: NDArray[np.int32],
    down: NDArray[np.int32],
) -> None:
    """Where the taps of some pixels of a row begin, -1 outside of the frame, and where their weights."""
    row_length, lanes = np.int32(shape[1]), np.int32(LANES)
    x_step, y_step = inverse[0, 0], inverse[1, 0]
    last_start_x, last_start_y = float(shape[1] - LANES), float(shape[0] - TAPS)
    for place in range(count):
        column = float(np.int32(begin + place * step))
        x, y = x_step * column + x_begin, y_step * column + y_begin
        left, above = np.floor(x), np.floor(y)
        across[place] = np.int32(np.int32(np.rint((x - left) * KERNEL_STEPS)) * lanes)
        down[place] = np.int32(np.int32(np.rint((y - above) * KERNEL_STEPS)) * lanes)
        start_x, start_y = left + (EDGE_PX - 2), above - (2 + top)
        is_inside = (start_x >= 0.0) & (start_x <= last_start_x) & (start_y >= 0.0) & (start_y <= last_start_y)
        start = np.int32(np.int32(start_y) * row_length + np.int32(start_x))
        starts[place] = start if is_inside else np.int32(-1)


@compiled
def _masked_weight(
    masked: NDArray[np.uint8], start: int, width: int, weights: NDArray[np.float32], across: int, down: int
) -> bool:
    """Whether masked pixels have too much of the weight."""
    total = np.float32(0.0)
    for row in range(TAPS):
        along = np.float32(0.0)
        for column in range(TAPS):
            if masked[start + row * width + column]:
                along += abs(weights[across + column])
        total += abs(weights[down + row]) * along
    return bool(total > MASKED_WEIGHT)


def warm() -> None:
    """Compile for the types of a light stack."""
    rows = np.zeros((8, 8), np.float32)
    shape = framed_shape(8, 8)
    counts, is_masked, is_near = (np.empty(shape, dtype) for dtype in (np.float32, np.uint8, np.uint8))
    frame_rows(rows, counts, is_masked, is_near)
    resample(counts, is_masked, is_near, 0, kernel_table(), np.eye(2, 3), 0, np.float32(1.0), rows)
