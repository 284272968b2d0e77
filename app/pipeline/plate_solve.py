"""Plate solving: where on the sky a frame lies, told by its stars.

Quads of detections are looked up among quads of the catalogue around a hint; every pair with equal codes proposes
a map, maps that agree with one another are tried first, and one that puts more catalogue stars on detections than
accident can explains is refined with all stars to TAN or TAN-SIP.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from astropy.wcs import WCS
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree
from scipy.special import gammainc

from app.frames.star_catalogue import CatalogueStars, StarCatalogue, unit_vectors
from app.model.errors import ObservatoryError
from app.pipeline.quads import Quads, Similarities, quads, similarities
from app.pipeline.sky_fit import Distortion, SkyFit, fit_sky, to_plane
from app.pipeline.workers import Check

log = logging.getLogger(__name__)

Card = tuple[str, float | int | str | bool, str]

MIN_MATCHED = 8
MIN_MATCHED_SHARE = 0.25
MAX_RMS_PX = 1.5
CATALOGUE_NAME = "Tycho-2"
TOO_SPARSE = (
    f"{CATALOGUE_NAME} is too sparse for this field; use a solver with a deeper catalogue (solve-field or astap_cli)"
)
DEPTHS = (20, 35, 60, 100, 160)  # brightest detections from which quads are made, in turn

_MAX_DETECTIONS = 200  # more of them, and accidents look like stars
_MAX_TRIALS = 300  # maps that are tried per depth and parity
_MIN_FITTED = 4  # fewer stars fix no sky
_MAX_REFINED = 10  # maps that are refined before a frame is given up
_MAX_ACCIDENT = 1e-5  # chance of as many matches by accident, above which a map is not refined
_ORDER_FROM = {2: 14, 3: 30}  # matched stars that a polynomial of that order needs


class Unsolved(ObservatoryError):
    """A frame whose place on the sky was not found; the text says why."""


class TooSparse(Unsolved):
    """The catalogue has too few stars in a field of that size, wherever near the position it lies."""


class Rejected(Unsolved):
    """A place was found and not believed."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Where the frame should lie.

    Attributes
    ----------
    ra_deg, dec_deg : float
        Position of the middle of the frame, ICRS degrees.
    radius_deg : float
        How far from there the middle may be.
    scale_arcsec : float
        Arc seconds per pixel.
    scale_tolerance : float
        Greatest relative error of the scale, either way; 0.2 is 20 %.
    """

    ra_deg: float
    dec_deg: float
    radius_deg: float
    scale_arcsec: float
    scale_tolerance: float = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Where a frame lies on the sky.

    Attributes
    ----------
    wcs : WCS
        TAN, or TAN-SIP with its inverse (AP, BP); ICRS.
    matched, in_field : int
        Catalogue stars matched, and all catalogue stars in the frame.
    rms_arcsec : float
        Root mean square distance of the matched stars from their catalogue positions.
    order : int
        Order of the polynomial: 1 is TAN, above it is TAN-SIP.
    scale_arcsec : float
        Arc seconds per pixel in the middle of the frame.
    rotation_deg : float
        Position angle of the direction of increasing rows, from North through East, -180 to 180.
    is_flipped : bool
        True when the frame, drawn with row 0 at the bottom, shows the sky as in a mirror.
    centre_ra_deg, centre_dec_deg : float
        Middle of the frame, ICRS degrees.
    is_remembered : bool
        Whether the distortion is that of an earlier frame, and only the linear part was fitted.
    solver : str
        Who found it: cupola, solve-field or astap.
    """

    wcs: WCS
    matched: int
    in_field: int
    rms_arcsec: float
    order: int
    scale_arcsec: float
    rotation_deg: float
    is_flipped: bool
    centre_ra_deg: float
    centre_dec_deg: float
    is_remembered: bool = False
    solver: str = "cupola"


@dataclass(frozen=True, slots=True)
class Lens:
    """How the distortion of a frame may be fitted.

    Attributes
    ----------
    most_order : int
        Highest order of the polynomial; few stars carry less.
    train : Distortion or None
        What is known of it, for a frame with few stars.
    """

    most_order: int = 3
    train: Distortion | None = None


#: Up to the third order, nothing remembered.
ANY_LENS = Lens()


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """A fit and what it matched: catalogue stars, those in the frame, and their rms distance."""

    fit: SkyFit
    matched: int
    in_field: int
    rms_arcsec: float
    is_remembered: bool = False

    @property
    def scale_arcsec(self) -> float:
        """Arc seconds per pixel in the middle of the frame."""
        return 3600.0 * math.sqrt(abs(np.linalg.det(self.fit.matrix_deg)))

    @property
    def is_accepted(self) -> bool:
        """Whether it is too good for an accident."""
        return (
            self.matched >= MIN_MATCHED
            and self.matched >= MIN_MATCHED_SHARE * self.in_field
            and self.rms_arcsec < MAX_RMS_PX * self.scale_arcsec
        )


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The brightest detections of a frame, as it is (`is_mirrored` False) or mirrored top to bottom.

    Attributes
    ----------
    pixels : ndarray, complex128, shape (detections,)
        Column and row, 0-based; the row is negative when mirrored.
    shape : tuple of int
        Rows and columns of the frame.
    is_mirrored : bool
        Mirrored detections match a sky that is seen from within.
    tree : cKDTree
        Of the pixels.
    """

    pixels: NDArray[np.complex128]
    shape: tuple[int, int]
    is_mirrored: bool
    tree: cKDTree

    @classmethod
    def both(cls, pixels: NDArray[np.complex128], shape: tuple[int, int]) -> tuple[Detections, Detections]:
        """Mirrored and not, of all detections of a frame."""
        brightest = pixels[:_MAX_DETECTIONS]
        return cls._made(brightest.conj(), shape, True), cls._made(brightest, shape, False)

    @classmethod
    def _made(cls, pixels: NDArray[np.complex128], shape: tuple[int, int], is_mirrored: bool) -> Detections:
        return cls(pixels, shape, is_mirrored, cKDTree(np.column_stack([pixels.real, pixels.imag])))

    @property
    def middle(self) -> complex:
        """Middle of the frame."""
        middle = complex((self.shape[1] - 1) / 2.0, (self.shape[0] - 1) / 2.0)
        return middle.conjugate() if self.is_mirrored else middle

    def accident(self, in_plane: NDArray[np.complex128], turn: complex, shift: complex) -> float:
        """Chance that a map ``plane = turn * pixel + shift`` puts as many stars on detections by accident."""
        rows, columns = self.shape
        expected = (in_plane - shift) / turn
        x, y = expected.real, -expected.imag if self.is_mirrored else expected.imag
        expected = expected[(x > 0.0) & (x < columns) & (y > 0.0) & (y < rows)]
        if len(expected) < MIN_MATCHED:
            return 1.0
        near_px = max(3.0, 0.004 * max(self.shape))
        distance, _ = self.tree.query(np.column_stack([expected.real, expected.imag]), distance_upper_bound=near_px)
        # Four matches made the map and prove nothing.
        matched, tried = int(np.isfinite(distance).sum()) - 4, len(expected) - 4
        by_accident = min(0.9, len(self.pixels) * math.pi * near_px**2 / (rows * columns))
        return float(gammainc(matched, tried * by_accident)) if matched > 0 else 1.0

    def seed(self, turn: complex, shift: complex, centre_ra_deg: float, centre_dec_deg: float) -> SkyFit:
        """A map ``plane = turn * pixel + shift`` as a polynomial of order 1."""
        half_px = max(self.shape) / 2.0
        along_y = turn * (-1j if self.is_mirrored else 1j) * half_px
        coefficients = np.array([turn * self.middle + shift, turn * half_px, along_y])
        return SkyFit(centre_ra_deg, centre_dec_deg, self.shape, 1, coefficients)


def go_on() -> None:
    """The check of work that nobody can stop."""


def solve(
    x_px: ArrayLike,
    y_px: ArrayLike,
    shape: tuple[int, int],
    hint: Hint,
    catalogue: StarCatalogue,
    lens: Lens = ANY_LENS,
    check: Check = go_on,
) -> Solution:
    """Find where a frame lies on the sky, near a hint.

    Parameters
    ----------
    x_px, y_px : array_like, float, shape (detections,)
        Columns and rows of the detected stars, 0-based pixels, brightest first; 60 or more are best.
    shape : tuple of int
        Rows and columns of the frame.
    hint : Hint
        Where to look.
    catalogue : StarCatalogue
        The stars of the sky.
    lens : Lens
        How its distortion may be fitted.
    check : callable
        Raises `Cancelled` when the work should stop.

    Returns
    -------
    Solution
        At least 8 matched stars, a quarter of the catalogue stars in the frame, rms below 1.5 pixels.

    Raises
    ------
    Unsolved
        If there are too few detections or catalogue stars, or if they do not match.
    """
    pixels = detected(x_px, y_px)
    half_diagonal_deg = math.hypot(*shape) / 2.0 * hint.scale_arcsec * (1.0 + hint.scale_tolerance) / 3600.0
    stars = catalogue.cone(hint.ra_deg, hint.dec_deg, hint.radius_deg + half_diagonal_deg)
    _require_stars(stars, shape, hint)
    best: Match | None = None
    for seed in islice(_seeds(pixels, stars, shape, hint, check), _MAX_REFINED):
        match = refined(seed, pixels, catalogue, lens)
        if match is not None and match.is_accepted:
            log.debug("Solved with %d of %d stars", match.matched, match.in_field)
            return as_solution(match)
        if match is not None and (best is None or match.matched > best.matched):
            best = match
    raise _unmatched(len(pixels), len(stars), shape, hint, best)


def detected(x_px: ArrayLike, y_px: ArrayLike) -> NDArray[np.complex128]:
    """Detections as complex numbers, those that are not finite left out; raises `Unsolved` for too few."""
    pixels = np.asarray(x_px, float) + 1j * np.asarray(y_px, float)
    pixels = pixels[np.isfinite(pixels)]
    if len(pixels) < MIN_MATCHED:
        raise Unsolved(f"Only {len(pixels)} stars were detected and {MIN_MATCHED} are needed: expose longer")
    return pixels


def header_cards(solution: Solution) -> list[Card]:
    """The cards which tell of a solution.

    Parameters
    ----------
    solution : Solution
        Where the frame lies.

    Returns
    -------
    list of (keyword, value, comment)
        The world coordinate system with SIP terms, then how it was found; an external solver's
        catalogue is not known, nor always what it matched.
    """
    wcs = solution.wcs.wcs
    cards: list[Card] = [("WCSAXES", 2, "Number of world coordinate axes")]
    for axis in (0, 1):
        cards += [
            (f"CTYPE{axis + 1}", wcs.ctype[axis], "Projection"),
            (f"CUNIT{axis + 1}", "deg", "Unit of CRVAL and CD"),
            (f"CRVAL{axis + 1}", float(wcs.crval[axis]), "[deg] Sky position of the reference pixel"),
            (f"CRPIX{axis + 1}", float(wcs.crpix[axis]), "[pix] Reference pixel, 1-based"),
            (f"CD{axis + 1}_1", float(wcs.cd[axis, 0]), "[deg/pix] Along columns"),
            (f"CD{axis + 1}_2", float(wcs.cd[axis, 1]), "[deg/pix] Along rows"),
        ]
    cards.append(("RADESYS", "ICRS", "Reference system"))
    cards += _sip_cards(solution.wcs)
    cards += [
        ("WCSERR", 0, "0 solved, 1 none, 2 rejected, 9 not tried"),
        ("WCSSOLVR", solution.solver, "What solved the astrometry"),
        *([("WCSRFCAT", CATALOGUE_NAME, "Reference catalogue")] if solution.solver == "cupola" else []),
        *_match_cards(solution),
        ("WCSORDER", solution.order, "Order of the polynomial; 1 is TAN"),
        *([("DISTORT", "remembered", "Distortion of an earlier frame")] if solution.is_remembered else []),
        ("SECPIX", round(solution.scale_arcsec, 6), "[arcsec/pix] Scale in the middle"),
        ("WCSROT", round(solution.rotation_deg, 4), "[deg] Position angle of the columns' direction"),
        ("WCSFLIP", solution.is_flipped, "Sky is mirrored with row 1 at the bottom"),
    ]
    return cards


def _match_cards(solution: Solution) -> list[Card]:
    """How well it agrees with a catalogue, where that is known."""
    if not solution.matched:
        return []
    return [
        ("WCSMATCH", solution.matched, "Catalogue stars matched"),
        ("WCSNREF", solution.in_field, "Catalogue stars in the frame"),
        ("WCSRMS", round(solution.rms_arcsec, 4), "[arcsec] Rms distance of the matched stars"),
    ]


def _sip_cards(wcs: WCS) -> list[Card]:
    """Cards of the distortion and of its inverse; none for TAN."""
    if wcs.sip is None:
        return []
    cards: list[Card] = []
    for name in ("a", "b", "ap", "bp"):
        matrix = getattr(wcs.sip, name)
        cards.append((f"{name.upper()}_ORDER", len(matrix) - 1, "Order of the SIP polynomial"))
        cards += [
            (f"{name.upper()}_{i}_{j}", float(matrix[i, j]), "SIP term") for i, j in np.argwhere(matrix != 0.0).tolist()
        ]
    return cards


def _require_stars(stars: CatalogueStars, shape: tuple[int, int], hint: Hint) -> None:
    """Refuse a field in which the catalogue cannot have enough stars, wherever around the hint the frame lies.

    Raises
    ------
    Unsolved
        If no circle of the frame's area holds as many catalogue stars as must match.
    """
    scale_deg = hint.scale_arcsec * (1.0 + hint.scale_tolerance) / 3600.0
    radius_deg = scale_deg * math.sqrt(shape[0] * shape[1] / math.pi)
    most = 0
    if len(stars):
        tree = cKDTree(unit_vectors(stars.ra_deg, stars.dec_deg))
        chord = 2.0 * math.sin(math.radians(min(radius_deg, 180.0)) / 2.0)
        most = int(tree.query_ball_point(tree.data, chord, return_length=True).max())
    if most < MIN_MATCHED:
        raise TooSparse(
            f"Only {most} catalogue star{'' if most == 1 else 's'} at most in {_size(shape, hint)} near "
            f"{hint.ra_deg:.4f} {hint.dec_deg:+.4f} and {MIN_MATCHED} are needed: {TOO_SPARSE}"
        )


def _size(shape: tuple[int, int], hint: Hint) -> str:
    """Width and height of the frame on the sky, for people."""
    width_deg, height_deg = (hint.scale_arcsec * pixels / 3600.0 for pixels in (shape[1], shape[0]))
    return f"{width_deg:.2f} x {height_deg:.2f} degrees"


def _frames_in_cone(shape: tuple[int, int], hint: Hint) -> float:
    """Area that is searched, in frames."""
    scale_deg = hint.scale_arcsec / 3600.0
    cone_deg = hint.radius_deg + math.hypot(*shape) / 2.0 * scale_deg
    return math.pi * cone_deg**2 / (shape[0] * shape[1] * scale_deg**2)


def _seeds(
    pixels: NDArray[np.complex128], stars: CatalogueStars, shape: tuple[int, int], hint: Hint, check: Check
) -> Iterator[SkyFit]:
    """Maps that no accident explains, from the brightest stars to fainter ones."""
    # In the hint's own tangent plane: near a pole another one would be turned against it.
    plane = to_plane(stars.ra_deg, stars.dec_deg, hint.ra_deg, hint.dec_deg)
    both = Detections.both(pixels, shape)
    for depth in dict.fromkeys(min(depth, len(both[0].pixels)) for depth in DEPTHS):
        in_plane = plane[: math.ceil(depth * _frames_in_cone(shape, hint))]
        sky = quads(in_plane)
        for seen in both:
            check()
            found = _proposed(quads(seen.pixels[:depth]), sky, shape, hint)
            for turn, shift in zip(found.turn, found.shift, strict=True):
                if seen.accident(in_plane, turn, shift) < _MAX_ACCIDENT:
                    yield seen.seed(turn, shift, hint.ra_deg, hint.dec_deg)


def _proposed(image: Quads, sky: Quads, shape: tuple[int, int], hint: Hint) -> Similarities:
    """Maps of the right scale, those first with which most others agree."""
    found = similarities(image, sky)
    ratio = np.abs(np.log(np.abs(found.turn) * 3600.0 / hint.scale_arcsec))
    found = found.keep(ratio <= -math.log(1.0 - hint.scale_tolerance) + 0.01)
    if not len(found):
        return found
    # Maps agree that put two far points of the frame at the same places, within 2 % of its size.
    ends = [found.shift, found.turn * max(shape) + found.shift]
    places = np.column_stack([part for end in ends for part in (end.real, end.imag)])
    near_deg = 0.02 * max(shape) * hint.scale_arcsec / 3600.0
    votes = cKDTree(places).query_ball_point(places, near_deg, return_length=True)
    return found.keep(np.argsort(-votes, kind="stable")[:_MAX_TRIALS])


def refined(
    seed: SkyFit,
    pixels: NDArray[np.complex128],
    catalogue: StarCatalogue,
    lens: Lens = ANY_LENS,
) -> Match | None:
    """Grow a seed with every catalogue star and detection.

    Parameters
    ----------
    seed : SkyFit
        Within a few pixels of the truth.
    pixels : ndarray, complex128, shape (detections,)
        All detections, brightest first.
    catalogue : StarCatalogue
        The stars of the sky.
    lens : Lens
        How the distortion may be fitted: with few stars the remembered one is better where it matches no fewer.

    Returns
    -------
    Match or None
        Not yet accepted; None when the seed falls apart.
    """
    scale_arcsec = 3600.0 * math.sqrt(abs(np.linalg.det(seed.matrix_deg)))
    ra, dec = seed.sky(*(np.array([middle]) for middle in seed.middle_px))
    stars = catalogue.cone(float(ra[0]), float(dec[0]), 0.55 * math.hypot(*seed.shape) * scale_arcsec / 3600.0)
    pixels = pixels[: max(_MAX_DETECTIONS, 2 * len(stars))]
    free = _grown(seed, pixels, stars, lens.most_order, None)
    if lens.train is None or (free is not None and free.matched >= _ORDER_FROM[3]):
        return free
    held = _grown(seed, pixels, stars, 1, lens.train)
    if held is None or not held.is_accepted or (free is not None and free.matched > held.matched):
        return free
    return held


def _grown(
    seed: SkyFit, pixels: NDArray[np.complex128], stars: CatalogueStars, most_order: int, held: Distortion | None
) -> Match | None:
    """A seed fitted again and again to all that it matches; None when it falls apart."""
    scale_arcsec = 3600.0 * math.sqrt(abs(np.linalg.det(seed.matrix_deg)))
    tree = cKDTree(unit_vectors(stars.ra_deg, stars.dec_deg))
    fit, tolerance_px, match = seed, max(4.0, 0.006 * max(seed.shape)), None
    for step in range(8):
        ra, dec = fit.sky(pixels.real, pixels.imag)
        star, detection = _nearest(tree, unit_vectors(ra, dec), math.radians(tolerance_px * scale_arcsec / 3600.0))
        if len(star) < _MIN_FITTED:
            return None
        x, y, ra, dec = pixels[detection].real, pixels[detection].imag, stars.ra_deg[star], stars.dec_deg[star]
        order = min(_order(len(star)), 1 + step // 2, most_order)
        fit, used = fit_sky(x, y, ra, dec, fit, order, held=held)
        separation = _separation_arcsec(fit, x[used], y[used], ra[used], dec[used])
        rms_arcsec = float(np.sqrt(np.mean(separation**2)))
        match = Match(fit, int(used.sum()), _in_frame(fit, stars), rms_arcsec, held is not None)
        tolerance_px = max(1.5, min(tolerance_px, 4.0 * float(np.median(separation)) / scale_arcsec))
    return match


def compared(fit: SkyFit, pixels: NDArray[np.complex128], stars: CatalogueStars, within_px: float = 3.0) -> Match:
    """What a fit from elsewhere matches, as it is; rms 0 when nothing."""
    ra, dec = fit.sky(pixels.real, pixels.imag)
    match = Match(fit, 0, _in_frame(fit, stars), 0.0)
    within_rad = math.radians(within_px * match.scale_arcsec / 3600.0)
    if not len(stars):
        return match
    star, detection = _nearest(cKDTree(unit_vectors(stars.ra_deg, stars.dec_deg)), unit_vectors(ra, dec), within_rad)
    if not len(star):
        return match
    x, y, ra, dec = pixels[detection].real, pixels[detection].imag, stars.ra_deg[star], stars.dec_deg[star]
    separation = _separation_arcsec(fit, x, y, ra, dec)
    return Match(fit, len(star), match.in_field, float(np.sqrt(np.mean(separation**2))))


def _order(matched: int) -> int:
    """Highest order of the polynomial that so many stars can carry."""
    return max((order for order, needed in _ORDER_FROM.items() if matched >= needed), default=1)


def _nearest(
    tree: cKDTree, directions: NDArray[np.float64], within_rad: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of catalogue star and detection, each star once, with its nearest detection."""
    distance, star = (np.asarray(found) for found in tree.query(directions, distance_upper_bound=within_rad))
    by_distance = np.argsort(distance)[: int(np.isfinite(distance).sum())]
    unique, first = np.unique(star[by_distance], return_index=True)
    return unique, by_distance[first]


def _separation_arcsec(
    fit: SkyFit,
    x_px: NDArray[np.float64],
    y_px: NDArray[np.float64],
    ra_deg: NDArray[np.float64],
    dec_deg: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Distance of each detection from its catalogue position on the sky."""
    measured = unit_vectors(*fit.sky(x_px, y_px))
    separation: NDArray[np.float64] = np.linalg.norm(measured - unit_vectors(ra_deg, dec_deg), axis=1)
    return np.degrees(separation) * 3600.0


def _in_frame(fit: SkyFit, stars: CatalogueStars) -> int:
    """How many of the stars lie in the frame."""
    x, y = fit.pixels(stars.ra_deg, stars.dec_deg)
    rows, columns = fit.shape
    return int(((x >= -0.5) & (x < columns - 0.5) & (y >= -0.5) & (y < rows - 0.5)).sum())


def as_solution(match: Match, solver: str = "cupola") -> Solution:
    """What is told of an accepted match."""
    fit, matrix = match.fit, match.fit.matrix_deg
    return Solution(
        wcs=fit.wcs(),
        matched=match.matched,
        in_field=match.in_field,
        rms_arcsec=match.rms_arcsec,
        order=fit.order,
        scale_arcsec=match.scale_arcsec,
        rotation_deg=math.degrees(math.atan2(matrix[0, 1], matrix[1, 1])),
        is_flipped=bool(np.linalg.det(matrix) > 0.0),
        centre_ra_deg=fit.centre_ra_deg,
        centre_dec_deg=fit.centre_dec_deg,
        is_remembered=match.is_remembered,
        solver=solver,
    )


def _unmatched(detections: int, stars: int, shape: tuple[int, int], hint: Hint, best: Match | None) -> Unsolved:
    """What is raised of a frame that did not match."""
    where = (
        f"{detections} detections matched none of {stars} {CATALOGUE_NAME} stars within {hint.radius_deg:g} degrees of "
        f"{hint.ra_deg:.4f} {hint.dec_deg:+.4f} at {hint.scale_arcsec:.3g} arcsec/px +-{hint.scale_tolerance:.0%}"
    )
    expected = stars / _frames_in_cone(shape, hint)
    if expected < MIN_MATCHED:
        return TooSparse(f"{where}, about {expected:.1f} of them in {_size(shape, hint)}: {TOO_SPARSE}")
    remedy = "check the position, the scale and the focus"
    if best is None:
        return Unsolved(f"{where}: {remedy}")
    closest = f"closest: {best.matched} of {best.in_field} stars, rms {best.rms_arcsec:.2f} arcsec"
    return Rejected(f"{where} ({closest}): {remedy}")
