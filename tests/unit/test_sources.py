"""Stars are found and measured as they were put in; pixels that no optics make are none."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import numpy as np
import pytest
from astropy.io import fits
from scipy import ndimage

from app.frames.product_file import PIXELS, NewProduct, Plane
from app.model.errors import CalibrationError, Cancelled
from app.model.flags import Dq
from app.pipeline import sources
from app.pipeline.kernels import stars as kernels
from app.pipeline.sharp import SHARP_REACH_PX, mend, sharp_pixels
from app.pipeline.sources import Sources, detect, detect_file, star_scale
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


def test_a_pixel_of_the_first_or_last_row_is_sharp_as_within():
    image = field([])
    image[0, 8:230:20] += 100.0
    image[-1, 8:230:20] -= 100.0
    expected = np.abs(image - SKY) > 50.0
    assert expected.sum() == 24
    assert (sharp_pixels(image, NOISE) == expected).all()


@pytest.mark.parametrize("length", [3, 5, 7, 9, 13, 31])
def test_smoothing_is_a_convolution_also_where_it_reaches_beyond_the_frame(length):
    values = np.random.default_rng(4).normal(0.0, 1.0, (12, 37)).astype(np.float32)
    weights = np.hanning(length + 2)[1:-1].astype(np.float32)
    expected = values.astype(float)
    for axis in range(2):
        expected = ndimage.convolve1d(expected, weights.astype(float), axis, mode="constant")
    smoothed = np.empty_like(values)
    kernels.smooth(values, weights, smoothed)
    assert np.allclose(smoothed, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("binning", [1, 2, 4])
def test_a_binned_pixel_is_the_mean_of_the_good_ones_over_the_background(binning):
    rng = np.random.default_rng(5)
    values = rng.normal(SKY, NOISE, (64, 96)).astype(np.float32)
    values[rng.random(values.shape) < 0.5] = np.nan
    mesh = rng.normal(SKY, 30.0, (4, 6))
    binned = np.empty((64 // binning, 96 // binning), np.float32)
    good = kernels.bin_rows(values, 0, mesh, 16, 0, binned)
    is_good = np.isfinite(values)
    at = [(np.arange(side // binning) * binning + binning / 2) / 16 - 0.5 for side in values.shape]
    level = ndimage.map_coordinates(mesh, np.meshgrid(*at, indexing="ij"), order=1, mode="nearest")
    total, count = (
        one.reshape(64 // binning, binning, 96 // binning, binning).sum(axis=(1, 3))
        for one in (np.where(is_good, values, 0.0).astype(float), is_good)
    )
    assert good == is_good.sum()
    assert np.array_equal(np.isfinite(binned), count > 0)
    some = count > 0
    assert np.allclose(binned[some], total[some] / count[some] - level[some], rtol=0.0, atol=1e-4)


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


def test_lumps_in_the_halo_of_a_bright_star_neither_pass_for_stars_nor_push_them_out():
    places = [(60.0 + 130.0 * column, y) for column in range(5) for y in (40.0, 600.0)]
    image = field(places, shape=(640, 640), flux=8000.0)
    add_star(image, 320.0, 320.0, 2e7, 110.0)
    angles = np.random.default_rng(7).uniform(0.0, 2.0 * np.pi, 40)
    for angle, distance_px in zip(angles, np.linspace(60.0, 120.0, 40), strict=True):
        add_star(image, 320.0 + distance_px * np.cos(angle), 320.0 + distance_px * np.sin(angle), 30_000.0, 13.0)
    found = detect(image)
    assert len(found) == len(places)
    assert all(np.hypot(found.x - x, found.y - y).min() < 0.1 for x, y in places)
    assert found.fwhm_px == pytest.approx(np.full(len(places), 3.0), rel=0.1)


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


def crowd(shape=(500, 620), number=250, fwhm=4.0, seed=2):
    """A frame full of stars, with hot pixels, a bad column and a hole."""
    rng = np.random.default_rng(seed)
    places = rng.uniform((12.0, 12.0), (shape[1] - 12.0, shape[0] - 12.0), (number, 2))
    image = field(places, shape, 3000.0 * rng.uniform(0.02, 1.0, number) ** -1.0, fwhm)
    image[rng.integers(0, shape[0], 200), rng.integers(0, shape[1], 200)] += 4000.0
    image[:, 333] = np.nan
    image[400:430, 30:70] = np.nan
    return image


def saved(path, image, flags=None):
    planes = (PIXELS, Plane("DQ", "u1"))[: 1 if flags is None else 2]
    with NewProduct(path, fits.Header(), image.shape, planes) as product:
        product.layout.write(0, 0, image)
        if flags is not None:
            product.layout.write(1, 0, flags)
        product.finish()
    return path


def same(first, second):
    return all(np.array_equal(getattr(first, field.name), getattr(second, field.name)) for field in fields(Sources))


def go_on():
    """Nobody cancels."""


@pytest.fixture(params=[1, 2, 4])
def binning(request, monkeypatch):
    """Frames of a test are binned as if they were large."""
    monkeypatch.setattr(sources, "_BINNED_OVER", ((0, request.param),))
    return request.param


def test_neither_bands_nor_threads_nor_the_file_change_a_bit(tmp_path, monkeypatch, binning):
    image = crowd()
    path = saved(tmp_path / "light.fits", image)
    whole = detect(image, saturation_adu=5000.0)
    assert len(whole) > 100
    with ThreadPoolExecutor(2) as pool:

        def find(band_bytes):
            monkeypatch.setattr(sources, "_BAND_BYTES", band_bytes)
            return detect_file(path, smooth_px=1.0, saturation_adu=5000.0, check=go_on)

        for found in pool.map(find, (1, 30_000, 70_001, 2**30)):
            assert same(found, whole)


@pytest.mark.parametrize("fwhm", [3.0, 5.0])
def test_stars_of_a_binned_frame_are_measured_on_its_own_pixels(binning, fwhm):
    image = field(PLACES, flux=50_000.0, fwhm=fwhm)
    image[30:34, 150] += 20_000.0
    found = detect(image)
    assert len(found) == found.count == len(PLACES)
    assert found.noise_adu == pytest.approx(NOISE, rel=0.05)
    assert found.background_adu == pytest.approx(SKY, abs=1.0)
    for x, y in PLACES:
        i = nearest(found, x, y)
        assert (found.x[i], found.y[i]) == (pytest.approx(x, abs=0.02), pytest.approx(y, abs=0.02))
        assert found.flux_adu[i] == pytest.approx(50_000.0, rel=0.03)
        assert found.fwhm_px[i] == pytest.approx(np.sqrt(fwhm**2 + 2.354820**2 / 12.0), rel=0.03)


def test_rings_of_a_binned_frame_are_found_once(binning):
    places = [(3 * x, 3 * y) for x, y in PLACES]
    image = field(places, (600, 720), flux=80_000.0, fwhm=20.0, draw=add_ring)
    scale_px = star_scale(image)
    assert 4.0 <= scale_px <= 9.0
    found = detect(image, smooth_px=scale_px)
    assert len(found) == len(places)
    for x, y in places:
        assert np.hypot(found.x - x, found.y - y).min() < 0.3


def test_all_stars_are_counted_and_the_brightest_measured():
    grid = np.arange(20.0, 380.0, 20.0)
    places = [(x, y) for x in grid for y in grid]
    fluxes = np.random.default_rng(1).uniform(5e3, 5e4, len(places))
    image = field(places, (400, 400), fluxes, 3.0)
    found = detect(image, max_sources=50)
    assert found.count == len(places)
    assert len(found) == 50
    assert found.flux_adu.min() > np.sort(fluxes)[-60]
    assert detect(image).count == len(detect(image)) == len(places)
    assert found.take(np.arange(7)).count == 7


def test_flags_of_a_product_are_heeded(tmp_path):
    image = field(PLACES, flux=50_000.0)
    flags = np.zeros(image.shape, np.uint8)
    trails = [(30, 150), (90, 20), (150, 150)]
    for (row, column), flag in zip(trails, (Dq.COSMIC, Dq.BAD, Dq.NO_DATA), strict=True):
        image[row : row + 3, column : column + 3] += 5000.0
        flags[row : row + 3, column : column + 3] = flag
    x, y = np.rint(PLACES[0]).astype(int)
    flags[y, x] = Dq.SATURATED
    x, y = np.rint(PLACES[1]).astype(int)
    flags[y - 1 : y + 1, x] = Dq.BAD
    flags[::9, ::9] |= np.uint8(Dq.REJECTED)
    found = detect_file(saved(tmp_path / "light.fits", image, flags), smooth_px=1.0, check=go_on)
    assert len(found) == len(PLACES)
    told = [bool(found.is_saturated[nearest(found, x, y)]) for x, y in PLACES]
    assert told == [True, True, False, False, False, False]
    # A saturated pixel keeps its light.
    i = nearest(found, *PLACES[0])
    assert found.flux_adu[i] == pytest.approx(50_000.0, rel=0.03)
    assert len(detect_file(saved(tmp_path / "bare.fits", image), smooth_px=1.0, check=go_on)) == len(PLACES) + 3


def test_a_file_chooses_its_scale(tmp_path):
    image = field(PLACES, flux=40_000.0, fwhm=18.0, draw=add_ring)
    found = detect_file(saved(tmp_path / "light.fits", image), check=go_on)
    assert found.smooth_px == star_scale(image)
    assert len(found) == len(PLACES)


@pytest.mark.parametrize("wrong", ["bytes of numbers", "bytes of floats"])
def test_a_wrong_byte_order_gives_many_peaks_and_bounded_work(tmp_path, wrong):
    rng = np.random.default_rng(4)
    counts = rng.normal(1000.0, 30.0, (1200, 1500))
    if wrong == "bytes of numbers":
        image = counts.astype(np.uint16).byteswap().astype(np.float32)
    else:
        image = counts.astype(np.float32).byteswap()
    found = detect_file(saved(tmp_path / "light.fits", image), check=go_on)
    assert len(found) <= sources.MEASURED_STARS
    assert all(np.isfinite(getattr(found, field.name)).all() for field in fields(Sources))


def test_a_search_stops_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_BAND_BYTES", 30_000)
    path = saved(tmp_path / "light.fits", crowd())
    calls = []

    def cancelled_at(call):
        def check():
            calls.append(call)
            if len(calls) == call:
                raise Cancelled

        calls.clear()
        return check

    detect_file(path, check=cancelled_at(0))
    often = len(calls)
    assert often > 60
    for call in (1, often // 2, often):
        with pytest.raises(Cancelled):
            detect_file(path, check=cancelled_at(call))
        assert len(calls) == call
