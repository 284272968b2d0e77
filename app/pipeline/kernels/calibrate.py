"""The arithmetic of one frame: decode, subtract, divide and flag; float32 rounded once from each float64 sum.

Masters come, and products go, as the words of FITS: float32, most significant byte first. What is only copied from or to
a file is so never turned round in a pass of its own.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.frames.fits_io import Encoding
from app.model.flags import Dq
from app.pipeline.kernels.compiled import compiled

_IS_LITTLE = sys.byteorder == "little"
_GOOD, _NO_FLAT, _SATURATED, _NO_DATA = (np.uint8(bit) for bit in (0, Dq.NO_FLAT, Dq.SATURATED, Dq.NO_DATA))
#: Pixels that are flagged together, or mostly, having nothing to be flagged for, not at all.
_RUN_PIXELS = 1024
_NO_DOUBT, _DOUBT = np.uint32(0), np.uint32(1)
_INFINITE, _NO_VALUE = np.float32(np.inf), np.float32(np.nan)


def decode(stored: NDArray[Any], encoding: Encoding, values: NDArray[np.float32]) -> None:
    """Turn numbers as they are stored into adu.

    Parameters
    ----------
    stored : ndarray, any shape, C-contiguous
        Of `FrameReader.read_encoded`.
    encoding : Encoding
        Of the same reader.
    values : ndarray, float32, same shape
        Takes the values; for float32 it may be `stored` itself.
    """
    target = values.reshape(-1)
    source = stored.reshape(-1)
    if encoding.dtype.itemsize == 2:
        is_flipped = encoding.is_offset or encoding.dtype.kind == "i"
        zero = np.float32(0.0 if encoding.dtype.kind == "u" else -32768.0)
        _decode_16(source.view(np.uint16), encoding.is_swapped, is_flipped, zero, target)
    elif encoding.dtype.kind == "i":
        _decode_32(source.view(np.uint32), encoding.is_swapped, target)
    else:
        if source is not target:
            target[...] = source
        if encoding.is_swapped:
            _swap(target.view(np.uint32))


def warm() -> None:
    """Compile for every type of raw frame."""
    pixels, flags, one = np.ones(1, np.float32), np.zeros(1, np.uint8), np.float32(1.0)
    words = np.ones(1, np.uint32)
    for dtype in (np.uint16, np.int32, np.float32):
        decode(np.ones(1, dtype), Encoding(np.dtype(dtype), is_swapped=True), pixels)
    peak(pixels, one)
    subtract(pixels, words, words, 1.0, pixels)
    calibrate(pixels, words, words, 1.0, words, one, one, words, flags)
    uncertainty(pixels, words, words, 1.0, words, (words, words, words), one, one, words)


@compiled
def subtract(
    raw: NDArray[np.float32],
    bias: NDArray[np.uint32],
    dark: NDArray[np.uint32],
    dark_scale: float,
    values: NDArray[np.float32],
) -> None:
    """Remove bias and dark current: ``raw - bias - dark_scale (dark - bias)``.

    A scale of 0 leaves ``raw - bias``; and ``raw - dark`` where the dark, which contains the bias, stands in its place.
    Dark current grows linearly with time: Howell (2006), Handbook of CCD Astronomy, 4.3.

    Parameters
    ----------
    raw : ndarray, float32, shape (pixels,)
        adu.
    bias, dark : ndarray, uint32, shape (pixels,)
        adu, words of FITS.
    dark_scale : float
        Exposure of the frame over exposure of the dark.
    values : ndarray, shape (pixels,)
        Takes the result, adu; negative values stay. It may be `raw` itself.
    """
    for i in range(raw.size):
        values[i] = _without_dark(raw[i], _float(bias[i]), _float(dark[i]), dark_scale)


@compiled
def calibrate(
    raw: NDArray[np.float32],
    bias: NDArray[np.uint32],
    dark: NDArray[np.uint32],
    dark_scale: float,
    flat: NDArray[np.uint32],
    flat_floor: np.float32,
    saturation_adu: np.float32,
    values: NDArray[np.uint32],
    dq: NDArray[np.uint8],
) -> None:
    """Subtract as `subtract` does, divide by the flat, and flag.

    Parameters
    ----------
    raw : ndarray, float32, shape (pixels,)
        adu.
    bias, dark : ndarray, uint32, shape (pixels,)
        adu; words of FITS.
    dark_scale : float
        As for `subtract`.
    flat : ndarray, uint32, shape (pixels,)
        Normalised to 1; words of FITS.
    flat_floor : float
        Flat values under it, or not a number, are no flat: the pixel is NaN and NO_FLAT.
    saturation_adu : float
        Raw values from it on are SATURATED; infinite when it is not known.
    values : ndarray, uint32, shape (pixels,)
        Takes the result, adu, words of FITS. A pixel without a number is NaN and NO_DATA; a BAD one keeps its value.
    dq : ndarray, uint8, shape (pixels,)
        Has the flags of the masters, and takes those of the light.
    """
    for first in range(0, raw.size, _RUN_PIXELS):
        last = min(first + _RUN_PIXELS, raw.size)
        counts, responses, results = raw[first:last], flat[first:last], values[first:last]
        if _divide(
            counts, bias[first:last], dark[first:last], dark_scale, responses, flat_floor, saturation_adu, results
        ):
            _flag(counts, responses, flat_floor, saturation_adu, results, dq[first:last])


@compiled
def _divide(
    raw: NDArray[np.float32],
    bias: NDArray[np.uint32],
    dark: NDArray[np.uint32],
    dark_scale: float,
    flat: NDArray[np.uint32],
    flat_floor: np.float32,
    saturation_adu: np.float32,
    values: NDArray[np.uint32],
) -> bool:
    """The pixels of `calibrate`: a single difference is in float32 what it is in float64, rounded once.

    Returns whether some pixel has no value, or may be saturated.
    """
    doubts = _NO_DOUBT  # as wide as the pixels: of those that are wider a register takes fewer
    if dark_scale == 0.0:
        for i in range(raw.size):
            value = _quotient(raw[i] - _float(bias[i]), _float(flat[i]), flat_floor)
            doubts = np.uint32(doubts | _doubt(value, raw[i], saturation_adu))
            values[i] = _word(value)
    else:
        for i in range(raw.size):
            signal = _without_dark(raw[i], _float(bias[i]), _float(dark[i]), dark_scale)
            value = _quotient(signal, _float(flat[i]), flat_floor)
            doubts = np.uint32(doubts | _doubt(value, raw[i], saturation_adu))
            values[i] = _word(value)
    return bool(doubts > 0)


@compiled
def _quotient(signal: np.float32, response: np.float32, flat_floor: np.float32) -> np.float32:
    value = signal / response
    return value if (response >= flat_floor) & (abs(value) < _INFINITE) else _NO_VALUE


@compiled
def _doubt(value: np.float32, raw: np.float32, saturation_adu: np.float32) -> np.uint32:
    return _NO_DOUBT if (value < _INFINITE) & (raw < saturation_adu) else _DOUBT


@compiled
def _flag(
    raw: NDArray[np.float32],
    flat: NDArray[np.uint32],
    flat_floor: np.float32,
    saturation_adu: np.float32,
    values: NDArray[np.uint32],
    dq: NDArray[np.uint8],
) -> None:
    """The flags of `calibrate`, which has written the values."""
    for i in range(raw.size):
        saturated = _SATURATED if raw[i] >= saturation_adu else _GOOD
        missing = _GOOD if _float(values[i]) < _INFINITE else _NO_DATA
        missing = missing if _float(flat[i]) >= flat_floor else _NO_FLAT
        dq[i] = np.uint8(dq[i] | np.uint8(saturated | missing))


@compiled
def uncertainty(
    raw: NDArray[np.float32],
    bias: NDArray[np.uint32],
    dark: NDArray[np.uint32],
    dark_scale: float,
    flat: NDArray[np.uint32],
    errors: tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]],
    adu_per_e: np.float32,
    read_noise_adu: np.float32,
    values: NDArray[np.uint32],
) -> None:
    """Standard deviation of what `calibrate` returns, adu.

    With S what `subtract` leaves, F the flat, k the scale of the dark and e the errors of the masters, the variance is
    ``(max(S, 0) / gain + (read noise / gain)^2 + (1 - k)^2 e_bias^2 + k^2 e_dark^2 + (S / F)^2 e_flat^2) / F^2``:
    photon and read noise (Howell 2006, Handbook of CCD Astronomy, 4.4), and the propagation of independent errors.

    Parameters
    ----------
    raw : ndarray, float32, shape (pixels,)
        As for `calibrate`, like the next four.
    bias, dark : ndarray, uint32, shape (pixels,)
        adu; words of FITS.
    dark_scale : float
        Of the dark.
    flat : ndarray, uint32, shape (pixels,)
        Normalised to 1; words of FITS.
    errors : tuple of ndarray, uint32, shape (pixels,)
        Standard errors of bias, dark and flat, words of FITS; one that is not a number counts as none.
    adu_per_e : float
        1 / gain.
    read_noise_adu : float
        Read noise over gain.
    values : ndarray, uint32, shape (pixels,)
        Has what `calibrate` wrote, and takes its standard deviations, words of FITS; NaN stays NaN.
    """
    constant = read_noise_adu * read_noise_adu
    dark_part = np.float32(dark_scale * dark_scale)
    bias_part = np.float32((1.0 - dark_scale) * (1.0 - dark_scale))
    of_bias, of_dark, of_flat = errors
    for i in range(raw.size):
        signal, value = _without_dark(raw[i], _float(bias[i]), _float(dark[i]), dark_scale), _float(values[i])
        variance = (signal if signal > 0 else np.float32(0.0)) * adu_per_e + constant
        variance += bias_part * _square(of_bias[i]) + dark_part * _square(of_dark[i])
        variance += value * value * _square(of_flat[i])
        values[i] = _word(np.sqrt(variance) / _float(flat[i]))


@compiled
def peak(values: NDArray[np.float32], level: np.float32) -> tuple[np.float32, int, int]:
    """Highest finite value, how many have it, and how many are at `level` or above; -inf and 0 without any."""
    highest = np.float32(-np.inf)
    above = 0
    for i in range(values.size):
        value = values[i] if values[i] < np.inf else np.float32(-np.inf)
        highest = max(value, highest)
        above += 1 if values[i] >= level else 0
    count = 0
    if highest > -np.inf:
        for i in range(values.size):
            count += 1 if values[i] == highest else 0
    return highest, count, above


@compiled
def _float(word: np.uint32) -> np.float32:
    """Value of a word of FITS."""
    return np.uint32(_swapped(word) if _IS_LITTLE else word).view(np.float32)


@compiled
def _word(value: np.float32) -> np.uint32:
    """A value as a word of FITS."""
    word = np.float32(value).view(np.uint32)
    return _swapped(word) if _IS_LITTLE else word


@compiled
def _without_dark(raw: np.float32, bias: np.float32, dark: np.float32, dark_scale: float) -> np.float32:
    low = np.float64(bias)
    return np.float32(np.float64(raw) - low - dark_scale * (np.float64(dark) - low))


@compiled
def _square(word: np.uint32) -> np.float32:
    error = _float(word)
    return error * error if error == error else np.float32(0.0)  # noqa: PLR0124 - NaN alone differs from itself


@compiled
def _swapped(word: np.uint32) -> np.uint32:
    outer = (word >> np.uint32(24)) | (word << np.uint32(24))
    return np.uint32(
        outer | ((word >> np.uint32(8)) & np.uint32(0xFF00)) | ((word << np.uint32(8)) & np.uint32(0xFF0000))
    )


@compiled
def _swap(words: NDArray[np.uint32]) -> None:
    for i in range(words.size):
        words[i] = _swapped(words[i])


@compiled
def _decode_16(
    stored: NDArray[np.uint16], is_swapped: bool, is_flipped: bool, zero: np.float32, values: NDArray[np.float32]
) -> None:
    flip = np.uint16(0x8000) if is_flipped else np.uint16(0)
    if is_swapped:
        for i in range(stored.size):
            word = stored[i]
            values[i] = (
                np.float32(
                    np.uint16(np.uint16(np.uint16(word << np.uint16(8)) | np.uint16(word >> np.uint16(8))) ^ flip)
                )
                + zero
            )
    else:
        for i in range(stored.size):
            values[i] = np.float32(np.uint16(stored[i] ^ flip)) + zero


@compiled
def _decode_32(stored: NDArray[np.uint32], is_swapped: bool, values: NDArray[np.float32]) -> None:
    for i in range(stored.size):
        word = _swapped(stored[i]) if is_swapped else stored[i]
        values[i] = np.float32(np.int32(word))
