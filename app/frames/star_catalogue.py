"""The embedded star catalogue: Tycho-2 to VT 12 and fainter, in zones of declination."""

from __future__ import annotations

import hashlib
import logging
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.model.errors import ObservatoryError
from app.paths import resource

log = logging.getLogger(__name__)

_RA_STEPS = 2.0**32  # uint32 steps in 360 degrees
_DEC_STEPS = 2.0**32 - 1.0  # uint32 steps from pole to pole


class CatalogueUnreadable(ObservatoryError):
    """The file of the star catalogue cannot be read."""


@dataclass(frozen=True, slots=True, eq=False)
class CatalogueStars:
    """Some stars of the catalogue; those of a cone are brightest first.

    Attributes
    ----------
    ra_deg, dec_deg : ndarray, float64, shape (stars,)
        ICRS position at epoch J2000.0, without proper motion.
    magnitude : ndarray, float64, shape (stars,)
        Tycho VT magnitude.
    """

    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    magnitude: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ra_deg)


class StarCatalogue:
    """Stars in one-degree zones of declination, sorted by right ascension inside a zone.

    Parameters
    ----------
    path : Path
        An ``.npz`` file with the arrays ``ra`` (uint32), ``dec`` (uint32), ``mag`` (uint8) and ``off`` (181 offsets
        of the zones); it is read when the first star is asked for.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @staticmethod
    @cache
    def embedded() -> StarCatalogue:
        """The catalogue that comes with Cupola; one object per process."""
        return StarCatalogue(resource("stars/tycho2_vt15.npz"))

    def cone(self, ra_deg: float, dec_deg: float, radius_deg: float) -> CatalogueStars:
        """Stars within a distance of a position.

        Parameters
        ----------
        ra_deg, dec_deg : float
            Centre, ICRS degrees; any right ascension, declination -90 to 90.
        radius_deg : float
            Greatest distance on the sphere, degrees.

        Returns
        -------
        CatalogueStars
            Brightest first; may be empty.

        Raises
        ------
        CatalogueUnreadable
            If the file is damaged or missing.
        """
        pieces = list(self._near(ra_deg % 360.0, dec_deg, radius_deg))
        near = self.stars(np.unique(np.concatenate(pieces)) if pieces else np.arange(0))
        # Chords keep their precision where the cosine of a small angle does not.
        chord = np.linalg.norm(unit_vectors(near.ra_deg, near.dec_deg) - unit_vectors(ra_deg, dec_deg), axis=1)
        inside = np.flatnonzero(chord <= 2.0 * math.sin(math.radians(min(radius_deg, 180.0)) / 2.0))
        order = inside[np.argsort(near.magnitude[inside], kind="stable")]
        return CatalogueStars(near.ra_deg[order], near.dec_deg[order], near.magnitude[order])

    def stars(self, index: NDArray[np.integer] | slice) -> CatalogueStars:
        """Stars by their place in the file, in the order of `index`; raises `CatalogueUnreadable` as `cone` does."""
        arrays = self._arrays
        return CatalogueStars(
            arrays["ra"][index].astype(np.float64) * (360.0 / _RA_STEPS),
            arrays["dec"][index].astype(np.float64) * (180.0 / _DEC_STEPS) - 90.0,
            arrays["mag"][index].astype(np.float64) * 0.07 - 2.0,
        )

    @property
    def zones(self) -> NDArray[np.integer]:
        """Where each one-degree zone of declination begins in the file, from the south pole; 181 numbers."""
        return self._arrays["off"]

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the file; raises `CatalogueUnreadable` as `cone` does."""
        try:
            with self._path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise self._unreadable(error) from error

    def _near(self, ra_deg: float, dec_deg: float, radius_deg: float) -> Iterator[NDArray[np.intp]]:
        """Indices of the stars in the zones and the range of right ascension that hold the cone."""
        zones = self._arrays["off"]
        first = max(0, math.floor(dec_deg - radius_deg + 90.0))
        last = min(179, math.floor(dec_deg + radius_deg + 90.0))
        width_deg = 180.0
        if abs(dec_deg) + radius_deg < 90.0:
            width_deg = math.degrees(math.asin(math.sin(math.radians(radius_deg)) / math.cos(math.radians(dec_deg))))
        low, high = ra_deg - width_deg, ra_deg + width_deg
        for zone in range(first, last + 1):
            start, stop = int(zones[zone]), int(zones[zone + 1])
            for turn_deg in (-360.0, 0.0, 360.0):
                edges = (np.clip([low + turn_deg, high + turn_deg], 0.0, 360.0) * (_RA_STEPS / 360.0)).astype(np.uint64)
                # One step of slack for the rounding of the edges; the chord decides.
                edges[1] += np.uint64(1)
                found = np.searchsorted(self._arrays["ra"][start:stop], edges)
                if edges[0] < _RA_STEPS and found[0] < found[1]:
                    yield np.arange(start + found[0], start + found[1])

    @cached_property
    def _arrays(self) -> dict[str, NDArray[np.unsignedinteger]]:
        """The file's arrays."""
        try:
            # Opened here: numpy 2.4 leaves a file that is no archive open.
            with self._path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                arrays = {name: file[name] for name in ("ra", "dec", "mag", "off")}
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise self._unreadable(error) from error
        log.debug("Star catalogue %s: %d stars", self._path.name, len(arrays["ra"]))
        return arrays

    def _unreadable(self, error: Exception) -> CatalogueUnreadable:
        return CatalogueUnreadable(f"The star catalogue {self._path} cannot be read ({error}): install Cupola again")


def unit_vectors(ra_deg: ArrayLike, dec_deg: ArrayLike) -> NDArray[np.float64]:
    """Directions on the unit sphere.

    Parameters
    ----------
    ra_deg, dec_deg : array_like, shape (stars,)
        Spherical coordinates in degrees.

    Returns
    -------
    ndarray, float64, shape (stars, 3)
        Cartesian unit vectors, x towards right ascension 0, z towards the north pole.
    """
    ra, dec = np.radians(ra_deg, dtype=np.float64), np.radians(dec_deg, dtype=np.float64)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)
