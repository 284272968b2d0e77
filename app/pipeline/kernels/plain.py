"""The arithmetic over bands of rows: the one interface behind which faster kernels may come.

Every function takes a band of all frames, shape (frames, rows, columns), and returns a band of shape (rows, columns);
none knows files or batches. Bands are cut by `app.frames.fits_io.bands`, and the result never depends on the cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Narrowest and widest value that the histogram of `exact_median` resolves; others still count, only slower.
_HISTOGRAM_ADU = (-65536, 196608)


def median(stack: NDArray[Any]) -> NDArray[np.float32]:
    """Median of each pixel over the frames, exactly `numpy.median`; NaN are left out where there are any.

    Parameters
    ----------
    stack : ndarray, shape (frames, rows, columns)
        Any real type.

    Returns
    -------
    ndarray, float32, shape (rows, columns)
        NaN where no frame has a value.
    """
    if stack.dtype.kind != "f" or not np.isnan(stack).any():
        exact: NDArray[np.float32] = np.median(stack, axis=0).astype(np.float32)
        return exact
    ordered = np.sort(stack, axis=0)  # NaN sort last
    count = np.isfinite(ordered).sum(axis=0)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[None], axis=0)[0]
    high = np.take_along_axis(ordered, np.minimum(count // 2, len(stack) - 1)[None], axis=0)[0]
    middle = (low + high) / 2.0
    return np.where(count > 0, middle, np.nan).astype(np.float32)


def calibrated(
    raw: NDArray[Any],
    bias: NDArray[Any] | None,
    dark: NDArray[Any] | None,
    dark_scale: float,
    flat: NDArray[Any] | None,
    flat_floor: float,
) -> NDArray[np.float64]:
    """Remove bias and dark current from a band and divide by the flat, in float64.

    With a bias: ``raw - bias - dark_scale * (dark - bias)``; with a dark alone, which contains the bias:
    ``raw - dark``; then divided by the flat. Never bias and dark both whole. Dark current grows linearly with
    time: Howell (2006), Handbook of CCD Astronomy, 4.3.

    Parameters
    ----------
    raw, bias, dark : ndarray, shape (rows, columns)
        Band of the frame and of the masters, adu.
    dark_scale : float
        Exposure of the frame over exposure of the dark; used only with a bias.
    flat : ndarray, shape (rows, columns)
        Band of the flat, normalised to a median of 1.
    flat_floor : float
        Flat values under it, or not finite, make a bad pixel.

    Returns
    -------
    ndarray, float64, shape (rows, columns)
        adu; NaN at bad pixels; negative values stay.
    """
    values = raw.astype(np.float64)
    if bias is not None:
        values -= bias
        if dark is not None:
            values -= dark_scale * (dark.astype(np.float64) - bias)
    elif dark is not None:
        values -= dark
    if flat is not None:
        with np.errstate(invalid="ignore", divide="ignore"):
            values /= np.where(flat >= flat_floor, flat, np.nan)
    return values


def exact_median(read: Callable[[], Iterable[NDArray[Any]]]) -> float:
    """Median of all finite values of a frame, without holding the frame.

    Two passes: a histogram of width 1 finds the bins of the two middle values, a second pass gathers those bins.

    Parameters
    ----------
    read : callable
        Gives the bands of the frame anew at each call.

    Returns
    -------
    float
        NaN when no value is finite.
    """
    low, high = _HISTOGRAM_ADU
    counts = np.zeros(high - low + 2, np.int64)
    for band in read():
        counts += np.bincount(_bins(band), minlength=len(counts))
    total = int(counts.sum())
    if total == 0:
        return float("nan")
    cumulative = np.cumsum(counts)
    first, last = (int(np.searchsorted(cumulative, rank, side="right")) for rank in ((total - 1) // 2, total // 2))
    gathered = []
    for band in read():
        finite = band[np.isfinite(band)]
        chosen = _bins(finite)
        gathered.append(finite[(chosen >= first) & (chosen <= last)])
    middle = np.sort(np.concatenate(gathered))
    before = int(cumulative[first] - counts[first])
    return float((middle[(total - 1) // 2 - before] + middle[total // 2 - before]) / 2.0)


def _bins(values: NDArray[Any]) -> NDArray[np.int64]:
    low, high = _HISTOGRAM_ADU
    finite = values[np.isfinite(values)]
    found: NDArray[np.int64] = np.clip(np.floor(finite), low - 1, high).astype(np.int64) - (low - 1)
    return found
