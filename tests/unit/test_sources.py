"""Stars are found and measured as they were put in; pixels that no optics make are none."""

import numpy as np
import pytest
from astropy.io import fits

from app.model.errors import CalibrationError
from app.pipeline.sharp import SHARP_REACH_PX, mend, sharp_pixels
from app.pipeline.sources import detect, star_scale
from app.sim.sky import add_star

NOISE = 5.0
SKY = 300.0


def add_ring(image, x, y, flux, fwhm):
    """A star far out of focus: a bright ring with a dark middle, as wide as it is told."""
    rows, columns = np.indices(image.shape)
    light = np.exp(-0.5 * ((np.hypot(columns - x, rows - y) - fwhm / 3.0) / (fwhm / 10.0)) ** 2)
    image += flux * light / light.sum()


def field(places, shape=(200, 240), flux=20_000.0, fwhm=3.0, draw=add_star):
    image = np.random.default_rng(1).normal(SKY, NOISE, shape)
    for (x, y), one_flux in zip(places, np.broadcast_to(flux, len(places)), strict=True):
        draw(image, x, y, one_flux, fwhm)
    return image.astype(np.float32)


def nearest(found, x, y):
    return int(np.argmin(np.hypot(found.x - x, found.y - y)))


PLACES = [(40.3, 50.8), (100.0, 120.5), (180.25, 60.4), (200.6, 170.1), (60.9, 160.0), (120.2, 20.7)]


def test_single_pixels_are_sharp_whatever_their_sign_and_short_trails_too():
    image = field([])
    image[50, 60] += 300.0
    image[80, 90] -= 300.0
    image[120, 100:103] += 400.0
    image[0, 0] += 300.0
    expected = np.zeros(image.shape, bool)
    expected[50, 60] = expected[80, 90] = expected[0, 0] = True
    expected[120, 100:103] = True
    assert (sharp_pixels(image, NOISE) == expected).all()


@pytest.mark.parametrize("fwhm", [1.5, 1.7, 2.0, 3.0])
def test_no_star_is_sharp_wherever_it_lies_in_its_pixel(fwhm):
    places = [(20.0 + 20 * i + i / 10, 20.0 + 20 * j + j / 10) for i in range(6) for j in range(6)]
    image = field(places, shape=(160, 160), flux=50_000.0, fwhm=fwhm)
    assert not sharp_pixels(image, NOISE).any()


def test_the_photon_noise_of_a_bright_star_is_not_sharp():
    rng = np.random.default_rng(6)
    image = np.zeros((120, 120))
    add_star(image, 60.3, 59.8, 3e6, 14.0)
    noisy = rng.normal(rng.poisson(image), NOISE).astype(np.float32)
    assert np.count_nonzero(sharp_pixels(noisy, NOISE)) <= 2


def test_a_verdict_needs_the_neighbours_within_reach_only():
    image = field(PLACES)
    image[::7, ::11] += 200.0
    image[40:44, 100:130] = np.nan
    whole = sharp_pixels(image, NOISE)
    assert whole.sum() > 500
    for first in range(0, 200, 23):
        top = max(first - SHARP_REACH_PX, 0)
        band = sharp_pixels(image[top : first + 23 + SHARP_REACH_PX], NOISE)[first - top :][:23]
        assert (band == whole[first : first + 23]).all()


def test_holes_are_filled_from_their_rim_and_the_rest_is_kept():
    image = np.full((20, 20), 7.0, np.float32)
    image[5, 5] = 9.0
    image[10:13, 10:13] = np.nan
    filled = mend(image)
    assert filled[11, 11] == pytest.approx(7.0)
    assert (filled[~np.isnan(image)] == image[~np.isnan(image)]).all()
    deep = np.full((20, 20), np.nan, np.float32)
    deep[0] = 4.0
    assert (mend(deep, reach_px=2)[:, 3] == [4.0] * 3 + [0.0] * 17).all()


@pytest.mark.parametrize("fwhm", [1.7, 3.0, 5.0])
def test_a_star_is_measured_as_it_was_put_in(fwhm):
    found = detect(field(PLACES, flux=50_000.0, fwhm=fwhm))
    assert len(found) == len(PLACES)
    assert found.background_adu == pytest.approx(SKY, abs=1.0)
    assert found.noise_adu == pytest.approx(NOISE, rel=0.05)
    for x, y in PLACES:
        i = nearest(found, x, y)
        assert (found.x[i], found.y[i]) == (pytest.approx(x, abs=0.02), pytest.approx(y, abs=0.02))
        assert found.flux_adu[i] == pytest.approx(50_000.0, rel=0.03)
        # A pixel's own width adds 1/12 to the variance.
        assert found.fwhm_px[i] == pytest.approx(np.sqrt(fwhm**2 + 2.354820**2 / 12.0), rel=0.03)
        assert found.ellipticity[i] < 0.05


def test_a_trailed_star_tells_its_ellipticity_and_direction():
    image = field([])
    rows, columns = np.indices(image.shape)
    across, up = columns - 100.3, rows - 80.6
    angle = np.radians(30.0)
    along, beside = across * np.cos(angle) + up * np.sin(angle), up * np.cos(angle) - across * np.sin(angle)
    image += (3000.0 * np.exp(-0.5 * ((along / 2.5) ** 2 + (beside / 1.5) ** 2))).astype(np.float32)
    found = detect(image)
    assert found.ellipticity[0] == pytest.approx(0.4, abs=0.02)
    assert found.orientation_deg[0] == pytest.approx(30.0, abs=1.5)


def test_brightest_first_with_their_noise():
    image = field(PLACES, flux=3000.0 * np.arange(1, 7))
    found = detect(image)
    assert [nearest(found, x, y) for x, y in PLACES] == [5, 4, 3, 2, 1, 0]
    assert (np.diff(found.flux_adu) < 0).all()
    radius = 1.25 * np.median(found.fwhm_px)
    expected = found.flux_adu / (NOISE * np.sqrt(np.pi * radius**2))
    assert found.snr == pytest.approx(expected, rel=0.1)


def test_hot_pixels_are_no_stars_and_do_not_draw_centres():
    rng = np.random.default_rng(3)
    image = field(PLACES)
    for row, column in rng.integers(3, 197, (400, 2)):
        image[row, column] += rng.uniform(50.0, 5000.0)
    found = detect(image)
    for x, y in PLACES:
        i = nearest(found, x, y)
        assert np.hypot(found.x[i] - x, found.y[i] - y) < 0.2
    # A few hot pixels of 400 touch others and make a crowd of their own.
    assert len(found) <= len(PLACES) + 6


def test_what_is_much_narrower_than_the_stars_is_none():
    image = field(PLACES, flux=60_000.0, fwhm=7.0)
    add_star(image, 150.3, 100.6, 5000.0, 2.2)
    found = detect(image)
    assert len(found) == len(PLACES)
    assert np.hypot(found.x - 150.3, found.y - 100.6).min() > 5.0


def test_a_spot_in_a_pit_has_no_light_of_a_star():
    image = field(PLACES)
    add_star(image, 150.0, 100.0, 4000.0, 3.0)
    assert len(detect(image)) == len(PLACES) + 1
    add_ring(image, 150.0, 100.0, -6000.0, 9.0)
    found = detect(image)
    assert len(found) == len(PLACES)
    assert (found.flux_adu > 0.0).all()


def test_noise_in_a_part_of_a_silent_frame_is_no_crowd_of_stars():
    image = np.zeros((300, 300), np.float32)
    image[:, :120] = np.random.default_rng(7).normal(0.0, 50.0, (300, 120))
    assert len(detect(image)) <= 3


def test_masked_and_saturated_cores_are_told():
    image = field(PLACES)
    image[51, 40] = np.nan
    mask = np.zeros(image.shape, bool)
    mask[120:122, 100] = True
    found = detect(image, mask, saturation_adu=3000.0)
    flagged = [bool(found.is_saturated[nearest(found, x, y)]) for x, y in PLACES]
    assert flagged == [True, True, False, False, False, False]
    assert detect(image, mask, saturation_adu=1500.0).is_saturated.all()
    i = nearest(found, *PLACES[2])
    assert found.peak_adu[i] == image[55:65, 175:185].max()


def test_rings_are_found_once_at_their_centre():
    image = field(PLACES, flux=40_000.0, fwhm=18.0, draw=add_ring)
    scale_px = star_scale(image)
    assert 3.0 <= scale_px <= 9.0
    found = detect(image, smooth_px=scale_px)
    assert len(found) == len(PLACES)
    for x, y in PLACES:
        i = nearest(found, x, y)
        assert np.hypot(found.x[i] - x, found.y[i] - y) < 0.3
        assert found.flux_adu[i] == pytest.approx(40_000.0, rel=0.05)


@pytest.mark.parametrize("fwhm", [1.7, 3.0])
def test_stars_in_focus_keep_the_narrow_search(fwhm):
    image = field(PLACES, fwhm=fwhm)
    image[::23, ::17] += 1000.0
    assert star_scale(image) <= 1.0


@pytest.mark.parametrize("kind", ["steps", "tails", "zeros", "specks"])
def test_a_broken_frame_gives_a_bounded_number_of_stars(kind):
    rng = np.random.default_rng(5)
    image = {
        "steps": rng.integers(0, 65536, (600, 600)),
        "tails": rng.exponential(100.0, (600, 600)),
        "zeros": np.zeros((600, 600)),
        "specks": np.kron(rng.random((200, 200)) < 0.2, np.ones((3, 3))) * 1000.0 + rng.normal(0, 1, (600, 600)),
    }[kind].astype(np.float32)
    assert len(detect(image, max_sources=100)) <= 100
    assert len(detect(image, smooth_px=4.0, max_sources=100)) <= 100


def test_an_empty_field_has_no_stars():
    found = detect(field([]))
    assert len(found) == 0
    assert found.positions.shape == (0, 2)


def test_the_rim_of_large_holes_makes_no_stars():
    image = field(PLACES, shape=(400, 400))
    rows, columns = np.indices(image.shape)
    image[rows + columns > 450] = np.nan
    image[300:350, 20:80] = np.nan
    assert len(detect(image)) == len(PLACES)


@pytest.mark.parametrize("shape", [(10, 400), (3, 100, 100)])
def test_what_is_no_plane_with_room_for_stars_is_refused(shape):
    with pytest.raises(CalibrationError, match="no room for stars"):
        detect(np.zeros(shape, np.float32))


def test_a_frame_without_valid_pixels_is_refused():
    with pytest.raises(CalibrationError, match="Only 0 of 10000 pixels are valid"):
        detect(np.full((100, 100), np.nan, np.float32))


def test_undersampled_stars_of_a_real_frame_survive(shared):
    image = fits.getdata(shared / "data/microobs_hatp32/HATP-32171220013343.FITS").astype(np.float32)
    assert star_scale(image) == 1.0
    found = detect(image, saturation_adu=4095.0)
    assert len(found) > 500
    # HAT-P-32 itself, as README.txt says.
    i = nearest(found, 423.0, 286.0)
    assert np.hypot(found.x[i] - 423.0, found.y[i] - 286.0) < 0.5
