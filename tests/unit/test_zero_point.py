"""The zero point is that which was put in; wrong stars, clouds and missing numbers are told from it."""

import math

import numpy as np
import pytest
from astropy.wcs import WCS

from app.frames.star_catalogue import StarCatalogue
from app.pipeline.sources import Sources
from app.pipeline.zero_point import zero_point

SHAPE = (800, 1000)
EXPOSURE_S, FWHM_PX, NOISE_ADU, TRUE_MAG = 30.0, 3.0, 10.0, 21.5
CATALOGUE = StarCatalogue.embedded()


@pytest.fixture(scope="module")
def wcs():
    made = WCS(naxis=2)
    made.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    made.wcs.crval, made.wcs.crpix, made.wcs.cdelt = [305.0, 38.0], [500.5, 400.5], [-5.0 / 3600, 5.0 / 3600]
    return made


@pytest.fixture(scope="module")
def field(wcs):
    """Catalogue stars as the camera sees them, and their fluxes."""
    stars = CATALOGUE.cone(305.0, 38.0, 0.8)
    x, y = wcs.all_world2pix(stars.ra_deg, stars.dec_deg, 0)
    inside = (x > 5) & (x < 995) & (y > 5) & (y < 795)
    return x[inside], y[inside], EXPOSURE_S * 10.0 ** (-0.4 * (stars.magnitude[inside] - TRUE_MAG))


def seen(field, scatter_mag=0.05, saturated=()):
    x, y, flux = field
    rng = np.random.default_rng(3)
    flux = flux * 10.0 ** (0.4 * rng.normal(0.0, scatter_mag, len(x)))
    is_saturated = np.isin(np.arange(len(x)), saturated)
    ones = np.ones(len(x))
    return Sources(
        x=x,
        y=y,
        flux_adu=flux,
        peak_adu=flux,
        fwhm_px=FWHM_PX * ones,
        ellipticity=0.1 * ones,
        orientation_deg=0.0 * ones,
        snr=100.0 * ones,
        is_saturated=is_saturated,
        background_adu=100.0,
        noise_adu=NOISE_ADU,
        smooth_px=1.0,
        count=len(x),
    )


def measured(sources, wcs, exposure_s=EXPOSURE_S, fwhm_px=FWHM_PX):
    return zero_point(sources, wcs, SHAPE, exposure_s, fwhm_px, CATALOGUE)


def test_zero_point_is_that_of_the_camera(field, wcs):
    found = measured(seen(field), wcs)
    assert found["MAGZP"] == pytest.approx(TRUE_MAG, abs=0.02)
    assert found["MAGZPRMS"] == pytest.approx(0.05, abs=0.015)
    assert found["MAGZPN"] >= 0.9 * len(field[0])
    assert found["MAGZPCAT"] == "Tycho-2"


def test_limit_is_five_times_the_noise_of_a_star(field, wcs):
    found = measured(seen(field), wcs)
    area_px = 4.0 * math.pi * (FWHM_PX / 2.3548) ** 2
    flux = EXPOSURE_S * 10.0 ** (-0.4 * (found["MAGLIM"] - found["MAGZP"]))
    assert flux == pytest.approx(5.0 * NOISE_ADU * math.sqrt(area_px), rel=1e-3)
    assert "MAGLIM" not in measured(seen(field), wcs, fwhm_px=None)


def test_a_cloud_lowers_it_by_its_magnitudes(field, wcs):
    x, y, flux = field
    assert measured(seen((x, y, 0.5 * flux)), wcs)["MAGZP"] == pytest.approx(TRUE_MAG - 0.753, abs=0.02)


def test_saturated_and_wrong_stars_do_not_count(field, wcs):
    x, y, flux = field
    wrong = flux.copy()
    wrong[:10] *= 0.1  # saturated
    wrong[20:25] *= 30.0  # another star over them
    found = measured(seen((x, y, wrong), saturated=range(10)), wcs)
    assert found["MAGZP"] == pytest.approx(TRUE_MAG, abs=0.02)
    assert found["MAGZPN"] <= len(x) - 15


def test_what_is_not_known_has_no_key(field, wcs):
    x, y, flux = field
    assert measured(seen(field), wcs, exposure_s=None) == {}
    assert measured(seen(field), wcs, exposure_s=0.0) == {}
    assert measured(seen((x[:4], y[:4], flux[:4])), wcs) == {}
    assert measured(seen((x + 20.0, y, flux)), wcs) == {}  # of other stars
    assert measured(seen(field).take(np.array([], int)), wcs) == {}


def test_stars_that_do_not_agree_are_the_wrong_ones(field, wcs):
    assert measured(seen(field, scatter_mag=1.5), wcs) == {}
