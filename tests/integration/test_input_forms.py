"""Every form in which a frame may come in is the same frame; one that is broken is left out with a sentence."""

from __future__ import annotations

import gzip
import os
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from pydantic import SecretStr

from app.frames.fits_io import FrameReader
from app.frames.funpack import funpack
from app.frames.headers import read_header
from app.frames.product_file import write_product
from app.frames.readout import readout_of
from app.frames.world_coordinates import header_wcs
from app.model.batch import FileBatch
from app.model.errors import Cancelled, FrameError, ObservatoryError, OutputError
from app.model.frame import FrameFacts
from app.model.settings import AmplifierSections, Camera, Mail, Settings, Site
from app.pipeline.measure import Measuring, measure_file
from app.pipeline.plate_solve import go_on
from app.pipeline.products import open_exposure
from app.pipeline.step import CancelToken, Context, Findings
from app.pipeline.steps.ingest import Ingest
from app.pipeline.steps.transfer import Transfer, Unpacking, local_path, relative_name, source_files, unpack
from app.pipeline.workers import ThreadWorkers
from tests import mosaic
from tests.fakes import MemoryBatches

OVERSCAN_ADU = 300
FACTS = {"IMAGETYP": "BIAS", "EXPTIME": 0.0, "TRIMSEC": "[1:40,1:50]", "BIASSEC": "[41:48,1:50]"}
Write = Callable[[Path, np.ndarray[Any, Any]], None]


def counts_of(dtype: str) -> np.ndarray[Any, Any]:
    """Sky of 10 to 59 adu on a bias, row by row, and eight columns of overscan; a byte holds a smaller bias."""
    bias = 100 if dtype == "u1" else OVERSCAN_ADU
    counts = np.full((50, 48), bias)
    counts[:, :40] += np.arange(10, 60)[:, None]
    return counts.astype(dtype)


def plain(path: Path, counts: np.ndarray[Any, Any]) -> None:
    fits.PrimaryHDU(counts, fits.Header(FACTS)).writeto(path)


def extension(path: Path, counts: np.ndarray[Any, Any]) -> None:
    fits.HDUList([fits.PrimaryHDU(header=fits.Header(FACTS)), fits.ImageHDU(counts)]).writeto(path)


def gzipped(path: Path, counts: np.ndarray[Any, Any]) -> None:
    extension(path.with_suffix(""), counts)
    path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
    path.with_suffix("").unlink()


def tiled(path: Path, counts: np.ndarray[Any, Any]) -> None:
    method = {"quantize_level": 0, "compression_type": "GZIP_1"} if counts.dtype.kind == "f" else {}
    primary = fits.PrimaryHDU(header=fits.Header(FACTS | {"TELESCOP": "Jose ?"}))
    stream = path.with_name("tiled.fits")
    fits.HDUList([primary, fits.CompImageHDU(counts, **method)]).writeto(stream)
    path.write_bytes(stream.read_bytes().replace(b"Jose ?", b"Jos\xe9 ?"))
    stream.unlink()


@pytest.fixture
def batches() -> MemoryBatches:
    return MemoryBatches()


@pytest.fixture
def batch(batches: MemoryBatches, tmp_path: Path) -> FileBatch:
    (tmp_path / "raw").mkdir()
    return batches.open_batch(str(tmp_path / "raw"), tmp_path / "products")


@pytest.fixture
def findings() -> Findings:
    return Findings("test", 1)


def take_in(batches: MemoryBatches, batch: FileBatch, findings: Findings, settings: Settings | None = None) -> None:
    context = Context(batches, batch, settings or Settings(), lambda _: None, CancelToken())
    Transfer().run(context, findings)
    Ingest().run(context, findings)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4"])
@pytest.mark.parametrize(
    ("name", "write"),
    [("a.fits", plain), ("a.FIT", extension), ("a.FITS.GZ", gzipped), ("a.fits.fz", tiled), ("A.FIT.FZ", tiled)],
)
def test_the_same_frame_in_every_form(
    batches: MemoryBatches, batch: FileBatch, findings: Findings, name: str, write: Write, dtype: str
) -> None:
    write(Path(batch.source) / name, counts_of(dtype))
    take_in(batches, batch, findings)
    (exposure,) = batches.exposures(batch.key)
    readout = readout_of(read_header(exposure.path), exposure.facts.rows, exposure.facts.columns)
    with FrameReader(exposure.path, readout) as reader:
        frame = reader.whole()
    assert np.array_equal(frame, np.repeat(np.arange(10.0, 60.0)[:, None], 40, axis=1))
    assert findings.problems == []


def gzipped_mosaic(path: Path, counts: np.ndarray[Any, Any], cards: dict[str, Any], dtype: str) -> None:
    mosaic.write_extensions(path.with_suffix(""), counts, cards, dtype)
    path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
    path.with_suffix("").unlink()


@pytest.mark.parametrize("dtype", ["u2", "i4", "f4"])
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.fits", mosaic.write_one_image),
        ("a.fits", mosaic.write_extensions),
        ("a.fits.gz", gzipped_mosaic),
        ("a.fits.fz", mosaic.write_tiled_extensions),
    ],
)
def test_sixteen_amplifiers_in_every_form_are_one_frame(
    batches: MemoryBatches, batch: FileBatch, findings: Findings, name: str, write: Callable[..., None], dtype: str
) -> None:
    write(Path(batch.source) / name, mosaic.truth(), {"IMAGETYP": "BIAS", "INSTRUME": "big"}, dtype)
    take_in(batches, batch, findings)
    (exposure,) = batches.exposures(batch.key)
    assert exposure.facts.readout_mode == "16 amplifier(s), 16 overscan(s), trimmed to 96x20"
    assert exposure.facts.instrument == "big"
    if write is not mosaic.write_one_image:
        assert (exposure.facts.rows, exposure.facts.columns) == mosaic.SHAPE
    with open_exposure(exposure, Settings()) as reader:
        assert np.array_equal(reader.whole(), mosaic.truth())
    assert findings.problems == []


def test_cube_of_one_plane_is_a_frame(batches: MemoryBatches, batch: FileBatch, findings: Findings) -> None:
    counts = np.arange(12, dtype=np.uint16).reshape(1, 3, 4)
    for name, hdu in [("a.fits", fits.ImageHDU(counts)), ("b.fits.fz", fits.CompImageHDU(counts + np.uint16(1)))]:
        primary = fits.PrimaryHDU(header=fits.Header({"IMAGETYP": "BIAS"}))
        fits.HDUList([primary, hdu]).writeto(Path(batch.source) / name)
    take_in(batches, batch, findings)
    for exposure, added in zip(batches.exposures(batch.key), (0, 1), strict=True):
        with open_exposure(exposure) as reader:
            assert np.array_equal(reader.whole(), counts[0] + added)


def two_images(path: Path, **second: Any) -> None:
    images = [fits.ImageHDU(np.full((8, 4), level, np.uint16)) for level in (300, 301)]
    images[1].header.update(second)
    fits.HDUList([fits.PrimaryHDU(header=fits.Header({"IMAGETYP": "BIAS"})), *images]).writeto(path)


@pytest.mark.logs_warnings
@pytest.mark.parametrize("pack", [False, True])
def test_images_that_are_no_amplifiers_are_left_out_by_name(
    batches: MemoryBatches, batch: FileBatch, findings: Findings, pack: bool
) -> None:
    plain(Path(batch.source) / "good.fits", counts_of("i2"))
    two_images(Path(batch.source) / "several.fits", EXTNAME="MASK")
    if pack:
        with fits.open(Path(batch.source) / "several.fits") as hdus:
            packed = [fits.CompImageHDU(hdu.data, hdu.header) for hdu in hdus[1:]]
            fits.HDUList([hdus[0], *packed]).writeto(Path(batch.source) / "several.fits.fz")
        (Path(batch.source) / "several.fits").unlink()
    take_in(batches, batch, findings)
    (left_out,) = batches.left_out(batch.key)
    assert left_out.file.startswith("several.fits")
    assert "holds several images" in left_out.reason
    assert [exposure.file for exposure in batches.exposures(batch.key)] == ["good.fits"]


def test_settings_place_amplifiers_that_the_header_does_not(
    batches: MemoryBatches, batch: FileBatch, findings: Findings
) -> None:
    two_images(Path(batch.source) / "a.fits", INSTRUME="x")
    with fits.open(Path(batch.source) / "a.fits", mode="update") as hdus:
        hdus[0].header["INSTRUME"] = "x"
    camera = Camera(
        instrument="x",
        amplifiers=tuple(
            AmplifierSections(extension=number, data="[1:4,1:8]", place=place)
            for number, place in ((1, "[1:4,1:8]"), (2, "[5:8,1:8]"))
        ),
        dead_amplifiers=(1,),
    )
    settings = Settings(cameras=(camera,))
    take_in(batches, batch, findings, settings)
    (exposure,) = batches.exposures(batch.key)
    with open_exposure(exposure, settings) as reader:
        assert np.array_equal(reader.whole(), [[np.nan] * 4 + [301.0] * 4] * 8, equal_nan=True)
    with pytest.raises(FrameError, match="image 1 has no DETSEC"):
        open_exposure(exposure, Settings())
    other = Settings(cameras=(camera.model_copy(update={"dead_amplifiers": ()}),))
    with pytest.raises(FrameError, match=r"a\.fits is read out in another way than when it was taken in"):
        open_exposure(exposure, other)


def test_tiles_of_any_shape_and_blank_values_are_unpacked(tmp_path: Path) -> None:
    counts = np.random.default_rng(1).integers(0, 60000, (70, 30)).astype(np.uint16)
    blank = fits.Header({"BLANK": -1})
    images = [
        fits.CompImageHDU(counts, tile_shape=(16, 30)),
        fits.CompImageHDU(counts, tile_shape=(70, 30)),
        fits.CompImageHDU((counts // 2).astype(np.int16), blank),
        fits.CompImageHDU(counts.astype(np.float32), quantize_level=16.0),
        fits.ImageHDU(counts),
    ]
    fits.HDUList([fits.PrimaryHDU(header=fits.Header({"OBSERVER": "x"})), *images]).writeto(tmp_path / "a.fits.fz")
    funpack(tmp_path / "a.fits.fz", tmp_path / "a.fits", lambda: None)
    with fits.open(tmp_path / "a.fits.fz") as packed, fits.open(tmp_path / "a.fits") as plain_hdus:
        assert plain_hdus[0].header["OBSERVER"] == "x"
        assert [type(hdu) for hdu in plain_hdus] == [fits.PrimaryHDU, *[fits.ImageHDU] * 5]
        for one, other in zip(packed[1:], plain_hdus[1:], strict=True):
            assert np.array_equal(one.data, other.data, equal_nan=True)
        assert plain_hdus[3].header["BLANK"] == -1
        assert not [name for hdu in plain_hdus for name in hdu.header if name.startswith(("Z", "T"))]


def test_unpacking_can_be_stopped_and_leaves_nothing(batch: FileBatch, findings: Findings) -> None:
    def stop() -> None:
        raise Cancelled

    for name, write in (("a.fits.gz", gzipped), ("a.fits.fz", tiled)):
        write(Path(batch.source) / name, counts_of("i2"))
        with pytest.raises(Cancelled):
            unpack(Unpacking(batch, Path(batch.source) / name), stop)
    assert [file for file in batch.folder.rglob("*") if file.is_file()] == []


@pytest.mark.logs_warnings
def test_frame_that_grows_while_it_is_taken_in_is_left_out(
    batches: MemoryBatches, batch: FileBatch, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a camera's program that appends to its file while we read the header."""
    plain(Path(batch.source) / "good.fits", counts_of("i2"))
    growing = Path(batch.source) / "growing.fits"
    plain(growing, counts_of("i2"))

    def read(path: Path) -> fits.Header:
        if path == growing:
            os.truncate(path, path.stat().st_size + 2880)
        return read_header(path)

    monkeypatch.setattr("app.pipeline.steps.ingest.read_header", read)
    take_in(batches, batch, findings)
    (left_out,) = batches.left_out(batch.key)
    assert left_out.file == "growing.fits"
    assert "growing.fits changed while it was" in left_out.reason


def test_two_batches_take_in_the_same_files_at_the_same_time(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(2):
        mosaic.write_tiled_extensions(raw / f"{number}.fits.fz", mosaic.truth(number), {"IMAGETYP": "BIAS"})

    def take(name: str) -> list[str]:
        batches, findings = MemoryBatches(), Findings("test", 1)
        batch = batches.open_batch(str(raw), tmp_path / name)
        take_in(batches, batch, findings)
        assert findings.problems == []
        return [exposure.checksum for exposure in batches.exposures(batch.key)]

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(take, ("one", "other"))
    assert one == other
    assert len(one) == 2


def test_no_secret_goes_to_other_machines(batch: FileBatch, batches: MemoryBatches) -> None:
    plain(Path(batch.source) / "a.fits", counts_of("i2"))
    jobs: list[Any] = []

    class Watched(ThreadWorkers):
        def each(self, task: Any, given: Any, check: Any) -> Any:
            taken = list(given)
            jobs.extend(taken)
            return super().each(task, taken, check)

    settings = Settings(mail=Mail(password=SecretStr("swordfish")), cameras=(Camera(instrument="x"),))
    context = Context(batches, batch, settings, lambda _: None, CancelToken(), workers=Watched(1))
    Ingest().run(context, Findings("test", 1))
    assert b"swordfish" in pickle.dumps(settings)
    assert b"swordfish" not in pickle.dumps(jobs)
    assert jobs[0].settings.cameras == settings.cameras


def lying(**cards: Any) -> Write:
    """A whole frame whose header says what is not so."""

    def write(path: Path, counts: np.ndarray[Any, Any]) -> None:
        header = fits.PrimaryHDU(counts, fits.Header({"IMAGETYP": "BIAS"})).header
        header.update(cards)
        path.write_bytes(header.tostring().encode() + bytes(5760))

    return write


@pytest.mark.logs_warnings
@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lying(BITPIX=12), "BITPIX is 12"),
        (lying(BZERO="abc"), "BZERO is 'abc'"),
        (lying(DATASEC1="[1:8,1:8]", DETSEC1="[1:9,1:8]"), "has 8x8 pixels"),
    ],
)
def test_header_that_lies_leaves_its_frame_out(
    batches: MemoryBatches, batch: FileBatch, findings: Findings, write: Write, reason: str
) -> None:
    plain(Path(batch.source) / "good.fits", counts_of("i2"))
    write(Path(batch.source) / "liar.fits", counts_of("i2"))
    take_in(batches, batch, findings)
    assert [exposure.file for exposure in batches.exposures(batch.key)] == ["good.fits"]
    (left_out,) = batches.left_out(batch.key)
    assert left_out.file == "liar.fits"
    assert reason in left_out.reason


@pytest.mark.logs_warnings
@pytest.mark.parametrize("name", ["torn.fits.fz", "torn.fits.gz"])
def test_damaged_archive_is_left_out(batches: MemoryBatches, batch: FileBatch, findings: Findings, name: str) -> None:
    noise = np.random.default_rng(1).integers(0, 60000, (200, 200)).astype(np.uint16)
    plain(Path(batch.source) / "good.fits", counts_of("i2"))
    torn = Path(batch.source) / name
    (tiled if name.endswith("fz") else gzipped)(torn, noise)
    raw = bytearray(torn.read_bytes())
    middle = len(raw) * 2 // 3
    raw[middle : middle + 999] = bytes(999)
    torn.write_bytes(raw)
    take_in(batches, batch, findings)
    (left_out,) = batches.left_out(batch.key)
    assert left_out.file == name
    assert "cannot be unpacked" in left_out.reason
    assert [file for file in batch.folder.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize(("name", "write"), [("a.fits.fz", tiled), ("a.fits.gz", gzipped)])
def test_what_a_killed_run_left_does_not_stop_the_next(
    batches: MemoryBatches, batch: FileBatch, findings: Findings, name: str, write: Write
) -> None:
    packed = Path(batch.source) / name
    write(packed, counts_of("i2"))
    target = local_path(batch, packed)
    target.parent.mkdir(parents=True)
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(b"half")
    take_in(batches, batch, findings)
    assert len(batches.exposures(batch.key)) == 1
    assert not part.exists()


@pytest.mark.logs_warnings
def test_source_that_cannot_be_read_is_no_failure_of_the_output(
    batches: MemoryBatches, batch: FileBatch, findings: Findings
) -> None:
    plain(Path(batch.source) / "good.fits", counts_of("i2"))
    for name in ("gone.fits.gz", "gone.fits"):
        (Path(batch.source) / name).symlink_to(Path(batch.source) / "nowhere")
    take_in(batches, batch, findings)
    reasons = {item.file: item.reason for item in batches.left_out(batch.key)}
    assert set(reasons) == {"gone.fits.gz", "gone.fits"}
    assert all("cannot be read" in reason for reason in reasons.values())


def test_output_that_cannot_be_written_is_no_failure_of_the_source(
    batches: MemoryBatches, batch: FileBatch, findings: Findings
) -> None:
    gzipped(Path(batch.source) / "a.fits.gz", counts_of("i2"))
    batch.folder.parent.mkdir()
    batch.folder.write_text("a file, not a folder")
    with pytest.raises(OutputError, match="cannot be written"):
        take_in(batches, batch, findings)


@pytest.fixture
def failing_folder(batch: FileBatch, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder below the source that the system refuses to list, also to root."""
    folder = Path(batch.source) / "locked"
    folder.mkdir()
    scandir = os.scandir

    def refuses(path: str) -> Iterator[os.DirEntry[str]]:
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuses)
    return folder


@pytest.mark.logs_warnings
def test_folder_that_cannot_be_read_is_reported_once(
    batches: MemoryBatches, batch: FileBatch, findings: Findings, failing_folder: Path
) -> None:
    plain(Path(batch.source) / "good.fits", counts_of("i2"))
    take_in(batches, batch, findings)
    (left_out,) = batches.left_out(batch.key)
    assert left_out.file == relative_name(batch, failing_folder) == "locked"
    assert "cannot be read (Permission denied)" in left_out.reason
    assert [problem.subject for problem in findings.problems] == ["locked"]


def test_source_with_only_folders_that_cannot_be_read(batch: FileBatch, failing_folder: Path) -> None:
    told: list[tuple[Path, FrameError]] = []
    with pytest.raises(ObservatoryError, match="has no FITS files"):
        source_files(batch, lambda folder, error: told.append((folder, error)))
    assert [folder for folder, _ in told] == [failing_folder]


WCS_CARDS = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 10.0,
    "CRVAL2": 20.0,
    "CRPIX1": 50.0,
    "CRPIX2": 50.0,
    "CDELT1": -1e-3,
    "CDELT2": 1e-3,
}


def test_wcs_with_a_text_for_a_number_is_none() -> None:
    assert header_wcs(fits.Header(WCS_CARDS), (100, 100)) is not None
    for name in ("CRPIX1", "CRVAL2", "CDELT1"):
        assert header_wcs(fits.Header(WCS_CARDS | {name: "abc"}), (100, 100)) is None


def test_wcs_is_judged_at_the_centre_of_the_frame() -> None:
    """In an orthographic (SIN) projection, pixels beyond the edge of the sky have no position."""
    beyond = WCS_CARDS | {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CDELT1": -0.5, "CDELT2": 0.5, "CRPIX1": 1.0}
    assert header_wcs(fits.Header(beyond), (100, 100)) is not None
    assert header_wcs(fits.Header(beyond), (100, 1000)) is None
    assert header_wcs(fits.Header(beyond | {"NAXIS1": 1000, "NAXIS2": 100})) is None


def test_measured_product_says_that_it_has_no_pedestal(tmp_path: Path) -> None:
    product = tmp_path / "product.fits"
    sky = np.random.default_rng(1).normal(100.0, 5.0, (64, 64))
    write_product(product, fits.Header([("PEDESTAL", 0, "values are whole"), ("SATURATE", "abc")]), (64, 64), [sky])
    started_at = datetime(2026, 1, 1, tzinfo=UTC)
    facts = FrameFacts(64, 64, exposure_s=30.0, started_at=started_at, ra_deg=10.0, dec_deg=20.0)
    measure_file(Measuring(product, facts, Settings(site=Site(latitude_deg=50.0, longitude_deg=-90.0))), go_on)
    header = fits.getheader(product)
    assert header["PEDESTAL"] == 0
    assert "AIRMASS" in header


def test_measured_product_loses_a_wcs_that_has_no_sky_at_its_centre(tmp_path: Path) -> None:
    product = tmp_path / "product.fits"
    beyond = {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CDELT1": -0.5, "CDELT2": 0.5, "CRPIX1": 1.0, "CRPIX2": 32.0}
    sky = np.random.default_rng(1).normal(100.0, 5.0, (64, 400))
    write_product(product, fits.Header(WCS_CARDS | beyond), (64, 400), [sky])
    assert measure_file(Measuring(product, FrameFacts(64, 400), Settings()), go_on).wcs["status"] == "unsolved"
    assert "CRPIX1" not in fits.getheader(product)
