"""The simulated sky: what is put in comes out, with the noise that physics demands."""

from dataclasses import replace

import numpy as np
import pytest
import sep
from astropy.io import fits
from astropy.wcs import WCS

from app.frames.star_catalogue import CatalogueStars, StarCatalogue
from app.model.frame import FrameKind
from app.pipeline.plate_solve import Hint, solve
from app.sim.raw_night import FWHM_PX, LIGHT_EXPOSURE_S, SCALE_ARCSEC, SHAPE, write_night
from app.sim.sky import Camera, add_star, bias_pattern, dark_pattern, flat_pattern, render_light


def camera(shape=(200, 300), **changes):
    return replace(Camera(np.full(shape, 1000.0), np.zeros(shape), np.ones(shape)), **changes)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_a_star_keeps_its_flux_place_and_width():
    light = np.zeros((60, 80))
    add_star(light, 41.3, 22.8, 1e5, fwhm_px=3.0)
    rows, columns = np.indices(light.shape)
    assert light.sum() == pytest.approx(1e5, rel=1e-7)
    assert (light * columns).sum() / light.sum() == pytest.approx(41.3, abs=1e-6)
    assert (light * rows).sum() / light.sum() == pytest.approx(22.8, abs=1e-6)
    # A pixel's own width adds 1/12 to the variance.
    variance = (light * (columns - 41.3) ** 2).sum() / light.sum() - 1 / 12
    assert 2.3548 * np.sqrt(variance) == pytest.approx(3.0, rel=1e-3)


def test_light_beyond_the_edge_is_lost():
    light = np.zeros((40, 40))
    add_star(light, -0.5, 20.0, 1000.0, fwhm_px=3.0)
    assert light.sum() == pytest.approx(500.0, rel=1e-6)
    add_star(light, 500.0, -500.0, 1000.0, fwhm_px=3.0)
    assert light.sum() == pytest.approx(500.0, rel=1e-6)


def test_stars_fall_where_the_wcs_says_with_the_light_of_their_magnitude():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [100.0, 20.0], [31.0, 21.0], [-0.001, 0.001]
    stars = CatalogueStars(np.array([100.0]), np.array([20.01]), np.array([12.5]))
    light = render_light(wcs, stars, (60, 70), exposure_s=20.0, fwhm_px=2.5, zero_point_mag=15.0, sky_e_per_s=3.0)
    assert light.sum() - 60.0 * light.size == pytest.approx(20.0 * 10.0, rel=1e-6)
    assert np.unravel_index(light.argmax(), light.shape) == (30, 30)
    nothing = CatalogueStars(*np.empty((3, 0)))
    sky = render_light(wcs, nothing, (60, 70), exposure_s=20.0, fwhm_px=2.5, zero_point_mag=15.0, sky_e_per_s=3.0)
    assert (sky == 60.0).all()


def test_a_bias_has_its_level_and_the_read_noise(rng):
    bias = camera(read_noise_e=8.0, gain_e_per_adu=2.0).expose(rng).astype(float)
    assert bias.mean() == pytest.approx(1000.0, abs=5 * 4.0 / np.sqrt(bias.size))
    assert bias.var() == pytest.approx(8.0**2 / 2.0**2 + 1 / 12, rel=0.03)


def test_noise_of_a_flat_is_that_of_its_electrons(rng):
    taken = camera(read_noise_e=5.0, gain_e_per_adu=1.6)
    even_e = np.full((200, 300), 20000.0)
    first, second = (taken.expose(rng, 1.0, even_e).astype(float) for _ in range(2))
    assert (first - 1000.0).mean() * 1.6 == pytest.approx(20000.0, rel=1e-3)
    # Photon transfer: gain = signal / variance of one frame (Janesick 2001).
    assert (first - second).var() / 2 == pytest.approx((20000.0 + 5.0**2) / 1.6**2 + 1 / 12, rel=0.03)


def test_dark_current_grows_with_time(rng):
    dark = np.full((200, 300), 0.5)
    dark[50, 60] = 300.0
    taken = camera(dark_e_per_s=dark, gain_e_per_adu=1.0)
    short, long = (taken.expose(rng, time_s).astype(float) - 1000.0 for time_s in (20.0, 60.0))
    assert short.mean() == pytest.approx(0.5 * 20, rel=0.02)
    assert long.mean() / short.mean() == pytest.approx(3.0, rel=0.02)
    assert long[50, 60] == pytest.approx(300.0 * 60, abs=5 * np.sqrt(300 * 60))


def test_star_flux_survives_the_camera_within_its_noise(rng):
    light = np.zeros((200, 300))
    add_star(light, 150.2, 99.7, 2e5, fwhm_px=3.0)
    taken = camera(read_noise_e=6.0, gain_e_per_adu=1.5)
    measured_e = (taken.expose(rng, 30.0, light)[85:115, 135:165].astype(float) - 1000.0).sum() * 1.5
    assert measured_e == pytest.approx(2e5, abs=5 * np.sqrt(2e5 + 900 * 6.0**2))


def test_response_dims_the_light_but_not_the_dark(rng):
    flat = np.ones((200, 300))
    flat[:, 150:] = 0.5
    taken = camera(flat=flat, dark_e_per_s=np.full((200, 300), 10.0), gain_e_per_adu=1.0)
    counts = taken.expose(rng, 10.0, np.full((200, 300), 4000.0)).astype(float) - 1000.0
    assert counts[:, :150].mean() == pytest.approx(4100.0, rel=2e-3)
    assert counts[:, 150:].mean() == pytest.approx(2100.0, rel=2e-3)


def test_too_much_light_saturates_and_does_not_wrap(rng):
    light = np.full((200, 300), 1e7)
    assert (camera().expose(rng, 1.0, light) == 65535).all()
    assert (camera(saturation_adu=4095).expose(rng, 1.0, light) == 4095).all()
    assert camera(bias_adu=np.zeros((200, 300))).expose(rng).min() == 0


def test_the_same_seed_gives_the_same_frame():
    frames = [camera().expose(np.random.default_rng(seed), 5.0, np.full((200, 300), 50.0)) for seed in (3, 3, 4)]
    assert (frames[0] == frames[1]).all()
    assert (frames[0] != frames[2]).any()


def test_patterns_are_what_they_say(rng):
    assert np.median(bias_pattern((200, 300), 1234.0, rng)) == pytest.approx(1234.0, abs=1.0)
    dark = dark_pattern((200, 300), 0.2, hot_pixels=50, rng=rng)
    assert (dark > 4.0).sum() == 50
    assert np.median(dark) == pytest.approx(0.2, rel=0.1)
    flat = flat_pattern((200, 300), vignetting=0.2, dust=3, rng=rng)
    assert np.median(flat) == pytest.approx(1.0)
    assert flat[:20, :20].mean() / flat[90:110, 140:160].mean() == pytest.approx(0.83, abs=0.03)


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return write_night(tmp_path_factory.mktemp("night"))


def test_night_has_its_frames_and_says_that_it_is_simulated(night):
    frames = [*(path for paths in night.calibrations.values() for path in paths), *(one.path for one in night.lights)]
    headers = [fits.getheader(path) for path in frames]
    kinds = [(header["IMAGETYP"], header.get("FILTER")) for header in headers]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        ("Bias Frame", None): 3,
        ("Dark Frame", None): 3,
        ("Flat Field", "V"): 3,
        ("Flat Field", "R"): 3,
        ("Light Frame", "V"): 3,
        ("Light Frame", "R"): 3,
    }
    assert all(header["SIMULATE"] is True for header in headers)
    assert {header["EXPTIME"] for header, kind in zip(headers, kinds, strict=True) if kind[0][0] in "DL"} == {30.0}
    starts = [header["DATE-OBS"] for header in headers]
    assert starts == sorted(set(starts))
    assert all(fits.getdata(path).dtype == np.uint16 for path in frames[:1])


def test_night_is_the_same_each_time(night, tmp_path):
    again = write_night(tmp_path)
    for first, second in zip(night.lights, again.lights, strict=True):
        assert first.path.read_bytes() == second.path.read_bytes()
    for kind, paths in night.calibrations.items():
        assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again.calibrations[kind]]


def test_night_holds_what_was_put_in(night):
    mean_bias = np.mean([fits.getdata(path).astype(float) for path in night.calibrations[FrameKind.BIAS]], axis=0)
    assert (mean_bias - night.camera.bias_adu).std() == pytest.approx(7.0 / 1.3 / np.sqrt(3), rel=0.02)
    mean_dark = np.mean([fits.getdata(path).astype(float) for path in night.calibrations[FrameKind.DARK]], axis=0)
    dark_adu = night.camera.dark_e_per_s * LIGHT_EXPOSURE_S / 1.3
    hot = dark_adu > 500.0
    assert hot.sum() > 50
    assert np.median((mean_dark - night.camera.bias_adu)[hot] / dark_adu[hot]) == pytest.approx(1.0, abs=0.01)


def test_each_light_of_the_night_is_solved_to_its_true_sky(night):
    for light in night.lights:
        counts = fits.getdata(light.path).astype(np.float32) - night.camera.bias_adu.astype(np.float32)
        counts -= (night.camera.dark_e_per_s * LIGHT_EXPOSURE_S / 1.3).astype(np.float32)
        counts /= night.flats[light.filter].astype(np.float32)
        background = sep.Background(counts)
        found = sep.extract(counts - background.back(), 5.0, err=background.globalrms, minarea=5)
        found = found[np.argsort(-found["flux"])]
        assert len(found) > 60
        header = fits.getheader(light.path)
        hint = Hint(header["RA"], header["DEC"], 1.0, header["PIXSCALE"])
        solution = solve(found["x"], found["y"], SHAPE, hint, StarCatalogue.embedded())
        corners = np.array([[0, 0], [SHAPE[1] - 1, 0], [0, SHAPE[0] - 1], [SHAPE[1] - 1, SHAPE[0] - 1], [511, 383]])
        there = light.wcs.all_world2pix(solution.wcs.all_pix2world(corners, 0), 0)
        assert np.hypot(*(there - corners).T).max() < 0.5
        assert solution.matched > 60
        assert solution.rms_arcsec < 0.1 * SCALE_ARCSEC


def test_shifts_of_the_night_are_those_of_its_skies(night):
    first = night.lights[0]
    star = first.wcs.all_pix2world(500.0, 400.0, 0)
    for light in night.lights:
        x, y = light.wcs.all_world2pix(*star, 0)
        assert (float(x) - 500.0, float(y) - 400.0) == pytest.approx(light.shift_px, abs=0.02)
    assert FWHM_PX > 2.5  # sharper stars would look like hot pixels
