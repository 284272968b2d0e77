"""Solvers of others: real child processes that play solve-field and astap_cli, well and badly."""

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from app.frames.star_catalogue import StarCatalogue
from app.model.errors import Cancelled
from app.pipeline.external_solvers import Query, is_installed, solve_external
from app.pipeline.plate_solve import Unsolved, header_cards
from app.pipeline.sky_fit import SkyFit

SHAPE = (3000, 4200)
SCALE_ARCSEC = 1.5
PLAYER = """#!{python} -I
import sys, time, pathlib, json, subprocess
arguments = sys.argv[1:]
pathlib.Path({folder!r}, "asked.json").write_text(json.dumps(arguments))
folder = pathlib.Path({folder!r})
def option(name):
    return arguments[arguments.index(name) + 1]
{play}
"""


@pytest.fixture
def play(tmp_path, monkeypatch):
    """Put a program on the PATH, alone; its body is Python."""

    def install(name, body):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(PLAYER.format(python=sys.executable, folder=str(tmp_path), play=body))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))

    return install


def field(ra_deg=305.0, dec_deg=38.0):
    """A truth of second order, and its stars on a frame."""
    half_deg = max(SHAPE) / 2 * SCALE_ARCSEC / 3600
    coefficients = np.array([0, -half_deg * np.exp(0.3j), half_deg * 1j * np.exp(0.3j), 1e-3 * half_deg, 0, 0])
    truth = SkyFit(ra_deg, dec_deg, SHAPE, 2, coefficients)
    stars = StarCatalogue.embedded().cone(ra_deg, dec_deg, 1.2)
    x, y = truth.pixels(stars.ra_deg, stars.dec_deg)
    inside = (x > 0) & (x < SHAPE[1] - 1) & (y > 0) & (y < SHAPE[0] - 1)
    return truth, (x + 1j * y)[inside]


def query(pixels, near=(305.0, 38.0, 1.0), time_limit_s=60.0, shape=SHAPE, scale=SCALE_ARCSEC):
    return Query(pixels, shape, (scale / 1.25, scale * 1.25), near, time_limit_s, 3)


def kept(truth, folder: Path):
    """The file that the player hands out."""
    truth.wcs().to_fits(relax=True).writeto(folder / "truth.wcs")


HANDS_OUT = 'pathlib.Path(option("--wcs")).write_bytes((folder / "truth.wcs").read_bytes())\n'


def test_solve_field_gets_the_list_and_its_answer_is_judged_by_our_catalogue(play, tmp_path):
    truth, pixels = field()
    kept(truth, tmp_path)
    play("solve-field", HANDS_OUT + '(folder / "stars.xyls").write_bytes(pathlib.Path(arguments[0]).read_bytes())')
    assert is_installed("solve-field")
    solution = solve_external("solve-field", query(pixels), StarCatalogue.embedded())
    assert (solution.solver, solution.order) == ("solve-field", 2)
    assert (solution.centre_ra_deg, solution.centre_dec_deg) == pytest.approx((305.0, 38.0), abs=1e-5)
    assert solution.scale_arcsec == pytest.approx(SCALE_ARCSEC, rel=1e-3)
    assert solution.matched == solution.in_field == len(pixels)
    assert 0.0 < solution.rms_arcsec < 0.01
    assert solution.wcs.sip.ap is not None
    assert fits.Header(header_cards(solution))["WCSSOLVR"] == "solve-field"
    asked = (tmp_path / "asked.json").read_text()
    for words in ('"--width", "4200"', '"--height", "3000"', '"--sort-column", "FLUX"', '"--tweak-order", "2"'):
        assert words in asked
    for words in ('"--scale-low", "1.2"', '"--ra=305.000000"', '"--radius=1.000000"', '"--cpulimit", "60"'):
        assert words in asked
    stars = fits.getdata(tmp_path / "stars.xyls")
    assert np.allclose(stars["X"], pixels.real + 1, atol=1e-3)
    assert np.allclose(stars["Y"], pixels.imag + 1, atol=1e-3)
    assert (np.diff(stars["FLUX"]) < 0).all()


def test_a_wrong_answer_is_not_believed(play, tmp_path):
    _, pixels = field()
    kept(field(310.0, 40.0)[0], tmp_path)
    play("solve-field", HANDS_OUT)
    with pytest.raises(Unsolved, match=r"^solve-field found 310.0000 \+40.0000, where only \d+ of \d+ .* not believed"):
        solve_external("solve-field", query(pixels, near=None), StarCatalogue.embedded())
    assert "--ra" not in (tmp_path / "asked.json").read_text()


def test_a_scale_that_was_not_asked_for_is_not_believed(play, tmp_path):
    truth, pixels = field()
    kept(truth, tmp_path)
    play("solve-field", HANDS_OUT)
    with pytest.raises(Unsolved, match=r"found 1.5 arcsec/px, outside of 2.4 to 3.75"):
        solve_external("solve-field", query(pixels, scale=3.0), StarCatalogue.embedded())


@pytest.mark.parametrize("matched", [7, 30])
def test_where_the_catalogue_is_too_sparse_the_solvers_own_matches_count(play, tmp_path, matched):
    shape = (600, 600)
    half_deg = 300 * SCALE_ARCSEC / 3600
    kept(SkyFit(192.9, 27.1, shape, 1, np.array([0, -half_deg, half_deg * 1j])), tmp_path)
    dec = np.linspace(27.0, 27.2, matched)
    pairs = {"field_ra": 192.9, "field_dec": dec + 0.5 / 3600, "index_ra": 192.9, "index_dec": dec}
    columns = [fits.Column(name, "D", array=np.broadcast_to(values, matched)) for name, values in pairs.items()]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "truth.corr")
    play("solve-field", HANDS_OUT + HANDS_OUT.replace("wcs", "corr"))
    pixels = np.linspace(0, 599, 40) * (1 + 1j)
    asked = query(pixels, near=None, shape=shape)
    if matched < 8:
        with pytest.raises(Unsolved, match="solve-field matched 7 stars and 8 are needed"):
            solve_external("solve-field", asked, StarCatalogue.embedded())
    else:
        solution = solve_external("solve-field", asked, StarCatalogue.embedded())
        assert (solution.matched, solution.order) == (30, 1)
        assert solution.rms_arcsec == pytest.approx(0.5, rel=1e-3)


def test_astap_gets_a_picture_of_the_stars_and_its_answer_is_scaled_back(play, tmp_path):
    step = 3  # 4200 pixels are drawn on 1400
    cd = np.array([[-1, 0], [0, 1]]) @ np.array([[np.cos(0.3), np.sin(-0.3)], [np.sin(0.3), np.cos(0.3)]])
    half_deg = max(SHAPE) / 2 * SCALE_ARCSEC / 3600
    truth = SkyFit(305.0, 38.0, SHAPE, 1, half_deg * np.array([0, cd[0, 0] + 1j * cd[1, 0], cd[0, 1] + 1j * cd[1, 1]]))
    stars = StarCatalogue.embedded().cone(305.0, 38.0, 0.8)
    x, y = truth.pixels(stars.ra_deg, stars.dec_deg)
    cd = cd * SCALE_ARCSEC * step / 3600
    lines = {"PLTSOLVD": "T", "CRPIX1": 700.5, "CRPIX2": 500.5, "CRVAL1": 305.0, "CRVAL2": 38.0}
    lines |= {f"CD{i + 1}_{j + 1}": cd[i, j] for i in (0, 1) for j in (0, 1)}
    (tmp_path / "truth.ini").write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
    play(
        "astap_cli",
        'pathlib.Path(option("-o") + ".ini").write_bytes((folder / "truth.ini").read_bytes())\n'
        '(folder / "seen.fits").write_bytes(pathlib.Path(option("-f")).read_bytes())',
    )
    inside = (x > 10) & (x < SHAPE[1] - 10) & (y > 10) & (y < SHAPE[0] - 10)
    solution = solve_external("astap", query((x + 1j * y)[inside]), StarCatalogue.embedded())
    assert (solution.solver, solution.order) == ("astap", 1)
    assert solution.scale_arcsec == pytest.approx(SCALE_ARCSEC, rel=1e-4)
    assert solution.rms_arcsec < 0.01
    assert (solution.centre_ra_deg, solution.centre_dec_deg) == pytest.approx((305.0, 38.0), abs=1e-5)
    picture = fits.getdata(tmp_path / "seen.fits")
    assert picture.shape == (1000, 1400)
    rows, columns = (np.round(axis[inside][:20] / step - 0.33).astype(int) for axis in (y, x))
    assert picture[rows, columns].min() > 20 * np.median(picture)
    assert np.mean(picture > 2 * np.median(picture)) < 0.05
    asked = (tmp_path / "asked.json").read_text()
    assert '"-ra", "20.333333"' in asked
    assert '"-spd", "128.000000"' in asked
    assert '"-fov", "1.25"' in asked


BAD = [
    ("solve-field", 'sys.exit("no luck tonight")', "solve-field found no solution .exit code 1.: no luck tonight"),
    ("solve-field", "pass", "^solve-field found no solution$"),
    ("solve-field", 'print("You must list at least one index in the file")', "has no index files: install some"),
    ("solve-field", 'pathlib.Path(option("--wcs")).write_bytes(b"garbage" * 999)', "cannot be read"),
    ("solve-field", 'pathlib.Path(option("--wcs")).write_bytes(b"END".ljust(2880))', "cannot be read"),
    ("astap", "sys.exit(32)", "astap_cli has no star database: install one"),
    ("astap", "sys.exit(1)", "astap_cli found no solution"),
    ("astap", 'pathlib.Path(option("-o") + ".ini").write_text("PLTSOLVD=F\\nERROR=too dark")', "solution: too dark"),
    ("astap", 'pathlib.Path(option("-o") + ".ini").write_text("PLTSOLVD=T\\nCRPIX1=what")', "cannot be read"),
    ("astap", 'pathlib.Path(option("-o") + ".ini").write_bytes(bytes(range(256)))', "found no solution"),
]


@pytest.mark.parametrize(("solver", "body", "reason"), BAD)
def test_a_solver_that_fails_says_why(play, solver, body, reason):
    play({"astap": "astap_cli"}.get(solver, solver), body)
    pixels = np.linspace(0, 600, 20) * (1 + 1j)
    with pytest.raises(Unsolved, match=reason):
        solve_external(solver, query(pixels, shape=(600, 600)), StarCatalogue.embedded())


def test_one_that_is_not_installed_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not is_installed("astap")
    with pytest.raises(Unsolved, match="astap_cli is not installed"):
        solve_external("astap", query(np.zeros(9, complex)), StarCatalogue.embedded())


HANGS = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(folder / "child").write_text(str(child.pid))
(folder / "here").touch()
time.sleep(600)
"""


def is_gone(folder):
    """Whether the player's own child ends at once; a dead one may wait for init to take it."""
    status = Path("/proc", (folder / "child").read_text(), "status")
    for _ in range(500):
        try:
            if "State:\tZ" in status.read_text():
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        threading.Event().wait(0.01)
    return False


def test_a_hanging_solver_is_killed_with_its_children_when_its_time_is_over(play, tmp_path):
    play("solve-field", HANGS)
    with pytest.raises(Unsolved, match=r"solve-field was stopped after 2 s: raise astrometry.time_limit_s"):
        solve_external("solve-field", query(np.zeros(9, complex), time_limit_s=2.0), StarCatalogue.embedded())
    assert is_gone(tmp_path)


def test_a_solver_that_nobody_waits_for_is_killed_with_its_children(play, tmp_path):
    play("solve-field", HANGS)

    def stop_once_it_runs():
        if (tmp_path / "here").exists():
            raise Cancelled

    with pytest.raises(Cancelled):
        solve_external("solve-field", query(np.zeros(9, complex)), StarCatalogue.embedded(), stop_once_it_runs)
    assert is_gone(tmp_path)
