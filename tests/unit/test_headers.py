"""Reading headers: a faulty card costs that card, a faulty file is named with a sentence."""

from __future__ import annotations

import contextlib
import gzip

import numpy as np
import pytest
from astropy.io import fits

from app.frames.headers import (
    comment,
    is_frame_name,
    lines,
    read_header,
    read_headers,
    read_images,
    require_whole,
    value,
)
from app.model.errors import FrameError


def write(path, data=None, **cards):
    """A FITS file with one HDU."""
    hdu = fits.PrimaryHDU(data)
    hdu.header.update({name.replace("_", "-"): content for name, content in cards.items()})
    hdu.writeto(path)
    return path


def with_records(path, *records):
    """A 4 x 4 FITS file with records put into its header as they stand."""
    raw = ["SIMPLE  =                    T", "BITPIX  =                   16", "NAXIS   =                    2"]
    raw += ["NAXIS1  =                    4", "NAXIS2  =                    4"]
    cards = b"".join(
        (record if isinstance(record, bytes) else record.encode()).ljust(80) for record in [*raw, *records]
    )
    path.write_bytes((cards + b"END".ljust(80)).ljust(2880) + bytes(2880))
    return path


@pytest.mark.parametrize("name", ["a.fits", "A.FIT", "b.fts", "c.Fits.gz", "d.fit.fz", "e.FTS.GZ"])
def test_frames_are_known_by_their_ending(name):
    assert is_frame_name(name)


@pytest.mark.parametrize("name", ["a.txt", "a.fits.txt", "fits", "a.gz", "a.jpg"])
def test_other_files_are_no_frames(name):
    assert not is_frame_name(name)


def test_a_plain_and_a_gzipped_file_have_the_same_header(tmp_path):
    plain = write(tmp_path / "a.fits", np.zeros((3, 5), np.int16), OBJECT="M57")
    packed = tmp_path / "b.fits.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert value(read_header(plain), "OBJECT") == value(read_header(packed), "OBJECT") == "M57"
    assert value(read_header(packed), "NAXIS1") == 5


def test_gzip_is_known_by_its_bytes_not_by_the_name(tmp_path):
    plain = write(tmp_path / "a.fits", np.zeros((3, 5), np.int16))
    disguised = tmp_path / "b.fits"
    disguised.write_bytes(gzip.compress(plain.read_bytes()))
    assert value(read_header(disguised), "NAXIS2") == 3


def test_a_tile_compressed_file_shows_the_image_in_it(tmp_path):
    path = tmp_path / "a.fits.fz"
    image = fits.CompImageHDU(np.arange(600, dtype=np.int16).reshape(20, 30))
    image.header["OBJECT"] = "M57"
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
    header = read_header(path)
    assert (value(header, "NAXIS1"), value(header, "NAXIS2"), value(header, "BITPIX")) == (30, 20, 16)
    assert value(header, "OBJECT") == "M57"


def test_an_extension_is_completed_from_the_primary_header(tmp_path):
    primary = fits.PrimaryHDU()
    primary.header["OBJECT"], primary.header["FILTER"], primary.header["BZERO"] = "M57", "V", 7
    primary.header["HISTORY"] = "Auto-Dark Subtraction"
    image = fits.ImageHDU(np.zeros((3, 5), np.float32))
    image.header["FILTER"] = "R"
    path = tmp_path / "a.fits"
    table = fits.BinTableHDU.from_columns([fits.Column("x", "D", array=np.zeros(9))])
    fits.HDUList([primary, table, image]).writeto(path)
    header = read_header(path)
    assert (value(header, "OBJECT"), value(header, "FILTER"), value(header, "NAXIS1")) == ("M57", "R", 5)
    assert lines(header, "HISTORY") == ["Auto-Dark Subtraction"]
    assert value(header, "BZERO") is None, "the primary's scaling is not that of the extension's values"


def test_an_extension_may_refuse_to_inherit(tmp_path):
    primary, image = fits.PrimaryHDU(), fits.ImageHDU(np.zeros((3, 5), np.float32))
    primary.header["OBJECT"], image.header["INHERIT"] = "M57", False
    fits.HDUList([primary, image]).writeto(tmp_path / "a.fits")
    assert value(read_header(tmp_path / "a.fits"), "OBJECT") is None


def test_one_plane_is_an_image_and_three_are_not(tmp_path):
    assert value(read_header(write(tmp_path / "a.fits", np.zeros((1, 3, 5), np.int16))), "NAXIS3") == 1
    with pytest.raises(
        FrameError, match=r"colour\.fits holds no image of two axes, only image 5 x 3 x 3: leave it out"
    ):
        read_header(write(tmp_path / "colour.fits", np.zeros((3, 3, 5), np.int16)))


def test_faulty_cards_cost_only_themselves(tmp_path):
    path = with_records(
        tmp_path / "a.fits",
        "OBJECT  = Ring nebula / not quoted",
        "FILTER  = 'Clear",
        "EXPTIME = 060.00 / leading zero",
        b"OBSERVER= 'Jos\xe9' / a Latin-1 letter",
        "GAIN    = 1.5 / first",
        "GAIN    = 9.9 / second",
        "TEL_FOCUS =              15420 /",
        "DATE-OBS= '25/08/105                    / never closed",
        "XPIXSZ  = nan",
        "FOCALLEN=                1E999 / overflows",
        "NOTES   = 'the first half, &'",
        "CONTINUE  'and the second'",
        "this is no card at all",
        "SET-TEMP=                  -10 / the last one",
    )
    header = read_header(path)
    assert value(header, "OBJECT") == "Ring nebula"
    assert value(header, "FILTER") == "Clear"
    assert value(header, "EXPTIME") == 60.0
    assert value(header, "OBSERVER") == "Jos?"
    assert value(header, "GAIN") == 1.5
    assert comment(header, "GAIN") == "first"
    assert value(header, "TEL_FOCUS") == 15420
    assert value(header, "DATE-OBS") == "25/08/105"
    assert value(header, "XPIXSZ") is None
    assert value(header, "FOCALLEN") is None
    assert value(header, "NOTES") == "the first half, and the second"
    assert value(header, "SET-TEMP") == -10
    assert all(card.value is not None for card in header.cards)


def test_value_passes_over_what_says_nothing():
    header = fits.Header([("A", ""), ("B", "N/A"), ("C", "<none>"), ("D", 0.0), ("E", "Na")])
    assert value(header, "X", "A", "B", "C", "D") == 0.0
    assert value(header, "E") == "Na", "sodium"
    assert value(header, "A", "X") is None
    assert comment(header, "X") == ""


def test_value_survives_a_header_that_astropy_read(tmp_path):
    path = with_records(tmp_path / "a.fits", "OBJECT  = Ring nebula / not quoted", "FILTER  = 'V'")
    header = fits.getheader(path)
    assert value(header, "OBJECT", "FILTER") == "V"
    assert comment(header, "OBJECT") == "not quoted"


def test_text_headers_in_lines_and_in_records(tmp_path):
    cards = ["SIMPLE  =                    T", "NAXIS   =                    0", "OBJECT  = 'M57'", "FILTER  = 'V'"]
    in_lines, in_records = tmp_path / "a.fits.hdr", tmp_path / "b.fits.hdr"
    in_lines.write_text("\n".join(cards))
    in_records.write_text("".join(card.ljust(80) for card in cards) + "END")
    assert value(read_header(in_lines), "OBJECT") == value(read_header(in_records), "OBJECT") == "M57"
    assert value(read_header(in_records), "FILTER") == "V"


def test_a_text_header_with_extensions(tmp_path):
    path = tmp_path / "a.hdr"
    path.write_text(
        "SIMPLE  = T\nNAXIS   = 0\nOBJECT  = 'M57'\nEND\n# --- extension 1 ---\n"
        "XTENSION= 'IMAGE'\nNAXIS   = 2\nNAXIS1  = 5\nNAXIS2  = 3\nEND\n"
    )
    header = read_header(path)
    assert (value(header, "NAXIS1"), value(header, "OBJECT")) == (5, "M57")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"f\.fits is empty \(0 bytes\): copy"),
        (b"<html>no such page</html>", r"f\.fits is no FITS file, it begins with '<html>no such pa': leave it out"),
        (b"SIMPLE  =                    T".ljust(4000), r"f\.fits has no END in its header \(4000 bytes read\)"),
        (b"\x1f\x8b\x08\x00garbage", r"f\.fits cannot be read to its end"),
    ],
)
def test_a_useless_file_is_named_with_what_was_found(tmp_path, content, sentence):
    path = tmp_path / "f.fits"
    path.write_bytes(content)
    with pytest.raises(FrameError, match=sentence):
        read_header(path)


def test_a_file_without_end_is_not_read_whole(tmp_path):
    path = tmp_path / "a.fits"
    path.write_bytes(b"SIMPLE  =                    T".ljust(3_000_000))
    with pytest.raises(FrameError, match=r"no END in its header \(2880000 bytes read\)"):
        read_header(path)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(FrameError, match=r"gone\.fits cannot be read \(No such file"):
        read_header(tmp_path / "gone.fits")
    (tmp_path / "dir.fits").mkdir()
    with pytest.raises(FrameError, match=r"dir\.fits"):
        read_header(tmp_path / "dir.fits")


def test_a_text_without_cards_is_refused(tmp_path):
    path = tmp_path / "a.hdr"
    path.write_text("samples and lines\nbut no cards\n")
    with pytest.raises(FrameError, match=r"a\.hdr holds no header cards"):
        read_header(path)


def test_a_cut_gzip_is_an_error_and_no_crash(tmp_path):
    extension = fits.ImageHDU(np.random.default_rng(1).integers(0, 60000, (400, 400)).astype(np.uint16))
    noise = fits.PrimaryHDU(np.random.default_rng(2).integers(0, 99, 90000).astype(np.int32))
    whole = tmp_path / "whole.fits"
    fits.HDUList([noise, extension]).writeto(whole)
    cut = tmp_path / "cut.fits.gz"
    cut.write_bytes(gzip.compress(whole.read_bytes())[:40000])
    with pytest.raises(FrameError, match=r"cut\.fits\.gz cannot be read to its end"):
        read_header(cut)


def test_missing_data_are_seen(tmp_path):
    path = write(tmp_path / "a.fits", np.zeros((100, 100), np.int16))
    require_whole(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: 2880 + 20000])
    require_whole(path)  # only the padding of the last block is missing
    path.write_bytes(whole[: 2880 + 19999])
    with pytest.raises(FrameError, match=r"a\.fits is cut short: it has 22879 bytes, its header says 22880; copy"):
        require_whole(path)
    assert value(read_header(path), "NAXIS1") == 100


def test_missing_data_of_a_compressed_image_are_seen(tmp_path):
    path = tmp_path / "a.fits.fz"
    noise = np.random.default_rng(1).integers(0, 60000, (100, 100)).astype(np.uint16)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(noise)]).writeto(path)
    require_whole(path)
    path.write_bytes(path.read_bytes()[:-5760])
    with pytest.raises(FrameError, match="cut short"):
        require_whole(path)


def test_a_gzipped_file_is_not_measured_packed(tmp_path):
    packed = tmp_path / "a.fits.gz"
    packed.write_bytes(gzip.compress(write(tmp_path / "a.fits", np.zeros((100, 100), np.int16)).read_bytes()))
    require_whole(packed)


def test_missing_data_of_an_extension_are_seen(tmp_path):
    path = tmp_path / "a.fits"
    image = fits.ImageHDU(np.zeros((100, 100), np.float32))
    fits.HDUList([fits.PrimaryHDU(np.zeros((9, 9), np.int16)), image]).writeto(path)
    require_whole(path)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(FrameError, match="cut short"):
        require_whole(path)


def test_every_real_header_can_be_read(shared):
    paths = sorted((shared / "headers").glob("*.hdr"))
    assert len(paths) == 57
    for path in paths:
        header = read_header(path)
        assert len(header) >= 6, path.name
        assert all(card.value is not None for card in header.cards), path.name


@pytest.mark.parametrize(
    "lie",
    [
        "NAXIS1  =                -1440",
        "NAXIS1  = 99999999999999999999",
        "NAXIS   =         999999999999",
        "PCOUNT  =                -2880",
    ],
)
def test_sizes_that_lie_end_with_a_sentence_or_a_header(tmp_path, lie):
    """An extension that reaches back before the file's start would be walked for ever."""
    path = tmp_path / "lies.fits"
    fits.HDUList([fits.PrimaryHDU(np.zeros(1440, np.int16)), fits.ImageHDU(np.zeros((4, 4), np.int16))]).writeto(path)
    name = lie[:8].encode()
    raw = path.read_bytes()
    at = raw.find(name) if name in raw[:2880] else raw.find(b"EXTEND  ")
    path.write_bytes(raw[:at] + lie.ljust(80).encode() + raw[at + 80 :])
    for reads in (read_header, require_whole):
        with contextlib.suppress(FrameError):
            reads(path)


def test_all_images_are_found_in_one_walk(tmp_path):
    path = tmp_path / "a.fits"
    primary = fits.PrimaryHDU(header=fits.Header({"OBJECT": "M57"}))
    table = fits.BinTableHDU(np.zeros(3, [("a", "i4")]))
    images = [fits.ImageHDU(np.full((3, 5), level, np.int16)) for level in (1, 2)]
    fits.HDUList([primary, images[0], table, images[1]]).writeto(path)
    found = read_images(path)
    assert [value(image.header, "OBJECT") for image in found] == ["M57", "M57"]
    raw = path.read_bytes()
    assert [raw[image.data_at : image.data_at + 2] for image in found] == [b"\0\1", b"\0\2"]
    assert [value(header, "XTENSION") for header in read_headers(path)] == [None, "IMAGE", "BINTABLE", "IMAGE"]
    packed = tmp_path / "b.fits"
    packed.write_bytes(gzip.compress(raw))
    assert [image.data_at for image in read_images(packed)] == [image.data_at for image in found]


def test_images_that_are_cut_short_or_not_there_are_said(tmp_path):
    path = write(tmp_path / "a.fits", np.zeros((100, 100), np.int16))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(FrameError, match=r"a\.fits is cut short: it has 9000 bytes"):
        read_images(path)
    with pytest.raises(FrameError, match="holds no image of two axes, only a header without data"):
        read_images(write(tmp_path / "b.fits"))
