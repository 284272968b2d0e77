"""Frames are brought onto each other by their stars, never by the camera's own marks."""

from dataclasses import fields, replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from astropy.io import fits
from scipy.spatial import cKDTree

from app.model.errors import CalibrationError
from app.pipeline.align import Alignment, register_sources
from app.pipeline.sources import detect, star_scale
from app.pipeline.warp import warp_rows
from app.sim.sky import add_star

SHAPE = (400, 500)
CENTRE = np.array([250.0, 200.0])


def register(moving, reference) -> Alignment:
    """Align two images as the stack does: their stars, found on one scale."""
    scale_px = max(star_scale(moving), star_scale(reference))
    return register_sources(detect(moving, smooth_px=scale_px), detect(reference, smooth_px=scale_px))


def mapping(angle_deg=0.0, shift=(0.0, 0.0), scale=1.0):
    """Moving pixel to reference pixel: turned about the centre, then shifted."""
    angle = np.radians(angle_deg)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([linear, CENTRE + shift - linear @ CENTRE])


def laid(matrix, points):
    return points @ matrix[:, :2].T + matrix[:, 2]


def sky(count, seed=4, margin=300.0):
    """Places and fluxes of stars, also beyond the frame."""
    rng = np.random.default_rng(seed)
    places = rng.uniform((-margin, -margin), (SHAPE[1] + margin, SHAPE[0] + margin), (count, 2))
    return places, 2000.0 * rng.uniform(0.02, 1.0, count) ** -1.2


def frame(places, fluxes, matrix=None, seed=5, fwhm_px=3.0, noise=4.0):
    """The stars as the frame sees them that `matrix` maps onto the reference."""
    image = np.random.default_rng(seed).normal(100.0, noise, SHAPE)
    if matrix is not None:
        places = (places - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    for (x, y), flux in zip(places, fluxes, strict=True):
        add_star(image, x, y, flux, fwhm_px)
    return image.astype(np.float32)


CORNERS = np.array([(0.0, 0.0), (499.0, 0.0), (0.0, 399.0), (499.0, 399.0)])


@pytest.mark.parametrize(
    ("angle_deg", "shift", "scale"),
    [
        (0.0, (3.3, -7.8), 1.0),
        (0.0, (200.4, -130.6), 1.0),
        (180.0, (4.2, 9.1), 1.0),
        (179.2, (-120.0, 60.0), 1.0),
        (37.0, (-20.0, 15.0), 1.0),
        (-0.4, (8.0, 5.0), 1.02),
    ],
)
def test_any_turn_and_shift_is_found(angle_deg, shift, scale):
    matrix = mapping(angle_deg, shift, scale)
    places, fluxes = sky(500)
    moving = frame(places, 0.3 * scale**2 * fluxes, matrix, seed=6)
    found = register(moving, frame(places, fluxes))
    assert laid(found.matrix, CORNERS) == pytest.approx(laid(matrix, CORNERS), abs=0.3)
    assert found.apply(CENTRE[None])[0] == pytest.approx(CENTRE + shift, abs=0.1)
    assert found.matched > 12
    assert found.flux_ratio == pytest.approx(0.3 * scale**2, rel=0.05)
    assert found.is_flipped == (abs(angle_deg) > 90.0)
    assert abs((found.rotation_deg - angle_deg + 180.0) % 360.0 - 180.0) < 0.05
    assert found.rms_px < 0.3
    assert found.smooth_px == 1.0


@pytest.mark.parametrize("angle_deg", [0.1, 180.0])
def test_bright_stars_align_within_a_twentieth_of_a_pixel(angle_deg):
    matrix = mapping(angle_deg, (12.37, -8.61))
    places, fluxes = sky(400)
    found = register(frame(places, 8.0 * fluxes, matrix, seed=6), frame(places, 8.0 * fluxes))
    assert found.matched >= 60
    assert laid(found.matrix, CORNERS) == pytest.approx(laid(matrix, CORNERS), abs=0.05)


def test_bright_sources_that_only_one_frame_has_do_not_hide_the_sky():
    places, fluxes = sky(500)
    matrix = mapping(179.5, (30.2, -11.7))
    reference, moving = detect(frame(places, fluxes)), detect(frame(places, fluxes, matrix, seed=6))
    junk = np.random.default_rng(3).uniform((0.0, 0.0), SHAPE[::-1], (30, 2))
    marred = {
        name: np.concatenate([junk[:, i] if name in "xy" else getattr(moving, name)[:30], getattr(moving, name)])
        for i, name in enumerate(field.name for field in fields(moving)[:9])
    }
    found = register_sources(replace(moving, **marred), reference)
    assert laid(found.matrix, CORNERS) == pytest.approx(laid(matrix, CORNERS), abs=0.3)


def test_no_star_is_matched_twice():
    stars = detect(frame(*sky(300)))
    double = stars.take(np.repeat(np.arange(len(stars)), 2))
    assert register_sources(double, stars).matched == len(stars)


def test_a_frame_lies_on_itself():
    places, fluxes = sky(300)
    stars = detect(frame(places, fluxes))
    found = register_sources(stars, stars)
    assert found.matrix == pytest.approx(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), abs=1e-9)
    assert found.matched == len(stars)


def test_few_stars_give_a_similarity_and_many_an_affine_mapping():
    places, fluxes = sky(500)
    sheared = np.column_stack([np.array([[1.004, 0.0], [0.0, 0.996]]), (2.0, 3.0)])
    reference, moving = detect(frame(places, fluxes)), detect(frame(places, fluxes, sheared, seed=6))
    affine = register_sources(moving, reference)
    assert affine.matrix == pytest.approx(sheared, abs=0.25)
    assert affine.matrix[0, 0] - affine.matrix[1, 1] == pytest.approx(0.008, abs=0.001)
    few = register_sources(moving.take(np.arange(10)), reference.take(np.arange(10)))
    assert few.matched < 12
    assert few.matrix[0, 0] == pytest.approx(few.matrix[1, 1], abs=1e-12)
    assert few.matrix[0, 1] == pytest.approx(-few.matrix[1, 0], abs=1e-12)


@pytest.mark.parametrize("spot", [(1, 1), (1, 2), (2, 2)])
def test_hot_pixels_at_the_same_places_of_every_frame_do_not_make_an_identity(spot):
    places, fluxes = sky(200)
    matrix = mapping(0.0, (14.3, -22.6))
    reference, moving = frame(places, fluxes), frame(places, fluxes, matrix, seed=6)
    hot = np.random.default_rng(8).integers(5, 390, (150, 2))
    for row, column in hot:
        for image in (reference, moving):
            image[row : row + spot[0], column : column + spot[1]] += 6000.0
    found = register(moving, reference)
    assert found.matrix == pytest.approx(matrix, abs=0.3)


def test_sharp_sources_alone_are_refused_and_named():
    stars = detect(frame(*sky(300)))
    sharp = replace(stars, fwhm_px=np.full(len(stars), 1.2))
    with pytest.raises(CalibrationError, match=rf"besides {len(stars)} hot pixels"):
        register_sources(sharp, sharp)
    hot = np.random.default_rng(8).integers(5, 390, (60, 2))
    images = [frame(np.empty((0, 2)), [], seed=seed) for seed in (5, 6)]
    for image in images:
        image[hot[:, 0], hot[:, 1]] += 3000.0
    with pytest.raises(CalibrationError, match="0 stars of the frame and 0 of the reference are too few"):
        register(*images)


def test_other_fields_and_mirror_images_are_refused():
    places, fluxes = sky(300)
    reference = detect(frame(places, fluxes))
    for seed in range(10, 16):
        other = detect(frame(*sky(300, seed=seed)))
        with pytest.raises(CalibrationError, match="leave the frame out"):
            register_sources(other, reference)
    with pytest.raises(CalibrationError, match="leave the frame out"):
        register_sources(replace(reference, x=499.0 - reference.x), reference)


def test_a_frame_without_stars_is_refused_with_what_was_found():
    places, fluxes = sky(300)
    with pytest.raises(CalibrationError, match=r"0 stars of the frame and \d+ of the reference are too few"):
        register(frame(np.empty((0, 2)), []), frame(places, fluxes))


def test_saturated_stars_do_not_spoil_the_fit():
    places, fluxes = sky(300)
    matrix = mapping(0.0, (5.0, 6.0))
    reference, moving = detect(frame(places, fluxes)), detect(frame(places, fluxes, matrix, seed=6))
    brightest = np.arange(16)
    reference, moving = reference.take(brightest), moving.take(brightest)
    spoilt = brightest % 8 > 2
    moved = replace(moving, x=moving.x + 0.4 * spoilt, flux_adu=np.where(spoilt, 1e7, moving.flux_adu))
    found = register_sources(replace(moved, is_saturated=spoilt), reference)
    assert found.apply(CENTRE[None])[0] == pytest.approx(CENTRE + matrix[:, 2], abs=0.1)
    assert found.flux_ratio == pytest.approx(1.0, rel=0.05)
    assert found.rms_px < 0.1


def test_bright_stars_that_blends_moved_are_left_out():
    places, fluxes = sky(300)
    matrix = mapping(0.0, (5.0, 6.0))
    reference, moving = detect(frame(places, fluxes)), detect(frame(places, fluxes, matrix, seed=6))
    moved = replace(moving, x=moving.x + 0.29 * (np.arange(len(moving)) < 6))
    found = register_sources(moved, reference)
    assert found.matched > 20
    assert found.apply(CENTRE[None])[0] == pytest.approx(CENTRE + matrix[:, 2], abs=0.03)


def warp(image, matrix, first=0, last=None, columns=None):
    rows = image.shape[0] if last is None else last
    return warp_rows(lambda top, bottom: image[top:bottom], image.shape, matrix, first, rows, columns or image.shape[1])


def test_a_shift_by_whole_pixels_copies_them_exactly():
    image = frame(*sky(100))
    image[50, 60] = np.nan
    expected = np.full(SHAPE, np.nan, np.float32)
    expected[7:, :-3] = image[:-7, 3:]
    warped = warp(image, np.array([[1.0, 0.0, -3.0], [0.0, 1.0, 7.0]]))
    assert np.array_equal(warped, expected, equal_nan=True)


@pytest.mark.parametrize("angle_deg", [0.0, 0.7, 45.0, 180.0])
def test_stars_land_where_the_mapping_says_with_their_flux(angle_deg):
    matrix = mapping(angle_deg, (2.3, -4.6))
    places = np.array([(150.0, 140.0), (330.5, 120.2), (250.2, 290.7)])
    image = frame(places, [40_000.0] * 3, matrix, noise=0.01)
    warped = warp(image, matrix)
    found = detect(warped)
    assert len(found) == 3
    assert cKDTree(found.positions).query(places)[0].max() < 0.01
    for x, y in np.rint(places).astype(int):
        assert (warped[y - 15 : y + 16, x - 15 : x + 16] - 100.0).sum() == pytest.approx(40_000.0, rel=1e-3)
    assert warp(np.full(SHAPE, 7.0, np.float32), matrix)[200, 250] == pytest.approx(7.0, rel=1e-6)


def test_flux_stays_where_the_scale_changes():
    matrix = mapping(0.0, (0.0, 0.0), scale=1.04)
    image = frame(np.array([(250.0, 200.0)]), [40_000.0], matrix, noise=0.01)
    warped = warp(image, matrix)
    sky = 100.0 / 1.04**2
    assert (warped[180:221, 230:271] - sky).sum() == pytest.approx(40_000.0, rel=0.02)
    assert warped[50, 60] == pytest.approx(sky, rel=1e-3)


@pytest.mark.parametrize("angle_deg", [0.3, 30.0, 179.6])
def test_bands_are_bit_identical_to_the_whole_frame(angle_deg):
    image = frame(*sky(200))
    image[np.random.default_rng(9).random(SHAPE) < 0.02] = np.nan
    image[100:120, 200:215] = np.nan
    matrix = mapping(angle_deg, (10.4, -6.2))
    whole = warp(image, matrix)
    cuts = [0, 1, 40, 41, 113, 258, 400]
    bands = [warp(image, matrix, first, last) for first, last in pairwise(cuts)]
    assert np.array_equal(np.concatenate(bands), whole, equal_nan=True)


def test_only_the_rows_needed_are_read():
    image = frame(*sky(50))
    asked = []

    def read_rows(first, last):
        asked.append((first, last))
        return image[first:last]

    warp_rows(read_rows, SHAPE, np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 40.5]]), 200, 220, 500)
    ((first, last),) = asked
    assert 145 <= first <= 159
    assert 180 <= last <= 195
    assert np.isnan(warp_rows(read_rows, SHAPE, np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 500.0]]), 0, 50, 500)).all()
    assert len(asked) == 1


def test_masked_pixels_neither_spread_nor_ring():
    image = np.full(SHAPE, 100.0, np.float32)
    image[200, 250] = np.nan
    image[300:305, 100] = np.nan
    warped = warp(image, np.array([[1.0, 0.0, 0.4], [0.0, 1.0, 0.3]]))
    lost = np.argwhere(np.isnan(warped[10:-10, 10:-10])) + 10
    assert [200, 250] in lost.tolist()
    near = cKDTree(np.argwhere(np.isnan(image)) + np.array([0.3, 0.4])).query(lost)[0]
    assert near.max() < 1.0
    assert np.nanmax(np.abs(warped - 100.0)) < 1e-3


@cache
def median(folder, pattern):
    return np.median([fits.getdata(path) for path in sorted(folder.glob(pattern))], axis=0)


def calibrated(folder, name, *, flat):
    """A light of the Lisbon night minus the bias, divided by its flat if asked for."""
    bias = median(folder, "bias*")
    (path,) = folder.glob(f"m57*{name}.fits.gz")
    image = fits.getdata(path) - bias
    if flat:
        flats = [fits.getdata(path) - bias for path in sorted(folder.glob(f"flat*{name.split('_')[0]}*"))]
        image /= np.mean([one / np.median(one) for one in flats], axis=0)
    return image.astype(np.float32)


@pytest.mark.parametrize(
    ("moving", "reference", "shift", "flat"),
    [
        ("Red_0384", "Red_0380", (-4.2, 12.7), True),
        ("Red_0389", "Red_0380", (-5.6, 16.3), False),
        ("Green_0379", "Green_0356", (-11.7, 31.9), False),
    ],
)
def test_rings_of_a_real_night_full_of_hot_pixels_are_aligned(shared, moving, reference, shift, flat):
    folder = shared / "data/ist_m57_lrgb_2024"
    found = register(calibrated(folder, moving, flat=flat), calibrated(folder, reference, flat=flat))
    middle = np.array([767.5, 511.5])
    assert found.apply(middle[None])[0] - middle == pytest.approx(shift, abs=0.3)
    assert found.matched > 20
    assert found.smooth_px > 2.0


@pytest.mark.parametrize(
    ("moving", "shift", "ratio", "stars"),
    [("052955", (-17.9, 28.4), None, 8), ("060822", (-44.2, 56.4), 0.20, 3)],
)
def test_stars_of_real_lights_coincide(shared, moving, shift, ratio, stars):
    folder = shared / "data/arcsat_xo1b_maximdl650"
    dark = median(folder, "Dark*")
    here, there = (
        detect((fits.getdata(folder / f"XO1-b_z_20250602_{time}.fits") - dark).astype(np.float32))
        for time in (moving, "041008")
    )
    found = register_sources(here, there)
    middle = np.array([511.5, 511.5])
    assert found.apply(middle[None])[0] - middle == pytest.approx(shift, abs=0.2)
    distance, nearest = cKDTree(there.positions).query(found.apply(here.positions))
    clear = (here.snr > 30.0) & (there.snr[nearest] > 30.0) & (distance < 5.0)
    assert np.count_nonzero(clear) >= stars
    assert np.sqrt(np.mean(distance[clear] ** 2)) <= 0.15
    assert distance[clear].max() <= 0.3
    if ratio is not None:
        assert found.flux_ratio == pytest.approx(ratio, rel=0.1)
