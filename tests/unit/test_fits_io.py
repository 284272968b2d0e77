"""Rows from disk are astropy's values; products are whole, the same bytes, or not there."""

from __future__ import annotations

import errno
import gc
import gzip
import hashlib
import itertools
import os
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from app.frames.fits_io import FrameReader, bands, checksum, examine, examine_raw
from app.frames.headers import read_header
from app.frames.product_file import PIXELS, NewProduct, Plane, is_unchanged, output_error, replace_header, write_product
from app.frames.readout import Amplifier, Readout, Section, readout_of
from app.model.errors import Cancelled, FrameError, OutputError
from app.model.settings import Camera
from tests import mosaic


def written(path: Path, counts: np.ndarray[Any, Any], **cards: Any) -> Path:
    fits.PrimaryHDU(counts, fits.Header(list(cards.items()))).writeto(path)
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.uint32, np.float32, np.float64])
def test_rows_are_astropys_values(tmp_path: Path, dtype: type) -> None:
    counts = np.arange(0, 70 * 90).reshape(70, 90).astype(dtype)
    path = written(tmp_path / "frame.fits", counts)
    with FrameReader(path) as reader:
        assert (reader.rows, reader.columns) == (70, 90)
        assert np.array_equal(reader.read(10, 33), fits.getdata(path)[10:33])
        assert np.array_equal(reader.whole(), fits.getdata(path).astype(np.float32))


def test_blank_and_scale_are_honoured(tmp_path: Path) -> None:
    counts = np.array([[1, -99], [3, 4]], np.int16)
    path = written(tmp_path / "scaled.fits", counts)
    with fits.open(path, mode="update", do_not_scale_image_data=True) as hdus:
        hdus[0].header["BLANK"], hdus[0].header["BSCALE"], hdus[0].header["BZERO"] = -99, 0.5, 10.0
    with FrameReader(path) as reader:
        assert np.array_equal(reader.read(0, 2), [[10.5, np.nan], [11.5, 12.0]], equal_nan=True)


def test_image_in_an_extension_and_a_cube_of_one_plane(tmp_path: Path) -> None:
    counts = np.arange(12, dtype=np.int16).reshape(1, 3, 4)
    path = tmp_path / "extension.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(counts)]).writeto(path)
    with FrameReader(path) as reader:
        assert np.array_equal(reader.read(0, 3), counts[0])


def test_frame_that_is_cut_off_names_both_sizes(tmp_path: Path) -> None:
    path = written(tmp_path / "cut.fits", np.zeros((100, 100), np.uint16))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(FrameError, match=r"cut\.fits is cut short: it has 9000 bytes, its header says 22880"):
        FrameReader(path)


def test_pedestal_is_added(tmp_path: Path) -> None:
    path = written(tmp_path / "frame.fits", np.full((4, 4), 150, np.uint16))
    with FrameReader(path, pedestal_adu=-100.0) as reader:
        assert (reader.read(0, 4) == 50.0).all()


def test_overscan_is_subtracted_and_trimmed(tmp_path: Path) -> None:
    counts = np.full((20, 30), 1000, np.uint16)
    counts[:, 24:] = 300
    path = written(tmp_path / "frame.fits", counts, TRIMSEC="[1:24,3:20]", BIASSEC="[25:30,1:20]")
    readout = readout_of(fits.getheader(path), 20, 30)
    with FrameReader(path, readout) as reader:
        assert (reader.rows, reader.columns) == (18, 24)
        assert (reader.read(0, 18) == 700.0).all()
    with FrameReader(path, readout, pedestal_adu=5.0) as reader:
        assert reader.shift_adu == -295.0
        assert (reader.read(0, 18) == 1000.0 + reader.shift_adu).all()
    with FrameReader(path) as reader:
        assert reader.shift_adu == 0.0


def test_two_amplifiers_each_lose_their_own_bias(tmp_path: Path) -> None:
    counts = np.zeros((8, 24), np.uint16)
    counts[:, :8], counts[:, 8:12] = 500 + 10, 500
    counts[:, 12:16], counts[:, 16:] = 900, 900 + 20
    cards = {
        "DATASEC1": "[1:8,1:8]",
        "BIASSEC1": "[9:12,1:8]",
        "DETSEC1": "[1:8,1:8]",
        "DATASEC2": "[17:24,1:8]",
        "BIASSEC2": "[13:16,1:8]",
        "DETSEC2": "[9:16,1:8]",
    }
    path = written(tmp_path / "frame.fits", counts, **cards)
    readout = readout_of(fits.getheader(path), 8, 24)
    with FrameReader(path, readout) as reader:
        frame = reader.read(2, 6)
    assert frame.shape == (4, 16)
    assert (frame[:, :8] == 10.0).all()
    assert (frame[:, 8:] == 20.0).all()


@pytest.mark.parametrize("section", ["[1:99,1:8]", "everything"])
def test_sections_that_lie_are_refused(tmp_path: Path, section: str) -> None:
    header = fits.Header([("TRIMSEC", section)])
    with pytest.raises(FrameError, match="section"):
        readout_of(header, 8, 8)


SIDE_BY_SIDE = {
    "DATASEC1": "[1:4,1:8]",
    "DETSEC1": "[5:8,1:8]",
    "DATASEC2": "[5:8,1:8]",
    "DETSEC2": "[1:4,1:8]",
}


def test_amplifiers_of_a_corner_of_a_mosaic_begin_at_the_origin() -> None:
    cards = SIDE_BY_SIDE | {"DETSEC1": "[2053:2056,101:108]", "DETSEC2": "[2049:2052,101:108]"}
    assert readout_of(fits.Header(list(cards.items())), 8, 8) == readout_of(
        fits.Header(list(SIDE_BY_SIDE.items())), 8, 8
    )


@pytest.mark.parametrize(
    ("lie", "sentence"),
    [
        ({"DETSEC2": "[1:3,1:8]"}, r"DATASEC2 .* has 4x8 pixels, its place .* 3x8"),
        ({"DETSEC2": "[999997:1000000,1:8]"}, "larger than the 8x8 that are stored"),
    ],
)
def test_places_on_the_detector_that_lie_are_refused(lie: dict[str, str], sentence: str) -> None:
    with pytest.raises(FrameError, match=sentence):
        readout_of(fits.Header(list((SIDE_BY_SIDE | lie).items())), 8, 8)


@pytest.fixture
def bytes_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of what readers take from the disk."""
    sizes: list[int] = []
    preadv = os.preadv

    def counted(handle: int, buffers: list[memoryview], at: int) -> int:
        sizes.append(preadv(handle, buffers, at))
        return sizes[-1]

    monkeypatch.setattr(os, "preadv", counted)
    return sizes


def test_rows_that_amplifiers_share_are_read_once(tmp_path: Path, bytes_read: list[int]) -> None:
    amplifiers = []
    for n in range(16):
        row, column = 50 * (n // 8), n % 8
        data = Section(row, row + 50, 10 * column, 10 * column + 8)
        overscan = Section(row, row + 50, 10 * column + 8, 10 * column + 10)
        amplifiers.append(Amplifier(data, overscan, Section(row, row + 50, 8 * column, 8 * column + 8)))
    counts = np.tile(np.repeat(np.array([[350, 300]], np.uint16), [8, 2], axis=1), (100, 8))
    path = written(tmp_path / "frame.fits", counts)
    with FrameReader(path, Readout(100, 64, tuple(amplifiers))) as reader:
        assert sum(bytes_read) == counts.nbytes
        assert np.array_equal(reader.whole(), np.full((100, 64), 50.0))
        assert sum(bytes_read) == 2 * counts.nbytes


@pytest.fixture(params=[mosaic.write_one_image, mosaic.write_extensions], ids=["one image", "extensions"])
def sixteen(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A frame of sixteen amplifiers, half of them mirrored along either axis."""
    path = tmp_path / "sixteen.fits"
    request.param(path, mosaic.truth(), {"IMAGETYP": "BIAS"})
    return path


def test_mirrored_amplifiers_are_put_where_they_belong(sixteen: Path) -> None:
    source = examine_raw(sixteen, pedestal_adu=7.0)
    assert source.levels_adu == tuple(mosaic.LEVELS)
    with FrameReader(source) as reader:
        assert (reader.rows, reader.columns) == mosaic.SHAPE
        assert reader.encoding.dtype == np.float32
        assert np.array_equal(reader.whole(), mosaic.truth() + 7.0)


@pytest.mark.parametrize("dtype", ["i4", "f4", "f8"])
def test_amplifiers_of_every_type_are_put_together(tmp_path: Path, dtype: str) -> None:
    mosaic.write_extensions(tmp_path / "a.fits", mosaic.truth(), {}, dtype)
    with FrameReader(examine_raw(tmp_path / "a.fits")) as reader:
        assert np.array_equal(reader.whole(), mosaic.truth())


def test_blank_pixels_of_amplifiers_and_of_overscans_are_none(tmp_path: Path) -> None:
    mosaic.write_extensions(tmp_path / "a.fits", mosaic.truth() // 2, {}, "i2")
    with fits.open(tmp_path / "a.fits", mode="update", do_not_scale_image_data=True) as hdus:
        hdus[1].header["BLANK"] = -1
        hdus[1].data[0, 0] = hdus[1].data[3, mosaic.COLUMNS] = -1
    expected = np.where(np.arange(mosaic.SHAPE[0] * mosaic.SHAPE[1]) == 0, np.nan, (mosaic.truth() // 2).ravel())
    with FrameReader(examine_raw(tmp_path / "a.fits")) as reader:
        assert np.array_equal(reader.whole().ravel(), expected, equal_nan=True)


def test_dead_amplifier_is_not_a_number(sixteen: Path) -> None:
    with FrameReader(examine_raw(sixteen, Camera(instrument="x", dead_amplifiers=(3,)))) as reader:
        frame = reader.whole()
    assert np.isnan(frame[mosaic.place(2)]).all()
    assert np.isnan(frame).sum() == mosaic.ROWS * mosaic.COLUMNS


def test_crosstalk_that_was_put_in_is_taken_out(tmp_path: Path) -> None:
    """Every amplifier hears the others at the same moment of the readout; a dead one is not believed."""
    rng = np.random.default_rng(3)
    heard = rng.uniform(1e-4, 1e-2, (mosaic.AMPLIFIERS, mosaic.AMPLIFIERS))
    np.fill_diagonal(heard, 0.0)
    heard[:, 2] = 0.0
    clean = mosaic.truth()
    raw = np.stack([mosaic.turned(n, clean[mosaic.place(n)]) for n in range(mosaic.AMPLIFIERS)]).astype(float)
    # What a victim hears is what was read of its sources, their own crosstalk included: one pass takes it off exactly.
    stored = np.linalg.solve(np.eye(mosaic.AMPLIFIERS) - heard, raw.reshape(mosaic.AMPLIFIERS, -1)).reshape(raw.shape)
    mixed = np.empty(mosaic.SHAPE)
    for n in range(mosaic.AMPLIFIERS):
        mixed[mosaic.place(n)] = mosaic.turned(n, stored[n])
    mosaic.write_one_image(tmp_path / "a.fits", mixed, {}, "f4")
    heard[:, 2] = 0.5
    heard[2, 2] = 0.0
    matrix = tuple(tuple(float(part) for part in row) for row in heard)
    camera = Camera(instrument="x", crosstalk=matrix, dead_amplifiers=(3,))
    with FrameReader(examine_raw(tmp_path / "a.fits", camera)) as reader:
        frame = reader.whole()
    frame[mosaic.place(2)] = clean[mosaic.place(2)]
    assert np.abs(frame - clean).max() < 0.02
    assert np.abs(mixed - clean).max() > 100.0


@pytest.mark.parametrize("camera", [None, Camera(instrument="x", crosstalk=((0.001,) * 16,) * 16)])
def test_bits_do_not_depend_on_the_cut_or_the_threads(sixteen: Path, camera: Camera | None) -> None:
    source = examine_raw(sixteen, camera, 0.1)
    with FrameReader(source) as reader:
        whole = reader.whole()
        cuts = [(low, low + height) for height in (1, 3, 20) for low in range(21 - height)]

        def read(cut: tuple[int, int]) -> bytes:
            out = np.empty((cut[1] - cut[0], reader.columns), np.float32)
            reader.read_encoded(*cut, out)
            return out.tobytes()

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(read, cuts)) == [whole[low:high].tobytes() for low, high in cuts]


def test_rows_are_put_together_a_piece_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mosaic.write_extensions(tmp_path / "a.fits", mosaic.truth(), {})
    monkeypatch.setattr("app.frames.fits_io._PIECE_BYTES", 3 * 16 * 16 * 2)
    with FrameReader(examine_raw(tmp_path / "a.fits")) as reader:
        assert np.array_equal(reader.whole(), mosaic.truth())


def test_examined_frame_goes_to_another_process_and_opens_without_a_look(
    sixteen: Path, bytes_read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = pickle.loads(pickle.dumps(examine_raw(sixteen)))
    bytes_read.clear()
    monkeypatch.setattr("app.frames.fits_io.read_images", lambda path: pytest.fail("the header is read again"))
    assert examine_raw(sixteen) == source
    with FrameReader(source) as reader:
        assert bytes_read == []
        assert np.array_equal(reader.read(3, 4), mosaic.truth()[3:4])


def test_examined_frame_that_changed_is_examined_anew(tmp_path: Path) -> None:
    path = written(tmp_path / "a.fits", np.zeros((4, 4), np.uint16))
    assert examine(path).rows == 4
    path.unlink()
    written(path, np.zeros((2000, 4), np.uint16))
    assert examine(path).rows == 2000


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda path: os.truncate(path, 5764), r"a\.fits changed while it was processed, from 5760 to 5764"),
        (lambda path: os.truncate(path, 3000), r"a\.fits changed while it was processed, from 5760 to 3000"),
        (lambda path: os.utime(path, ns=(1, 1)), r"a\.fits changed while it was processed"),
        (Path.unlink, r"a\.fits cannot be read \(No such file"),
    ],
    ids=["grew", "shrank", "was written over", "vanished"],
)
def test_frame_that_changed_since_it_was_examined_is_refused(
    tmp_path: Path, change: Callable[[Path], object], sentence: str
) -> None:
    path = written(tmp_path / "a.fits", np.zeros((4, 4), np.uint16))
    source = examine(path)
    change(path)
    gc.collect()
    with pytest.raises(FrameError, match=sentence):
        FrameReader(source)
    gc.collect()  # a file left open would warn here


def test_overscan_without_a_number_is_no_level(tmp_path: Path) -> None:
    counts = np.full((20, 30), np.nan, np.float32)
    path = written(tmp_path / "a.fits", counts, BIASSEC="[25:30,1:20]")
    with FrameReader(examine_raw(path)) as reader:
        assert np.isnan(reader.whole()).all()


@pytest.mark.parametrize("size", [1, 2, 999, 1000])
def test_level_is_numpys_median(tmp_path: Path, size: int) -> None:
    for seed, dtype in enumerate([np.int16, np.uint16]):
        limits = np.iinfo(dtype)
        pixels = np.random.default_rng(seed).integers(limits.min, limits.max, (1, size), dtype, endpoint=True)
        path = tmp_path / f"{seed}.fits"
        written(path, np.hstack([np.zeros((1, size + 1), dtype), pixels]), BIASSEC=f"[{size + 2}:{2 * size + 1},1:1]")
        assert examine_raw(path).levels_adu == (float(np.median(pixels)),)


def test_picked_rows_are_those_that_are_read(tmp_path: Path) -> None:
    counts = np.arange(60, dtype=np.uint16).reshape(6, 10)
    with FrameReader(written(tmp_path / "a.fits", counts)) as reader:
        assert np.array_equal(reader.pick(np.array([5, 0, 3]), 2, 7), counts[[5, 0, 3], 2:7])


def test_checksum_is_that_of_the_file_and_can_be_stopped(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(3 * 2**20 + 5))
    told: list[None] = []
    assert checksum(path, lambda: told.append(None)) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(told) == 4

    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        checksum(path, stop)


@pytest.mark.parametrize(
    ("cards", "sentence"),
    [
        ({"BITPIX": 12}, "BITPIX is 12, not 8, 16, 32"),
        ({"BZERO": "abc"}, "BZERO is 'abc', which is no number"),
        ({"BSCALE": "abc"}, "BSCALE is 'abc'"),
        ({"BLANK": "abc"}, "BLANK is 'abc'"),
    ],
)
def test_structure_that_lies_is_refused(tmp_path: Path, cards: dict[str, Any], sentence: str) -> None:
    header = fits.PrimaryHDU(np.zeros((4, 4), np.int16)).header
    header.update(cards)
    path = tmp_path / "frame.fits"
    path.write_bytes(header.tostring().encode() + bytes(2880))
    with pytest.raises(FrameError, match=sentence):
        FrameReader(path)


def test_packed_file_with_a_plain_name_is_refused_not_read_as_pixels(tmp_path: Path) -> None:
    counts = np.arange(40000, dtype=np.int16).reshape(200, 200)
    plain, packed, tiled = tmp_path / "a.fits", tmp_path / "b.fits", tmp_path / "c.fits"
    packed.write_bytes(gzip.compress(written(plain, counts).read_bytes(), 0))
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(counts)]).writeto(tiled)
    with pytest.raises(FrameError, match=r"gzipped .* name it .fits.gz"):
        FrameReader(packed)
    with pytest.raises(FrameError, match=r"tile-compressed .* name it .fits.fz"):
        FrameReader(tiled)


def breaks(reader: FrameReader) -> None:
    """Let the system fail every read of it, as a failing disk does: its handle becomes that of a folder."""
    folder = os.open(reader.path.parent, os.O_RDONLY)
    os.dup2(folder, reader._file._file.fileno())
    os.close(folder)


def test_input_that_fails_is_an_error_of_the_input(tmp_path: Path) -> None:
    raw = written(tmp_path / "raw.fits", np.zeros((100, 100), np.uint16))
    with FrameReader(raw) as reader:
        breaks(reader)
        with pytest.raises(FrameError, match=r"raw\.fits cannot be read \(Is a directory\)"):
            write_product(tmp_path / "new.fits", fits.Header(), (100, 100), (reader.read(*band) for band in [(0, 100)]))
    assert [file.name for file in tmp_path.iterdir()] == ["raw.fits"]
    with pytest.raises(FrameError, match="cannot be read"):
        checksum(tmp_path / "absent.fits")


def test_reader_that_fails_to_open_leaves_no_file_open(tmp_path: Path) -> None:
    path = written(tmp_path / "frame.fits", np.zeros((8, 8), np.uint16))
    whole = Section(0, 8, 0, 8)
    beyond = Readout(8, 8, (Amplifier(whole, Section(0, 9999, 0, 8), whole),))
    with pytest.raises(FrameError, match="was cut short while it was read"):
        FrameReader(path, beyond)
    gc.collect()  # a file left open would warn here


def test_reason_is_said_also_without_a_number() -> None:
    assert "cannot be written: it broke: check the disk" in str(output_error(Path("a"), OSError("it broke")))
    assert "quota is full" in str(output_error(Path("a"), OSError(errno.ENOSPC, "No space left")))


@pytest.mark.parametrize(
    ("dtype", "cards", "size"),
    [("u1", {}, 1), ("i2", {}, 2), ("u2", {}, 2), ("i4", {}, 4), ("f8", {}, 8), ("i2", {"BLANK": -1}, 8)],
)
def test_bytes_per_pixel_are_those_of_what_is_read(
    tmp_path: Path, dtype: str, cards: dict[str, Any], size: int
) -> None:
    path = written(tmp_path / "frame.fits", np.ones((3, 4), dtype), **cards)
    with FrameReader(path) as reader:
        assert reader.bytes_per_pixel == reader.read(0, 3).itemsize == size
    with FrameReader(path, pedestal_adu=1.5) as reader:
        assert reader.bytes_per_pixel == 8


def test_bands_cover_all_rows_once() -> None:
    cut = list(bands(1000, 1_000_000))
    assert cut[0][0] == 0
    assert cut[-1][1] == 1000
    assert all(before[1] == after[0] for before, after in itertools.pairwise(cut))
    assert max(last - first for first, last in cut) * 1_000_000 <= 64 * 2**20
    assert list(bands(3, 10**12)) == [(0, 1), (1, 2), (2, 3)]


def test_product_is_what_astropy_reads_and_its_checksum(tmp_path: Path) -> None:
    counts = np.arange(50, dtype=np.float32).reshape(5, 10)
    path = tmp_path / "new" / "product.fits"
    digest = write_product(path, fits.Header([("FILTER", "R", "filter")]), (5, 10), (counts[:2], counts[2:]))
    assert np.array_equal(fits.getdata(path), counts)
    assert fits.getval(path, "FILTER") == "R"
    assert digest == checksum(path)
    assert path.stat().st_size % 2880 == 0
    assert digest == write_product(path, fits.Header([("FILTER", "R", "filter")]), (5, 10), [counts])


def test_draft_is_known_again_and_its_damage_is_seen(tmp_path: Path) -> None:
    path, shape = tmp_path / "draft.fits", (600, 700)
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    with NewProduct(path, fits.Header([("FILTER", "R")]), shape, is_draft=True) as product:
        with product.layout.opened() as part:
            part.write(0, 0, values[:333])
            part.write(0, 333, values[333:].astype(">f4"))
        digest = product.finish()
    whole = path.read_bytes()
    assert np.array_equal(fits.getdata(path), values)
    assert [file.name for file in tmp_path.iterdir()] == ["draft.fits"]
    assert digest != checksum(path)
    assert is_unchanged(path, digest)
    assert is_unchanged(path, checksum(path))
    page, header = 4096, whole.replace(b"'R       '", b"'B       '")
    lost = whole[: 9 * page] + bytes(page) + whole[10 * page :]
    elsewhere = whole[page : 2**20 + page] + whole[:page] + whole[2**20 + page :]
    flipped = whole[:-3000] + bytes([whole[-3000] ^ 1]) + whole[-2999:]
    for damaged in (header, lost, elsewhere, flipped, whole[:-2880], whole + bytes(2880), b""):
        path.write_bytes(damaged)
        assert not is_unchanged(path, digest)
    path.unlink()
    with pytest.raises(FrameError, match=r"draft\.fits"):
        is_unchanged(path, digest)


def test_product_that_fails_leaves_the_old_one_and_no_part(tmp_path: Path) -> None:
    path = tmp_path / "product.fits"
    write_product(path, fits.Header(), (2, 2), [np.ones((2, 2))])
    before = path.read_bytes()

    def breaks() -> Iterator[np.ndarray[Any, Any]]:
        yield np.zeros((1, 2))
        raise FrameError("a frame vanished")

    with pytest.raises(FrameError, match="vanished"):
        write_product(path, fits.Header(), (2, 2), breaks())
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["product.fits"]


def test_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_product(tmp_path / "occupied" / "product.fits", fits.Header(), (1, 1), [np.ones((1, 1))])


def test_header_is_replaced_and_pixels_stay(tmp_path: Path) -> None:
    path = tmp_path / "product.fits"
    counts = np.random.default_rng(1).normal(size=(7, 9)).astype(np.float32)
    write_product(path, fits.Header([("OLD", 1)]), (7, 9), [counts])
    assert replace_header(path, fits.Header([("NEW", 2)])) == checksum(path)
    assert np.array_equal(fits.getdata(path), counts)
    assert "OLD" not in fits.getheader(path)
    assert fits.getval(path, "NEW") == 2


@pytest.mark.parametrize("more", [3, 140, 400])
def test_cards_of_a_draft_come_into_its_room_or_the_file_is_copied(tmp_path: Path, more: int) -> None:
    path, shape = tmp_path / "draft.fits", (50, 60)
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    with NewProduct(path, fits.Header([("FILTER", "R")]), shape, (PIXELS, Plane("DQ", "u1")), is_draft=True) as product:
        product.layout.write(0, 0, values)
        product.layout.write(1, 0, np.full(shape, 7, np.uint8))
        product.finish()
    before = path.stat()
    header = fits.Header([(f"CARD{number}", number) for number in range(more)])
    assert replace_header(path, header) == checksum(path)
    assert (path.stat().st_ino == before.st_ino) == (path.stat().st_size == before.st_size) == (more < 200)
    with fits.open(path) as hdus:
        hdus.verify("exception")
        assert np.array_equal(hdus[0].data, values)
        assert (hdus["DQ"].data == 7).all()
        assert hdus[0].header[f"CARD{more - 1}"] == more - 1
        assert "FILTER" not in hdus[0].header
    assert read_header(path)["CARD0"] == 0
    again = replace_header(path, header)
    assert again == checksum(path)
    assert [file.name for file in tmp_path.iterdir()] == ["draft.fits"]


def test_product_is_closed_before_it_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows refuses to replace a file that is open."""
    path = tmp_path / "product.fits"
    write_product(path, fits.Header(), (7, 9), [np.zeros((7, 9))])
    opened: list[Any] = []
    closed_at_replace: list[bool] = []
    open_file, replace = Path.open, Path.replace

    def watched(file: Path, *how: Any, **more: Any) -> Any:
        opened.append(open_file(file, *how, **more))
        return opened[-1]

    def replaced(part: Path, target: Path) -> Path:
        closed_at_replace.extend(file.closed for file in opened)
        return replace(part, target)

    monkeypatch.setattr(Path, "open", watched)
    monkeypatch.setattr(Path, "replace", replaced)
    replace_header(path, fits.Header([("NEW", 2)]))
    assert closed_at_replace
    assert all(closed_at_replace)
