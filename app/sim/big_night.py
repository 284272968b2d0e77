"""A night of the size of the real camera, written in a minute and a half: for measuring, not for photometry.

The noise of every frame is cut from one tile, from another place each time: far quicker than new noise for four
thousand million pixels, and still different in every frame. Stars are those of the embedded catalogue and fainter ones
at random places. The same seed gives the same files.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from app.frames.star_catalogue import StarCatalogue
from app.sim.place import CENTRE_DEC_DEG, CENTRE_RA_DEG, NIGHT, OBJECT, SITE
from app.sim.sky import add_star

SCALE_ARCSEC = 0.496
GAIN_E_PER_ADU = 1.3
READ_NOISE_E = 7.0
SATURATION_ADU = 65535
BIAS_ADU = 1000.0
LIGHT_EXPOSURE_S = 120.0
FWHM_PX = 5.0

_TILE = 2048
_BAND_ROWS = 128
_DARK_E_PER_S = 0.05
_HOT_PIXELS_PER_MPIX = 50
_FLAT_E = 30000.0
_SKY_E = 900.0
_ZERO_POINT_MAG = 20.0
_FAINT_STARS_PER_MPIX = 30
_STAMP_PX = 48
_SHIFT_PX = 30.0
_BLOCK = 2880


@dataclass(frozen=True, slots=True)
class BigNight:
    """What a night holds.

    Attributes
    ----------
    rows, columns : int
        Size of every frame.
    biases, darks, flats, lights : int
        How many of each.
    seed : int
        Of the noise, the hot pixels, the faint stars and the shifts.
    """

    rows: int = 10560
    columns: int = 10560
    biases: int = 5
    darks: int = 10
    flats: int = 10
    lights: int = 10
    seed: int = 12

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return self.biases + self.darks + self.flats + self.lights

    @property
    def mpix(self) -> float:
        """Millions of pixels in all frames."""
        return self.frames * self.rows * self.columns / 1e6


@dataclass(frozen=True, slots=True, eq=False)
class _Kind:
    """One kind of frame: its level in electrons, whether light falls on it, and its header's words."""

    name: str
    image_type: str
    exposure_s: float
    even_e: float = 0.0
    has_stars: bool = False


_BIAS = _Kind("bias", "Bias Frame", 0.0)
_DARK = _Kind("dark", "Dark Frame", LIGHT_EXPOSURE_S)
_FLAT = _Kind("flat", "Flat Field", 5.0, _FLAT_E)
_LIGHT = _Kind("light", "Light Frame", LIGHT_EXPOSURE_S, _SKY_E, has_stars=True)


def write_big_night(folder: Path, night: BigNight, threads: int = 2) -> tuple[tuple[float, float], ...]:
    """Write the raw frames of a night.

    Parameters
    ----------
    folder : Path
        Where to write; made when it is not there.
    night : BigNight
        How many of which size.
    threads : int
        Frames that are written at the same time.

    Returns
    -------
    tuple of (float, float)
        How far the stars of each light lie from those of the first, (x, y) in pixels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    camera = _Camera(night)
    kinds = [_BIAS] * night.biases + [_DARK] * night.darks + [_FLAT] * night.flats + [_LIGHT] * night.lights
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda job: camera.write(folder, *job), enumerate(kinds)))
    return camera.shifts_px


class _Camera:
    """What all frames of a night share."""

    def __init__(self, night: BigNight) -> None:
        self._night = night
        rng = np.random.default_rng(night.seed)
        self._noise = rng.standard_normal((_TILE, _TILE), np.float32)
        mpix = night.rows * night.columns / 1e6
        hot = int(_HOT_PIXELS_PER_MPIX * mpix)
        self._hot_at = np.sort(rng.integers(0, night.rows * night.columns, hot))
        self._hot_e_per_s = np.exp(rng.uniform(np.log(5.0), np.log(200.0), hot)).astype(np.float32)
        self._columns_adu = rng.normal(0.0, 2.0, night.columns).astype(np.float32)
        across = np.linspace(-1.0, 1.0, night.columns, dtype=np.float32)
        self._across = across * across
        shifts_px = rng.uniform(-_SHIFT_PX, _SHIFT_PX, (night.lights, 2)).round(2)
        shifts_px[:1] = 0.0
        self.shifts_px = tuple((float(right), float(down)) for right, down in shifts_px)
        self._stars = self._place_stars(rng, int(_FAINT_STARS_PER_MPIX * mpix))

    def _place_stars(self, rng: np.random.Generator, faint: int) -> tuple[NDArray[np.float64], ...]:
        """Columns, rows and electrons of the stars on the first light."""
        night = self._night
        radius_deg = float(np.hypot(night.rows, night.columns)) / 2.0 * SCALE_ARCSEC / 3600.0
        stars = StarCatalogue.embedded().cone(CENTRE_RA_DEG, CENTRE_DEC_DEG, radius_deg)
        x, y = true_wcs(night).all_world2pix(stars.ra_deg, stars.dec_deg, 0)
        magnitude = 12.0 + 5.0 * rng.power(2.5, faint)
        x = np.concatenate([x, rng.uniform(0.0, night.columns, faint)])
        y = np.concatenate([y, rng.uniform(0.0, night.rows, faint)])
        magnitude = np.concatenate([stars.magnitude, magnitude])
        return x, y, LIGHT_EXPOSURE_S * 10.0 ** (0.4 * (_ZERO_POINT_MAG - magnitude))

    def write(self, folder: Path, number: int, kind: _Kind) -> None:
        """Write one frame."""
        night = self._night
        rng = np.random.default_rng((night.seed, number))
        offset = rng.integers(0, _TILE, 2)
        first_light = night.frames - night.lights
        shift = self.shifts_px[number - first_light] if kind.has_stars else (0.0, 0.0)
        stamps = self._stamps(shift) if kind.has_stars else []
        with (folder / f"{kind.name}_{number:03d}.fits").open("wb") as file:
            file.write(self._header(kind, number))
            for low in range(0, night.rows, _BAND_ROWS):
                high = min(low + _BAND_ROWS, night.rows)
                light_e = self._expected(kind, low, high, stamps)
                noise = self._tile(low, high, offset)
                light_e += noise * np.sqrt(np.maximum(light_e, 0.0) + np.float32(READ_NOISE_E**2))
                counts = light_e / np.float32(GAIN_E_PER_ADU) + self._columns_adu + np.float32(BIAS_ADU)
                stored = np.clip(np.rint(counts), 0, SATURATION_ADU).astype(np.uint16) ^ np.uint16(0x8000)
                file.write(stored.astype(">u2").tobytes())
            file.write(b"\0" * (-night.rows * night.columns * 2 % _BLOCK))

    def _expected(self, kind: _Kind, low: int, high: int, stamps: list[Any]) -> NDArray[np.float32]:
        """Electrons of rows [low, high): light through the flat, and dark current."""
        night = self._night
        light_e = np.full((high - low, night.columns), kind.even_e, np.float32)
        for top, left, stamp in stamps:
            first, last = max(top, low), min(top + stamp.shape[0], high)
            if first < last:
                light_e[first - low : last - low, left : left + stamp.shape[1]] += stamp[first - top : last - top]
        if kind.even_e:
            down = ((np.arange(low, high, dtype=np.float32) - night.rows / 2) / (night.rows / 2)) ** 2
            light_e *= 1.0 - 0.15 * (self._across + down[:, None]) / 2.0
        light_e += np.float32(_DARK_E_PER_S * kind.exposure_s)
        first, last = np.searchsorted(self._hot_at, (low * night.columns, high * night.columns))
        light_e.reshape(-1)[self._hot_at[first:last] - low * night.columns] += (
            self._hot_e_per_s[first:last] * kind.exposure_s
        )
        return light_e

    def _tile(self, low: int, high: int, offset: NDArray[np.int64]) -> NDArray[np.float32]:
        rows = (np.arange(low, high) + offset[0]) % _TILE
        columns = (np.arange(self._night.columns) + offset[1]) % _TILE
        noise: NDArray[np.float32] = self._noise[rows[:, None], columns]
        return noise

    def _stamps(self, shift_px: tuple[float, float]) -> list[tuple[int, int, NDArray[np.float32]]]:
        """Each star as a small image and its first row and column."""
        night, stamps = self._night, []
        half = _STAMP_PX // 2
        for x, y, flux_e in zip(*self._stars, strict=True):
            column, row = x + shift_px[0], y + shift_px[1]
            left, top = int(column) - half, int(row) - half
            if left < 0 or top < 0 or left + _STAMP_PX > night.columns or top + _STAMP_PX > night.rows:
                continue
            stamp = np.zeros((_STAMP_PX, _STAMP_PX))
            add_star(stamp, column - left, row - top, flux_e, FWHM_PX)
            stamps.append((top, left, stamp.astype(np.float32)))
        return stamps

    def _header(self, kind: _Kind, number: int) -> bytes:
        night = self._night
        started = NIGHT + timedelta(seconds=150.0 * number)
        header = fits.Header(
            [
                ("SIMPLE", True),
                ("BITPIX", 16),
                ("NAXIS", 2),
                ("NAXIS1", night.columns),
                ("NAXIS2", night.rows),
                ("BZERO", 32768),
                ("BSCALE", 1),
                ("IMAGETYP", kind.image_type),
                ("EXPTIME", kind.exposure_s, "[s] Exposure time"),
                ("DATE-OBS", started.strftime("%Y-%m-%dT%H:%M:%S"), "UTC start of the exposure"),
                ("INSTRUME", "Cupola large camera"),
                ("XBINNING", 1),
                ("YBINNING", 1),
                ("CCD-TEMP", -90.0),
                ("SET-TEMP", -90.0),
                ("EGAIN", GAIN_E_PER_ADU, "[e-/ADU] Gain"),
                ("RDNOISE", READ_NOISE_E, "[e-] Read noise"),
                ("SATURATE", SATURATION_ADU, "[adu] Highest count"),
                ("PIXSCALE", SCALE_ARCSEC, "[arcsec/pix] Scale"),
                ("SITELAT", SITE.latitude_deg, "[deg] Latitude, North positive"),
                ("SITELONG", SITE.longitude_deg, "[deg] Longitude, East positive"),
                ("SIMULATE", True, "Made by a simulated camera"),
            ]
        )
        if kind.even_e:
            header["FILTER"] = "r"
        if kind.has_stars:
            header["OBJECT"] = OBJECT
            header["RA"] = (round(CENTRE_RA_DEG + 0.02, 4), "[deg] Pointing, right ascension, ICRS")
            header["DEC"] = (round(CENTRE_DEC_DEG - 0.02, 4), "[deg] Pointing, declination, ICRS")
        text: str = header.tostring(sep="", endcard=True, padding=True)
        return text.encode("ascii")


def true_wcs(night: BigNight) -> WCS:
    """Where the first light of a night lies on the sky: North up, East left, TAN."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [CENTRE_RA_DEG, CENTRE_DEC_DEG]
    wcs.wcs.crpix = [(night.columns + 1) / 2.0, (night.rows + 1) / 2.0]
    wcs.wcs.cd = SCALE_ARCSEC / 3600.0 * np.array([[-1.0, 0.0], [0.0, 1.0]])
    wcs.wcs.set()
    return wcs
