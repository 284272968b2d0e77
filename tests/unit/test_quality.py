"""Quality numbers say what was put into the frame; what is not known has no key."""

import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from app.frames.product_file import PIXELS, NewProduct, Plane
from app.model.flags import Dq
from app.pipeline.plate_solve import go_on
from app.pipeline.quality import is_out_of_focus, measure, sample_of
from app.pipeline.sources import FWHM_PER_SIGMA, detect, star_scale
from app.sim.sky import add_star


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(2)
    image = rng.normal(500.0, 8.0, (300, 300))
    for x, y in rng.uniform(20.0, 280.0, (30, 2)):
        add_star(image, x, y, 30_000.0, fwhm_px=3.2)
    return image.astype(np.float32)


@pytest.fixture(scope="module")
def sample(frame, tmp_path_factory):
    return taken(tmp_path_factory.mktemp("sample") / "frame.fits", frame, 60_000.0)


def taken(path, image, saturation_adu=None, dq=None):
    """A sample of a product of these pixels and flags."""
    planes = (PIXELS,) if dq is None else (PIXELS, Plane("DQ", "u1"))
    with NewProduct(path, fits.Header(), image.shape, planes) as product:
        for plane, values in enumerate((image, dq)[: len(planes)]):
            product.layout.write(plane, 0, values)
        product.finish()
    return sample_of(path, saturation_adu, go_on)


def test_a_frame_is_measured_as_it_was_made(frame, sample):
    sources = detect(frame)
    measured = measure(sources, sample, pixel_scale_arcsec=0.5)
    assert measured["NSTARS"] == len(sources)
    # A pixel's own width adds 1/12 to the variance.
    assert measured["FWHMPIX"] == pytest.approx(np.sqrt(3.2**2 + 2.3548**2 / 12.0), rel=0.03)
    assert measured["L1FWHM"] == pytest.approx(0.5 * measured["FWHMPIX"], abs=1e-3)
    assert measured["L1ELLIP"] < 0.05
    assert measured["L1MEDIAN"] == pytest.approx(500.0, abs=1.0)
    assert measured["L1MEAN"] == pytest.approx(500.0, abs=1.0)
    assert measured["L1SIGMA"] == pytest.approx(8.0, rel=0.05)
    assert measured["SATFRAC"] == 0.0


def test_what_is_not_known_has_no_key(frame, tmp_path):
    measured = measure(detect(frame), taken(tmp_path / "frame.fits", frame))
    assert set(measured) == {"NSTARS", "FWHMPIX", "L1ELLIP", "L1ELLIPA", "L1MEAN", "L1MEDIAN", "L1SIGMA"}
    empty = taken(tmp_path / "empty.fits", np.full((64, 64), np.nan, np.float32), 100.0)
    assert measure(detect(frame).take(np.array([], int)), empty, 0.5) == {"NSTARS": 0}


def test_all_numbers_are_plain_finite_and_the_same_each_time(frame, sample):
    first, second = (measure(detect(frame), sample, 0.5) for _ in range(2))
    assert json.dumps(first, allow_nan=False) == json.dumps(second)
    assert {type(value) for value in first.values()} == {int, float}


def test_saturated_pixels_are_counted_among_the_valid_ones(frame, tmp_path):
    image = frame.copy()
    image[:3] = 65_535.0
    image[100:150] = np.nan
    assert taken(tmp_path / "frame.fits", image, 60_000.0).saturated_part == pytest.approx(3 / 250, abs=1e-8)


def test_flags_say_what_is_bad_and_what_is_saturated(frame, tmp_path):
    dq = np.zeros(frame.shape, np.uint8)
    image = frame.copy()
    dq[:100], image[:100] = Dq.BAD, 1e6
    dq[100:110] = Dq.SATURATED
    found = taken(tmp_path / "frame.fits", image, 50.0, dq)
    assert found.saturated_part == pytest.approx(10 / 200)
    assert len(found.values) == 200 * 300
    assert found.values.max() < 1e6


def test_of_a_large_frame_evenly_spaced_rows_are_taken(tmp_path):
    image = np.repeat(np.arange(4096, dtype=np.float32)[:, None], 1024, axis=1)
    rows = np.unique(taken(tmp_path / "frame.fits", image).values)
    assert np.array_equal(rows, np.arange(0.0, 4096.0, 4.0))


@pytest.mark.parametrize("is_ring", [True, False])
def test_rings_are_out_of_focus_and_wide_stars_are_not(is_ring):
    rng = np.random.default_rng(5)
    image = rng.normal(500.0, 8.0, (400, 400))
    y, x = np.mgrid[-40:41, -40:41]
    ring = np.exp(-0.5 * ((np.hypot(x, y) - 9.0) / 1.5) ** 2)
    for column, row in rng.integers(45, 350, (15, 2)):
        if is_ring:
            image[row - 40 : row + 41, column - 40 : column + 41] += 400.0 * ring
        else:
            add_star(image, column, row, 200_000.0, fwhm_px=10.0)
    image = image.astype(np.float32)
    sources = detect(image, smooth_px=star_scale(image))
    assert len(sources) == 15
    assert is_out_of_focus(sources) is is_ring


def wide_stars(peak_adu):
    image = np.random.default_rng(5).normal(500.0, 8.0, (400, 400))
    for column, row in np.random.default_rng(6).integers(40, 360, (15, 2)):
        add_star(image, column, row, peak_adu * 2.0 * np.pi * (10.0 / FWHM_PER_SIGMA) ** 2, fwhm_px=10.0)
    return detect(image.astype(np.float32), smooth_px=4.0)


def test_faint_wide_stars_are_no_rings_because_of_the_noise_of_their_peaks():
    sources = wide_stars(peak_adu=24.0)
    assert len(sources) == 15
    assert not is_out_of_focus(sources)


def test_a_few_lumps_of_a_nebula_are_no_rings():
    sources = wide_stars(peak_adu=400.0)
    lumps = replace(sources, peak_adu=sources.peak_adu + 2.0 * (sources.peak_adu - sources.background_adu))
    assert is_out_of_focus(lumps)
    assert not is_out_of_focus(lumps.take(np.arange(4)))


def test_faint_and_saturated_stars_do_not_judge_the_focus(frame, sample):
    sources = detect(frame)
    wide = np.where(np.arange(len(sources)) % 3 == 0, sources.fwhm_px, 50.0)
    snr = np.where(np.arange(len(sources)) % 3 == 1, 5.0, sources.snr)
    spoilt = replace(sources, fwhm_px=wide, snr=snr, is_saturated=np.arange(len(sources)) % 3 == 2)
    assert measure(spoilt, sample)["FWHMPIX"] == pytest.approx(measure(sources, sample)["FWHMPIX"], rel=0.02)


def test_directions_are_averaged_without_a_sign(frame, sample):
    sources = detect(frame)
    count = len(sources)
    trailed = replace(
        sources, ellipticity=np.full(count, 0.3), orientation_deg=np.where(np.arange(count) % 2, 89.0, -89.0)
    )
    angle_deg = measure(trailed, sample)["L1ELLIPA"]
    assert abs(abs(angle_deg) - 90.0) < 1.0
    assert "L1ELLIPA" not in measure(replace(sources, ellipticity=np.zeros(count)), sample)
