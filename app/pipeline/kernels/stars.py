"""Stars, compiled: sharp pixels, a binned frame, summits and their measurement; every pixel's arithmetic is its own."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from app.pipeline.kernels.compiled import compiled

Band = NDArray[np.float32]
Numbers = NDArray[np.float64]
_Sums = tuple[float, float, float, float, float, float]

#: Rows and columns on each side that a verdict of `mark_sharp` depends on.
SHARP_REACH_PX = 2

#: Columns of the table of `measure_stars`.
X, Y, WINDOWED, MAJOR, MINOR, ORIENTATION, FLUX, PEAK, MASKED, SATURATED = range(10)
MEASURES = 10

#: 2.5e30 as float32: what is greater, infinite or NaN is no count, and sums of it could overflow.
_BEYOND_COUNTS = 0x72000000

#: A row of which more is suspect is noise of another kind, as of a wrong byte order: nothing in it is called sharp.
_MOST_SUSPECTS = 0.25
_FEW_SUSPECTS = 100
#: In the first and the last row the quick look counts on less than the exact one, whose sums are rounded otherwise.
_EDGE_SUSPECT = 0.95
#: Bytes that are looked at together.
_AT_ONCE = 8

_CENTRING_ROUNDS = 10
_CENTRED_PX = 1e-4
_SUBPIXELS = 5

#: A star as wide as 3 windows has 0.9 of the window's variance; more cannot be told from the sky.
_WIDEST_SEEN = 0.9
_LEAST_VARIANCE_PX2 = 0.01
_NO_LIGHT_ADU = 1e-6
_FILL_REACH_PX = 4


@compiled
def decode(bits: NDArray[np.uint32], flags: NDArray[np.uint8], bad: np.uint8, is_swapped: bool) -> None:
    """Turn a band of float32, seen as uint32, to this machine's byte order, in place; what is no count becomes NaN.

    Parameters
    ----------
    bits : ndarray, uint32, shape (rows, columns)
        The band.
    flags : ndarray, uint8, shape (rows, columns) or (0, 0)
        Bits of `app.model.flags.Dq`, if there are any.
    bad : uint8
        Which of them make a pixel NaN.
    is_swapped : bool
        The bytes are in the other order.
    """
    for row in range(bits.shape[0]):
        line = bits[row]
        if is_swapped:
            for column in range(len(line)):
                line[column] = _count_or_nan(_swapped(line[column]))
        else:
            for column in range(len(line)):
                line[column] = _count_or_nan(line[column])
        if flags.size:
            for column in range(bits.shape[1]):
                if flags[row, column] & bad:
                    bits[row, column] = np.uint32(0x7FC00000)


@compiled
def _count_or_nan(bits: np.uint32) -> np.uint32:
    size = np.uint32(bits & np.uint32(0x7FFFFFFF))
    return np.uint32(0x7FC00000) if size >= np.uint32(_BEYOND_COUNTS) else bits


@compiled
def _swapped(value: np.uint32) -> np.uint32:
    """The bytes in the other order; each step is cut to 32 bits, or numba would compute with 64."""
    outer = np.uint32(np.uint32(value >> np.uint32(24)) | np.uint32(value << np.uint32(24)))
    upper = np.uint32(np.uint32(value >> np.uint32(8)) & np.uint32(0xFF00))
    lower = np.uint32(np.uint32(value << np.uint32(8)) & np.uint32(0xFF0000))
    return np.uint32(outer | np.uint32(upper | lower))


@compiled
def mark_sharp(values: Band, noise_adu: float, threshold: float, narrowest: float, found: NDArray[np.bool_]) -> None:
    """Mark the pixels that differ from their surroundings as no point-spread function allows.

    Parameters
    ----------
    values : ndarray, float32, shape (rows, columns)
        Counts; NaN where bad.
    noise_adu, threshold, narrowest : float
        As `app.pipeline.sharp.sharp_pixels`.
    found : ndarray, bool, shape (rows, columns)
        Takes the verdicts.
    """
    rows, columns = values.shape
    # Half the threshold: up to two of the four sides may be as bright, as in the trail of a cosmic ray.
    least = np.float32(0.5 * threshold * noise_adu)
    most_suspects = max(int(_MOST_SUSPECTS * columns), _FEW_SUSPECTS)
    is_suspect = np.zeros(-(-columns // _AT_ONCE) * _AT_ONCE, np.uint8)
    any_suspect = is_suspect.view(np.uint64)
    ring, near = np.empty(16, np.float32), np.empty(8, np.float32)
    for row in range(rows):
        # Beyond the edge a pixel meets itself, which leaves the sides that it has.
        line, above, below = values[row], values[max(row - 1, 0)], values[min(row + 1, rows - 1)]
        sides = 4 - (row == 0) - (row == rows - 1)
        most = np.float32(_EDGE_SUSPECT * sides if sides < 4 else sides) * least
        left, centre, right, suspect = line[:-2], line[1:-1], line[2:], is_suspect[1:]
        above, below = above[1:-1], below[1:-1]
        is_suspect[0] = is_suspect[columns - 1] = 1
        for column in range(columns - 2):
            beside = left[column] + right[column]
            contrast = np.float32(4.0) * centre[column] - (above[column] + below[column] + beside)
            suspect[column] = not abs(contrast) <= most  # also where a neighbour is NaN
        suspects = np.int32(0)
        for column in range(columns):
            is_suspect[column] &= line[column] == line[column]
            suspects += np.int32(is_suspect[column])
        found[row] = False
        if suspects > most_suspects and sides == 4:
            continue
        for some in range(len(any_suspect)):
            if any_suspect[some]:
                for column in range(some * _AT_ONCE, min(some * _AT_ONCE + _AT_ONCE, columns)):
                    found[row, column] = is_suspect[column] != 0 and _is_sharp(
                        values, row, column, float(least), threshold * noise_adu, threshold, narrowest, ring, near
                    )


@compiled
def _is_sharp(
    values: Band,
    row: int,
    column: int,
    least: float,
    limit: float,
    threshold: float,
    narrowest: float,
    ring: Band,
    near: Band,
) -> bool:
    rows, columns = values.shape
    centre = values[row, column]
    total, sides = np.float32(0.0), 0
    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        if 0 <= row + down < rows and 0 <= column + right < columns:
            value = values[row + down, column + right]
            if not math.isnan(value):
                total += value
                sides += 1
    if sides == 0 or not abs(centre - total / sides) > least:
        return False
    sign = np.float32(1.0) if centre > total / sides else np.float32(-1.0)
    rings = nears = missed = 0
    for down in range(-2, 3):
        for right in range(-2, 3):
            if not (0 <= row + down < rows and 0 <= column + right < columns):
                continue
            value = sign * values[row + down, column + right]
            if math.isnan(value):
                continue
            if max(abs(down), abs(right)) == 2:
                ring[rings] = value
                rings += 1
                missed += not sign * centre - value > limit
                if missed > len(ring) // 2:  # the peak over the median cannot reach the limit
                    return False
            elif down or right:
                near[nears] = value
                nears += 1
    if rings == 0 or nears == 0:
        return False
    background = _median(ring, rings)
    for i in range(rings):
        ring[i] = abs(ring[i] - background)
    scatter = 1.4826 * _median(ring, rings)
    peak = sign * centre - background
    return bool(peak > max(threshold * scatter, limit) and _median(near, nears) - background < narrowest * peak)


@compiled
def _median(values: Band, count: int) -> float:
    """Median of the first values, which are put in order."""
    for i in range(1, count):
        value = values[i]
        j = i - 1
        while j >= 0 and values[j] > value:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = value
    return 0.5 * (values[(count - 1) // 2] + values[count // 2]) if count else math.nan


@compiled
def clipped_cells(ordered: Band, least_count: int, levels: Numbers, noises: Numbers) -> None:
    """Background and noise of each cell from its values, stars clipped away.

    The level is the mean where few values were clipped, otherwise 2.5 median - 1.5 mean, as in a crowd of stars:
    Bertin & Arnouts (1996), A&AS 117, 393, section 3.

    Parameters
    ----------
    ordered : ndarray, float32, shape (cells, values)
        Ascending, NaN last.
    least_count : int
        A cell with fewer values gets NaN.
    levels, noises : ndarray, float64, shape (cells,)
        Take the results in adu.
    """
    for cell in range(len(ordered)):
        values = ordered[cell]
        low, high = 0, len(values)
        while high > 0 and math.isnan(values[high - 1]):
            high -= 1
        levels[cell] = noises[cell] = math.nan
        if high < least_count:
            continue
        first_sigma = -1.0
        while True:
            # About the median, so that the squares of large numbers do not lose the noise.
            median = 0.5 * (float(values[(low + high - 1) // 2]) + float(values[(low + high) // 2]))
            total = squares = 0.0
            for i in range(low, high):
                apart = float(values[i]) - median
                total += apart
                squares += apart * apart
            mean = total / (high - low)
            sigma = math.sqrt(max(squares / (high - low) - mean * mean, 0.0))
            if first_sigma < 0.0:
                first_sigma = sigma
            before = high - low
            while high - low > 1 and float(values[high - 1]) - median > 3.0 * sigma:
                high -= 1
            while high - low > 1 and median - float(values[low]) > 3.0 * sigma:
                low += 1
            if high - low == before:
                break
        is_crowded = first_sigma > 1.25 * sigma
        levels[cell] = median - 1.5 * mean if is_crowded else median + mean
        noises[cell] = sigma


@compiled
def _cell_rows(mesh: Numbers, row: float, cell_px: int) -> tuple[int, int, float]:
    """The cells whose centres lie over and under a row, and how far it is from the first to the second."""
    y = min(max((row + 0.5) / cell_px - 0.5, 0.0), mesh.shape[0] - 1.0)
    upper = int(y)
    return upper, min(upper + 1, mesh.shape[0] - 1), y - upper


@compiled
def _across_cells(cells: Numbers, column: float, cell_px: int) -> float:
    """Background at a column, linear between the centres of a row of cells."""
    x = min(max((column + 0.5) / cell_px - 0.5, 0.0), len(cells) - 1.0)
    left = int(x)
    across, right = x - left, min(left + 1, len(cells) - 1)
    return float(cells[left] * (1.0 - across) + cells[right] * across)


@compiled
def bin_rows(values: Band, top: int, mesh: Numbers, cell_px: int, first: int, binned: Band) -> int:
    """Means of n x n good pixels over the background; NaN where there is none.

    Parameters
    ----------
    values : ndarray, float32, shape (rows, columns)
        A band of the frame, NaN where bad.
    top : int
        The frame's row that the band begins with.
    mesh : ndarray, float64, shape (cell rows, cell columns)
        Background in cells of `cell_px` pixels.
    first : int
        The binned frame's row that `binned` begins with.
    binned : ndarray, float32, shape (rows, columns // n)
        Takes the means.

    Returns
    -------
    int
        Pixels that were good.
    """
    binning = values.shape[1] // binned.shape[1]
    middle = 0.5 * (binning - 1)
    background, over, under = np.empty(binned.shape[1]), np.empty(binned.shape[1]), np.empty(binned.shape[1])
    known, good = -1, binned.size * binning**2
    for i in range(binned.shape[0]):
        at = (first + i) * binning
        upper, lower, down = _cell_rows(mesh, at + middle, cell_px)
        if upper != known:
            known = upper
            for j in range(binned.shape[1]):
                over[j] = _across_cells(mesh[upper], middle + j * binning, cell_px)
                under[j] = _across_cells(mesh[lower], middle + j * binning, cell_px)
        for j in range(binned.shape[1]):
            background[j] = over[j] * (1.0 - down) + under[j] * down
        rows, means = values[at - top : at - top + binning], binned[i]
        if binning == 2:
            _means_of_four(rows[0], rows[1], background, means)
        else:
            _means(rows, background, means)
        for j in range(len(means)):
            if means[j] != means[j]:
                mean, missing = _mean_of_good(rows[:, j * binning : (j + 1) * binning])
                means[j] = mean - background[j]
                good -= missing
    return int(good)


@compiled
def _means_of_four(upper: Band, lower: Band, background: Numbers, means: Band) -> None:
    """Means of 2 x 2 pixels over the background."""
    for j in range(len(means)):
        left = np.float64(upper[2 * j]) + np.float64(lower[2 * j])
        right = np.float64(upper[2 * j + 1]) + np.float64(lower[2 * j + 1])
        means[j] = (left + right) / 4.0 - background[j]


@compiled
def _means(rows: Band, background: Numbers, means: Band) -> None:
    """Means of so many columns of all rows over the background."""
    total, binning = np.zeros(rows.shape[1]), len(rows)
    for line in rows:
        for column in range(len(line)):
            total[column] += line[column]
    for j in range(len(means)):
        light = 0.0
        for column in range(j * binning, (j + 1) * binning):
            light += total[column]
        means[j] = light / binning**2 - background[j]


@compiled
def _mean_of_good(values: Band) -> tuple[float, int]:
    """Mean of what is not NaN, and how many are."""
    light, missing = 0.0, 0
    for column in range(values.shape[1]):
        down = 0.0
        for row in range(values.shape[0]):
            if math.isnan(values[row, column]):
                missing += 1
            else:
                down += values[row, column]
        light += down
    pixels = values.size - missing
    return (light / pixels if pixels else math.nan), missing


@compiled
def fill(values: Band, reach_px: int, empties_large_holes: bool) -> None:
    """Replace NaN, in place, by the mean of valid neighbours, growing inwards; what lies deeper than the reach is 0.

    Parameters
    ----------
    values : ndarray, float32, shape (rows, columns)
        Changed.
    reach_px : int
        How many rounds of growth.
    empties_large_holes : bool
        Holes that hold a pixel deeper than the reach become 0 as a whole: filling would repeat the noise of their rim,
        like stars.
    """
    rows, columns = values.shape
    flat = values.reshape(values.size)
    count = 0
    for at in range(flat.size):
        count += math.isnan(flat[at])
    if count == 0:
        return
    place, mean = np.empty(count, np.int64), np.empty(count, np.float32)
    count = 0
    for at in range(flat.size):
        if math.isnan(flat[at]):
            place[count] = at
            count += 1
    left = count  # the places still empty come first
    for _ in range(reach_px):
        for k in range(left):
            row, column = place[k] // columns, place[k] % columns
            total, near = 0.0, 0
            for r in range(max(row - 1, 0), min(row + 2, rows)):
                for c in range(max(column - 1, 0), min(column + 2, columns)):
                    if not math.isnan(values[r, c]):
                        total += values[r, c]
                        near += 1
            mean[k] = total / near if near else math.nan
        empty = 0
        for k in range(left):
            at = place[k]
            flat[at] = mean[k]
            if math.isnan(mean[k]):
                place[k] = place[empty]
                place[empty] = at
                empty += 1
        left = empty
    if empties_large_holes:
        for k in range(left, count):
            row, column = place[k] // columns, place[k] % columns
            for r in range(max(row - reach_px, 0), min(row + reach_px + 1, rows)):
                for c in range(max(column - reach_px, 0), min(column + reach_px + 1, columns)):
                    if math.isnan(values[r, c]):
                        flat[place[k]] = 0.0
    for k in range(left):
        flat[place[k]] = 0.0


@compiled
def smooth(values: Band, weights: Band, smoothed: Band) -> None:
    """Convolve with the same symmetric weights along columns and rows; outside of the frame is 0.

    Parameters
    ----------
    values : ndarray, float32, shape (rows, columns)
        The frame.
    weights : ndarray, float32, shape (2 n + 1,)
        Of the pixels around.
    smoothed : ndarray, float32, shape (rows, columns)
        Takes the result.
    """
    rows, columns = values.shape
    reach = len(weights) // 2
    line = np.zeros(columns + 2 * reach, np.float32)
    for row in range(rows):
        line[reach : reach + columns] = 0.0
        first, last = max(reach - row, 0), min(2 * reach + 1, reach + rows - row)
        for k in range(first, last - 3, 4):
            at = row + k - reach
            _add_four(
                line[reach : reach + columns], weights[k:], values[at], values[at + 1], values[at + 2], values[at + 3]
            )
        for k in range(last - (last - first) % 4, last):
            _add(line[reach : reach + columns], weights[k], values[row + k - reach])
        total = smoothed[row]
        total[:] = 0.0
        for k in range(0, 2 * reach - 2, 4):
            _add_four(total, weights[k:], line[k:], line[k + 1 :], line[k + 2 :], line[k + 3 :])
        for k in range(2 * reach + 1 - (2 * reach + 1) % 4, 2 * reach + 1):
            _add(total, weights[k], line[k:])


@compiled
def _add(total: Band, weight: np.float32, values: Band) -> None:
    for column in range(len(total)):
        total[column] += weight * values[column]


@compiled
def _add_four(total: Band, weights: Band, first: Band, second: Band, third: Band, fourth: Band) -> None:
    """`_add` four times, the sums written once."""
    a, b, c, d = weights[0], weights[1], weights[2], weights[3]
    for column in range(len(total)):
        total[column] = ((total[column] + a * first[column]) + b * second[column] + c * third[column]) + d * fourth[
            column
        ]


@compiled
def lonely_peaks(values: Band, some: NDArray[np.int64], around: int) -> Band:
    """Of some values, those with no greater one around them.

    Parameters
    ----------
    values : ndarray, float32, shape (rows, columns)
        A frame.
    some : ndarray, int64, shape (candidates,)
        Flat indices of the values that are looked at.
    around : int
        Rows and columns, on each side.

    Returns
    -------
    ndarray, float32, shape (peaks,)
        Their values, in the order of the indices.
    """
    columns = values.shape[1]
    found = np.empty(len(some), np.float32)
    count = 0
    for index in some:
        row, column = index // columns, index % columns
        if _is_highest(values, row, column, 1) and _is_highest(values, row, column, around):
            found[count] = values[row, column]
            count += 1
    return found[:count].copy()


@compiled
def _is_highest(values: Band, row: int, column: int, around: int) -> bool:
    for r in range(max(row - around, 0), min(row + around + 1, values.shape[0])):
        for c in range(max(column - around, 0), min(column + around + 1, values.shape[1])):
            if values[r, c] > values[row, column]:
                return False
    return True


@compiled
def summits(
    values: Band, order: NDArray[np.int64], least_rise: float, relative_rise: float, least_area: int
) -> NDArray[np.int64]:
    """Find the peaks that stand out from the saddle to any higher one.

    Pixels are flooded from the brightest down, each joins the highest region that it touches; where two regions meet,
    the lower one is a star only if it rose enough over the saddle (its topological persistence: Edelsbrunner,
    Letscher & Zomorodian 2002, Discrete Comput. Geom. 28, 511).

    Parameters
    ----------
    values : ndarray, float32, shape (rows, columns)
        Smoothed frame.
    order : ndarray, int64, shape (pixels,)
        Flat indices of the pixels over the limit, brightest first.
    least_rise : float
        How far a peak must rise over the saddle,
    relative_rise : float
        and which fraction of itself.
    least_area : int
        Pixels that its own region must have.

    Returns
    -------
    ndarray, int64, shape (peaks,)
        Flat indices, brightest first.
    """
    rows, columns = values.shape
    region = np.zeros(values.shape, np.int32)  # 0 is not flooded yet
    peak = np.empty(len(order) + 1, np.int64)
    joined = np.arange(len(order) + 1).astype(np.int32)
    area = np.zeros(len(order) + 1, np.int32)
    is_star = np.ones(len(order) + 1, np.bool_)
    regions = 0
    for k in range(len(order)):
        row, column = order[k] // columns, order[k] % columns
        height = values[row, column]
        highest = 0
        for r in range(max(row - 1, 0), min(row + 2, rows)):
            for c in range(max(column - 1, 0), min(column + 2, columns)):
                touched = region[r, c]
                if touched == 0:
                    continue
                while joined[touched] != touched:
                    joined[touched] = joined[joined[touched]]
                    touched = joined[touched]
                if highest == 0:
                    highest = touched
                elif touched != highest:
                    lower, highest = max(touched, highest), min(touched, highest)
                    top = values[peak[lower] // columns, peak[lower] % columns]
                    is_star[lower] = top - height >= max(least_rise, relative_rise * top) and area[lower] >= least_area
                    joined[lower] = highest
        if highest == 0:
            regions += 1
            peak[regions] = order[k]
            highest = regions
        region[row, column] = highest
        area[highest] += 1
    found = np.empty(regions, np.int64)
    count = 0
    for k in range(1, regions + 1):
        if is_star[k] and (joined[k] != k or area[k] >= least_area):
            found[count] = peak[k]
            count += 1
    return found[:count]


@compiled
def measure_stars(
    values: Band,
    flags: NDArray[np.uint8],
    saturated_flag: np.uint8,
    top: int,
    frame_rows: int,
    x: Numbers,
    y: Numbers,
    window_px: float,
    radius_px: float,
    core_px: int,
    noise_adu: float,
    threshold: float,
    narrowest: float,
    mesh: Numbers,
    cell_px: int,
    table: Numbers,
) -> None:
    """Centre each star under a Gaussian window and measure it there.

    Parameters
    ----------
    values : ndarray, float32, shape (rows, columns)
        A band of the frame, NaN where bad, which holds every star with `stamp_half` rows twice over.
    flags : ndarray, uint8, shape (rows, columns) or (0, 0)
        Bits of `app.model.flags.Dq`, if there are any.
    saturated_flag : uint8
        Which of them says that a pixel is saturated.
    top, frame_rows : int
        The frame's row that the band begins with, and how many the frame has.
    x, y : ndarray, float64, shape (stars,)
        About where the stars are, in the frame.
    window_px : float
        Standard deviation of the window.
    radius_px : float
        Of the circle of the flux.
    core_px : int
        Half the side of the core, less half a pixel.
    noise_adu, threshold, narrowest : float
        What is sharp, see `mark_sharp`.
    mesh : ndarray, float64
        Background, see `bin_rows`.
    cell_px : int
        Of the mesh.
    table : ndarray, float64, shape (stars, MEASURES)
        Takes the results. Centroids: XWIN_IMAGE of SExtractor's manual. A Gaussian star under a Gaussian window has
        1/m = 1/v + 1/w, with the variances m under the window, v of the star and w of the window; so v = m / (1 - m/w).
    """
    half = stamp_half(window_px)
    rows, columns = len(values), values.shape[1]
    side = 2 * half + 1
    raw = np.empty((side + 2 * SHARP_REACH_PX, side + 2 * SHARP_REACH_PX), np.float32)
    is_sharp = np.empty(raw.shape, np.bool_)
    stamp = np.empty((side, side), np.float32)
    in_x, in_y = np.empty(side), np.empty(side)
    for star in range(len(x)):
        centre_x, centre_y = x[star], y[star]
        column, row = round(centre_x), round(centre_y)
        for _ in range(2):  # the second time with the star in the middle of its stamp
            middle_x, middle_y = round(centre_x), round(centre_y)
            _cut(values, top, frame_rows, middle_x, middle_y, raw)
            mark_sharp(raw, noise_adu, threshold, narrowest, is_sharp)
            has_holes = False
            for i in range(side):
                upper, lower, down = _cell_rows(mesh, middle_y - half + i, cell_px)
                for j in range(side):
                    over = _across_cells(mesh[upper], middle_x - half + j, cell_px)
                    under = _across_cells(mesh[lower], middle_x - half + j, cell_px)
                    background = over * (1.0 - down) + under * down
                    value = raw[i + SHARP_REACH_PX, j + SHARP_REACH_PX]
                    r, c = middle_y - half + i, middle_x - half + j
                    if not (0 <= r < frame_rows and 0 <= c < columns):
                        stamp[i, j] = 0.0
                    elif math.isnan(value) or is_sharp[i + SHARP_REACH_PX, j + SHARP_REACH_PX]:
                        stamp[i, j] = math.nan
                        has_holes = True
                    else:
                        stamp[i, j] = value - background
            if has_holes:
                fill(stamp, _FILL_REACH_PX, True)
            for _ in range(_CENTRING_ROUNDS):
                total, over, under, _, _, _ = _moments(
                    stamp, centre_x - middle_x + half, centre_y - middle_y + half, window_px, in_x, in_y
                )
                step_x, step_y = 2.0 * over / total, 2.0 * under / total
                # A star that runs away has no light of its own: it stops at the edge of its first stamp.
                centre_x = min(max(centre_x + step_x, column - half), column + half)
                centre_y = min(max(centre_y + step_y, row - half), row + half)
                if abs(step_x) + abs(step_y) < _CENTRED_PX:
                    break
            if round(centre_x) == middle_x and round(centre_y) == middle_y:
                break
        total, _, _, across, along, mixed = _moments(
            stamp, centre_x - middle_x + half, centre_y - middle_y + half, window_px, in_x, in_y
        )
        across, along, mixed = across / total, along / total, mixed / total
        mean, difference = (across + along) / 2.0, math.hypot((across - along) / 2.0, mixed)
        found = table[star]
        found[X], found[Y], found[WINDOWED] = centre_x, centre_y, total
        found[MAJOR] = _unwindowed(mean + difference, window_px)
        found[MINOR] = _unwindowed(mean - difference, window_px)
        found[ORIENTATION] = math.degrees(math.atan2(2.0 * mixed, across - along)) / 2.0
        found[FLUX] = _in_circle(stamp, centre_x - middle_x + half, centre_y - middle_y + half, radius_px)
        highest, bad, saturated = -math.inf, 0, 0
        for r in range(round(centre_y) - core_px, round(centre_y) + core_px + 1):
            for c in range(round(centre_x) - core_px, round(centre_x) + core_px + 1):
                i, j = min(max(r, 0), frame_rows - 1) - top, min(max(c, 0), columns - 1)
                if not 0 <= i < rows or math.isnan(values[i, j]):
                    bad += 1
                elif values[i, j] > highest:
                    highest = float(values[i, j])
                if flags.size and 0 <= i < rows:
                    saturated += (flags[i, j] & saturated_flag) != 0
        found[PEAK] = highest if highest > -math.inf else 0.0
        found[MASKED] = bad / (2 * core_px + 1) ** 2
        found[SATURATED] = saturated


@compiled
def stamp_half(window_px: float) -> int:
    """Half the side of the stamp of a star, less half a pixel."""
    return math.ceil(3.0 * window_px) + 2


@compiled
def _cut(values: Band, top: int, frame_rows: int, middle_x: int, middle_y: int, stamp: Band) -> None:
    """Copy the surroundings of a pixel; NaN outside of the frame."""
    half = len(stamp) // 2
    for i in range(len(stamp)):
        for j in range(len(stamp)):
            row, column = middle_y - half + i - top, middle_x - half + j
            is_inside = 0 <= row < len(values) and 0 <= column < values.shape[1] and row + top < frame_rows
            stamp[i, j] = values[row, column] if is_inside else math.nan


@compiled
def _moments(stamp: Band, x: float, y: float, window_px: float, in_x: Numbers, in_y: Numbers) -> _Sums:
    """Sums of 1, dx, dy, dx^2, dy^2 and dx dy under the window; the first never 0."""
    for k in range(len(stamp)):
        in_x[k] = math.exp(-0.5 * ((k - x) / window_px) ** 2)
        in_y[k] = math.exp(-0.5 * ((k - y) / window_px) ** 2)
    total = over = under = across = along = mixed = 0.0
    for i in range(len(stamp)):
        row_sum = row_over = row_across = 0.0
        for j in range(len(stamp)):
            light = in_x[j] * stamp[i, j]
            dx = j - x
            row_sum += light
            row_over += light * dx
            row_across += light * dx * dx
        dy = i - y
        total += in_y[i] * row_sum
        over += in_y[i] * row_over
        under += in_y[i] * row_sum * dy
        across += in_y[i] * row_across
        along += in_y[i] * row_sum * dy * dy
        mixed += in_y[i] * row_over * dy
    return max(total, _NO_LIGHT_ADU), over, under, across, along, mixed


@compiled
def _unwindowed(variance_px2: float, window_px: float) -> float:
    """Standard deviation that a star would have without the window."""
    seen = min(max(variance_px2, _LEAST_VARIANCE_PX2), _WIDEST_SEEN * window_px**2)
    return math.sqrt(seen / (1.0 - seen / window_px**2))


@compiled
def _in_circle(stamp: Band, x: float, y: float, radius_px: float) -> float:
    """Sum within a circle; pixels that its edge cuts count by their 5 x 5 parts."""
    total = 0.0
    for i in range(len(stamp)):
        for j in range(len(stamp)):
            apart = (i - y) ** 2 + (j - x) ** 2
            if apart <= (radius_px - 0.8) ** 2:
                total += stamp[i, j]
            elif apart < (radius_px + 0.8) ** 2:
                inside = 0
                for k in range(_SUBPIXELS):
                    for m in range(_SUBPIXELS):
                        dy = i - y + (k - 2) / _SUBPIXELS
                        dx = j - x + (m - 2) / _SUBPIXELS
                        inside += dx * dx + dy * dy <= radius_px * radius_px
                total += stamp[i, j] * inside / _SUBPIXELS**2
    return total


def warm() -> None:
    """Compile for calibrated lights."""
    values, found, flags = np.zeros((8, 8), np.float32), np.zeros((8, 8), np.bool_), np.zeros((8, 8), np.uint8)
    cells, mesh = np.zeros(8), np.zeros((1, 1))
    decode(values.view(np.uint32), flags, np.uint8(1), False)
    mark_sharp(values, 1.0, 1.0, 1.0, found)
    clipped_cells(values, 1, cells, cells.copy())
    bin_rows(values, 0, mesh, 8, 0, values.copy())
    fill(values, 1, True)
    smooth(values, values[0, :3], values.copy())
    lonely_peaks(values, np.zeros(1, np.int64), 1)
    summits(values, np.zeros(1, np.int64), 1.0, 1.0, 1)
    stamp_half(1.0)
    none, table = np.empty(0), np.empty((0, MEASURES))
    measure_stars(values, flags, np.uint8(1), 0, 8, none, none, 1.0, 2.0, 1, 1.0, 1.0, 1.0, mesh, 8, table)
