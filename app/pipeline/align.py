"""Bring one frame onto another: match their stars and fit the mapping."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import pdtrc

from app.model.errors import CalibrationError
from app.pipeline.sources import Sources

Floats = NDArray[np.float64]
Pairs = NDArray[np.intp]

#: Stars that make triangles with their nearest neighbours, those that make triangles with each other, and those that
#: confirm a mapping.
_BRIGHTEST = 80
_NEIGHBOURS = 7
_FAR_CORNERS = 16
_CONFIRMING = 200
_FEWEST_MATCHES = 4
_AFFINE_MATCHES = 12

#: Triangles agree when their sides do to this fraction; scales differ by no more than `_SCALE_LIMIT`.
_SIDE_TOLERANCE = 0.015
_SCALE_LIMIT = 1.05
_SHORTEST_SIDE_PX = 8.0
_CLEARLY = 0.97
_PROPOSALS_TRIED = 60
_CONFIRM_PX = 3.0

#: Expected number of wrong mappings that fit as well, over which a mapping is refused.
_LIKELY_CHANCE = 1e-3

_REFINEMENTS = 8
_CLIP_SIGMA = 3.5
_LEAST_GATE_PX = 0.3
_RAYLEIGH_MEDIAN = 1.177

#: Sources narrower than this at one place of both frames belong to the camera, not to the sky.
_SHARP_FWHM_PX = 1.4
_SAME_PLACE_PX = 0.5

#: Centroids are no better than this, whatever the noise says; and their error in units of FWHM / (S/N).
_CENTROID_FLOOR_PX = 0.05
_CENTROID_NOISE = 0.6
_SATURATED_ERROR = 0.25
_FLUX_STARS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """How a moving frame lies on a reference.

    Attributes
    ----------
    matrix : ndarray, float64, shape (2, 3)
        Maps a pixel (x, y) of the moving frame to the reference: ``matrix[:, :2] @ (x, y) + matrix[:, 2]``. For equal
        orientations the last column is the shift, reference position minus moving position.
    matched : int
        Stars that the mapping was fitted to.
    rms_px : float
        Root mean square distance of those stars after the mapping, in pixels of the reference.
    flux_ratio : float
        Median flux of a star in the moving frame over that in the reference.
    is_flipped : bool
        Turned by more than 90 degrees, as after a meridian flip.
    smooth_px : float
        Scale of the search for stars, see `app.pipeline.sources.detect`.
    """

    matrix: Floats
    matched: int
    rms_px: float
    flux_ratio: float
    is_flipped: bool
    smooth_px: float

    @property
    def rotation_deg(self) -> float:
        """Angle by which the moving frame is turned to lie on the reference, -180 to 180, from +x towards +y."""
        return math.degrees(math.atan2(self.matrix[1, 0] - self.matrix[0, 1], self.matrix[0, 0] + self.matrix[1, 1]))

    def apply(self, positions: Floats) -> Floats:
        """Positions (x, y) of the moving frame, shape (n, 2), on the reference."""
        return _apply(self.matrix, positions)


def register_sources(moving: Sources, reference: Sources) -> Alignment:
    """Find the mapping of one frame onto another from their stars.

    Triangles of the brightest stars that agree in size and shape propose a rotation, a scale and a shift; the
    proposal which most stars confirm is refined. Any rotation is found, scales up to 5 % apart; a mirror image is not.
    With fewer than 12 matched stars the mapping is a similarity, otherwise affine.

    Parameters
    ----------
    moving, reference : Sources
        Stars of both frames, found with one smoothing.

    Returns
    -------
    Alignment
        Mapping of the moving frame's pixels to the reference's.

    Raises
    ------
    CalibrationError
        If fewer than 4 stars agree, or no more than chance would bring together, or only sharp sources at the same
        places of both frames, which are hot pixels.
    """
    marks = _camera_marks(moving, reference)
    moving_stars = moving.take(np.setdiff1d(np.arange(len(moving)), marks[:, 0]))
    reference_stars = reference.take(np.setdiff1d(np.arange(len(reference)), marks[:, 1]))
    if min(len(moving_stars), len(reference_stars)) < _FEWEST_MATCHES:
        raise CalibrationError(
            f"{_counted(moving_stars, reference_stars, marks)} are too few to align the frame, which takes "
            f"{_FEWEST_MATCHES}: expose longer, or leave the frame out"
        )
    here, there = moving_stars.positions[:_CONFIRMING], reference_stars.positions[:_CONFIRMING]
    proposals, agreeing = _proposals(here[:_BRIGHTEST], there[:_BRIGHTEST])
    pairs = np.empty((0, 2), np.intp)
    chance = math.inf
    if agreeing:
        proposal = _most_confirmed(proposals, here, there)
        matrix, pairs, gate_px = _refine(proposal, moving_stars, reference_stars)
        chance = agreeing * _chance(len(pairs), gate_px, matrix, here, there)
    if len(pairs) < _FEWEST_MATCHES or chance > _LIKELY_CHANCE:
        raise CalibrationError(
            f"{_counted(moving_stars, reference_stars, marks)} agree in {len(pairs)} at best, which may be chance: "
            "check that both frames show the same field, or leave the frame out"
        )
    return _alignment(matrix, pairs, moving_stars, reference_stars)


def _counted(moving: Sources, reference: Sources, marks: Pairs) -> str:
    """How many stars there were to match."""
    text = f"{len(moving)} stars of the frame and {len(reference)} of the reference"
    return text + (f" (besides {len(marks)} hot pixels, sharp and at the same places in both)" if len(marks) else "")


def _camera_marks(moving: Sources, reference: Sources) -> Pairs:
    """Pairs of sharp sources at the same pixel of both frames."""
    pairs = _nearest(moving.positions, cKDTree(reference.positions), _SAME_PLACE_PX)
    is_sharp = np.maximum(moving.fwhm_px[pairs[:, 0]], reference.fwhm_px[pairs[:, 1]]) < _SHARP_FWHM_PX
    return pairs[is_sharp]


def _proposals(here: Floats, there: Floats) -> tuple[Floats, int]:
    """Similarities that lay a triangle on one of the same shape, those with the best supported corners first.

    Returns
    -------
    proposals : ndarray, shape (at most `_PROPOSALS_TRIED`, 2, 3)
    agreeing : int
        How many triangles agree, of which only the first propose.
    """
    corners_here, shapes_here, sizes_here = _triangles(here)
    corners_there, shapes_there, sizes_there = _triangles(there)
    if len(shapes_here) == 0 or len(shapes_there) == 0:
        return np.empty((0, 2, 3)), 0
    near = cKDTree(shapes_here).sparse_distance_matrix(cKDTree(shapes_there), _SIDE_TOLERANCE, output_type="coo_matrix")
    is_near = np.abs(np.log(sizes_here[near.row] / sizes_there[near.col])) < math.log(_SCALE_LIMIT)
    of_here, of_there = near.row[is_near], near.col[is_near]
    from_corners, to_corners = corners_here[of_here], corners_there[of_there]
    votes = np.zeros((len(here), len(there)), np.intp)
    np.add.at(votes, (from_corners.ravel(), to_corners.ravel()), 1)
    support = votes[from_corners, to_corners].sum(axis=1)
    first = np.argsort(-support, kind="stable")[:_PROPOSALS_TRIED]
    return _similarities(here[from_corners[first]], there[to_corners[first]]), len(support)


def _triangles(points: Floats) -> tuple[Pairs, Floats, Floats]:
    """Triangles of near points, and of the brightest ones, whose sides have a clear order.

    Near ones survive where two frames share only a part of the sky, far ones where faint sources are not the same.

    Parameters
    ----------
    points : ndarray, shape (points, 2)
        Brightest first.

    Returns
    -------
    corners : ndarray, shape (triangles, 3)
        Indices of the points opposite to the shortest, the middle and the longest side.
    shapes : ndarray, shape (triangles, 3)
        Logarithms of the shorter sides over the longest, and the sense of rotation: far apart for mirror images.
    sizes_px : ndarray, shape (triangles,)
        Longest sides.
    """
    near = np.asarray(cKDTree(points).query(points, k=min(_NEIGHBOURS + 1, len(points)))[1])
    far = np.arange(min(_FAR_CORNERS, len(points)))[None]
    threes = np.sort(np.concatenate([_threes(near), _threes(far)]), axis=1)
    once = np.unique(np.ravel_multi_index(tuple(threes.T), (len(points),) * 3), return_index=True)[1]
    corners = threes[once]
    at = points[corners]
    sides_px = np.stack([np.hypot(*(at[:, (k + 1) % 3] - at[:, (k + 2) % 3]).T) for k in range(3)], axis=1)
    order = np.argsort(sides_px, axis=1, kind="stable")
    short, middle, long = np.take_along_axis(sides_px, order, axis=1).T
    # Sides of equal length have no order, and a short one no direction.
    is_clear = (short > _SHORTEST_SIDE_PX) & (short < _CLEARLY * middle) & (middle < _CLEARLY * long)
    corners, short, middle, long = (
        np.take_along_axis(corners, order, axis=1)[is_clear],
        short[is_clear],
        middle[is_clear],
        long[is_clear],
    )
    (x1, y1), (x2, y2) = (points[corners[:, k]].T - points[corners[:, 0]].T for k in (1, 2))
    shapes = np.column_stack([np.log(short / long), np.log(middle / long), np.sign(x1 * y2 - x2 * y1)])
    return corners, shapes, long


def _threes(rows: Pairs) -> Pairs:
    """All choices of 3 from each row, shape (choices, 3)."""
    chosen = np.array(list(combinations(range(rows.shape[1]), 3)), np.intp).reshape(-1, 3)
    return rows[:, chosen].reshape(-1, 3)


def _similarities(here: Floats, there: Floats) -> Floats:
    """Least-squares rotation, scale and shift of each set of points onto its counterpart.

    In the complex plane a similarity is one product and one sum: w = a z + b.

    Parameters
    ----------
    here, there : ndarray, shape (sets, points, 2)

    Returns
    -------
    ndarray, shape (sets, 2, 3)
    """
    z, w = (points[..., 0] + 1j * points[..., 1] for points in (here, there))
    z_mean, w_mean = z.mean(axis=1, keepdims=True), w.mean(axis=1, keepdims=True)
    a = (np.conj(z - z_mean) * (w - w_mean)).sum(axis=1) / (np.abs(z - z_mean) ** 2).sum(axis=1)
    b = w_mean[:, 0] - a * z_mean[:, 0]
    return np.stack([np.stack([a.real, -a.imag, b.real], axis=1), np.stack([a.imag, a.real, b.imag], axis=1)], axis=1)


def _most_confirmed(proposals: Floats, here: Floats, there: Floats) -> Floats:
    """The proposal that lays most stars near one of the reference."""
    laid = np.einsum("pij,nj->pni", proposals[:, :, :2], here) + proposals[:, None, :, 2]
    distance, _ = cKDTree(there).query(laid, distance_upper_bound=_CONFIRM_PX)
    # Among proposals with as many stars, the closest.
    closeness = np.maximum(1.0 - (distance / _CONFIRM_PX) ** 2, 0.0).sum(axis=1)
    best: Floats = proposals[int(np.argmax(closeness))]
    return best


def _refine(matrix: Floats, moving: Sources, reference: Sources) -> tuple[Floats, Pairs, float]:
    """Fit the mapping to all stars that it brings together, again and again, while the gate closes.

    Returns
    -------
    matrix : ndarray, shape (2, 3)
    pairs : ndarray, shape (matched, 2)
        Indices in `moving` and `reference` of the stars that agree.
    gate_px : float
        How near a star had to come.
    """
    here, there = moving.positions, reference.positions
    tree = cKDTree(there)
    errors_here, errors_there = _centroid_errors(moving), _centroid_errors(reference)
    gate_px = _CONFIRM_PX
    before = np.empty((0, 2), np.intp)
    for _ in range(_REFINEMENTS):
        pairs = _nearest(_apply(matrix, here), tree, gate_px)
        expected_px = np.hypot(errors_here[pairs[:, 0]], errors_there[pairs[:, 1]])
        if len(pairs) == 0:
            break
        surprise = _distances(matrix, here, there, pairs) / expected_px
        agree = surprise <= _CLIP_SIGMA * max(float(np.median(surprise)) / _RAYLEIGH_MEDIAN, 1.0)
        pairs, expected_px = pairs[agree], expected_px[agree]
        if len(pairs) < _FEWEST_MATCHES or np.array_equal(pairs, before):
            break
        before = pairs
        matrix = _fit(here[pairs[:, 0]], there[pairs[:, 1]], 1.0 / expected_px)
        typical_px = float(np.median(_distances(matrix, here, there, pairs)))
        gate_px = min(max(_CLIP_SIGMA * typical_px, _LEAST_GATE_PX), gate_px)
    return matrix, pairs, gate_px


def _fit(here: Floats, there: Floats, weights: Floats) -> Floats:
    """Weighted least squares: a similarity for few stars, otherwise affine."""
    z, weight = here - here.mean(axis=0), weights[:, None]
    one, zero = np.ones(len(z)), np.zeros(len(z))
    if len(z) < _AFFINE_MATCHES:
        # x' = a x - b y + c and y' = b x + a y + d
        terms = [np.column_stack([z[:, 0], -z[:, 1], one, zero]), np.column_stack([z[:, 1], z[:, 0], zero, one])]
        a, b, c, d = np.linalg.lstsq(np.vstack([weight * term for term in terms]), (weights * there.T).ravel())[0]
        linear, shift = np.array([[a, -b], [b, a]]), np.array([c, d])
    else:
        solution = np.linalg.lstsq(weight * np.column_stack([z, one]), weight * there)[0]
        linear, shift = solution[:2].T, solution[2]
    return np.column_stack([linear, shift - linear @ here.mean(axis=0)])


def _alignment(matrix: Floats, pairs: Pairs, moving: Sources, reference: Sources) -> Alignment:
    """Sum up what the matched stars say."""
    is_good = ~(moving.is_saturated[pairs[:, 0]] | reference.is_saturated[pairs[:, 1]])
    good = pairs[is_good] if np.any(is_good) else pairs
    brightest = good[np.argsort(-reference.flux_adu[good[:, 1]], kind="stable")[:_FLUX_STARS]]
    ratios = moving.flux_adu[brightest[:, 0]] / reference.flux_adu[brightest[:, 1]]
    distances_px = _distances(matrix, moving.positions, reference.positions, good)
    return Alignment(
        matrix=matrix,
        matched=len(pairs),
        rms_px=float(np.sqrt(np.mean(distances_px**2))),
        flux_ratio=float(np.median(ratios)),
        is_flipped=bool(matrix[0, 0] + matrix[1, 1] < 0.0),
        smooth_px=moving.smooth_px,
    )


def _chance(matched: int, gate_px: float, matrix: Floats, here: Floats, there: Floats) -> float:
    """Probability that a wrong mapping, right for the three stars that proposed it, brings so many together.

    The other stars fall at random on the reference's stars, which fill their bounding box evenly.
    """
    low, high = there.min(axis=0), there.max(axis=0)
    laid = _apply(matrix, here)
    within = int(np.count_nonzero(np.all((laid >= low) & (laid <= high), axis=1)))
    expected = within * len(there) * math.pi * gate_px**2 / max(float(np.prod(high - low)), 1.0)
    return float(pdtrc(matched - 4, expected)) if matched >= _FEWEST_MATCHES else 1.0


def _centroid_errors(stars: Sources) -> Floats:
    """Expected error of each centroid per axis, in pixels."""
    errors_px: Floats = np.hypot(_CENTROID_FLOOR_PX, _CENTROID_NOISE * stars.fwhm_px / np.maximum(stars.snr, 1.0))
    return np.where(stars.is_saturated, np.hypot(errors_px, _SATURATED_ERROR * stars.fwhm_px), errors_px)


def _nearest(here: Floats, there: cKDTree, limit_px: float) -> Pairs:
    """Each point of `there` with the nearest of those points that are nearest to it, within the limit.

    Returns
    -------
    ndarray, shape (pairs, 2)
    """
    distance, nearest = (np.asarray(found) for found in there.query(here, distance_upper_bound=limit_px))
    closest_first = np.argsort(distance, kind="stable")[: np.count_nonzero(np.isfinite(distance))]
    index = np.sort(closest_first[np.unique(nearest[closest_first], return_index=True)[1]])
    return np.column_stack([index, nearest[index]])


def _distances(matrix: Floats, here: Floats, there: Floats, pairs: Pairs) -> Floats:
    """How far each pair is apart after the mapping, in pixels."""
    apart: Floats = np.hypot(*(_apply(matrix, here[pairs[:, 0]]) - there[pairs[:, 1]]).T)
    return apart


def _apply(matrix: Floats, positions: Floats) -> Floats:
    """Map positions (x, y), shape (n, 2)."""
    mapped: Floats = positions @ matrix[:, :2].T + matrix[:, 2]
    return mapped
