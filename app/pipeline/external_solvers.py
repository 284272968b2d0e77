"""Plate solvers that the user installed: `solve-field` (astrometry.net) and `astap_cli`, as child processes.

They get the detections, not the frame: `solve-field` as a list, `astap_cli` as a small picture with a dot for each
star. A child that is over its time, or no longer wanted, is killed together with its own children.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS
from numpy.typing import NDArray

from app.frames.star_catalogue import StarCatalogue, unit_vectors
from app.pipeline.plate_solve import MIN_MATCHED, Match, Rejected, Solution, Unsolved, as_solution, compared, go_on
from app.pipeline.sky_fit import SkyFit, fit_sky
from app.pipeline.workers import Check

log = logging.getLogger(__name__)

#: Programs by the names that the settings know.
PROGRAMS = {"solve-field": "solve-field", "astap": "astap_cli"}

_LOOK_S = 0.1  # between two looks at a child
_DRAWN_PX = 2000  # longer side of the picture for astap_cli, at most
_JUDGED_FROM = 2 * MIN_MATCHED  # catalogue stars in the frame from which ours can judge
_ASTAP_SAYS = {
    1: "found no solution",
    2: "found too few stars",
    16: "could not read the picture",
    32: "has no star database: install one beside it",
    33: "could not read its star database",
}


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What an external solver is asked.

    Attributes
    ----------
    pixels : ndarray, complex128, shape (detections,)
        Column and row of the detections, 0-based, brightest first.
    shape : tuple of int
        Rows and columns of the frame.
    scales_arcsec : tuple of float
        Least and greatest arc seconds per pixel.
    near : tuple of float or None
        Right ascension, declination and how far from there the middle may be, degrees; None: anywhere.
    time_limit_s : float
        After which the solver is killed.
    most_order : int
        Highest order of the distortion polynomial.
    """

    pixels: NDArray[np.complex128]
    shape: tuple[int, int]
    scales_arcsec: tuple[float, float]
    near: tuple[float, float, float] | None
    time_limit_s: float
    most_order: int


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """World coordinates of the frame, and how many stars of its own the solver matched, if it says so."""

    wcs: WCS
    matched: int | None = None
    rms_arcsec: float = 0.0
    step_px: float = 1.0  # pixels of the frame in one of the world coordinates'


def is_installed(solver: str) -> bool:
    """Whether a solver's program is on the PATH."""
    return shutil.which(PROGRAMS[solver]) is not None


def solve_external(solver: str, query: Query, catalogue: StarCatalogue, check: Check = go_on) -> Solution:
    """Ask a solver, and believe it as far as our catalogue can tell.

    Parameters
    ----------
    solver : str
        ``solve-field`` or ``astap``.
    query : Query
        What is asked.
    catalogue : StarCatalogue
        Where it has 16 stars or more in the frame, they must match as those of the embedded solver must.
    check : callable
        Raises `Cancelled` when the work should stop; the solver is killed.

    Returns
    -------
    Solution
        Its numbers are of our catalogue where that can judge, else the solver's own as far as it tells them; 0 is
        not told.

    Raises
    ------
    Unsolved
        If it is not installed, fails, takes too long, finds nothing or something else than was asked for.
    """
    program = shutil.which(PROGRAMS[solver])
    if program is None:
        raise Unsolved(f"{PROGRAMS[solver]} is not installed, or not on the PATH")
    with tempfile.TemporaryDirectory(prefix="cupola-solve-") as folder:
        ask = _ask_solve_field if solver == "solve-field" else _ask_astap
        answer = ask(program, query, Path(folder), check)
    fit = _fit_of(answer, query, PROGRAMS[solver])
    stars = catalogue.cone(fit.centre_ra_deg, fit.centre_dec_deg, math.hypot(*query.shape) / 2.0 * _scale_deg(fit))
    judged = compared(fit, query.pixels, stars)
    if judged.in_field >= _JUDGED_FROM:
        if not judged.is_accepted:
            raise Rejected(
                f"{PROGRAMS[solver]} found {fit.centre_ra_deg:.4f} {fit.centre_dec_deg:+.4f}, where only "
                f"{judged.matched} of {judged.in_field} catalogue stars match: not believed"
            )
    elif answer.matched is not None:
        if answer.matched < MIN_MATCHED:
            raise Unsolved(f"{PROGRAMS[solver]} matched {answer.matched} stars and {MIN_MATCHED} are needed")
        judged = Match(fit, answer.matched, answer.matched, answer.rms_arcsec)
    return as_solution(judged, solver)


def _scale_deg(fit: SkyFit) -> float:
    return math.sqrt(abs(np.linalg.det(fit.matrix_deg)))


def _fit_of(answer: _Answer, query: Query, program: str) -> SkyFit:
    """World coordinates as a polynomial about the middle of the frame; refused where they are not what was asked."""
    order = 1 if answer.wcs.sip is None else min(3, max(answer.wcs.sip.a_order, answer.wcs.sip.b_order))
    rows, columns = query.shape
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(0, columns - 1, 9), np.linspace(0, rows - 1, 9)))
    steps = ((axis + 0.5) / answer.step_px - 0.5 for axis in (x, y))
    try:
        ra, dec = answer.wcs.all_pix2world(*steps, 0)
        if not (np.isfinite(ra).all() and np.isfinite(dec).all()):
            raise ValueError("not finite")
        middle = len(x) // 2
        near = SkyFit(float(ra[middle]), float(dec[middle]), query.shape, 1, np.zeros(3, complex))
        fit, _ = fit_sky(x, y, ra, dec, near, order)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise Unsolved(f"{program} wrote world coordinates that make no sense ({error})") from error
    scale_arcsec = _scale_deg(fit) * 3600.0
    low, high = query.scales_arcsec
    if not 0.99 * low <= scale_arcsec <= 1.01 * high:
        raise Unsolved(f"{program} found {scale_arcsec:.3g} arcsec/px, outside of {low:.3g} to {high:.3g}")
    return fit


def _ask_solve_field(program: str, query: Query, folder: Path, check: Check) -> _Answer:
    stars, wcs, matches = (folder / name for name in ("stars.xyls", "found.wcs", "found.corr"))
    columns = {"X": query.pixels.real + 1.0, "Y": query.pixels.imag + 1.0, "FLUX": np.arange(len(query.pixels), 0, -1)}
    table = fits.BinTableHDU.from_columns([fits.Column(name, "E", array=values) for name, values in columns.items()])
    table.writeto(stars)
    low, high = query.scales_arcsec
    tweak = ["--no-tweak"] if query.most_order == 1 else ["--tweak-order", "2"]
    where: list[str] = []
    if query.near is not None:
        where = [f"--{name}={value:.6f}" for name, value in zip(("ra", "dec", "radius"), query.near, strict=True)]
    nothing = [part for name in ("new-fits", "rdls", "match", "solved", "index-xyls") for part in (f"--{name}", "none")]
    command = [program, str(stars), "--dir", str(folder), "--temp-dir", str(folder), "--no-plots", "--overwrite"]
    command += ["--width", str(query.shape[1]), "--height", str(query.shape[0]), "--x-column", "X", "--y-column", "Y"]
    command += ["--sort-column", "FLUX", "--crpix-center", *tweak, "--cpulimit", str(math.ceil(query.time_limit_s))]
    command += ["--scale-units", "arcsecperpix", "--scale-low", f"{low:.6g}", "--scale-high", f"{high:.6g}", *where]
    command += ["--wcs", str(wcs), "--corr", str(matches), *nothing]
    code, said = _run(command, folder, query.time_limit_s, check)
    if not wcs.exists():
        raise Unsolved(f"solve-field found no solution{_because(code, said)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            world = WCS(fits.getheader(wcs))
            if not world.has_celestial:
                raise ValueError("no celestial axes")
            return _Answer(world, *_own_matches(matches))
    except (OSError, ValueError, KeyError, fits.VerifyError) as error:
        raise Unsolved(f"solve-field wrote a file that cannot be read ({error})") from error


def _own_matches(file: Path) -> tuple[int | None, float]:
    """How many stars of its own index solve-field matched, and their rms distance in arc seconds."""
    if not file.exists():
        return None, 0.0
    pairs = fits.getdata(file)
    apart = unit_vectors(pairs["field_ra"], pairs["field_dec"]) - unit_vectors(pairs["index_ra"], pairs["index_dec"])
    return len(pairs), math.degrees(float(np.sqrt(np.mean((apart**2).sum(axis=1))))) * 3600.0


def _ask_astap(program: str, query: Query, folder: Path, check: Check) -> _Answer:
    picture, found = folder / "stars.fits", folder / "found.ini"
    step_px = max(1, math.ceil(max(query.shape) / _DRAWN_PX))
    fits.PrimaryHDU(_drawn(query, step_px)).writeto(picture)
    low, high = query.scales_arcsec
    height_deg = math.sqrt(low * high) * query.shape[0] / 3600.0
    command = [program, "-f", str(picture), "-o", str(found.with_suffix("")), "-fov", f"{height_deg:.6g}", "-z", "1"]
    if query.near is not None:
        ra, dec, radius = query.near
        command += ["-ra", f"{ra / 15.0:.6f}", "-spd", f"{dec + 90.0:.6f}", "-r", f"{math.ceil(radius)}"]
    else:
        command += ["-r", "180"]
    code, said = _run(command, folder, query.time_limit_s, check)
    if code in _ASTAP_SAYS:
        raise Unsolved(f"astap_cli {_ASTAP_SAYS[code]}")
    try:
        lines = found.read_text(encoding="ascii", errors="replace").splitlines() if found.exists() else []
        told = dict(line.split("=", 1) for line in lines if "=" in line)
        if told.get("PLTSOLVD", "F").strip() != "T":
            said = told.get("ERROR", said).strip()
            raise Unsolved(f"astap_cli found no solution{_because(code, said)}")
        world = WCS(naxis=2)
        world.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        world.wcs.crpix = [float(told[f"CRPIX{axis}"]) for axis in (1, 2)]
        world.wcs.crval = [float(told[f"CRVAL{axis}"]) for axis in (1, 2)]
        world.wcs.cd = [[float(told[f"CD{row}_{column}"]) for column in (1, 2)] for row in (1, 2)]
        world.wcs.set()
    except (OSError, KeyError, ValueError) as error:
        raise Unsolved(f"astap_cli wrote a file that cannot be read ({error!r})") from error
    return _Answer(world, step_px=float(step_px))


def _drawn(query: Query, step_px: int) -> NDArray[np.uint16]:
    """A picture of the detections, brightest ones brightest: dots of 1.2 pixels on a faint even noise."""
    rows, columns = (math.ceil(side / step_px) for side in query.shape)
    picture = np.random.default_rng(1).normal(1000.0, 10.0, (rows, columns))
    places = (query.pixels[:1000] + (0.5 + 0.5j)) / step_px - (0.5 + 0.5j)
    for place, peak in zip(places, np.geomspace(50000.0, 1000.0, len(places)), strict=True):
        column, row = round(place.real), round(place.imag)
        y, x = np.mgrid[max(0, row - 5) : min(rows, row + 6), max(0, column - 5) : min(columns, column + 6)]
        picture[y, x] += peak * np.exp(-((x - place.real) ** 2 + (y - place.imag) ** 2) / (2.0 * 1.2**2))
    return np.clip(picture, 0.0, 65535.0).astype(np.uint16)


#: Programs that run now; they are in process groups of their own, which do not end with ours.
_running: set[subprocess.Popen[bytes]] = set()


def kill_all() -> None:
    """End every solver at once, for who must not wait until their callers notice that the work should stop."""
    for child in tuple(_running):
        _signal(child)


def _run(command: Sequence[str], folder: Path, time_limit_s: float, check: Check) -> tuple[int, str]:
    """Exit code and last words of a program that ended in time; plainer ones where it lacks its star files.

    Raises
    ------
    Unsolved
        If it does not start or end.
    """
    words = folder / "words.txt"
    log.debug("Running %s", " ".join(command))
    with words.open("wb") as out:
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=folder, start_new_session=True
            )
        except OSError as error:
            raise Unsolved(f"{Path(command[0]).name} does not start ({error})") from error
    deadline_s = time.monotonic() + time_limit_s
    _running.add(child)
    try:
        while True:
            check()
            try:
                code = child.wait(_LOOK_S)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline_s:
                    raise Unsolved(
                        f"{Path(command[0]).name} was stopped after {time_limit_s:g} s: raise astrometry.time_limit_s"
                    ) from None
    finally:
        _signal(child)
        child.wait()
        _running.discard(child)
    text = words.read_text(encoding="utf-8", errors="replace")
    if "at least one index" in text:
        return 0, "it has no index files: install some of astrometry.net"
    lines = [line for line in text.splitlines() if line.strip()]
    return code, lines[-1].strip()[:200] if lines else ""


def _signal(child: subprocess.Popen[bytes]) -> None:
    """End a child and its own children, which may have outlived it."""
    if hasattr(os, "killpg"):
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            log.debug("Nothing of process %d is left", child.pid)
    elif child.poll() is None:
        child.kill()


def _because(code: int, said: str) -> str:
    """What a program that found nothing has to say."""
    ended = f" (exit code {code})" if code else ""
    return f"{ended}: {said}" if said else ended
