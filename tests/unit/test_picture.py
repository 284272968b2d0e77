"""A picture shows the pixels of its file, in their places, whatever the file is like."""

from __future__ import annotations

import gzip
import os
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from app.frames.picture import Picture
from app.frames.stretch import lookup_table, shaded
from app.model.errors import FrameError
from app.model.picture_view import Stretch, View, fitting_zoom, opening_limits

SKY = {
    "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "CRVAL1": 350.0, "CRVAL2": 61.5, "CRPIX1": 60.0, "CRPIX2": 20.0,
    "CD1_1": -2.1e-4, "CD1_2": 3e-5, "CD2_1": 3e-5, "CD2_2": 2.1e-4, "A_ORDER": 2, "A_2_0": 1e-4, "B_ORDER": 2, "B_0_2": 2e-4,
}  # fmt: skip


def ramp(rows=40, columns=100):
    """Every pixel has a value of its own."""
    return np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)


def written(path, pixels, **cards):
    hdu = fits.PrimaryHDU(pixels)
    hdu.header.update(cards)
    hdu.writeto(path, overwrite=True)
    return path


@pytest.fixture
def opened():
    """Opens pictures and closes them again."""
    pictures = []

    def open_(path):
        pictures.append(Picture(path))
        return pictures[-1]

    yield open_
    for picture in pictures:
        picture.close()


def view_of(picture, zoom=1.0, low=0.0, high=255.0, size=None):
    width, height = size or (picture.columns, picture.rows)
    centre = (picture.columns + 1) / 2, (picture.rows + 1) / 2
    return View(*centre, zoom, width, height, low, high, Stretch.LINEAR)


def linear(values, low, high):
    return np.clip(np.rint((values - low) / (high - low) * 255), 0, 255)


def test_one_to_one_shows_each_pixel_and_the_first_row_at_the_bottom(tmp_path, opened):
    pixels = ramp()
    picture = opened(written(tmp_path / "a.fits", pixels))
    shades = picture.render(view_of(picture, high=3999.0))
    assert shades.shape == (40, 100)
    np.testing.assert_allclose(shades, linear(pixels[::-1], 0, 3999), atol=1)


def test_zoomed_in_a_pixel_is_a_square_and_zoomed_out_of_the_frame_is_black(tmp_path, opened):
    picture = opened(written(tmp_path / "a.fits", np.array([[0, 100], [200, 255]], np.uint8)))
    shades = picture.render(view_of(picture, zoom=3.0, size=(10, 8)))
    assert shades[0].tolist() == shades[-1].tolist() == [0] * 10  # 6 of 8 rows are frame
    assert shades[1].tolist() == [0, 0, 200, 200, 200, 255, 255, 255, 0, 0]
    assert shades[6].tolist() == [0, 0, 0, 0, 0, 100, 100, 100, 0, 0]


def test_pan_moves_the_frame_under_the_screen(tmp_path, opened):
    pixels = ramp()
    picture = opened(written(tmp_path / "a.fits", pixels))
    view = replace(view_of(picture, high=3999.0, size=(11, 7)), centre_x=30.0, centre_y=20.0)
    assert picture.render(view)[3, 5] == pytest.approx(linear(pixels[19, 29], 0, 3999), abs=1)
    assert view.frame_at(5.5, 3.5) == (30.0, 20.0)
    assert view.screen_at(30.0, 20.0) == (5.5, 3.5)


def test_coarser_copies_hold_means_and_are_small(tmp_path, opened):
    rng = np.random.default_rng(3)
    pixels = rng.integers(900, 1100, (600, 800)).astype(np.uint16)
    picture = opened(written(tmp_path / "a.fits", pixels))
    while picture.coarsen():
        pass
    assert not picture.coarsen()
    shades = picture.render(view_of(picture, zoom=0.25, low=900.0, high=1100.0, size=(200, 150)))
    means = pixels.reshape(150, 4, 200, 4).mean(axis=(1, 3))[::-1]
    np.testing.assert_allclose(shades, linear(means, 900, 1100), atol=2)
    assert picture.copies_bytes <= 600 * 800 * 4 / 3


def test_a_pixel_without_a_value_hides_none_of_its_neighbours_when_zoomed_out(tmp_path, opened):
    pixels = np.full((256, 256), 50.0, np.float32)
    pixels[10, 10] = np.nan
    pixels[100:102, 100:102] = np.nan
    picture = opened(written(tmp_path / "a.fits", pixels))
    while picture.coarsen():
        pass
    shades = picture.render(view_of(picture, zoom=0.5, high=50.0, size=(128, 128)))
    assert shades[127 - 5, 5] == shades[0, 0] == 255
    assert shades[127 - 50, 50] == 0  # all four are blank


@pytest.mark.parametrize(
    ("pixels", "cards"),
    [
        (np.array([[1, 2], [3, 250]], np.uint8), {}),
        (np.array([[1, -2], [3, 4]], np.int16), {}),
        (np.array([[1, 2], [3, 65535]], np.uint16), {}),
        (np.array([[1, -2], [3, 70000]], np.int32), {}),
        (np.array([[1.5, -2], [3, 4]], np.float64), {}),
        (np.array([[1.5, -2], [3, 4]], np.float32), {}),
    ],
)
def test_values_of_every_kind_of_file(tmp_path, opened, pixels, cards):
    path = written(tmp_path / "a.fits", pixels, **cards)
    packed = tmp_path / "a.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for file in (path, packed):
        picture = opened(file)
        found = [[picture.value_at(x, y) for x in (1, 2)] for y in (1, 2)]
        assert found == pixels.tolist()
        assert picture.value_at(0.4, 1) is None
        assert picture.value_at(1, 2.6) is None


def test_tile_compressed_and_scaled_files(tmp_path, opened):
    pixels = ramp(64, 64).astype(np.int16)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, compression_type="RICE_1")]).writeto(
        tmp_path / "a.fits.fz"
    )
    assert opened(tmp_path / "a.fits.fz").value_at(3, 2) == pixels[1, 2]
    hdu = fits.PrimaryHDU(pixels)
    hdu.header["BSCALE"], hdu.header["BZERO"] = 0.5, 10.0
    hdu.header["BLANK"] = 7
    path = tmp_path / "b.fits"
    path.write_bytes(hdu.header.tostring().encode() + pixels.astype(">i2").tobytes().ljust(2880 * 3, b"\0"))
    picture = opened(path)
    assert picture.value_at(3, 2) == pixels[1, 2] * 0.5 + 10.0
    assert np.isnan(picture.value_at(8, 1))


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (3, 2), (1, 30, 20)])
def test_frames_of_odd_shapes(tmp_path, opened, shape):
    picture = opened(written(tmp_path / "a.fits", np.ones(shape, np.float32)))
    while picture.coarsen():
        pass
    overview = picture.overview()
    zoom = fitting_zoom(overview.rows, overview.columns, 300, 200)
    shades = picture.render(view_of(picture, zoom=zoom, high=1.0, size=(300, 200)))
    assert shades.max() == 255
    assert (overview.rows, overview.columns) == shape[-2:]


def test_constant_and_empty_frames(tmp_path, opened):
    constant = opened(written(tmp_path / "a.fits", np.full((30, 30), 7.0, np.float32))).overview()
    low, high = constant.limits
    assert low == 7.0
    assert high > low
    assert (constant.statistics.median, constant.statistics.sigma) == (7.0, 0.0)
    blank = opened(written(tmp_path / "b.fits", np.full((30, 30), np.nan, np.float32)))
    assert blank.overview().statistics.median is None
    assert blank.overview().statistics.blank_percent == 100.0
    assert not blank.render(view_of(blank)).any()


def test_statistics_are_those_of_the_pixels(tmp_path, opened):
    rng = np.random.default_rng(5)
    pixels = rng.normal(100.0, 5.0, (300, 300)).astype(np.float32)
    pixels[0, :90] = np.nan
    pixels[5, 5] = 60000.0
    numbers = opened(written(tmp_path / "a.fits", pixels)).statistics()
    assert numbers.every == 1
    assert numbers.highest == 60000.0
    assert numbers.mean == pytest.approx(np.nanmean(pixels.astype(float)))
    assert numbers.sigma == pytest.approx(np.nanstd(pixels.astype(float)), rel=1e-6)
    assert numbers.noise == pytest.approx(5.0, rel=0.03)
    assert numbers.blank_percent == pytest.approx(0.1)


def test_limits_enclose_the_sky_and_leave_out_stars_and_hot_pixels(tmp_path, opened):
    pixels = np.random.default_rng(5).normal(1000.0, 10.0, (300, 300)).astype(np.float32)
    pixels[::17, ::13] = 60000.0
    picture = opened(written(tmp_path / "a.fits", pixels))
    low, high = picture.limits()
    assert 900.0 < low < 1000.0 < high < 1200.0
    at_sky = shaded(np.array([1000.0], np.float32), *opening_limits((low, high)), Stretch.ASINH)[0]
    assert 60 < at_sky < 110  # a third of the brightness, not white


def test_large_frames_are_sampled_and_say_so(tmp_path, opened, monkeypatch):
    monkeypatch.setattr("app.frames.picture.SAMPLE_PIXELS", 100)
    picture = opened(written(tmp_path / "a.fits", ramp(60, 90)))
    overview = picture.overview()
    assert overview.statistics.every == 8
    assert overview.sample.size == 8 * 12
    assert overview.histogram(4, 0.0, 5400.0).sum() == overview.sample.size
    shades = picture.render(view_of(picture, zoom=0.125, high=5399.0, size=(11, 7)))  # drawn from the sample
    assert shades[0, 0] == linear(picture.value_at(1, 49), 0, 5399)
    assert shades[6, 10] == linear(picture.value_at(81, 1), 0, 5399)


def test_places_in_the_sky_are_those_of_astropy_distortion_included(tmp_path, opened):
    picture = opened(written(tmp_path / "a.fits", ramp(), **SKY))
    wcs = WCS(picture.header)
    for x, y in ((1.0, 1.0), (60.3, 20.9), (100.0, 40.0)):
        np.testing.assert_allclose(picture.sky_at(x, y), wcs.all_pix2world(x, y, 1), rtol=0, atol=1e-9)
    assert abs(picture.sky_at(1, 1)[0] - wcs.wcs_pix2world(1, 1, 1)[0]) > 1e-5  # the distortion counts


def test_directions_of_the_sky(tmp_path, opened):
    sky = opened(written(tmp_path / "a.fits", ramp(), **SKY)).sky()
    assert sky.scale_arcsec == pytest.approx(np.hypot(2.1e-4, 3e-5) * 3600, rel=0.02)
    assert np.dot(sky.north, sky.east) == pytest.approx(0.0, abs=0.02)
    assert sky.north[1] > 0.9
    assert sky.east[0] < -0.9  # East is left when North is up
    assert opened(written(tmp_path / "b.fits", ramp())).sky() is None


def test_deleted_while_shown(tmp_path, opened):
    path = written(tmp_path / "a.fits", ramp())
    picture = opened(path)
    assert picture.notice() == ""
    if os.name == "posix":  # Windows deletes no file that is open
        path.unlink()
        assert picture.notice() == "deleted since it was opened"
        assert picture.render(view_of(picture)).any()


def test_changed_and_cut_short_while_shown(tmp_path, opened):
    path = written(tmp_path / "a.fits", ramp(100, 100))
    picture = opened(path)
    with path.open("r+b") as file:
        file.truncate(2880 + 5000)
    assert picture.notice() == "changed on disk since it was opened"
    with pytest.raises(FrameError, match="cut short"):
        picture.render(view_of(picture))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.fits", b"", "empty"),
        ("a.fits", b"JFIF" * 1000, "no FITS file"),
        ("a.fits.gz", gzip.compress(b"SIMPLE  =" + b" " * 3000, mtime=0)[:40], "a.fits.gz"),
    ],
    ids=["empty", "another format", "cut gzip"],
)
def test_what_is_no_frame_is_one_sentence(tmp_path, name, content, sentence):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FrameError, match=sentence):
        Picture(path)


def test_a_frame_that_is_cut_short_is_one_sentence(tmp_path):
    path = written(tmp_path / "a.fits", ramp())
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(FrameError, match="cut short"):
        Picture(path)
    packed = tmp_path / "b.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(FrameError, match=r"b\.fits\.gz"):
        Picture(packed)
    with pytest.raises(FrameError, match="cannot be read"):
        Picture(tmp_path / "none.fits")


def test_cards_and_description(tmp_path, opened):
    path = written(
        tmp_path / "a.fits", ramp(), EXPTIME=60.0, FILTER="R", IMAGETYP="Light Frame", SIMULATE=True, OBJECT="M 51"
    )
    overview = opened(path).overview()
    cards = {card.keyword: card for card in overview.cards}
    assert cards["EXPTIME"].value == "60.0"
    assert cards["SIMULATE"].value == "T"
    assert overview.is_simulated
    assert overview.description == "light \u00b7 M 51 \u00b7 R \u00b7 60 s"
    assert overview.unit == "adu"


@pytest.mark.parametrize("stretch", list(Stretch))
def test_tables_rise_from_black_to_white(stretch):
    table = lookup_table(stretch)
    assert (table[0], table[-1]) == (0, 255)
    assert np.all(np.diff(table.astype(int)) >= 0)
    assert len(np.unique(table)) == 256  # no shade is left out


def test_shades_of_odd_values():
    values = np.array([np.nan, -np.inf, np.inf, 5.0, 10.0, 20.0], np.float32)
    assert shaded(values, 0.0, 10.0, Stretch.LINEAR).tolist() == [0, 0, 255, 127, 255, 255]
    assert shaded(np.array([2**31 - 10, 2**31 - 5], np.int64), 2.0**31 - 10, 2.0**31 - 5, Stretch.SQRT).tolist() == [
        0,
        255,
    ]
    many = np.arange(70000, dtype=np.uint32).astype(np.uint16)
    np.testing.assert_array_equal(
        shaded(many, 100.0, 9000.0, Stretch.LOG), shaded(many.astype(np.float32), 100.0, 9000.0, Stretch.LOG)
    )


def test_real_frames_of_four_observatories(shared, opened):
    for name in (
        "arcsat_xo1b_maximdl650/XO1-b_z_20250602_041008.fits",
        "ist_m57_lrgb_2024/m57_2024-09-23_20-36-16_Red_0380.fits.gz",
        "microobs_hatp32/HATP-32171220013343.FITS",
        "toronto_atik_traps/Neon-8s.fit.gz",
    ):
        picture = opened(shared / "data" / name)
        with fits.open(shared / "data" / name) as hdus:
            truth = next(hdu.data for hdu in hdus if hdu.data is not None)
            assert picture.value_at(18, 12) == truth[11, 17]
        overview = picture.overview()
        shades = picture.render(replace(view_of(picture), low=overview.limits[0], high=overview.limits[1]))
        assert 20.0 < shades.mean() < 235.0
