"""Where a benchmark works, how hard, and the frames that it measures with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.bench.cost import BenchFailed

_BLOCK = 2880
_OUTLIERS_PER_MPIX = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """What a benchmark is given.

    Attributes
    ----------
    folder : Path
        Its own, empty; removed afterwards.
    is_quick : bool
        Fewer rounds of smaller frames.
    say : callable
        Takes a line on what is being done.
    """

    folder: Path
    is_quick: bool
    say: Callable[[str], None]

    @property
    def rounds(self) -> int:
        """How often each pair is measured."""
        return 1 if self.is_quick else 5

    def sub(self, name: str) -> Path:
        """A folder in it."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def need(self, size_bytes: float) -> None:
        """See that there is room.

        Raises
        ------
        BenchFailed
            There is not.
        """
        free = shutil.disk_usage(self.folder).free
        if free < 1.2 * size_bytes:
            raise BenchFailed(
                f"{self.folder.parent} has {free / 1e9:.1f} GB free, the benchmark needs {1.2 * size_bytes / 1e9:.1f} GB: "
                "set TMPDIR to a greater disk, or take --quick"
            )


def installed(*names: str) -> str | None:
    """Where the first of these programs lies, if one is installed."""
    return next((found for name in names if (found := shutil.which(name))), None)


def write_frame(path: Path, counts: np.ndarray[tuple[int, ...], np.dtype[np.uint16]], **cards: object) -> None:
    """Write an image of uint16 with the cards that it needs, and a few."""
    from astropy.io.fits import Header

    header = Header([("SIMPLE", True), ("BITPIX", 16), ("NAXIS", 2)])
    header.extend([("NAXIS1", counts.shape[1]), ("NAXIS2", counts.shape[0]), ("BZERO", 32768), ("BSCALE", 1)])
    header.extend(list(cards.items()))
    stored = (counts ^ np.uint16(0x8000)).astype(">u2")
    with path.open("wb") as file:
        file.write(header.tostring(sep="", endcard=True, padding=True).encode("ascii"))
        stored.tofile(file)
        file.write(bytes(-stored.nbytes % _BLOCK))


def write_even_frames(folder: Path, number: int, side: int) -> list[Path]:
    """Bias frames with noise of their own and one pixel in a thousand hit: ``raw_00001.fits`` and so on."""
    rng = np.random.default_rng(5)
    level = rng.normal(1000.0, 20.0, (side, side)).astype(np.float32)
    paths = []
    for index in range(number):
        counts = level + 10.0 * rng.standard_normal((side, side), np.float32)
        hits = int(_OUTLIERS_PER_MPIX * side * side / 1e6)
        counts.reshape(-1)[rng.integers(0, side * side, hits)] += rng.exponential(3000.0, hits).astype(np.float32)
        paths.append(folder / f"raw_{index + 1:05d}.fits")
        write_frame(paths[-1], np.clip(np.rint(counts), 0, 65535).astype(np.uint16), IMAGETYP="Bias Frame", EXPTIME=0.0)
    return paths
