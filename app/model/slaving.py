"""Where the telescope's beam leaves the dome, where the slit must stand to let it through, and when it must move.

The derivation is our own; three steps of plain vectors, in metres, east, north and up from the dome's centre.

1. The optical axis is the line ``c + k s``. Its direction ``s`` follows from hour angle and declination (Meeus 1998,
   Astronomical Algorithms, chapter 13). ``c`` is where it passes the mount: the crossing of the mount's axes, then the
   way along the declination axis ``d`` (six hours of hour angle before or after the tube, by the pointing state that
   ASCOM calls SideOfPier), then the lateral way along ``s x d``: a rigid body that turns with the mount.
2. The beam's centre ``q`` is where that line leaves the sphere of the dome: ``|c + k s| = R``, the greater ``k``.
3. The slit is a strip of constant width between two vertical planes, from its lower edge over the top to its end past
   the zenith: four half-spaces ``q . v <= limit``, each with a unit vector ``v``. The beam has a radius ``b``: its rim
   meets the sphere at ``q + b e - b (q . e) / (q . s) s`` to first order, for each ``e`` across the beam. So it reaches
   ``b |w|`` farther towards an edge than its centre, with ``w = v - q (s . v) / (q . s)``.

All rules are told in metres on the sphere, since azimuth means nothing at the zenith.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import asin, atan2, cos, degrees, hypot, radians, sin, sqrt

from app.model.angles import turn_deg, wrapped_deg
from app.model.errors import ObservatoryError
from app.model.settings import Slaving
from app.model.surroundings import MountSample, PierSide

#: How far ahead the beam's way is looked at, seconds.
LOOK_AHEAD_S = 4.0 * 3600.0

_SKY_DEG_S = 15.041068 / 3600.0
_STEP_S = 60.0
_CANDIDATES = 20  # to each side
_SCAN_DEG = 5.0
_PRECISION = 1e-3  # degrees, seconds
#: Nearer to the pole, precession since J2000 turns right ascensions too far for a sidereal time to be made of them.
_SURE_DEC_DEG = 80.0
#: Nearer to the pole, hour angle does not follow from azimuth and altitude.
_POLE_DEC_DEG = 89.9

Vector = tuple[float, float, float]


class SlavingRefused(ObservatoryError):
    """The slit cannot be made to follow: the geometry is impossible, or something of the pointing is not known."""


@dataclass(frozen=True, slots=True)
class Pointing:
    """Where a telescope points, and how its mount holds it.

    Attributes
    ----------
    hour_angle_deg : float
        West positive.
    pier_side : PierSide or None
        None when unknown, or of no meaning for this mount.
    is_tracking : bool
        Whether the sky carries it along.
    """

    hour_angle_deg: float
    dec_deg: float
    pier_side: PierSide | None = None
    is_tracking: bool = True

    def after(self, seconds: float) -> Pointing:
        """The same some time later."""
        if not self.is_tracking:
            return self
        return replace(self, hour_angle_deg=self.hour_angle_deg + _SKY_DEG_S * seconds)


@dataclass(frozen=True, slots=True)
class Beam:
    """The telescope's light where it leaves the dome.

    Attributes
    ----------
    point_m : tuple of float
        Its centre on the sphere.
    direction : tuple of float
        Unit vector.
    radius_m : float
        Half of its diameter.
    """

    point_m: Vector
    direction: Vector
    radius_m: float

    @property
    def azimuth_deg(self) -> float:
        """True azimuth of its centre, seen from the dome's centre."""
        return wrapped_deg(degrees(atan2(self.point_m[0], self.point_m[1])))

    @property
    def altitude_deg(self) -> float:
        """Altitude of its centre, seen from the dome's centre."""
        return degrees(atan2(self.point_m[2], self.across_m))

    @property
    def across_m(self) -> float:
        """Distance of its centre from the dome's vertical axis."""
        return hypot(self.point_m[0], self.point_m[1])

    def room_m(self, edge: Vector, limit_m: float) -> float:
        """What is left between the beam's rim and a plane, negative beyond it.

        Parameters
        ----------
        edge : tuple of float
            Unit vector across the plane, towards the forbidden side.
        limit_m : float
            Distance of the plane from the dome's centre.
        """
        reach_m, slope = _dot(self.point_m, edge), _dot(self.direction, edge) / _dot(self.point_m, self.direction)
        radius2 = _dot(self.point_m, self.point_m)
        widened = sqrt(max(0.0, 1.0 - 2.0 * reach_m * slope + radius2 * slope * slope))
        return limit_m - reach_m - self.radius_m * widened


@dataclass(frozen=True, slots=True)
class SlitView:
    """How the beam stands in the slit.

    Attributes
    ----------
    target_deg : float
        What the dome reads when the slit's middle plane contains the beam's centre.
    beam_deg : float
        How far the beam is from the slit's middle, in azimuth, clockwise positive.
    half_width_deg : float
        How far it may be in that direction before it is clipped; 180 when it never is.
    offset_m : float
        Distance of the beam's centre from the slit's middle plane, clockwise positive.
    offset_of_half_width : float
        The same as part of the slit's half-width.
    clipped_by : str
        Which edge cuts into the beam; empty when none does.
    """

    target_deg: float
    beam_deg: float
    half_width_deg: float
    offset_m: float
    offset_of_half_width: float
    clipped_by: str = ""

    @property
    def is_clipped(self) -> bool:
        """Whether the slit cuts into the beam."""
        return bool(self.clipped_by)


@dataclass(frozen=True, slots=True)
class SlitGeometry:
    """Mount, dome and slit of one observatory.

    Attributes
    ----------
    latitude_deg : float
        North positive.
    slaving : Slaving
        Lengths and angles of mount and dome.
    slit_width_deg : float
        The slit's width, as the angle under which its chord is seen from the dome's centre.
    tolerance_deg : float
        How far from its target the dome may come to rest.

    Raises
    ------
    SlavingRefused
        If the beam is wider than the slit, or the mount stands outside of the dome.
    """

    latitude_deg: float
    slaving: Slaving
    slit_width_deg: float
    tolerance_deg: float = 1.0

    def __post_init__(self) -> None:
        slaving = self.slaving
        if self.half_slit_m <= self._beam_radius_m:
            raise SlavingRefused(
                f"Following is refused: the slit is {2.0 * self.half_slit_m:.2f} m wide and the beam "
                f"{slaving.beam_diameter_m:.2f} m; correct dome.slit_width_deg, slaving.dome_radius_m or "
                "slaving.beam_diameter_m in Settings"
            )
        pier_m = hypot(slaving.pier_east_m, slaving.pier_north_m, slaving.pier_up_m)
        reach_m = pier_m + hypot(slaving.axis_to_tube_m, slaving.lateral_m)
        if reach_m >= slaving.dome_radius_m:
            raise SlavingRefused(
                f"Following is refused: the tube reaches {reach_m:.2f} m from the dome's centre, and the dome's radius "
                f"is {slaving.dome_radius_m:.2f} m; correct the lengths under slaving in Settings"
            )

    @property
    def needs_pier_side(self) -> bool:
        """Whether the beam's place depends on the mount's side of the pier."""
        return self.slaving.is_equatorial and (self.slaving.axis_to_tube_m != 0.0 or self.slaving.lateral_m != 0.0)

    @property
    def half_slit_m(self) -> float:
        """Half of the slit's width."""
        return self.slaving.dome_radius_m * sin(radians(self.slit_width_deg / 2.0))

    @property
    def reserve_m(self) -> float:
        """The dome moves when less is left between beam and edge."""
        return self.slaving.margin * (self.half_slit_m - self._beam_radius_m)

    def beam(self, pointing: Pointing) -> Beam:
        """The beam of a telescope.

        Raises
        ------
        SlavingRefused
            If the side of the pier is needed and not known.
        """
        axis = _direction(pointing.hour_angle_deg, pointing.dec_deg, self.latitude_deg)
        start = self._start_m(pointing, axis)
        towards_m = _dot(start, axis)
        length_m = sqrt(towards_m**2 - _dot(start, start) + self.slaving.dome_radius_m**2) - towards_m
        return Beam(_along(start, length_m, axis), axis, self._beam_radius_m)

    def view(self, pointing: Pointing, reads_deg: float) -> SlitView:
        """How the beam stands in the slit of a dome that reads an azimuth; raises as `beam`."""
        beam, true_deg = self.beam(pointing), self._true_deg(reads_deg)
        beam_deg = turn_deg(true_deg, beam.azimuth_deg)
        offset_m = beam.across_m * sin(radians(beam_deg))
        return SlitView(
            target_deg=wrapped_deg(beam.azimuth_deg + self.slaving.azimuth_zero_deg),
            beam_deg=beam_deg,
            half_width_deg=_free_way_deg(
                beam, -1.0 if beam_deg > 0.0 else 1.0, lambda azimuth_deg: bool(self._clipped_by(beam, azimuth_deg))
            ),
            offset_m=offset_m,
            offset_of_half_width=offset_m / self.half_slit_m,
            clipped_by=self._clipped_by(beam, true_deg),
        )

    def clip_s(self, pointing: Pointing, reads_deg: float) -> float | None:
        """Seconds until the beam is clipped if the dome stands; None when it is not within `LOOK_AHEAD_S`."""
        true_deg = self._true_deg(reads_deg)

        def is_clipped(after_s: float) -> bool:
            return bool(self._clipped_by(self.beam(pointing.after(after_s)), true_deg))

        if is_clipped(0.0):
            return 0.0
        if not pointing.is_tracking:
            return None
        free_s = 0.0
        while free_s < LOOK_AHEAD_S:
            if is_clipped(free_s + _STEP_S):
                return _edge(free_s, free_s + _STEP_S, is_clipped)
            free_s += _STEP_S
        return None

    def next_azimuth_deg(self, pointing: Pointing, reads_deg: float) -> float | None:
        """Where the dome should go now; None while it may stay.

        It may stay until the beam nears an edge. Then it goes where the beam can stay longest: ahead of the sky, so
        that the beam crosses the whole slit before the next move. Past the zenith it turns round while the beam is so
        high that it is free at every azimuth, since later that long turn would clip it.

        Parameters
        ----------
        pointing : Pointing
            Of now; during a slew, of its end.
        reads_deg : float
            What the dome reads; during its own turn, where that goes.

        Returns
        -------
        float or None
            What the dome shall read, 0 <= azimuth < 360.

        Raises
        ------
        SlavingRefused
            As `beam`.
        """
        beam, true_deg = self.beam(pointing), self._true_deg(reads_deg)
        if self._room_m(beam, true_deg) >= self.reserve_m and not self._must_turn_round(beam, true_deg):
            return None
        best_deg = wrapped_deg(self._lasting_deg(pointing, true_deg) + self.slaving.azimuth_zero_deg)
        return None if abs(turn_deg(reads_deg, best_deg)) <= self.tolerance_deg else best_deg

    def _must_turn_round(self, beam: Beam, true_deg: float) -> bool:
        """Whether the beam is behind the slit, and about to leave the height at which every azimuth is free."""
        if abs(turn_deg(true_deg, beam.azimuth_deg)) <= 90.0:
            return False
        return self._side_room_m(beam, beam.azimuth_deg + 90.0) < self.reserve_m

    def _lasting_deg(self, pointing: Pointing, from_deg: float) -> float:
        """True azimuth of the slit at which the beam stays longest: what is left when all others have lost it.

        Azimuths that the dome reaches without clipping the beam on its way come first: near the zenith the shortest
        turn may lead round the wrong side.
        """
        beam = self.beam(pointing)

        def is_lost(azimuth_deg: float) -> bool:
            return self._room_m(beam, azimuth_deg) < self.reserve_m

        left_deg, right_deg = _free_way_deg(beam, -1.0, is_lost), _free_way_deg(beam, 1.0, is_lost)
        offsets = [-left_deg * part / _CANDIDATES for part in range(_CANDIDATES, 0, -1)]
        offsets += [right_deg * part / _CANDIDATES for part in range(_CANDIDATES + 1)]
        lasting = [beam.azimuth_deg]
        candidates = [beam.azimuth_deg + offset_deg for offset_deg in offsets]
        candidates = [one for one in candidates if self._is_way_free(beam, from_deg, one)] or candidates
        after_s = 0.0
        while candidates and after_s <= (LOOK_AHEAD_S if pointing.is_tracking else 0.0):
            later = self.beam(pointing.after(after_s))
            needed_m = self.reserve_m + later.across_m * sin(radians(self.tolerance_deg))
            candidates = [one for one in candidates if self._room_m(later, one) >= needed_m]
            lasting = candidates or lasting
            after_s += _STEP_S
        return lasting[len(lasting) // 2]

    def _is_way_free(self, beam: Beam, from_deg: float, to_deg: float) -> bool:
        """Whether the shortest turn keeps the beam in the slit; a half turn may go either way."""
        turn = turn_deg(from_deg, to_deg)
        if abs(turn) > 180.0 - self.tolerance_deg:
            return False
        steps = int(abs(turn) / _SCAN_DEG) + 1
        return all(self._room_m(beam, from_deg + turn * step / steps) >= 0.0 for step in range(steps))

    def _room_m(self, beam: Beam, true_deg: float) -> float:
        """What is left between the beam and the nearest edge from which a turn can save it."""
        return min(self._side_room_m(beam, true_deg), self._top_room_m(beam, true_deg))

    def _clipped_by(self, beam: Beam, true_deg: float) -> str:
        """Which edge cuts into the beam, the one that no turn avoids first."""
        if self._bottom_room_m(beam, true_deg) < 0.0:
            return f"the slit's lower edge at {self.slaving.slit_lower_edge_deg:.1f}°"
        if self._side_room_m(beam, true_deg) < 0.0:
            return "the slit's side"
        is_past_end = self._top_room_m(beam, true_deg) < 0.0
        return f"the slit's upper end, {self.slaving.slit_past_zenith_deg:.1f}° past the zenith" if is_past_end else ""

    def _side_room_m(self, beam: Beam, true_deg: float) -> float:
        right = (cos(radians(true_deg)), -sin(radians(true_deg)), 0.0)
        left = (-right[0], -right[1], 0.0)
        return min(beam.room_m(right, self.half_slit_m), beam.room_m(left, self.half_slit_m))

    def _top_room_m(self, beam: Beam, true_deg: float) -> float:
        end = radians(90.0 + self.slaving.slit_past_zenith_deg)
        return beam.room_m(_in_slit(true_deg, -sin(end), cos(end)), 0.0)

    def _bottom_room_m(self, beam: Beam, true_deg: float) -> float:
        edge = radians(self.slaving.slit_lower_edge_deg)
        return beam.room_m(_in_slit(true_deg, sin(edge), -cos(edge)), 0.0)

    def _start_m(self, pointing: Pointing, axis: Vector) -> Vector:
        """The point of the optical axis that the mount's lengths lead to."""
        slaving = self.slaving
        start = (slaving.pier_east_m, slaving.pier_north_m, slaving.pier_up_m)
        if slaving.axis_to_tube_m == slaving.lateral_m == 0.0:
            return start
        across = self._tube_side(pointing, axis)
        return _along(_along(start, slaving.axis_to_tube_m, across), slaving.lateral_m, _cross(axis, across))

    def _tube_side(self, pointing: Pointing, axis: Vector) -> Vector:
        """Unit vector from the polar axis to the tube, or along the altitude axis to the right of who looks out."""
        if not self.slaving.is_equatorial:
            across_m = hypot(axis[0], axis[1])
            return (axis[1] / across_m, -axis[0] / across_m, 0.0) if across_m else (1.0, 0.0, 0.0)
        if pointing.pier_side is None:
            raise SlavingRefused(
                "The mount does not tell its side of the pier, without which the beam's place is not known; correct "
                "the mount's driver, or set slaving.axis_to_tube_m and slaving.lateral_m to 0 in Settings"
            )
        six_hours = -90.0 if pointing.pier_side is PierSide.EAST else 90.0
        return _direction(pointing.hour_angle_deg + six_hours, 0.0, self.latitude_deg)

    @property
    def _beam_radius_m(self) -> float:
        return self.slaving.beam_diameter_m / 2.0

    def _true_deg(self, reads_deg: float) -> float:
        return reads_deg - self.slaving.azimuth_zero_deg


def pointing_of(mount: MountSample, latitude_deg: float, sidereal_deg: float) -> Pointing | None:
    """Where a mount points; None when it does not tell.

    Its own azimuth and altitude come first: they need no sidereal time and no equinox.

    Parameters
    ----------
    latitude_deg : float
        North positive.
    sidereal_deg : float
        Local sidereal time, for mounts that tell only right ascension and declination.
    """
    is_tracking = mount.is_tracking is True
    if mount.azimuth_deg is not None and mount.altitude_deg is not None:
        hour_angle_deg, dec_deg = _equatorial_deg(mount.azimuth_deg, mount.altitude_deg, latitude_deg)
        if abs(dec_deg) < _POLE_DEC_DEG or mount.ra_deg is None:
            return Pointing(hour_angle_deg, dec_deg, mount.pier_side, is_tracking)
    if mount.ra_deg is None or mount.dec_deg is None:
        return None
    return Pointing(sidereal_deg - mount.ra_deg, mount.dec_deg, mount.pier_side, is_tracking)


def slew_end(mount: MountSample, now: Pointing, sidereal_deg: float) -> Pointing | None:
    """Where the mount's slew ends, tracking; None when it does not tell.

    Parameters
    ----------
    now : Pointing
        Of the same moment: with the mount's right ascension it gives the sidereal time that the mount goes by.
    sidereal_deg : float
        Local sidereal time, for a mount that stands near a pole or has no right ascension.
    """
    if mount.target_ra_deg is None or mount.target_dec_deg is None:
        return None
    if mount.ra_deg is not None and abs(now.dec_deg) < _SURE_DEC_DEG:
        sidereal_deg = now.hour_angle_deg + mount.ra_deg
    return Pointing(sidereal_deg - mount.target_ra_deg, mount.target_dec_deg, mount.target_pier_side)


def _direction(hour_angle_deg: float, dec_deg: float, latitude_deg: float) -> Vector:
    hour_angle, dec, latitude = radians(hour_angle_deg), radians(dec_deg), radians(latitude_deg)
    return (
        -cos(dec) * sin(hour_angle),
        sin(dec) * cos(latitude) - cos(dec) * sin(latitude) * cos(hour_angle),
        sin(dec) * sin(latitude) + cos(dec) * cos(latitude) * cos(hour_angle),
    )


def _equatorial_deg(azimuth_deg: float, altitude_deg: float, latitude_deg: float) -> tuple[float, float]:
    """Hour angle and declination."""
    azimuth, altitude, latitude = radians(azimuth_deg), radians(altitude_deg), radians(latitude_deg)
    west = -cos(altitude) * sin(azimuth)
    south = sin(altitude) * cos(latitude) - cos(altitude) * cos(azimuth) * sin(latitude)
    polar = sin(altitude) * sin(latitude) + cos(altitude) * cos(azimuth) * cos(latitude)
    return degrees(atan2(west, south)), degrees(asin(max(-1.0, min(1.0, polar))))


def _in_slit(true_deg: float, ahead: float, up: float) -> Vector:
    """A vector in the slit's middle plane."""
    return (ahead * sin(radians(true_deg)), ahead * cos(radians(true_deg)), up)


def _free_way_deg(beam: Beam, side: float, is_lost: Callable[[float], bool]) -> float:
    """How far the slit may turn away from the beam to one side until an azimuth is lost: 0 to 180 degrees."""

    def is_too_far(turned_deg: float) -> bool:
        return is_lost(beam.azimuth_deg + side * turned_deg)

    if is_too_far(0.0):
        return 0.0
    free_deg = 0.0
    while free_deg < 180.0:
        if is_too_far(free_deg + _SCAN_DEG):
            return _edge(free_deg, free_deg + _SCAN_DEG, is_too_far)
        free_deg += _SCAN_DEG
    return 180.0


def _edge(free: float, lost: float, is_lost: Callable[[float], bool]) -> float:
    """Where between two values something is lost, by halving."""
    while lost - free > _PRECISION:
        middle = (free + lost) / 2.0
        free, lost = (free, middle) if is_lost(middle) else (middle, lost)
    return free


def _dot(one: Vector, other: Vector) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def _cross(one: Vector, other: Vector) -> Vector:
    return (
        one[1] * other[2] - one[2] * other[1],
        one[2] * other[0] - one[0] * other[2],
        one[0] * other[1] - one[1] * other[0],
    )


def _along(start: Vector, length: float, direction: Vector) -> Vector:
    return (
        start[0] + length * direction[0],
        start[1] + length * direction[1],
        start[2] + length * direction[2],
    )
