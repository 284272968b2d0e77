"""Blind search: where on the whole sky a frame lies, told by its stars alone.

A table of quads of the star catalogue, at several depths so that frames of one degree and of ten find theirs, is
sorted by code; it is made once and kept in the user's cache. Equal codes propose a place, a scale and a turn;
places with which others agree are tried first, and `plate_solve` decides.
"""

from __future__ import annotations

import logging
import math
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import islice, pairwise, product
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from app.frames.star_catalogue import StarCatalogue, unit_vectors
from app.paths import sky_folder
from app.pipeline.plate_solve import (
    ANY_LENS,
    TOO_SPARSE,
    Detections,
    Lens,
    Solution,
    Unsolved,
    as_solution,
    detected,
    go_on,
    refined,
)
from app.pipeline.quads import Quads, Similarities, coded, fitted, quads, with_neighbours
from app.pipeline.sky_fit import SkyFit, to_plane, to_sky
from app.pipeline.workers import Check

log = logging.getLogger(__name__)

#: Arc seconds per pixel that are tried when nothing is known.
ANY_SCALE = (0.3, 30.0)

_VERSION = 1  # of the table: another one is made again
_DENSITIES = (3.0, 20.0)  # stars per square degree from which quads are made
_NEIGHBOURS = 4  # of a star in the table
_NEIGHBOURS_SEEN = 9  # of a detection: there are more of them, and some stars are missing
_DEPTHS = (20, 35, 60, 100)  # brightest detections from which quads are made, in turn
_AT_ONCE = 20_000  # stars between two looks at whether to stop
_CODE_UNIT = 2.0**-15  # codes are kept as steps of this from -1
_STEP = 0.025  # side of a cell of codes; codes agree within half of it
_STEPS = math.ceil(2.0 / _STEP)
_LEAST_DEG2 = 0.3  # with fewer, no quad of the table lies in the frame
_WIDEST_DEG = 20.0  # diagonal above which a similarity describes no frame
_MAX_TRIALS = 600  # places that are tried per depth and parity
_MAX_REFINED = 30
_MAX_ACCIDENT = 1e-7  # the whole sky offers more accidents than a hint

_table_lock = threading.Lock()
_tables: dict[str, SkyQuads] = {}


@dataclass(frozen=True, slots=True, eq=False)
class SkyQuads:
    """Quads of the whole sky, sorted by cell of their codes.

    Attributes
    ----------
    cells : ndarray, uint32, shape (quads,)
        Number of the cell of the code.
    codes : ndarray, uint16, shape (quads, 4)
        As in `quads.Quads`, in steps of 2**-15 from -1.
    stars : ndarray, uint32, shape (quads, 4)
        Places in the catalogue's file, in the order of the code.
    """

    cells: NDArray[np.uint32]
    codes: NDArray[np.uint16]
    stars: NDArray[np.uint32]

    def like(self, codes: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Pairs of equal codes: places in `codes`, and in the table."""
        lowest = _steps(codes - _STEP / 2.0)
        # An interval as long as a cell touches two; along the last axis they are neighbours in the table.
        corners = np.array(list(product((0, 1), (0, 1), (0, 1), (0,))))
        cells = _cell(lowest + corners[:, None]).ravel()
        first = np.searchsorted(self.cells, cells)
        counts = np.searchsorted(self.cells, cells + np.uint32(2)) - first
        asked = np.repeat(np.tile(np.arange(len(codes)), 8), counts)
        found = np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)
        near = np.linalg.norm(codes[asked] - (self.codes[found] * _CODE_UNIT - 1.0), axis=1) <= _STEP / 2.0
        return asked[near], found[near]


def sky_quads(catalogue: StarCatalogue, check: Check = go_on) -> SkyQuads:
    """The table of a catalogue: from memory, from the user's cache, else made and kept there.

    Parameters
    ----------
    catalogue : StarCatalogue
        The stars of the sky.
    check : callable
        Raises `Cancelled` when the work should stop.

    Raises
    ------
    CatalogueUnreadable
        If the catalogue is damaged or missing.
    """
    key = f"{catalogue.checksum[:16]}-{_VERSION}"
    while not _table_lock.acquire(timeout=0.1):
        check()
    try:
        if key not in _tables:
            file = sky_folder() / f"quads-{key}.npz"
            _tables[key] = _read(file) or _made(file, catalogue, check)
        return _tables[key]
    finally:
        _table_lock.release()


def _made(file: Path, catalogue: StarCatalogue, check: Check) -> SkyQuads:
    log.info("Making the table of star quads for the blind search, once")
    table = build(catalogue, check)
    try:
        _write(file, table)
    except OSError as error:
        log.warning("The table of star quads cannot be kept as %s (%s): it is made again next time", file, error)
    return table


def _read(file: Path) -> SkyQuads | None:
    """The table as it was kept; None when there is none, or a damaged one."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return SkyQuads(*(arrays[field.name] for field in fields(SkyQuads)))
    except FileNotFoundError:
        return None
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        log.info("The table of star quads %s is damaged (%s) and made again", file.name, error)
        return None


def _write(file: Path, table: SkyQuads) -> None:
    """Beside its place, then renamed: two processes that do it at the same time do no harm."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=file.stem, suffix=".new", delete=False) as out:
        try:
            np.savez(out, **{field.name: getattr(table, field.name) for field in fields(SkyQuads)})
            out.flush()
            Path(out.name).replace(file)
        except BaseException:
            Path(out.name).unlink(missing_ok=True)
            raise


def build(catalogue: StarCatalogue, check: Check = go_on) -> SkyQuads:
    """Make the table: each star with its neighbours, among the brightest of each patch of sky.

    Parameters
    ----------
    catalogue : StarCatalogue
        The stars of the sky.
    check : callable
        Raises `Cancelled` when the work should stop.
    """
    rank_per_deg2 = _rank_per_deg2(catalogue, check)
    levels = [np.flatnonzero(rank_per_deg2 < density).astype(np.uint32) for density in _DENSITIES]
    # Room for all, of which only what is filled takes memory: pieces put together at the end would take it twice.
    most = math.comb(_NEIGHBOURS, 3) * sum(len(level) for level in levels)
    cells, codes, stars = np.empty(most, np.uint32), np.empty((most, 4), np.uint16), np.empty((most, 4), np.uint32)
    filled = 0
    for level in levels:
        for piece in _level(level, catalogue, check):
            rows = slice(filled, filled + len(piece[0]))
            cells[rows], codes[rows], stars[rows] = piece
            filled = rows.stop
    check()
    # Neighbours far apart in the file find the same quad; its code puts the stars in one order for both.
    once = np.unique(_mixed(stars[:filled]), return_index=True)[1]
    check()
    once = once[np.argsort(cells[once], kind="stable")].astype(np.uint32)
    cells = cells[once]
    codes = codes[once]
    stars = stars[once]
    return SkyQuads(cells, codes, stars)


def _rank_per_deg2(catalogue: StarCatalogue, check: Check) -> NDArray[np.float32]:
    """For each star how many brighter ones its square degree of sky has, per square degree."""
    ranks = []
    for zone, (first, last) in enumerate(pairwise(catalogue.zones.tolist())):
        check()
        stars = catalogue.stars(slice(first, last))
        south, north = (math.sin(math.radians(zone + edge - 90.0)) for edge in (0, 1))
        columns = max(1, round(math.degrees(2.0 * math.pi) * (north - south)))
        column = np.minimum((stars.ra_deg * (columns / 360.0)).astype(np.intp), columns - 1)
        order = np.lexsort((stars.magnitude, column))
        counts = np.bincount(column, minlength=columns)
        rank = np.empty(len(order), np.float32)
        rank[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        ranks.append(rank * np.float32(columns / ((north - south) * 360.0 * math.degrees(1.0))))
    return np.concatenate(ranks)


def _level(
    chosen: NDArray[np.uint32], catalogue: StarCatalogue, check: Check
) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint16], NDArray[np.uint32]]]:
    """Cells, codes and stars of the quads of the chosen stars, not yet sorted, some of them more than once."""
    stars = catalogue.stars(chosen)
    directions = unit_vectors(stars.ra_deg, stars.dec_deg)
    tree = cKDTree(directions, balanced_tree=False, compact_nodes=False)
    for first in range(0, len(chosen), _AT_ONCE):
        check()
        near = np.asarray(tree.query(directions[first : first + _AT_ONCE], k=_NEIGHBOURS + 1)[1])
        groups = np.sort(with_neighbours(near), axis=1)
        groups = groups[np.unique(_mixed(groups), return_index=True)[1]]
        order, codes = coded(_in_own_plane(directions[groups]))
        whole = np.isfinite(codes).all(axis=1)
        index = chosen[np.take_along_axis(groups, order, axis=1)[whole]]
        steps = np.round((codes[whole] + 1.0) / _CODE_UNIT).astype(np.uint16)
        yield _cell(_steps(codes[whole])), steps, index


def _in_own_plane(groups: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Gnomonic projection of groups of directions, each onto the plane at its middle, in radians."""
    middle = groups.sum(axis=1)
    east = np.stack([-middle[:, 1], middle[:, 0], np.zeros(len(middle))], axis=1)
    east /= np.linalg.norm(east, axis=1)[:, None]
    middle /= np.linalg.norm(middle, axis=1)[:, None]
    axes = np.stack([east, np.cross(middle, east), middle], axis=2)
    xi, eta, depth = np.moveaxis(groups @ axes, -1, 0)
    plane: NDArray[np.complex128] = (xi + 1j * eta) / depth
    return plane


def _mixed(groups: NDArray[np.integer]) -> NDArray[np.uint64]:
    """A number for each group of four stars; equal for equal ones, else by an accident of 1e-7."""
    mixed = np.zeros(len(groups), np.uint64)
    for column in groups.T:
        mixed ^= column.astype(np.uint64)
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _steps(codes: NDArray[np.float64]) -> NDArray[np.int64]:
    """Place of the cell of a code along each axis."""
    return np.clip(np.floor((codes + 1.0) / _STEP), 0, _STEPS - 2).astype(np.int64)


def _cell(steps: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Number of a cell."""
    return (steps @ _STEPS ** np.arange(3, -1, -1)).astype(np.uint32)


def solve_blind(
    x_px: ArrayLike,
    y_px: ArrayLike,
    shape: tuple[int, int],
    catalogue: StarCatalogue,
    scales_arcsec: tuple[float, float] = ANY_SCALE,
    lens: Lens = ANY_LENS,
    check: Check = go_on,
) -> Solution:
    """Find where on the sky a frame lies, without a position.

    Parameters
    ----------
    x_px, y_px : array_like, float, shape (detections,)
        Columns and rows of the detected stars, 0-based pixels, brightest first; 60 or more are best.
    shape : tuple of int
        Rows and columns of the frame.
    catalogue : StarCatalogue
        The stars of the sky.
    scales_arcsec : tuple of float
        Least and greatest arc seconds per pixel.
    lens : Lens
        How its distortion may be fitted.
    check : callable
        Raises `Cancelled` when the work should stop.

    Returns
    -------
    Solution
        Accepted as `plate_solve.solve` accepts.

    Raises
    ------
    Unsolved
        If there are too few detections, if the catalogue is too sparse for the field, or if nothing matches.
    """
    pixels = detected(x_px, y_px)
    area_deg2 = shape[0] * shape[1] * (scales_arcsec[1] / 3600.0) ** 2
    if area_deg2 < _LEAST_DEG2:
        raise Unsolved(
            f"{area_deg2:.2f} square degrees at most are too few for the blind search, which needs {_LEAST_DEG2}: "
            f"{TOO_SPARSE}"
        )
    table = sky_quads(catalogue, check)
    seeds = _seeds(pixels, shape, table, catalogue, scales_arcsec, check)
    for seed in islice(seeds, _MAX_REFINED):
        match = refined(seed, pixels, catalogue, lens)
        if match is not None and match.is_accepted:
            log.debug("Solved blindly with %d of %d stars", match.matched, match.in_field)
            return as_solution(match)
    raise Unsolved(
        f"{len(pixels)} detections match no part of the sky at {scales_arcsec[0]:.3g} to {scales_arcsec[1]:.3g} "
        "arcsec/px (under 0.8 degrees Tycho-2 has too few stars): check the focus"
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Where quads say that the frame lies: maps onto tangent planes, those first with which most others agree."""

    seen: Detections
    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    maps: Similarities
    votes: NDArray[np.intp]


def _seeds(
    pixels: NDArray[np.complex128],
    shape: tuple[int, int],
    table: SkyQuads,
    catalogue: StarCatalogue,
    scales_arcsec: tuple[float, float],
    check: Check,
) -> Iterator[SkyFit]:
    """Maps that no accident explains: those that agree with others at any depth, then those that stand alone."""
    alone: list[tuple[int, _Places]] = []
    both = Detections.both(pixels, shape)
    for depth in dict.fromkeys(min(depth, len(both[0].pixels)) for depth in _DEPTHS):
        for seen in both:
            check()
            places = _places(seen, quads(seen.pixels[:depth], _NEIGHBOURS_SEEN), table, catalogue, scales_arcsec)
            if places is not None:
                agreed = int((places.votes > 1).sum())
                yield from _evident(places, range(min(agreed, _MAX_TRIALS)), depth, catalogue, check)
                alone.append((depth, places))
    for depth, places in alone:
        agreed = int((places.votes > 1).sum())
        yield from _evident(places, range(agreed, min(len(places.votes), _MAX_TRIALS)), depth, catalogue, check)


def _places(
    seen: Detections, image: Quads, table: SkyQuads, catalogue: StarCatalogue, scales_arcsec: tuple[float, float]
) -> _Places | None:
    """What the table says of the quads of a frame; None when no quad is alike at a scale in question."""
    if not len(image):
        return None
    ours, theirs = table.like(image.codes)
    stars = catalogue.stars(table.stars[theirs])
    directions = unit_vectors(stars.ra_deg, stars.dec_deg)
    length_rad = np.linalg.norm(directions[:, 1] - directions[:, 0], axis=1)
    scale_deg = np.degrees(length_rad) / np.abs(image.points[ours, 1] - image.points[ours, 0])
    fits = (scale_deg * 3600.0 >= scales_arcsec[0]) & (scale_deg * 3600.0 <= scales_arcsec[1])
    fits &= scale_deg * math.hypot(*seen.shape) < _WIDEST_DEG
    if not fits.any():
        return None
    pixel, ra, dec = image.points[ours[fits]], stars.ra_deg[fits], stars.dec_deg[fits]
    # In the plane that touches the middle of the quad first, then in the one that touches the middle of the frame.
    centre = _angles(directions[fits].sum(axis=1))
    for _ in range(2):
        at = centre
        maps = fitted(pixel, to_plane(ra, dec, at[0][:, None], at[1][:, None]))
        centre = to_sky(maps.turn * seen.middle + maps.shift, *at)
    edge = to_sky(maps.turn * (seen.middle + max(seen.shape)) + maps.shift, *at)
    ends = np.nan_to_num(np.concatenate([unit_vectors(*centre), unit_vectors(*edge)], axis=1))
    near_rad = 0.02 * max(seen.shape) * np.radians(np.abs(maps.turn))
    votes = np.asarray(cKDTree(ends).query_ball_point(ends, np.nan_to_num(near_rad), return_length=True))
    order = np.argsort(-votes, kind="stable")
    return _Places(seen, at[0][order], at[1][order], maps.keep(order), votes[order])


def _evident(places: _Places, chosen: range, depth: int, catalogue: StarCatalogue, check: Check) -> Iterator[SkyFit]:
    """Maps under which more catalogue stars lie on detections than accident explains."""
    seen = places.seen
    for index in chosen:
        check()
        turn, shift = places.maps.turn[index], places.maps.shift[index]
        at = float(places.ra_deg[index]), float(places.dec_deg[index])
        stars = catalogue.cone(*at, 0.5 * math.hypot(*seen.shape) * abs(turn))
        in_plane = to_plane(stars.ra_deg[: 2 * depth], stars.dec_deg[: 2 * depth], *at)
        if seen.accident(in_plane, turn, shift) < _MAX_ACCIDENT:
            yield seen.seed(turn, shift, *at)


def _angles(directions: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Right ascension and declination, degrees, of directions of any length."""
    x, y, z = np.moveaxis(directions, -1, 0)
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arctan2(z, np.hypot(x, y)))
