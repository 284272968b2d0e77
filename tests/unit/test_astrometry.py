"""Astrometry: which solver is asked when, what is said when none helps, and what is remembered of a lens."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from astropy.io import fits

from app.frames.star_catalogue import StarCatalogue, unit_vectors
from app.model.errors import Cancelled
from app.model.frame import FrameFacts
from app.model.settings import Astrometry, Settings
from app.pipeline import astrometry
from app.pipeline.astrometry import distortion_of, find_position
from app.pipeline.plate_solve import Unsolved, header_cards
from app.pipeline.sky_fit import Distortion, SkyFit

SHAPE = (800, 1100)
SCALE_ARCSEC = 5.0
FACTS = FrameFacts(instrument="Cam", binning=(1, 1), filter="R", pixel_scale_arcsec=SCALE_ARCSEC)
BEND = 1e-2  # of half a frame at its edge


@dataclass
class Detected:
    x: np.ndarray
    y: np.ndarray


def seen(ra_deg, dec_deg, stars=None, bend=BEND, seed=1):
    """Truth and detections of a field through a strong lens; the `stars` brightest of the catalogue, or all."""
    rng = np.random.default_rng(seed)
    half_deg = max(SHAPE) / 2 * SCALE_ARCSEC / 3600
    coefficients = np.zeros(10, complex)
    coefficients[[1, 2]] = -half_deg * np.exp(0.4j), half_deg * 1j * np.exp(0.4j)
    coefficients[[6, 8]] += bend * coefficients[1]
    coefficients[[7, 9]] += bend * coefficients[2]
    truth = SkyFit(ra_deg, dec_deg, SHAPE, 3, coefficients)
    field = StarCatalogue.embedded().cone(ra_deg, dec_deg, 1.0)
    x, y = truth.pixels(field.ra_deg, field.dec_deg)
    inside = np.flatnonzero((x > 0) & (x < SHAPE[1] - 1) & (y > 0) & (y < SHAPE[0] - 1))[:stars]
    return truth, Detected(*(axis[inside] + rng.normal(0, 0.1, len(inside)) for axis in (x, y)))


def corner_error_px(solution, truth):
    x, y = np.array([0.0, SHAPE[1] - 1.0, 0.0, SHAPE[1] - 1.0]), np.array([0.0, 0.0, SHAPE[0] - 1.0, SHAPE[0] - 1.0])
    apart = unit_vectors(*solution.wcs.all_pix2world(x, y, 0)) - unit_vectors(*truth.sky(x, y))
    return np.degrees(np.linalg.norm(apart, axis=1)).max() * 3600 / SCALE_ARCSEC


def with_position(truth, facts=FACTS):
    return replace(facts, ra_deg=truth.centre_ra_deg, dec_deg=truth.centre_dec_deg + 0.3)


def settings(**limits):
    return Settings(astrometry=Astrometry(**{"solvers": ("cupola",), "blind": False} | limits))


@pytest.fixture(scope="module")
def rich():
    truth, stars = seen(305.0, 38.0)
    return truth, stars, find_position(stars, SHAPE, with_position(truth), settings())


def test_a_frame_is_found_near_its_position(rich):
    truth, _, solution = rich
    assert corner_error_px(solution, truth) < 1.0
    assert (solution.order, solution.is_remembered, solution.solver) == (3, False, "cupola")


def test_the_order_stays_below_that_of_the_settings(rich):
    truth, stars, _ = rich
    assert find_position(stars, SHAPE, with_position(truth), settings(most_order=2)).order == 2


def test_a_missing_scale_is_searched_for(rich):
    truth, stars, _ = rich
    solution = find_position(stars, SHAPE, with_position(truth, replace(FACTS, pixel_scale_arcsec=None)), settings())
    assert solution.scale_arcsec == pytest.approx(SCALE_ARCSEC, rel=2e-3)


def test_without_position_and_blind_search_nobody_is_asked(rich):
    with pytest.raises(Unsolved, match=r"No solver of astrometry.solvers .* has a position"):
        find_position(rich[1], SHAPE, FACTS, settings())


def test_without_position_the_whole_sky_is_searched_at_the_scale_of_the_header(rich, monkeypatch):
    asked = []

    def blind(x, y, shape, catalogue, scales, lens, check):
        asked.append((len(x), shape, scales, lens.most_order))
        raise Unsolved("nothing")

    monkeypatch.setattr(astrometry, "solve_blind", blind)
    count = len(rich[1].x)
    with pytest.raises(Unsolved, match=r"^anywhere: nothing$"):
        find_position(rich[1], SHAPE, FACTS, settings(blind=True, most_order=2))
    with pytest.raises(Unsolved):
        find_position(rich[1], SHAPE, replace(FACTS, pixel_scale_arcsec=None), settings(blind=True))
    assert asked == [
        (count, SHAPE, (pytest.approx(5.0 / 2.1), pytest.approx(10.5)), 2),
        (count, SHAPE, (0.3, 30.0), 3),
    ]


def test_each_solver_says_why_in_the_order_of_the_settings(rich, monkeypatch):
    def nothing(solver, query, catalogue, check):
        raise Unsolved(f"{solver} asked near {query.near} at {query.scales_arcsec} for {query.time_limit_s:g} s")

    monkeypatch.setattr(astrometry, "is_installed", lambda solver: solver == "astap")
    monkeypatch.setattr(astrometry, "solve_external", nothing)
    facts = replace(FACTS, ra_deg=10.0, dec_deg=20.0)
    limits = settings(solvers=("solve-field", "astap", "cupola"), time_limit_s=7.0)
    with pytest.raises(
        Unsolved, match=r"^astap asked near \(10.0, 20.0, 1.0\) at \(4.0, 6.25\) for 7 s; near the position: "
    ):
        find_position(rich[1], SHAPE, facts, limits)


def test_a_small_field_is_too_sparse_near_and_anywhere():
    rng = np.random.default_rng(2)
    facts = FrameFacts(pixel_scale_arcsec=0.67, ra_deg=240.55, dec_deg=28.17)
    with pytest.raises(Unsolved, match=r"^near the position: .*too sparse.*; anywhere: .*for the same reason$"):
        find_position(Detected(*rng.uniform(0, 1024, (2, 200))), (1024, 1024), facts, settings(blind=True))


def test_work_that_nobody_wants_is_stopped(rich):
    def stop():
        raise Cancelled

    with pytest.raises(Cancelled):
        find_position(rich[1], SHAPE, with_position(rich[0]), settings(), check=stop)


def test_a_lens_is_remembered_for_frames_with_few_stars(rich):
    train = Distortion.from_json(json.loads(json.dumps(distortion_of(rich[2], FACTS).to_json())))
    truth, few = seen(192.9, 27.1, stars=13, seed=3)
    facts = with_position(truth)
    alone = find_position(few, SHAPE, facts, settings())
    helped = find_position(few, SHAPE, facts, settings(), train)
    assert corner_error_px(helped, truth) < 1.0
    assert corner_error_px(alone, truth) > 2.0
    assert (helped.is_remembered, helped.order, helped.matched) == (True, 3, 13)
    header = fits.Header(header_cards(helped))
    assert (header["DISTORT"], header["WCSORDER"], header["A_ORDER"]) == ("remembered", 3, 3)
    assert "DISTORT" not in fits.Header(header_cards(alone))
    assert helped.wcs.sip.a[3, 0] == pytest.approx(rich[2].wcs.sip.a[3, 0], rel=1e-9)


@pytest.mark.parametrize(
    "other", [{"instrument": "Other"}, {"binning": (2, 2)}], ids=["of another camera", "of another binning"]
)
def test_a_lens_is_not_that(rich, other):
    train = distortion_of(rich[2], replace(FACTS, **other))
    truth, few = seen(192.9, 27.1, stars=13, seed=3)
    assert not find_position(few, SHAPE, with_position(truth), settings(), train).is_remembered


def test_a_lens_that_has_changed_is_not_forced_upon_a_frame(rich):
    train = distortion_of(rich[2], FACTS)
    truth, few = seen(192.9, 27.1, stars=13, bend=-0.004, seed=3)
    solution = find_position(few, SHAPE, with_position(truth), settings(), train)
    assert not solution.is_remembered
    assert solution.matched == 13


def test_many_stars_need_no_memory(rich):
    truth, stars, solution = rich
    again = find_position(stars, SHAPE, with_position(truth), settings(), distortion_of(solution, FACTS))
    assert not again.is_remembered


def test_only_what_a_good_solution_found_is_remembered(rich):
    solution = rich[2]
    assert distortion_of(solution, FACTS).filter == "R"
    assert distortion_of(replace(solution, matched=29), FACTS) is None
    assert distortion_of(replace(solution, is_remembered=True), FACTS) is None
    truth, stars = rich[0], rich[1]
    plain = find_position(stars, SHAPE, with_position(truth), settings(most_order=1))
    assert distortion_of(plain, FACTS) is None


def test_a_damaged_memory_is_refused(rich):
    known = distortion_of(rich[2], FACTS).to_json()
    for damaged in (known | {"a": known["a"][:-1]}, known | {"b": None}, known | {"a": [float("nan")] * 7}, {}):
        with pytest.raises(ValueError, match="remembered distortion"):
            Distortion.from_json(damaged)
