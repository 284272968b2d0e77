"""The embedded example night: raw frames of a real star field, of which everything is known.

Three bias and dark frames, and three flats and lights in each of two filters, of a small refractor. The same
frames come out each time, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from app.frames.star_catalogue import CatalogueStars, StarCatalogue
from app.model.frame import FrameKind
from app.sim.place import CENTRE_DEC_DEG, CENTRE_RA_DEG, NIGHT, OBJECT, SITE
from app.sim.sky import Camera, Floats, bias_pattern, dark_pattern, flat_pattern, render_light

SHAPE = (768, 1024)
SCALE_ARCSEC = 4.2
ROTATION_DEG = 2.5
FILTERS = ("V", "R")
LIGHT_EXPOSURE_S = 30.0
FWHM_PX = 2.8

_SEED = 6888
_BIAS_LEVEL_ADU = 1000.0
_FLAT_EXPOSURE_S = 2.0
_FLAT_LEVEL_E = 30000.0
_TEMPERATURE_DEGC = -15.0
#: Where the mount thought it was, off the truth as mounts are.
_POINTING_ERROR_DEG = (0.041, -0.028)
_ZERO_POINT_MAG = {"V": 17.0, "R": 17.3}
_SKY_E_PER_S = {"V": 1.5, "R": 2.2}
#: How far the stars lie from the first light's, (x, y) in pixels.
_SHIFTS_PX = {"V": ((0.0, 0.0), (3.4, -2.2), (-4.7, 5.1)), "R": ((1.3, 0.6), (6.2, 3.8), (-2.5, -5.6))}


@dataclass(frozen=True, slots=True, eq=False)
class LightTruth:
    """What is true of one light.

    Attributes
    ----------
    path : Path
        The raw frame.
    filter : str
        Its filter.
    wcs : WCS
        Where it lies on the sky, TAN.
    shift_px : tuple of float
        How far its stars lie from those of the night's first light, (x, y).
    light_e : ndarray, float64, shape (rows, columns)
        Electrons that stars and sky were expected to release where the response is 1.
    """

    path: Path
    filter: str
    wcs: WCS
    shift_px: tuple[float, float]
    light_e: Floats


@dataclass(frozen=True, slots=True, eq=False)
class NightTruth:
    """What is true of the night.

    Attributes
    ----------
    lights : tuple of LightTruth
        In the order in which they were taken.
    calibrations : dict of FrameKind to tuple of Path
        Raw bias, dark and flat frames.
    stars : CatalogueStars
        Stars that were put in; some lie outside of the frames.
    camera : Camera
        Bias level and pattern (adu), dark current (electrons per second), gain and read noise.
    flats : dict of str to ndarray, float64, shape (rows, columns)
        Response in each filter, median 1.
    """

    lights: tuple[LightTruth, ...]
    calibrations: Mapping[FrameKind, tuple[Path, ...]]
    stars: CatalogueStars
    camera: Camera
    flats: Mapping[str, Floats]


def write_night(folder: Path) -> NightTruth:
    """Write the night's raw frames.

    Parameters
    ----------
    folder : Path
        Where to write; made when it is not there, and files of the same names are replaced.

    Returns
    -------
    NightTruth
        Everything that is true of the frames.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(_SEED)
    flats = {name: flat_pattern(SHAPE, vignetting=0.18, dust=6, rng=rng) for name in FILTERS}
    camera = Camera(
        bias_adu=bias_pattern(SHAPE, _BIAS_LEVEL_ADU, rng),
        dark_e_per_s=dark_pattern(SHAPE, e_per_s=0.3, hot_pixels=400, rng=rng),
        flat=np.ones(SHAPE),
    )
    writer = _FrameWriter(folder, camera, NIGHT)
    biases = tuple(writer.take("Bias Frame", f"bias_{n}", camera.expose(rng), 0.0) for n in (1, 2, 3))
    darks = tuple(
        writer.take("Dark Frame", f"dark_{n}", camera.expose(rng, LIGHT_EXPOSURE_S), LIGHT_EXPOSURE_S)
        for n in (1, 2, 3)
    )
    flat_paths = []
    for name in FILTERS:
        for n, fading in enumerate((1.0, 0.8, 0.64), start=1):
            even_e = np.full(SHAPE, _FLAT_LEVEL_E * fading)
            counts = replace(camera, flat=flats[name]).expose(rng, _FLAT_EXPOSURE_S, even_e)
            flat_paths.append(writer.take("Flat Field", f"flat_{name}_{n}", counts, _FLAT_EXPOSURE_S, name))
    stars = StarCatalogue.embedded().cone(CENTRE_RA_DEG, CENTRE_DEC_DEG, 0.8)
    lights = []
    for name in FILTERS:
        for n, shift_px in enumerate(_SHIFTS_PX[name], start=1):
            wcs = _true_wcs(shift_px)
            light_e = render_light(
                wcs,
                stars,
                SHAPE,
                exposure_s=LIGHT_EXPOSURE_S,
                fwhm_px=FWHM_PX,
                zero_point_mag=_ZERO_POINT_MAG[name],
                sky_e_per_s=_SKY_E_PER_S[name],
            )
            counts = replace(camera, flat=flats[name]).expose(rng, LIGHT_EXPOSURE_S, light_e)
            path = writer.take("Light Frame", f"light_{name}_{n}", counts, LIGHT_EXPOSURE_S, name)
            lights.append(LightTruth(path, name, wcs, shift_px, light_e))
    calibrations = {FrameKind.BIAS: biases, FrameKind.DARK: darks, FrameKind.FLAT: tuple(flat_paths)}
    return NightTruth(tuple(lights), calibrations, stars, camera, flats)


def _true_wcs(shift_px: tuple[float, float]) -> WCS:
    """The sky over a frame whose stars are shifted by so much: North nearly up, East left."""
    turn, scale_deg = np.radians(ROTATION_DEG), SCALE_ARCSEC / 3600.0
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [CENTRE_RA_DEG, CENTRE_DEC_DEG]
    wcs.wcs.crpix = [(SHAPE[1] + 1) / 2.0 + shift_px[0], (SHAPE[0] + 1) / 2.0 + shift_px[1]]
    wcs.wcs.cd = scale_deg * np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    wcs.wcs.set()
    return wcs


class _FrameWriter:
    """Writes frames one after another through the night."""

    def __init__(self, folder: Path, camera: Camera, starts_at: datetime) -> None:
        self._folder = folder
        self._camera = camera
        self._now = starts_at

    def take(
        self, image_type: str, name: str, counts: NDArray[np.uint16], exposure_s: float, filter_name: str | None = None
    ) -> Path:
        """Write a frame with its header; the next one begins 10 s after its end."""
        header = self._header(image_type, exposure_s)
        if filter_name is not None:
            header["FILTER"] = (filter_name, "Filter")
        if image_type == "Light Frame":
            header["OBJECT"] = (OBJECT, "Target")
            header["RA"] = (round(CENTRE_RA_DEG + _POINTING_ERROR_DEG[0], 4), "[deg] Pointing, right ascension, ICRS")
            header["DEC"] = (round(CENTRE_DEC_DEG + _POINTING_ERROR_DEG[1], 4), "[deg] Pointing, declination, ICRS")
        path = self._folder / f"{name}.fits"
        fits.PrimaryHDU(counts, header).writeto(path, overwrite=True)
        self._now += timedelta(seconds=exposure_s + 10.0)
        return path

    def _header(self, image_type: str, exposure_s: float) -> fits.Header:
        """Cards that every frame has."""
        header = fits.Header()
        header["IMAGETYP"] = (image_type, "Type of frame")
        header["EXPTIME"] = (exposure_s, "[s] Exposure time")
        header["DATE-OBS"] = (self._now.strftime("%Y-%m-%dT%H:%M:%S"), "UTC start of the exposure")
        header["INSTRUME"] = ("Cupola simulated camera", "Camera")
        header["XBINNING"] = (1, "Binning of columns")
        header["YBINNING"] = (1, "Binning of rows")
        header["CCD-TEMP"] = (_TEMPERATURE_DEGC, "[degC] Temperature of the sensor")
        header["SET-TEMP"] = (_TEMPERATURE_DEGC, "[degC] Temperature that was asked for")
        header["EGAIN"] = (self._camera.gain_e_per_adu, "[e-/ADU] Gain")
        header["RDNOISE"] = (self._camera.read_noise_e, "[e-] Read noise")
        header["SATURATE"] = (self._camera.saturation_adu, "[adu] Highest count")
        header["PIXSCALE"] = (SCALE_ARCSEC, "[arcsec/pix] Scale")
        header["OBSERVAT"] = (SITE.name, "Observatory")
        header["SITELAT"] = (SITE.latitude_deg, "[deg] Latitude, North positive")
        header["SITELONG"] = (SITE.longitude_deg, "[deg] Longitude, East positive")
        header["SITEELEV"] = (SITE.elevation_m, "[m] Above the sea")
        header["SIMULATE"] = (True, "Made by a simulated camera")
        return header
