"""A polynomial between the pixels of a frame and the tangent plane of the sky, and its FITS form, TAN-SIP.

Points of the tangent plane are complex numbers: real part xi (towards East), imaginary part eta (towards North),
in degrees. Formulas of the projection: Calabretta and Greisen (2002), A&A 395, 1077; of the distortion: Shupe et
al. (2005), ASP Conf. 347, 491.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from astropy.wcs import WCS, Sip
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Plane = NDArray[np.complex128]
Angle = float | Floats  # one, or one for each star

_INVERSE_STEPS = 20


def to_plane(ra_deg: Floats, dec_deg: Floats, centre_ra_deg: Angle, centre_dec_deg: Angle) -> Plane:
    """Gnomonic projection onto the plane that touches the sky at the centre.

    Parameters
    ----------
    ra_deg, dec_deg : ndarray, float64, shape (stars,)
        Positions, degrees.
    centre_ra_deg, centre_dec_deg : float or ndarray
        Where the plane touches, degrees; one plane, or one for each star.

    Returns
    -------
    ndarray, complex128, shape (stars,)
        Position in the plane in degrees; NaN for stars farther than 84 degrees from the centre.
    """
    along, dec, centre = np.radians(ra_deg - centre_ra_deg), np.radians(dec_deg), np.radians(centre_dec_deg)
    depth = np.sin(centre) * np.sin(dec) + np.cos(centre) * np.cos(dec) * np.cos(along)
    depth = np.where(depth > 0.1, depth, np.nan)
    east = np.cos(dec) * np.sin(along)
    north = np.cos(centre) * np.sin(dec) - np.sin(centre) * np.cos(dec) * np.cos(along)
    plane: Plane = np.degrees(east / depth) + 1j * np.degrees(north / depth)
    return plane


def to_sky(plane: Plane, centre_ra_deg: Angle, centre_dec_deg: Angle) -> tuple[Floats, Floats]:
    """Inverse of `to_plane`.

    Parameters
    ----------
    plane : ndarray, complex128, shape (stars,)
        Positions in the plane, degrees.
    centre_ra_deg, centre_dec_deg : float or ndarray
        Where the plane touches, degrees; one plane, or one for each star.

    Returns
    -------
    ra_deg : ndarray, float64, shape (stars,)
        Right ascension, 0 to 360 degrees.
    dec_deg : ndarray, float64, shape (stars,)
        Declination, degrees.
    """
    east, north, centre = np.radians(plane.real), np.radians(plane.imag), np.radians(centre_dec_deg)
    towards = np.cos(centre) - north * np.sin(centre)
    ra = centre_ra_deg + np.degrees(np.arctan2(east, towards))
    dec = np.degrees(np.arctan2(np.sin(centre) + north * np.cos(centre), np.hypot(east, towards)))
    return ra % 360.0, dec


@dataclass(frozen=True, slots=True, eq=False)
class SkyFit:
    """The sky over a frame.

    Attributes
    ----------
    centre_ra_deg, centre_dec_deg : float
        Where the tangent plane touches, degrees.
    shape : tuple of int
        Rows and columns of the frame; pixels are counted from its middle, in units of half of its longer side.
    order : int
        Order of the polynomial.
    coefficients : ndarray, complex128, shape (terms,)
        Factors of the terms of `powers`, degrees.
    """

    centre_ra_deg: float
    centre_dec_deg: float
    shape: tuple[int, int]
    order: int
    coefficients: Plane

    @property
    def middle_px(self) -> tuple[float, float]:
        """Middle of the frame (x, y), 0-based pixels."""
        return (self.shape[1] - 1) / 2.0, (self.shape[0] - 1) / 2.0

    @property
    def matrix_deg(self) -> Floats:
        """Degrees of the plane (rows: xi, eta) per pixel (columns: x, y) in the middle of the frame."""
        linear = self.coefficients[1:3] / _half_px(self.shape)
        return np.array([linear.real, linear.imag])

    def sky(self, x_px: Floats, y_px: Floats) -> tuple[Floats, Floats]:
        """Right ascension and declination, degrees, of 0-based pixel positions."""
        plane = _terms(x_px, y_px, self.shape, self.order) @ self.coefficients
        return to_sky(plane, self.centre_ra_deg, self.centre_dec_deg)

    def pixels(self, ra_deg: Floats, dec_deg: Floats) -> tuple[Floats, Floats]:
        """0-based pixel positions of stars in or near the frame; those far outside are only roughly there."""
        plane = to_plane(ra_deg, dec_deg, self.centre_ra_deg, self.centre_dec_deg)
        inverse = np.linalg.inv(self.matrix_deg)
        offset = inverse @ _rows(plane - self.coefficients[0])
        limit = 2.0 * np.array(self.middle_px)[:, None]
        px = offset
        for _ in range(_INVERSE_STEPS if self.order > 1 else 0):
            # Held near the frame: outside of it a polynomial runs away.
            x, y = np.clip(px, -limit, limit) + np.array(self.middle_px)[:, None]
            bend = _terms(x, y, self.shape, self.order)[:, 3:] @ self.coefficients[3:]
            px = offset - inverse @ _rows(bend)
        return px[0] + self.middle_px[0], px[1] + self.middle_px[1]

    def wcs(self) -> WCS:
        """The same as a FITS world coordinate system: TAN, or TAN-SIP with its inverse, ICRS."""
        wcs = WCS(naxis=2)
        suffix = "-SIP" if self.order > 1 else ""
        wcs.wcs.ctype = [f"RA---TAN{suffix}", f"DEC--TAN{suffix}"]
        wcs.wcs.cunit = ["deg", "deg"]
        wcs.wcs.crval = [self.centre_ra_deg, self.centre_dec_deg]
        wcs.wcs.crpix = [self.middle_px[0] + 1.0, self.middle_px[1] + 1.0]
        wcs.wcs.cd = self.matrix_deg
        wcs.wcs.radesys = "ICRS"
        wcs.pixel_shape = (self.shape[1], self.shape[0])
        if self.order > 1:
            wcs.sip = self._sip()
        wcs.wcs.set()
        return wcs

    def _sip(self) -> Sip:
        """Distortion in pixels (A, B), and the polynomials that undo it (AP, BP), fitted on a grid over the frame."""
        half_px = _half_px(self.shape)
        bend = np.linalg.inv(self.matrix_deg) @ _rows(self.coefficients)
        bend[:, :3] = 0.0
        u, v = (axis.ravel() for axis in np.meshgrid(*(np.linspace(-m, m, 25) for m in self.middle_px)))
        distorted = np.array([u, v]) + bend @ _power_terms(u / half_px, v / half_px, self.order).T
        bent = _power_terms(distorted[0] / half_px, distorted[1] / half_px, self.order + 2)
        undo, *_ = np.linalg.lstsq(bent, (np.array([u, v]) - distorted).T, rcond=None)
        a, b = (_sip_matrix(row, self.order, half_px) for row in bend)
        ap, bp = (_sip_matrix(row, self.order + 2, half_px) for row in undo.T)
        return Sip(a, b, ap, bp, np.array(self.middle_px) + 1.0)


@dataclass(frozen=True, slots=True)
class Distortion:
    """What a lens does to the places of stars, as a good solution found it: the same for every frame through it.

    Attributes
    ----------
    camera : str or None
        Name of the camera.
    binning : tuple of int or None
        (x, y).
    filter : str or None
        Through which it was found; the lens bends colours a little differently.
    rows, columns : int
        Size of the frame.
    order : int
        Order of the polynomial, 2 or more.
    a, b : tuple of float
        SIP terms of x and y about the middle of the frame, in pixels: xx, xy, yy, xxx, ...
    """

    camera: str | None
    binning: tuple[int, int] | None
    filter: str | None
    rows: int
    columns: int
    order: int
    a: tuple[float, ...]
    b: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """As a dictionary of what JSON knows."""
        return asdict(self)

    @classmethod
    def from_json(cls, known: dict[str, Any]) -> Distortion:
        """Back from `to_json`; raises `ValueError` for what is not whole."""
        try:
            order, a, b = int(known["order"]), *(tuple(map(float, known[name])) for name in ("a", "b"))
            binning = None if known["binning"] is None else (int(known["binning"][0]), int(known["binning"][1]))
            found = cls(known["camera"], binning, known["filter"], known["rows"], known["columns"], order, a, b)
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"a remembered distortion is not whole ({error!r})") from error
        if not len(a) == len(b) == len(_powers(order)) - 3 or not np.isfinite([*a, *b]).all():
            raise ValueError(f"a remembered distortion of order {order} has {len(a)} and {len(b)} terms")
        return found

    @property
    def bend(self) -> Floats:
        """Factors of the scaled terms for x and y, shape (2, terms), in half frames."""
        half_px = _half_px((self.rows, self.columns))
        units = np.array([half_px ** (i + j - 1) for i, j in _powers(self.order)])
        bend: Floats = np.array([(0.0, 0.0, 0.0, *self.a), (0.0, 0.0, 0.0, *self.b)]) * units
        return bend


def fit_sky(
    x_px: Floats,
    y_px: Floats,
    ra_deg: Floats,
    dec_deg: Floats,
    near: SkyFit,
    order: int,
    clip: float = 3.0,
    held: Distortion | None = None,
) -> tuple[SkyFit, NDArray[np.bool_]]:
    """Fit the sky to matched stars, leaving outliers out.

    Parameters
    ----------
    x_px, y_px : ndarray, float64, shape (stars,)
        Measured positions, 0-based pixels.
    ra_deg, dec_deg : ndarray, float64, shape (stars,)
        Their catalogue positions, degrees.
    near : SkyFit
        Frame and approximate centre.
    order : int
        Order of the polynomial, 1 to 3.
    clip : float
        Stars with residuals above this many times the median residual are left out.
    held : Distortion, optional
        Taken as it is, in place of the terms of `order` above the first; only the linear part is fitted.

    Returns
    -------
    fit : SkyFit
        Touches the sky in the middle of the frame.
    used : ndarray, bool, shape (stars,)
        Stars that were used.
    """
    folded = _folded(order, held)
    order = held.order if held else order
    terms = _terms(x_px, y_px, near.shape, order) @ folded
    centre = near.centre_ra_deg, near.centre_dec_deg
    used = np.ones(len(x_px), bool)
    for clipping in (True, True, True, False, False):
        plane = to_plane(ra_deg, dec_deg, *centre)
        free: Plane = np.linalg.lstsq(terms[used], plane[used], rcond=None)[0].astype(np.complex128)
        fit = SkyFit(*centre, near.shape, order, folded @ free)
        if clipping:
            residual = np.abs(terms @ free - plane)
            # A tenth of a pixel is noise, however well the rest agrees.
            floor = 0.1 * float(np.abs(free[1])) / _half_px(near.shape)
            used = residual <= clip * max(float(np.median(residual[used])), floor)
        # Each round moves the centre to the middle of the frame; the last one has nothing left to move.
        ra, dec = to_sky(free[:1], *centre)
        centre = float(ra[0]), float(dec[0])
    return fit, used


def _folded(order: int, held: Distortion | None) -> Floats:
    """What makes all coefficients from the free ones, shape (terms, free)."""
    if held is None:
        return np.eye(len(_powers(order)))
    folded = np.eye(len(_powers(held.order)), 3)
    folded[:, 1:] += held.bend.T
    return folded


def _half_px(shape: tuple[int, int]) -> float:
    """Half of the longer side, the unit in which polynomials are fitted."""
    return max(shape) / 2.0


def _powers(order: int) -> list[tuple[int, int]]:
    """Exponents of x and y of each term: 1, x, y, xx, xy, yy, ..."""
    return [(total - j, j) for total in range(order + 1) for j in range(total + 1)]


def _power_terms(u: Floats, v: Floats, order: int) -> Floats:
    """Each term at each position, shape (positions, terms)."""
    return np.stack([u**i * v**j for i, j in _powers(order)], axis=-1)


def _terms(x_px: Floats, y_px: Floats, shape: tuple[int, int], order: int) -> Floats:
    """Terms of 0-based pixel positions counted from the middle of the frame."""
    half_px = _half_px(shape)
    return _power_terms((x_px - (shape[1] - 1) / 2.0) / half_px, (y_px - (shape[0] - 1) / 2.0) / half_px, order)


def _rows(plane: Plane) -> Floats:
    """Complex numbers as two rows of real ones."""
    return np.array([plane.real, plane.imag])


def _sip_matrix(factors: Floats, order: int, half_px: float) -> Floats:
    """Factors of scaled terms as SIP's square matrix for pixels."""
    matrix = np.zeros((order + 1, order + 1))
    for factor, (i, j) in zip(factors, _powers(order), strict=True):
        matrix[i, j] = factor / half_px ** (i + j)
    return matrix
