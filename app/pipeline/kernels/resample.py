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
KERNEL_STEPS = 4096
MASKED_WEIGHT = 0.25

#: Values that are computed at once: six taps, and two of weight 0.
LANES = 8
_BLOCK = 512
_SCAN = 64

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
    for row in range(rows.shape[0]):
        line, framed, masked = rows[row], counts[row], is_masked[row]
        framed[:EDGE_PX] = framed[end:] = _UNFILLED
        masked[:EDGE_PX] = masked[end:] = 1
        for part in range(masked_in.shape[1]):
            here = np.int32(0)
            for column in range(part * _SCAN, min(part * _SCAN + _SCAN, rows.shape[1])):
                value = line[column]
                is_bad = not abs(value) < np.inf
                framed[column + EDGE_PX] = _UNFILLED if is_bad else value
                masked[column + EDGE_PX] = is_bad
                here += np.int32(is_bad)
            masked_in[row, part] = here
    holes = np.empty((counts.size - rows.size + masked_in.sum(), 2), np.int32)
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


def _eight_lanes(
    typing: Any, counts: Any, start: Any, width: Any, table: Any, across: Any, down: Any
) -> tuple[Any, Any]:
    """Sum of 6 x 6 values of the flat `counts` from `start` on, by two rows of the flat `table` of weights.

    Eight columns at a time, of which the last two have the weight 0: numba alone does not find this vector.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = ir.VectorType(ir.FloatType(), LANES)
        unset = ir.Constant(lanes, ir.Undefined)
        first = ir.Constant(ir.IntType(32), 0)
        to_all = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        values, weights = (
            context.make_array(signature.args[place])(context, builder, arguments[place]).data for place in (0, 3)
        )
        at, row_length, across_at, down_at = (arguments[place] for place in (1, 2, 4, 5))

        def eight(pointer: Any, index: Any) -> Any:
            address = builder.bitcast(builder.gep(pointer, [index]), lanes.as_pointer())
            return builder.load(address, align=4)

        def halved(vector: Any, size: int) -> Any:
            low, high = (
                builder.shuffle_vector(
                    vector,
                    ir.Constant(vector.type, ir.Undefined),
                    ir.Constant(ir.VectorType(ir.IntType(32), size // 2), list(range(begin, begin + size // 2))),
                )
                for begin in (0, size // 2)
            )
            return builder.fadd(low, high)

        total = ir.Constant(lanes, [0.0] * LANES)
        for tap in range(TAPS):
            weight = builder.load(builder.gep(weights, [builder.add(down_at, ir.Constant(down_at.type, tap))]))
            spread = builder.shuffle_vector(builder.insert_element(unset, weight, first), unset, to_all)
            total = builder.fadd(total, builder.fmul(spread, eight(values, at)))
            at = builder.add(at, row_length)
        total = builder.fmul(total, eight(weights, across_at))
        pair = halved(halved(total, LANES), LANES // 2)
        return builder.fadd(*(builder.extract_element(pair, ir.Constant(ir.IntType(32), n)) for n in range(2)))

    whole = types.intp
    return types.float32(counts, whole, whole, table, whole, whole), generate


_weighted_taps: Callable[..., np.float32] = intrinsic(_eight_lanes)


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
    height, width = counts.shape
    values, masked, near, weights = counts.reshape(-1), is_masked.reshape(-1), is_near.reshape(-1), table.reshape(-1)
    starts, across, down = np.empty(_BLOCK, np.int32), np.empty(_BLOCK, np.int32), np.empty(_BLOCK, np.int32)
    x_step, y_step = inverse[0, 0], inverse[1, 0]
    row_length, lanes = np.int32(width), np.int32(LANES)
    last_start_x, last_start_y = float(width - LANES), float(height - TAPS)
    for row in range(out.shape[0]):
        line = out[row]
        x_begin = inverse[0, 1] * (first_row + row) + inverse[0, 2]
        y_begin = inverse[1, 1] * (first_row + row) + inverse[1, 2]
        for begin in range(0, out.shape[1], _BLOCK):
            size = min(_BLOCK, out.shape[1] - begin)
            for place in range(size):
                column = float(np.int32(begin + place))
                x, y = x_step * column + x_begin, y_step * column + y_begin
                left, above = np.floor(x), np.floor(y)
                across[place] = np.int32(np.int32(np.rint((x - left) * KERNEL_STEPS)) * lanes)
                down[place] = np.int32(np.int32(np.rint((y - above) * KERNEL_STEPS)) * lanes)
                start_x, start_y = left + (EDGE_PX - 2), above - (2 + top)
                is_inside = (start_x >= 0.0) & (start_x <= last_start_x) & (start_y >= 0.0) & (start_y <= last_start_y)
                start = np.int32(np.int32(start_y) * row_length + np.int32(start_x))
                starts[place] = start if is_inside else np.int32(-1)
            for place in range(size):
                start = starts[place]
                if start < 0:
                    line[begin + place] = np.nan
                    continue
                value = _weighted_taps(values, start, width, weights, across[place], down[place])
                if near[start] and _masked_weight(masked, start, width, weights, across[place], down[place]):
                    value = _UNFILLED
                line[begin + place] = factor * value


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
