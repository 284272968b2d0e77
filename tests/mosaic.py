"""A small camera with sixteen amplifiers of known bias levels, as one image or one in each extension."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

ROWS, COLUMNS, OVERSCAN, SPARE_ROWS = 10, 12, 4, 2
ACROSS, UP = 8, 2
AMPLIFIERS = ACROSS * UP
#: What overscan removal must take off, amplifier by amplifier.
LEVELS = 300 + 10 * np.arange(AMPLIFIERS)
SHAPE = (UP * ROWS, ACROSS * COLUMNS)

Counts = np.ndarray[Any, Any]


def truth(seed: int = 1) -> Counts:
    """Counts of the trimmed frame over the bias."""
    return np.random.default_rng(seed).integers(0, 60000, SHAPE)


def place(number: int) -> tuple[slice, slice]:
    """Where an amplifier lies in the trimmed frame, from 0."""
    up, across = divmod(number, ACROSS)
    return slice(up * ROWS, (up + 1) * ROWS), slice(across * COLUMNS, (across + 1) * COLUMNS)


def turned(number: int, pixels: Counts) -> Counts:
    """Pixels of an amplifier between the order of the readout and the place in the frame: corners are read first."""
    return pixels[:: -1 if number >= ACROSS else 1, :: -1 if number % 2 else 1]


def readouts(counts: Counts) -> list[Counts]:
    """Every amplifier as it is read out: sky, then overscan, and some rows that mean nothing."""
    raw = []
    for number in range(AMPLIFIERS):
        one = np.full((ROWS + SPARE_ROWS, COLUMNS + OVERSCAN), 9, np.promote_types(counts.dtype, np.int64))
        one[:ROWS, :COLUMNS] = turned(number, counts[place(number)]) + LEVELS[number]
        one[:ROWS, COLUMNS:] = LEVELS[number]
        raw.append(one)
    return raw


def sections(number: int, column: int = 0, row: int = 0) -> dict[str, str]:
    """DATASEC, BIASSEC and DETSEC of an amplifier whose readout is stored that far from the corner."""
    rows, columns = place(number)
    x, y = (columns.start + 1, columns.stop), (rows.start + 1, rows.stop)
    x1, x2 = x[::-1] if number % 2 else x
    y1, y2 = y[::-1] if number >= ACROSS else y
    return {
        "DATASEC": f"[{column + 1}:{column + COLUMNS},{row + 1}:{row + ROWS}]",
        "BIASSEC": f"[{column + COLUMNS + 1}:{column + COLUMNS + OVERSCAN},{row + 1}:{row + ROWS}]",
        "DETSEC": f"[{x1}:{x2},{y1}:{y2}]",
    }


def one_image(raw: list[Counts]) -> tuple[Counts, dict[str, str]]:
    """All amplifiers side by side in one image, and their numbered cards."""
    height, width = raw[0].shape
    image = np.block([[raw[up * ACROSS + across] for across in range(ACROSS)] for up in range(UP)])
    cards = {}
    for number in range(AMPLIFIERS):
        up, across = divmod(number, ACROSS)
        for name, text in sections(number, across * width, up * height).items():
            ending = str(number + 1)
            cards[name[: 8 - len(ending)] + ending] = text
    return image, cards


def write_one_image(path: Path, counts: Counts, cards: dict[str, Any], dtype: str = "u2") -> None:
    """One image of all amplifiers."""
    image, numbered = one_image(readouts(counts))
    fits.PrimaryHDU(image.astype(dtype), fits.Header(cards | numbered)).writeto(path)


def write_extensions(path: Path, counts: Counts, cards: dict[str, Any], dtype: str = "u2") -> None:
    """An extension for each amplifier."""
    hdus = [fits.PrimaryHDU(header=fits.Header(cards))]
    for number, raw in enumerate(readouts(counts)):
        hdus.append(fits.ImageHDU(raw.astype(dtype), fits.Header(sections(number))))
    fits.HDUList(hdus).writeto(path)


def write_tiled_extensions(path: Path, counts: Counts, cards: dict[str, Any], dtype: str = "u2") -> None:
    """A tile-compressed extension for each amplifier."""
    method = {"quantize_level": 0, "compression_type": "GZIP_1"} if np.dtype(dtype).kind == "f" else {}
    hdus = [fits.PrimaryHDU(header=fits.Header(cards))]
    for number, raw in enumerate(readouts(counts)):
        hdus.append(fits.CompImageHDU(raw.astype(dtype), fits.Header(sections(number)), **method))
    fits.HDUList(hdus).writeto(path)
