"""Quality numbers say what was put into the frame; what is not known has no key."""

import json
from dataclasses import replace

import numpy as np
import pytest

from app.pipeline.quality import measure
from app.pipeline.sources import detect
from app.sim.sky import add_star


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(2)
    image = rng.normal(500.0, 8.0, (300, 300))
    for x, y in rng.uniform(20.0, 280.0, (30, 2)):
        add_star(image, x, y, 30_000.0, fwhm_px=3.2)
    return image.astype(np.float32)


def test_a_frame_is_measured_as_it_was_made(frame):
    sources = detect(frame)
    measured = measure(sources, frame, pixel_scale_arcsec=0.5, saturation_adu=60_000.0)
    assert measured["NSTARS"] == len(sources)
    # A pixel's own width adds 1/12 to the variance.
    assert measured["FWHMPIX"] == pytest.approx(np.sqrt(3.2**2 + 2.3548**2 / 12.0), rel=0.03)
    assert measured["L1FWHM"] == pytest.approx(0.5 * measured["FWHMPIX"], abs=1e-3)
    assert measured["L1ELLIP"] < 0.05
    assert measured["L1MEDIAN"] == pytest.approx(500.0, abs=1.0)
    assert measured["L1MEAN"] == pytest.approx(500.0, abs=1.0)
    assert measured["L1SIGMA"] == pytest.approx(8.0, rel=0.05)
    assert measured["SATFRAC"] == 0.0


def test_what_is_not_known_has_no_key(frame):
    measured = measure(detect(frame), frame)
    assert set(measured) == {"NSTARS", "FWHMPIX", "L1ELLIP", "L1ELLIPA", "L1MEAN", "L1MEDIAN", "L1SIGMA"}
    empty = np.full((64, 64), np.nan, np.float32)
    assert measure(detect(frame).take(np.array([], int)), empty, 0.5, 100.0) == {"NSTARS": 0}


def test_all_numbers_are_plain_finite_and_the_same_each_time(frame):
    first, second = (measure(detect(frame), frame, 0.5, 60_000.0) for _ in range(2))
    assert json.dumps(first, allow_nan=False) == json.dumps(second)
    assert {type(value) for value in first.values()} == {int, float}


def test_saturated_pixels_are_counted_among_the_valid_ones(frame):
    image = frame.copy()
    image[:3] = 65_535.0
    image[100:150] = np.nan
    assert measure(detect(image), image, None, 60_000.0)["SATFRAC"] == pytest.approx(3 / 250, abs=1e-8)


def test_faint_and_saturated_stars_do_not_judge_the_focus(frame):
    sources = detect(frame)
    wide = np.where(np.arange(len(sources)) % 3 == 0, sources.fwhm_px, 50.0)
    snr = np.where(np.arange(len(sources)) % 3 == 1, 5.0, sources.snr)
    spoilt = replace(sources, fwhm_px=wide, snr=snr, is_saturated=np.arange(len(sources)) % 3 == 2)
    assert measure(spoilt, frame)["FWHMPIX"] == pytest.approx(measure(sources, frame)["FWHMPIX"], rel=0.02)


def test_directions_are_averaged_without_a_sign(frame):
    sources = detect(frame)
    count = len(sources)
    trailed = replace(
        sources, ellipticity=np.full(count, 0.3), orientation_deg=np.where(np.arange(count) % 2, 89.0, -89.0)
    )
    angle_deg = measure(trailed, frame)["L1ELLIPA"]
    assert abs(abs(angle_deg) - 90.0) < 1.0
    assert "L1ELLIPA" not in measure(replace(sources, ellipticity=np.zeros(count)), frame)
