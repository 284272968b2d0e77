"""Exact quantiles of more values than fit into memory: numbers are sorted into bins by their leading bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.pipeline.kernels.compiled import compiled

_BINS = 1 << 16
_CHUNK = 1024


class Distribution:
    """How float32 values are distributed over bins of one part in 128 of the value; the cut into bands is no matter."""

    def __init__(self) -> None:
        self._counts = np.zeros((2, _BINS), np.int64)

    def add(self, values: NDArray[np.float32]) -> None:
        """Count values, shape (pixels,); those that are not finite are left out."""
        _count_high(values.view(np.uint32), self._counts)

    @property
    def total(self) -> int:
        """Finite values so far."""
        return int(self._counts.sum())

    def quantile(self, part: float) -> float:
        """Value that this part of the values, at most all, lies under: lower to 1 % of the true one; NaN without any."""
        if not self.total:
            return float("nan")
        return _value(self.bin_of(int(part * (self.total - 1))), 0)

    def bin_of(self, rank: int) -> int:
        """Bin of the value of this rank, from 0."""
        return int(np.searchsorted(self._cumulative, rank, side="right"))

    def below(self, number: int) -> int:
        """How many values lie in the bins before this one."""
        return int(self._cumulative[number] - self._counts[:, number].sum())

    @property
    def _cumulative(self) -> NDArray[np.int64]:
        return np.cumsum(self._counts.sum(axis=0))


class Median:
    """The exact median, found in a second pass over the values of a `Distribution`.

    Parameters
    ----------
    first_pass : Distribution
        Of the same values.
    """

    def __init__(self, first_pass: Distribution) -> None:
        total = first_pass.total
        ranks = ((total - 1) // 2, total // 2) if total else ()
        self._bins = [first_pass.bin_of(rank) for rank in ranks]
        self._ranks = [rank - first_pass.below(number) for rank, number in zip(ranks, self._bins, strict=True)]
        self._counts = np.zeros((2, _BINS), np.int64)

    def add(self, values: NDArray[np.float32]) -> None:
        """Count values, shape (pixels,)."""
        if self._bins:
            _count_low(values.view(np.uint32), self._bins[0], self._bins[1], self._counts)

    @property
    def value(self) -> float:
        """As `numpy.median` of the finite values in float64; NaN without any."""
        if not self._bins:
            return float("nan")
        counts = [self._counts[int(number != self._bins[0])] for number in self._bins]
        found = [
            _value(number, int(np.searchsorted(np.cumsum(count), rank, side="right")))
            for number, rank, count in zip(self._bins, self._ranks, counts, strict=True)
        ]
        return sum(found) / 2.0


def _value(high: int, low: int) -> float:
    """The number whose key has these halves."""
    key = np.uint32(high << 16 | low)
    bits = key ^ np.uint32(0x80000000) if key >> np.uint32(31) else ~key
    return float(bits.view(np.float32))


def warm() -> None:
    """Compile for float32."""
    values, first_pass = np.zeros(1, np.float32), Distribution()
    first_pass.add(values)
    Median(first_pass).add(values)


@compiled
def _key(bits: np.uint32) -> np.uint32:
    """Bits of a float32 as an integer of the same order: IEEE 754 orders magnitudes so already."""
    return np.uint32(~bits) if bits >> np.uint32(31) else np.uint32(bits | np.uint32(0x80000000))


@compiled
def _is_finite(bits: np.uint32) -> bool:
    return bool((bits & np.uint32(0x7F800000)) != np.uint32(0x7F800000))


@compiled
def _count_high(bits: NDArray[np.uint32], counts: NDArray[np.int64]) -> None:
    for i in range(bits.size):
        if _is_finite(bits[i]):
            counts[i & 1, _key(bits[i]) >> np.uint32(16)] += 1  # by turns, for neighbours often share a bin


@compiled
def _count_low(bits: NDArray[np.uint32], first: int, second: int, counts: NDArray[np.int64]) -> None:
    chosen = np.empty(_CHUNK + 1, np.uint32)
    for begin in range(0, bits.size, _CHUNK):
        part = bits[begin : begin + _CHUNK]
        number = 0
        for i in range(part.size):  # without a branch that nobody can foretell
            key = _key(part[i])
            high = key >> np.uint32(16)
            chosen[number] = key
            number += int((high == first) | (high == second))
        for i in range(number):
            is_second = chosen[i] >> np.uint32(16) != first
            counts[int(is_second), chosen[i] & np.uint32(0xFFFF)] += 1
