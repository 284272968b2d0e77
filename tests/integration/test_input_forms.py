"""Every form in which a frame may come in is the same frame; one that is broken is left out with a sentence."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from app.frames.fits_io import FrameReader
from app.frames.headers import read_header
from app.frames.product_file import write_product
from app.frames.readout import readout_of
from app.frames.world_coordinates import header_wcs
from app.model.batch import FileBatch
from app.model.errors import FrameError, ObservatoryError, OutputError
from app.model.frame import FrameFacts
from app.model.settings import Settings, Site
from app.pipeline.measure import measure_file
from app.pipeline.step import CancelToken, Context, Findings
from app.pipeline.steps.ingest import Ingest
from app.pipeline.steps.transfer import Transfer, local_path, relative_name, source_files
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


def take_in(batches: MemoryBatches, batch: FileBatch, findings: Findings) -> None:
    context = Context(batches, batch, Settings(), lambda _: None, CancelToken())
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
    measure_file(product, facts, Settings(site=Site(latitude_deg=50.0, longitude_deg=-90.0)))
    header = fits.getheader(product)
    assert header["PEDESTAL"] == 0
    assert "AIRMASS" in header


def test_measured_product_loses_a_wcs_that_has_no_sky_at_its_centre(tmp_path: Path) -> None:
    product = tmp_path / "product.fits"
    beyond = {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CDELT1": -0.5, "CDELT2": 0.5, "CRPIX1": 1.0, "CRPIX2": 32.0}
    sky = np.random.default_rng(1).normal(100.0, 5.0, (64, 400))
    write_product(product, fits.Header(WCS_CARDS | beyond), (64, 400), [sky])
    assert measure_file(product, FrameFacts(64, 400), Settings()).wcs["status"] == "unsolved"
    assert "CRPIX1" not in fits.getheader(product)
