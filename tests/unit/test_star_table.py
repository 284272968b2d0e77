"""Stars kept in a product are read again as they were; its planes stay."""

from dataclasses import fields

import numpy as np
import pytest
from astropy.io import fits

from app.frames.fits_io import checksum
from app.frames.product_file import PIXELS, NewProduct, Plane, replace_header, write_product
from app.frames.star_table import star_table_bytes
from app.model.errors import FrameError
from app.pipeline.sources import Sources, kept_sources, star_table

SHAPE = (31, 47)
COUNTS = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
FLAGS = np.random.default_rng(2).integers(0, 128, SHAPE, np.uint8)


def stars(number, count=None, smooth_px=2.0):
    rng = np.random.default_rng(number)
    flux = np.sort(rng.uniform(0.0, 1e6, number))[::-1]
    arrays = [rng.uniform(-1e4, 1e4, number) for _ in range(7)]
    return Sources(
        arrays[0], arrays[1], flux, *arrays[3:7], arrays[2], rng.random(number) < 0.1, 801.25, 7.125, smooth_px,
        number if count is None else count,
    )  # fmt: skip


def product(path):
    with NewProduct(path, fits.Header([("OLD", 1)]), SHAPE, (PIXELS, Plane("DQ", "u1"))) as new:
        new.layout.write(0, 0, COUNTS)
        new.layout.write(1, 0, FLAGS)
        new.finish()
    return path


def same(first, second):
    return all(np.array_equal(getattr(first, field.name), getattr(second, field.name)) for field in fields(Sources))


def test_stars_come_back_exactly_and_the_planes_stay(tmp_path):
    path = product(tmp_path / "light.fits")
    put = stars(300, count=45_000)
    digest = replace_header(path, fits.Header([("NEW", 2)]), tail=star_table(put))
    assert digest == checksum(path)
    found = kept_sources(path)
    assert same(found, put)
    assert found.is_saturated.dtype == bool
    with fits.open(path) as planes:
        planes.verify("exception")
        assert [plane.name for plane in planes] == ["PRIMARY", "DQ", "STARS"]
        assert planes[0].header["NEW"] == 2
        assert "OLD" not in planes[0].header
        assert planes[0].header["EXTEND"] is True
        assert np.array_equal(planes[0].data, COUNTS)
        assert np.array_equal(planes["DQ"].data, FLAGS)
        assert planes["STARS"].header["NSTARS"] == 45_000
        assert planes["STARS"].columns["FWHM"].unit == "pixel"
    assert path.stat().st_size % 2880 == 0


def test_a_new_table_takes_the_place_of_the_old_one_and_no_table_leaves_it(tmp_path):
    path = product(tmp_path / "light.fits")
    replace_header(path, fits.Header(), tail=star_table(stars(500)))
    replace_header(path, fits.Header([("NEW", 2)]))
    assert same(kept_sources(path), stars(500))
    replace_header(path, fits.Header([("NEW", 2)]), tail=star_table(stars(3, smooth_px=6.0)))
    assert same(kept_sources(path), stars(3, smooth_px=6.0))
    assert len(fits.info(path, output=False)) == 3
    once = product(tmp_path / "once.fits")
    replace_header(once, fits.Header([("NEW", 2)]), tail=star_table(stars(3, smooth_px=6.0)))
    assert once.read_bytes() == path.read_bytes()


def test_only_the_brightest_are_kept_and_all_are_counted(tmp_path):
    path = product(tmp_path / "light.fits")
    put = stars(1700)
    replace_header(path, fits.Header(), tail=star_table(put))
    found = kept_sources(path)
    assert len(found) == 1000
    assert found.count == 1700
    assert np.array_equal(found.flux_adu, put.flux_adu[:1000])


def test_a_frame_without_stars_has_an_empty_table_and_a_plain_product_none(tmp_path):
    path = tmp_path / "light.fits"
    write_product(path, fits.Header(), SHAPE, [COUNTS])
    assert kept_sources(path) is None
    replace_header(path, fits.Header(), tail=star_table(stars(0)))
    found = kept_sources(path)
    assert same(found, stars(0))
    assert found.positions.shape == (0, 2)
    assert fits.getval(path, "EXTEND") is True


def test_what_is_missing_in_a_table_is_named(tmp_path):
    path = product(tmp_path / "light.fits")
    replace_header(path, fits.Header(), tail=star_table_bytes({"X": (np.zeros(3), "pixel")}, []))
    with pytest.raises(FrameError, match=r"light\.fits has a table of stars without Y: make it again"):
        kept_sources(path)


def test_a_file_that_is_gone_or_none_is_said(tmp_path):
    with pytest.raises(FrameError, match=r"gone\.fits"):
        kept_sources(tmp_path / "gone.fits")
    (tmp_path / "text.fits").write_text("no header")
    with pytest.raises(FrameError, match=r"text\.fits has a table of stars that cannot be read"):
        kept_sources(tmp_path / "text.fits")
