"""A measured product carries its numbers, its stars and its place, and nothing that is not known."""

from datetime import UTC, datetime

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from app.frames.product_file import write_product
from app.frames.star_catalogue import StarCatalogue
from app.model.errors import Cancelled
from app.model.flags import Qc
from app.model.frame import FrameFacts
from app.model.settings import Astrometry, Mail, Settings, Site
from app.pipeline.measure import Measuring, measure_file, needed
from app.pipeline.plate_solve import go_on
from app.pipeline.sky_fit import Distortion
from app.pipeline.sources import kept_sources
from app.sim.sky import add_star

SHAPE = (500, 600)
SCALE_ARCSEC = 6.0
STARTED_AT = datetime(2026, 7, 1, 23, tzinfo=UTC)
FACTS = FrameFacts(
    *SHAPE,
    exposure_s=30.0,
    filter="R",
    instrument="Cam",
    started_at=STARTED_AT,
    ra_deg=305.0,
    dec_deg=38.1,
    pixel_scale_arcsec=SCALE_ARCSEC,
)
SETTINGS = Settings(
    site=Site(latitude_deg=40.0, longitude_deg=0.0), astrometry=Astrometry(solvers=("cupola",), blind=False)
)
WCS_CARDS = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 305.0,
    "CRVAL2": 38.0,
    "CRPIX1": 300.5,
    "CRPIX2": 250.5,
    "CDELT1": -SCALE_ARCSEC / 3600,
    "CDELT2": SCALE_ARCSEC / 3600,
}


@pytest.fixture(scope="module")
def sky():
    rng = np.random.default_rng(4)
    image = rng.normal(200.0, 6.0, SHAPE)
    stars = StarCatalogue.embedded().cone(305.0, 38.0, 0.7)
    x, y = WCS(fits.Header(WCS_CARDS)).all_world2pix(stars.ra_deg, stars.dec_deg, 0)
    for column, row, magnitude in zip(x, y, stars.magnitude, strict=True):
        if 8 < column < 592 and 8 < row < 492 and magnitude < 12.0:
            add_star(image, column, row, 30.0 * 10.0 ** (-0.4 * (magnitude - 20.0)), fwhm_px=2.6)
    return image.astype(np.float32)


def product(path, image, **cards):
    write_product(path, fits.Header(cards), image.shape, [image])
    return path


def measured(path, facts=FACTS, settings=SETTINGS, **more):
    return measure_file(Measuring(path, facts, settings, **more), go_on)


@pytest.fixture(scope="module")
def solved(sky, tmp_path_factory):
    path = product(tmp_path_factory.mktemp("solved") / "light.fits", sky, L1FWHM=99.0, MAGZPCAT="other", SATURATE=1e9)
    return path, measured(path)


def test_a_light_is_solved_and_measured(solved):
    path, found = solved
    header = fits.getheader(path)
    assert (header["WCSERR"], header["WCSSOLVR"], header["WCSRFCAT"]) == (0, "cupola", "Tycho-2")
    assert header["PNTOFST"] == pytest.approx(360.0, abs=3.0)
    assert header["MAGZP"] == pytest.approx(20.0, abs=0.05)
    assert header["MAGLIM"] > 12.0
    assert header["L1FWHM"] == pytest.approx(SCALE_ARCSEC * header["FWHMPIX"], rel=1e-2)
    assert 1.0 < header["AIRMASS"] < 3.0
    assert (header["SATFRAC"], header["QCFLAG"]) == (0.0, 0)
    assert "QCNOTE" not in header
    for name, number in found.qc.items():
        assert header[name] == number


def test_its_stars_go_with_it(solved):
    path, found = solved
    kept = kept_sources(path)
    assert kept.count == found.qc["NSTARS"] > 50


def test_measured_twice_it_is_the_same_file(solved, sky, tmp_path):
    again = product(tmp_path / "light.fits", sky, L1FWHM=99.0, MAGZPCAT="other", SATURATE=1e9)
    assert measured(again).checksum == solved[1].checksum


def test_a_camera_s_own_world_coordinates_are_kept_and_give_a_zero_point(sky, tmp_path):
    path = product(tmp_path / "light.fits", sky, WCSSOLVR="its own", **WCS_CARDS)
    found = measured(path)
    header = fits.getheader(path)
    assert (found.wcs["status"], header["WCSERR"], header["WCSSOLVR"]) == ("header", 9, "header")
    assert header["CRVAL1"] == 305.0
    assert header["MAGZP"] == pytest.approx(20.0, abs=0.05)
    assert "WCSMATCH" not in header


def test_an_unsolved_light_says_why_and_carries_no_number_that_is_not_known(tmp_path):
    image = np.random.default_rng(1).normal(100.0, 5.0, (64, 64)).astype(np.float32)
    path = product(tmp_path / "light.fits", image, L1FWHM=99.0, MAGZP=20.0, WCSMATCH=7)
    found = measured(path, FrameFacts(64, 64), flags=Qc.UNCALIBRATED)
    header = fits.getheader(path)
    assert header["WCSERR"] == 1
    assert header["QCFLAG"] == Qc.UNSOLVED | Qc.UNCALIBRATED
    assert "no position in the header" in found.wcs["reason"]
    assert "not calibrated" in header["QCNOTE"]
    assert "unsolved: no position" in header["QCNOTE"]
    for name in ("L1FWHM", "FWHMPIX", "MAGZP", "MAGLIM", "WCSMATCH", "SATFRAC", "AIRMASS"):
        assert name not in header


def test_the_lens_of_its_own_camera_and_size_is_remembered(solved):
    found = solved[1].wcs.get("distortion")
    assert found is not None
    lens = Distortion.from_json(found)
    assert (lens.camera, lens.filter, lens.rows, lens.columns) == ("Cam", "R", *SHAPE)


def test_secrets_do_not_travel():
    settings = needed(Settings(mail=Mail(host="mail.example", password="secret")), may_search=False)
    assert settings.mail.password is None
    assert not settings.astrometry.blind


def test_a_stop_leaves_the_file_as_it_was(sky, tmp_path):
    path = product(tmp_path / "light.fits", sky)
    before = path.read_bytes()

    def stop():
        raise Cancelled

    with pytest.raises(Cancelled):
        measure_file(Measuring(path, FACTS, SETTINGS), stop)
    assert path.read_bytes() == before
