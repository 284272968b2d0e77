"""How values become shades: lookup tables, so that a change of stretch costs the same as any other picture."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.model.picture_view import Stretch

#: Entries of a table: so many that the steep foot of the logarithm still has every shade.
STEPS = 65536
#: Where asinh turns from linear to logarithmic, of the whole range (Lupton, Gunn & Szalay 1999, AJ 118, 1406).
_SOFTENING = 0.1
_LOG_RANGE = 1000.0


@lru_cache(maxsize=len(Stretch))
def lookup_table(stretch: Stretch) -> NDArray[np.uint8]:
    """Shades 0 to 255 of values 0 to 1.

    Returns
    -------
    ndarray, uint8, shape (STEPS,)
        Rises from 0 to 255; read-only.
    """
    table = np.rint(255.0 * stretched(np.linspace(0.0, 1.0, STEPS), stretch)).astype(np.uint8)
    table.setflags(write=False)
    return table


def stretched(fraction: NDArray[np.float64], stretch: Stretch) -> NDArray[np.float64]:
    """Brightness 0 to 1 of a value 0 to 1 between the limits."""
    if stretch is Stretch.ASINH:
        return np.asarray(np.arcsinh(fraction / _SOFTENING) / np.arcsinh(1.0 / _SOFTENING))
    if stretch is Stretch.LOG:
        return np.asarray(np.log1p(_LOG_RANGE * fraction) / np.log1p(_LOG_RANGE))
    return np.sqrt(fraction) if stretch is Stretch.SQRT else fraction


def shaded(values: NDArray[Any], low: float, high: float, stretch: Stretch) -> NDArray[np.uint8]:
    """Shades of values.

    Parameters
    ----------
    values : ndarray
        Any numbers, any shape; NaN becomes 0.
    low, high : float
        Values of shade 0 and 255; everything is a step when they are equal.

    Returns
    -------
    ndarray, uint8
        Of the same shape.
    """
    if values.dtype == np.uint16 and values.size > STEPS:  # each value there is once, not each pixel
        return shaded(np.arange(STEPS, dtype=np.uint16), low, high, stretch).take(values)
    span = max(high - low, float(np.finfo(np.float32).tiny))
    is_exact_in_float32 = values.dtype.itemsize <= 2 or values.dtype == np.float32
    steps = np.subtract(values, low, dtype=np.float32 if is_exact_in_float32 else np.float64)
    with np.errstate(over="ignore"):
        steps *= (STEPS - 1) / span
    np.fmax(steps, 0.0, out=steps)  # fmax and fmin take NaN for the other number
    np.fmin(steps, STEPS - 1, out=steps)
    shades: NDArray[np.uint8] = lookup_table(stretch).take(steps.astype(np.uint16))
    return shades
