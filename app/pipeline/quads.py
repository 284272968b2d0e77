"""Quads: groups of four stars with a code that no shift, turn or scale changes.

The idea is of Lang et al. (2010), AJ 139, 1782: the two stars farthest apart span a frame of reference, and the
positions of the two others in it are the code. Points of a plane are complex numbers here, so that a shift, turn
and scale is ``turn * point + shift``.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

_PAIRS = np.array(list(itertools.combinations(range(4), 2)))
_PAIR_FIRST = np.array([[i, j, *(k for k in range(4) if k not in (i, j))] for i, j in _PAIRS])


@dataclass(frozen=True, slots=True, eq=False)
class Quads:
    """Groups of four points, each in the order of its code.

    Attributes
    ----------
    points : ndarray, complex128, shape (quads, 4)
        The points; the first two are farthest apart.
    codes : ndarray, float64, shape (quads, 4)
        Third and fourth point (x, y, x, y) in the frame where the first is (0, 0) and the second (1, 0).
    """

    points: NDArray[np.complex128]
    codes: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.codes)

    def keep(self, chosen: NDArray[np.intp]) -> Quads:
        """The chosen quads."""
        return Quads(self.points[chosen], self.codes[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Similarities:
    """Maps ``plane = turn * pixel + shift``, one per pair of quads with equal codes.

    Attributes
    ----------
    turn, shift : ndarray, complex128, shape (maps,)
        The map; ``abs(turn)`` is its scale.
    """

    turn: NDArray[np.complex128]
    shift: NDArray[np.complex128]

    def __len__(self) -> int:
        return len(self.turn)

    def keep(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Similarities:
        """The chosen maps, in the order of `chosen`."""
        return Similarities(self.turn[chosen], self.shift[chosen])


def quads(points: NDArray[np.complex128], neighbours: int = 7) -> Quads:
    """Quads of each point and three of its nearest neighbours.

    Parameters
    ----------
    points : ndarray, complex128, shape (stars,)
        Positions in a plane, in any unit.
    neighbours : int
        How many neighbours are combined, three at a time.

    Returns
    -------
    Quads
        Each group once; none when there are fewer than five points.
    """
    if len(points) < 5:
        return Quads(np.empty((0, 4), complex), np.empty((0, 4)))
    plane = np.column_stack([points.real, points.imag])
    near = np.asarray(cKDTree(plane).query(plane, k=min(neighbours + 1, len(points)))[1])
    groups = points[np.unique(np.sort(with_neighbours(near), axis=1), axis=0)]
    order, codes = coded(groups)
    return Quads(np.take_along_axis(groups, order, axis=1), codes).keep(np.flatnonzero(np.isfinite(codes).all(axis=1)))


def with_neighbours(near: NDArray[np.integer]) -> NDArray[np.integer]:
    """Groups of a point and three of its neighbours; `near` has the point first, shape (points, 1 + neighbours)."""
    triples = itertools.combinations(range(1, near.shape[1]), 3)
    return np.concatenate([near[:, (0, *triple)] for triple in triples])


def coded(groups: NDArray[np.complex128]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The order of its code for each group of four points, and the code; NaN where all four are one place.

    Parameters
    ----------
    groups : ndarray, complex128, shape (groups, 4)
        Points of a plane.

    Returns
    -------
    order : ndarray, int, shape (groups, 4)
        The two points farthest apart first.
    codes : ndarray, float64, shape (groups, 4)
        As in `Quads`.
    """
    distances = np.abs(groups[:, _PAIRS[:, 0]] - groups[:, _PAIRS[:, 1]])
    order = _PAIR_FIRST[distances.argmax(axis=1)]
    groups = np.take_along_axis(groups, order, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        inner = (groups[:, 2:] - groups[:, :1]) / (groups[:, 1:2] - groups[:, :1])
    # Of the two ends, the one nearer to the inner points comes first; of the inner points, the one nearer to it.
    swap = inner.real.sum(axis=1) > 1.0
    order[swap] = order[swap][:, [1, 0, 2, 3]]
    inner[swap] = 1.0 - inner[swap]
    swap = inner[:, 0].real > inner[:, 1].real
    order[swap] = order[swap][:, [0, 1, 3, 2]]
    inner[swap] = inner[swap][:, ::-1]
    return order, np.column_stack([inner[:, 0].real, inner[:, 0].imag, inner[:, 1].real, inner[:, 1].imag])


def similarities(image: Quads, sky: Quads, code_tolerance: float = 0.02) -> Similarities:
    """The map of every pair of quads whose codes agree.

    Parameters
    ----------
    image, sky : Quads
        Quads of the detections and of the catalogue, of the same parity.
    code_tolerance : float
        Greatest distance of two codes, in units of the longest side.

    Returns
    -------
    Similarities
        In no particular order; most are accidents.
    """
    if not (len(image) and len(sky)):
        return Similarities(np.empty(0, complex), np.empty(0, complex))
    hits = cKDTree(image.codes).query_ball_tree(cKDTree(sky.codes), code_tolerance)
    counts = np.array([len(hit) for hit in hits])
    pixel = image.points[np.repeat(np.arange(len(image)), counts)]
    return fitted(pixel, sky.points[np.fromiter(itertools.chain.from_iterable(hits), np.intp, counts.sum())])


def fitted(pixel: NDArray[np.complex128], plane: NDArray[np.complex128]) -> Similarities:
    """The least-squares map of each row of points of the frame to the same row of the plane."""
    pixel_mean, plane_mean = pixel.mean(axis=1), plane.mean(axis=1)
    pixel_offset, plane_offset = pixel - pixel_mean[:, None], plane - plane_mean[:, None]
    turn = (pixel_offset.conj() * plane_offset).sum(axis=1) / (np.abs(pixel_offset) ** 2).sum(axis=1)
    return Similarities(turn, plane_mean - turn * pixel_mean)
