"""Where a frame lies on the sky: which solvers are asked, in which order, and what is remembered of a lens."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.frames.star_catalogue import StarCatalogue
from app.model.frame import FrameFacts
from app.model.settings import Settings
from app.pipeline.blind import ANY_SCALE, solve_blind
from app.pipeline.external_solvers import Query, is_installed, solve_external
from app.pipeline.plate_solve import (
    TOO_SPARSE,
    Hint,
    Lens,
    Rejected,
    Solution,
    TooSparse,
    Unsolved,
    detected,
    go_on,
    solve,
)
from app.pipeline.sky_fit import Distortion
from app.pipeline.workers import Check

log = logging.getLogger(__name__)

_WRONG_SCALE = 2.1  # a header that forgot a binning of 2
_SCALE_STEP = 1.5  # between scales that are tried around a position; each hint reaches 20 % either way
_WIDEST_DEG = 10.0  # diagonal of the widest frame that is tried at such a scale
_NEAR, _ANYWHERE = "near the position: ", "anywhere: "
_REMEMBERED_FROM = 30  # matched stars of a solution whose distortion is worth remembering


class Stars(Protocol):
    """Detections of a frame, brightest first, 0-based pixels."""

    @property
    def x(self) -> NDArray[np.float64]:
        """Columns."""
        ...

    @property
    def y(self) -> NDArray[np.float64]:
        """Rows."""
        ...


def find_position(
    stars: Stars,
    shape: tuple[int, int],
    facts: FrameFacts,
    settings: Settings,
    train: Distortion | None = None,
    check: Check = go_on,
    catalogue: StarCatalogue | None = None,
) -> Solution:
    """Ask the solvers of the settings, in their order, until one finds the frame.

    Parameters
    ----------
    stars : Stars
        Detections, brightest first; 60 or more are best.
    shape : tuple of int
        Rows and columns of the frame.
    facts : FrameFacts
        Position and scale of the frame as far as its header tells them, and its camera.
    settings : Settings
        Of the astrometry, and how far off a position may be.
    train : Distortion, optional
        Of the frame's optical train; used where it is of this camera, binning and size, and the stars are few.
    check : callable
        Raises `Cancelled` when the work should stop.
    catalogue : StarCatalogue, optional
        Instead of the embedded one.

    Returns
    -------
    Solution
        Of the first solver that found one.

    Raises
    ------
    Unsolved
        If none did; what each one said. `Rejected` if one found a place that was not believed.
    """
    catalogue = catalogue or StarCatalogue.embedded()
    pixels = detected(stars.x, stars.y)
    said: list[str] = []
    is_sparse = is_rejected = False
    for where, attempt in _attempts(pixels, shape, facts, settings, train, check, catalogue):
        if is_sparse and where == _ANYWHERE:
            said.append(f"{where}not searched, for the same reason")
            continue
        try:
            return attempt()
        except Unsolved as reason:
            is_sparse |= isinstance(reason, TooSparse)
            is_rejected |= isinstance(reason, Rejected)
            log.debug("%s%s", where, reason)
            said.append(f"{where}{reason}")
    if not said:
        raise Unsolved("No solver of astrometry.solvers is installed, or has a position to start from")
    raise (Rejected if is_rejected else Unsolved)("; ".join(said))


def _attempts(
    pixels: NDArray[np.complex128],
    shape: tuple[int, int],
    facts: FrameFacts,
    settings: Settings,
    train: Distortion | None,
    check: Check,
    catalogue: StarCatalogue,
) -> Iterator[tuple[str, Callable[[], Solution]]]:
    """Where the embedded engine looks, or nothing for other solvers, and what is tried; in order."""
    limits, scale_arcsec = settings.astrometry, facts.pixel_scale_arcsec
    near: tuple[float, float, float] | None = None
    if facts.ra_deg is not None and facts.dec_deg is not None:
        near = facts.ra_deg, facts.dec_deg, settings.calibration.position_radius_deg
    lens = Lens(limits.most_order, train if _is_of(train, facts, shape, limits.most_order) else None)
    for solver in limits.solvers:
        if solver != "cupola":
            if is_installed(solver):
                scales = _about(scale_arcsec, 1.25)
                query = Query(pixels, shape, scales, near, limits.time_limit_s, limits.most_order)
                yield "", partial(solve_external, solver, query, catalogue, check)
            continue
        if near is not None:
            yield _NEAR, partial(_near, pixels, shape, near, scale_arcsec, catalogue, lens, check)
        if limits.blind:
            scales = _about(scale_arcsec, _WRONG_SCALE)
            yield _ANYWHERE, partial(solve_blind, pixels.real, pixels.imag, shape, catalogue, scales, lens, check)


def _about(scale_arcsec: float | None, factor: float) -> tuple[float, float]:
    return ANY_SCALE if scale_arcsec is None else (scale_arcsec / factor, scale_arcsec * factor)


def _near(
    pixels: NDArray[np.complex128],
    shape: tuple[int, int],
    near: tuple[float, float, float],
    scale_arcsec: float | None,
    catalogue: StarCatalogue,
    lens: Lens,
    check: Check,
) -> Solution:
    """Around a position, at the scale of the header or at all scales that a frame with enough stars may have."""
    if scale_arcsec is not None:
        return solve(pixels.real, pixels.imag, shape, Hint(*near, scale_arcsec), catalogue, lens, check)
    scale = ANY_SCALE[0]
    while scale <= ANY_SCALE[1] and scale * math.hypot(*shape) / 3600.0 < _WIDEST_DEG:
        try:
            return solve(pixels.real, pixels.imag, shape, Hint(*near, scale), catalogue, lens, check)
        except Unsolved as reason:
            log.debug("At %.3g arcsec/px: %s", scale, reason)
        scale *= _SCALE_STEP
    raise Unsolved(
        f"no pixel scale in the header (SECPIX, or FOCALLEN and XPIXSZ), and none from {ANY_SCALE[0]:g} to "
        f"{scale / _SCALE_STEP:.3g} arcsec/px matches: set the camera's pixel_scale_arcsec; if it is a small field, "
        f"{TOO_SPARSE}"
    )


def _is_of(train: Distortion | None, facts: FrameFacts, shape: tuple[int, int], most_order: int) -> bool:
    """Whether a distortion is that of a frame."""
    return (
        train is not None
        and train.order <= most_order
        and ((train.camera, train.binning, train.rows, train.columns) == (facts.instrument, facts.binning, *shape))
    )


def distortion_of(solution: Solution, facts: FrameFacts) -> Distortion | None:
    """What a solution tells of the lens, worth remembering for frames with fewer stars.

    Parameters
    ----------
    solution : Solution
        Of a frame or a stack.
    facts : FrameFacts
        Its camera, binning and filter.

    Returns
    -------
    Distortion or None
        None for a solution of fewer than 30 stars, of the first order, or which itself only remembered.
    """
    sip = solution.wcs.sip
    if sip is None or solution.is_remembered or solution.matched < _REMEMBERED_FROM:
        return None
    columns, rows = solution.wcs.pixel_shape
    powers = [(total - j, j) for total in range(2, solution.order + 1) for j in range(total + 1)]
    a, b = (tuple(float(matrix[power]) for power in powers) for matrix in (sip.a, sip.b))
    return Distortion(facts.instrument, facts.binning, facts.filter, rows, columns, solution.order, a, b)
