"""Slaving against a ray trace of its own: rotation matrices and a search along each ray, no formula in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sin

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.model.angles import turn_deg
from app.model.settings import Site, Slaving
from app.model.slaving import LOOK_AHEAD_S, Pointing, SlavingRefused, SlitGeometry, pointing_of, slew_end
from app.model.surroundings import MountSample, PierSide
from app.sim.mount import horizontal_deg

NORTH, SOUTH = 48.3, -33.0
CENTRED = Slaving()
OFFSET = Slaving(
    pier_east_m=0.05, pier_north_m=-0.1, pier_up_m=-0.3, axis_to_tube_m=0.45, lateral_m=0.12, azimuth_zero_deg=7.0
)
SIDEREAL_DEG_S = 360.0 / 86164.0905
EAST, WEST = PierSide.EAST, PierSide.WEST


def turned(vector, axis, angle_deg):
    """The vectors turned about an axis, right-handed (Rodrigues), for an array of angles."""
    vector, axis = np.asarray(vector, float), np.asarray(axis, float)
    angle = np.radians(np.asarray(angle_deg, float))[..., None]
    along = (vector @ axis)[..., None] * axis
    return vector * np.cos(angle) + np.cross(axis, vector) * np.sin(angle) + along * (1.0 - np.cos(angle))


def tube(slaving, latitude_deg, hour_angle_deg, dec_deg, side):
    """Where the tube's middle is and where it points: the mount is put together and turned, axis after axis.

    On the west side of the pier, the declination axis has gone through the pole, and the other one half round.
    """
    latitude = np.radians(latitude_deg)
    pole = np.array([0.0, np.cos(latitude), np.sin(latitude)])
    aim, arm = np.array([0.0, -np.sin(latitude), np.cos(latitude)]), np.array([1.0, 0.0, 0.0])
    hour_angle, dec = np.atleast_1d(np.asarray(hour_angle_deg, float)), np.asarray(dec_deg, float)
    first, second = (hour_angle + 180.0, 180.0 - dec) if side is WEST else (hour_angle, dec)
    second = np.broadcast_to(second, first.shape)

    def mounted(vector):
        raised = turned(np.broadcast_to(vector, (*first.shape, 3)), arm, -second)
        return turned(raised, pole, -first)

    pier = np.array([slaving.pier_east_m, slaving.pier_north_m, slaving.pier_up_m])
    middle = pier + mounted(slaving.axis_to_tube_m * arm + slaving.lateral_m * pole)
    return middle, mounted(aim)


def leaves_dome(start, aim, radius_m):
    """Where rays leave the sphere, by halving."""
    near, far = np.zeros(start.shape[:-1]), np.full(start.shape[:-1], 3.0 * radius_m)
    for _ in range(30):
        middle = (near + far) / 2.0
        outside = np.linalg.norm(start + middle[..., None] * aim, axis=-1) > radius_m
        near, far = np.where(outside, near, middle), np.where(outside, middle, far)
    return start + near[..., None] * aim


def in_slit(points, reads_deg, slaving):
    """Points in the dome's own frame: to the slit's right, ahead, up."""
    return turned(points, [0.0, 0.0, 1.0], np.asarray(reads_deg, float) - slaving.azimuth_zero_deg)


def is_clear(start, aim, reads_deg, slaving, slit_width_deg=20.0, rays=24):
    """Whether the slit lets every ray of the beam's rim through."""
    first = np.cross(aim, np.where(np.abs(aim[..., 2:]) < 0.9, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]))
    first /= np.linalg.norm(first, axis=-1, keepdims=True)
    angle = np.linspace(0.0, 2.0 * np.pi, rays, endpoint=False)[:, None, None]
    rim = slaving.beam_diameter_m / 2.0 * (np.cos(angle) * first + np.sin(angle) * np.cross(aim, first))
    point = in_slit(leaves_dome(start + rim, aim, slaving.dome_radius_m), reads_deg, slaving)
    up_deg = np.degrees(np.arctan2(point[..., 2], point[..., 1]))
    is_between = np.abs(point[..., 0]) <= slaving.dome_radius_m * np.sin(np.radians(slit_width_deg / 2.0))
    is_within = (up_deg >= slaving.slit_lower_edge_deg) & (up_deg <= 90.0 + slaving.slit_past_zenith_deg)
    return (is_between & is_within).all(axis=0)


def altitude_deg(hour_angle_deg, dec_deg, latitude_deg):
    return horizontal_deg(hour_angle_deg, dec_deg, latitude_deg)[1]


def geometry(latitude_deg=NORTH, slaving=CENTRED, slit_width_deg=20.0, **changes):
    return SlitGeometry(latitude_deg, slaving.model_copy(update=changes), slit_width_deg)


def mount(**values):
    names = ("azimuth_deg", "altitude_deg", "ra_deg", "dec_deg")
    known = dict.fromkeys(names) | {"is_tracking": True, "is_slewing": False, "is_parked": False}
    return MountSample(**(known | values))


class TestTarget:
    @pytest.mark.parametrize("latitude_deg", [NORTH, SOUTH, 0.0])
    @pytest.mark.parametrize(("hour_angle_deg", "dec_deg"), [(-60.0, 10.0), (30.0, -15.0), (5.0, 5.0), (75.0, 0.0)])
    def test_a_centred_mount_wants_the_azimuth_of_the_star(self, latitude_deg, hour_angle_deg, dec_deg):
        azimuth_deg, _ = horizontal_deg(hour_angle_deg, dec_deg, latitude_deg)
        beam = geometry(latitude_deg).beam(Pointing(hour_angle_deg, dec_deg))
        assert turn_deg(azimuth_deg, beam.azimuth_deg) == pytest.approx(0.0, abs=1e-9)
        assert beam.altitude_deg == pytest.approx(altitude_deg(hour_angle_deg, dec_deg, latitude_deg), abs=1e-9)

    def test_a_tube_beside_a_pier_at_the_pole_of_the_earth(self):
        """At latitude 90 the axis is vertical: a tube that looks along the horizon is moved sideways by its arm."""
        slit = geometry(90.0, axis_to_tube_m=0.5)
        east, west = (slit.beam(Pointing(0.0, 0.0, side)).azimuth_deg for side in (EAST, WEST))
        assert turn_deg(180.0, east) == pytest.approx(-np.degrees(np.arcsin(0.5 / 2.5)))
        assert turn_deg(180.0, west) == pytest.approx(np.degrees(np.arcsin(0.5 / 2.5)))

    @pytest.mark.parametrize("slaving", [CENTRED, OFFSET], ids=["centred", "offset"])
    @pytest.mark.parametrize("latitude_deg", [NORTH, SOUTH])
    @pytest.mark.parametrize("side", [EAST, WEST])
    def test_the_slit_is_on_the_beam_within_a_hundredth_of_its_half_width(self, slaving, latitude_deg, side):
        slit, worst = geometry(latitude_deg, slaving), 0.0
        for hour_angle_deg in range(-175, 180, 10):
            for dec_deg in [-80.0, -45.0, -10.0, 0.0, 25.0, 60.0, 88.0, latitude_deg, -latitude_deg]:
                start, aim = tube(slaving, latitude_deg, hour_angle_deg, dec_deg, side)
                if aim[0, 2] < 0.1:
                    continue
                target_deg = slit.view(Pointing(hour_angle_deg, dec_deg, side), 0.0).target_deg
                point = in_slit(leaves_dome(start, aim, slaving.dome_radius_m), [target_deg], slaving)[0]
                assert point[1] > 0.0, "the slit looks the other way"
                worst = max(worst, abs(point[0]) / slit.half_slit_m)
        assert worst < 0.01

    @pytest.mark.parametrize("slaving", [CENTRED, OFFSET], ids=["centred", "offset"])
    @pytest.mark.parametrize("latitude_deg", [NORTH, SOUTH])
    def test_the_zenith_too(self, slaving, latitude_deg):
        pointing = Pointing(0.0, latitude_deg, EAST)
        start, aim = tube(slaving, latitude_deg, 0.0, latitude_deg, EAST)
        slit = geometry(latitude_deg, slaving)
        point = in_slit(leaves_dome(start, aim, 2.5), [slit.view(pointing, 0.0).target_deg], slaving)[0]
        assert abs(point[0]) / slit.half_slit_m < 0.01

    @settings(deadline=None)
    @given(st.floats(-180.0, 180.0), st.floats(-89.0, 89.0), st.floats(0.0, 359.9), st.sampled_from([NORTH, SOUTH]))
    def test_offset_from_the_middle_is_that_of_the_ray_trace(self, hour_angle_deg, dec_deg, reads_deg, latitude_deg):
        start, aim = tube(OFFSET, latitude_deg, hour_angle_deg, dec_deg, WEST)
        point = in_slit(leaves_dome(start, aim, 2.5), [reads_deg], OFFSET)[0]
        slit = geometry(latitude_deg, OFFSET)
        view = slit.view(Pointing(hour_angle_deg, dec_deg, WEST), reads_deg)
        assert view.offset_m == pytest.approx(point[0], abs=1e-6)
        assert view.offset_of_half_width == pytest.approx(point[0] / slit.half_slit_m, abs=1e-5)

    def test_an_alt_azimuth_mount_carries_its_tube_to_the_right(self):
        slit = geometry(0.0, is_equatorial=False, axis_to_tube_m=0.5)
        assert not slit.needs_pier_side
        low_in_the_east = Pointing(-89.0, 0.0)
        assert slit.beam(low_in_the_east).azimuth_deg == pytest.approx(90.0 + np.degrees(np.arcsin(0.2)), abs=0.05)


class TestSlit:
    @pytest.mark.parametrize("slaving", [CENTRED, OFFSET], ids=["centred", "offset"])
    @settings(max_examples=60, deadline=None)
    @given(
        st.floats(-180.0, 180.0), st.floats(-89.0, 89.0), st.floats(-30.0, 30.0), st.sampled_from([NORTH, SOUTH, 2.0])
    )
    def test_clipped_is_what_the_rays_say(self, slaving, hour_angle_deg, dec_deg, off_deg, latitude_deg):
        slit, pointing = geometry(latitude_deg, slaving), Pointing(hour_angle_deg, dec_deg, EAST)
        reads_deg = slit.view(pointing, 0.0).target_deg + off_deg
        start, aim = tube(slaving, latitude_deg, hour_angle_deg, dec_deg, EAST)

        def says(beam_diameter_m):
            changed = slaving.model_copy(update={"beam_diameter_m": beam_diameter_m})
            return bool(is_clear(start, aim, [reads_deg], changed)[0])

        clipped = slit.view(pointing, reads_deg).is_clipped
        if says(0.32):  # with a centimetre to spare
            assert not clipped
        if not says(0.28):
            assert clipped

    def test_half_width_is_where_the_clipping_begins(self):
        slit, pointing = geometry(slaving=OFFSET), Pointing(-40.0, 20.0, WEST)
        start, aim = tube(OFFSET, NORTH, -40.0, 20.0, WEST)
        middle_deg = slit.view(pointing, 0.0).target_deg
        for side in (-1.0, 1.0):
            half_deg = slit.view(pointing, middle_deg - side * 1.0).half_width_deg
            assert 8.0 < half_deg < 40.0
            clear = [is_clear(start, aim, [middle_deg - side * (half_deg + off)], OFFSET)[0] for off in (-0.3, 0.3)]
            assert clear == [True, False]

    def test_beam_is_told_clockwise_from_the_slit(self):
        view = geometry().view(Pointing(0.0, 0.0), 175.0)
        assert view.target_deg == pytest.approx(180.0)
        assert view.beam_deg == pytest.approx(5.0)
        assert view.offset_m == pytest.approx(2.5 * sin(np.radians(NORTH)) * sin(np.radians(5.0)))

    def test_a_beam_below_the_lower_edge_is_clipped_whatever_the_azimuth(self):
        slit, pointing = geometry(slit_lower_edge_deg=30.0), Pointing(-60.0, 0.0)
        assert altitude_deg(-60.0, 0.0, NORTH) < 30.0
        views = [slit.view(pointing, azimuth_deg) for azimuth_deg in range(0, 360, 10)]
        assert {view.clipped_by for view in views if abs(view.beam_deg) < 40.0} == {"the slit's lower edge at 30.0°"}
        assert all(view.is_clipped and view.half_width_deg == 0.0 for view in views)
        assert slit.clip_s(pointing, views[0].target_deg) == 0.0

    def test_the_slit_past_the_zenith_lets_light_through_from_behind(self):
        pointing = Pointing(0.0, NORTH - 5.0)  # five degrees south of the zenith
        assert geometry().view(pointing, 0.0).clipped_by == ""
        short = geometry(slit_past_zenith_deg=6.0).view(pointing, 0.0)
        assert short.clipped_by == "the slit's upper end, 6.0° past the zenith"
        assert geometry().view(Pointing(0.0, NORTH - 8.0), 0.0).is_clipped

    def test_minutes_to_clip_are_those_of_the_ray_trace(self):
        slit, hour_angle_deg = geometry(slaving=OFFSET), -30.0
        reads_deg = slit.view(Pointing(hour_angle_deg, 10.0, WEST), 0.0).target_deg
        clip_s = slit.clip_s(Pointing(hour_angle_deg, 10.0, WEST), reads_deg)
        seconds = np.arange(0.0, LOOK_AHEAD_S, 1.0)
        start, aim = tube(OFFSET, NORTH, hour_angle_deg + SIDEREAL_DEG_S * seconds, 10.0, WEST)
        traced_s = seconds[~is_clear(start, aim, np.full(seconds.shape, reads_deg), OFFSET)][0]
        assert clip_s == pytest.approx(traced_s, rel=0.02)
        still = Pointing(hour_angle_deg, 10.0, WEST, is_tracking=False)
        assert slit.clip_s(still, reads_deg) is None
        assert slit.clip_s(still, reads_deg + 60.0) == 0.0

    def test_what_cannot_be_followed_is_refused(self):
        with pytest.raises(SlavingRefused, match=r"the slit is 0\.22 m wide and the beam 0\.30 m"):
            geometry(slit_width_deg=5.0)
        with pytest.raises(SlavingRefused, match=r"reaches 2\.60 m .* radius is 2\.50 m"):
            geometry(pier_up_m=-2.0, axis_to_tube_m=0.6)
        with pytest.raises(SlavingRefused, match="does not tell its side of the pier"):
            geometry(slaving=OFFSET).beam(Pointing(0.0, 0.0))
        assert geometry(slaving=OFFSET).needs_pier_side
        assert not geometry().needs_pier_side


class TestDecision:
    @pytest.mark.parametrize("latitude_deg", [NORTH, SOUTH])
    @pytest.mark.parametrize("reads_deg", range(0, 360, 15))
    def test_a_centred_mount_at_the_zenith_causes_no_move(self, latitude_deg, reads_deg):
        assert geometry(latitude_deg).next_azimuth_deg(Pointing(0.0, latitude_deg), reads_deg) is None

    def test_it_moves_only_near_the_edge_and_then_ahead_of_the_sky(self):
        slit, pointing = geometry(), Pointing(-30.0, 10.0)
        view = slit.view(pointing, 0.0)
        middle_deg = view.target_deg
        half_deg = slit.view(pointing, middle_deg).half_width_deg
        assert slit.next_azimuth_deg(pointing, middle_deg - 0.7 * half_deg) is None
        asked_deg = slit.next_azimuth_deg(pointing, middle_deg - 0.9 * half_deg)
        ahead = turn_deg(middle_deg, asked_deg) / half_deg
        assert 0.5 < ahead < 0.85, "the sky moves clockwise here, so the slit goes before it"
        assert slit.next_azimuth_deg(pointing, asked_deg) is None
        assert slit.clip_s(pointing, asked_deg) > 1.5 * slit.clip_s(pointing, middle_deg)

    def test_a_mount_that_stands_gets_the_middle_of_the_slit(self):
        slit, still = geometry(), Pointing(-30.0, 10.0, is_tracking=False)
        assert slit.next_azimuth_deg(still, 0.0) == pytest.approx(slit.view(still, 0.0).target_deg, abs=0.5)

    def test_a_slit_hardly_wider_than_the_beam_is_not_asked_for_less_than_the_tolerance(self):
        slit = geometry(slit_width_deg=8.0)
        still = Pointing(-30.0, 10.0, is_tracking=False)
        middle_deg = slit.view(still, 0.0).target_deg
        assert slit.next_azimuth_deg(still, middle_deg + 0.9) is None
        assert slit.next_azimuth_deg(still, middle_deg + 1.1) == pytest.approx(middle_deg, abs=0.2)

    @settings(max_examples=60, deadline=None)
    @given(st.floats(0.0, 359.999), st.floats(-60.0, 60.0), st.floats(-20.0, 80.0), st.floats(0.0, 359.0))
    def test_nothing_depends_on_where_the_dome_counts_from(self, reads_deg, hour_angle_deg, dec_deg, zero_deg):
        """Across 0/360 as anywhere: a dome with another zero makes the same turns."""
        pointing, plain = Pointing(hour_angle_deg, dec_deg), geometry()
        turned_one = geometry(azimuth_zero_deg=zero_deg)
        asked, other = (
            plain.next_azimuth_deg(pointing, reads_deg),
            turned_one.next_azimuth_deg(pointing, (reads_deg + zero_deg) % 360.0),
        )
        assert (asked is None) == (other is None)
        if asked is not None and other is not None:
            assert 0.0 <= asked < 360.0
            assert 0.0 <= other < 360.0
            assert turn_deg(asked + zero_deg, other) == pytest.approx(0.0, abs=1e-6)
            assert plain.next_azimuth_deg(pointing, asked) is None
        view, same = plain.view(pointing, reads_deg), turned_one.view(pointing, (reads_deg + zero_deg) % 360.0)
        assert abs(view.beam_deg) <= 180.0
        assert same.half_width_deg == pytest.approx(view.half_width_deg, abs=0.01)


@dataclass(slots=True)
class TurningDome:
    """A dome that turns 3 degrees a second, and comes to rest up to a degree beside its target."""

    reads_deg: float
    target_deg: float = 0.0
    moves: int = 0
    seed: int = 3

    def __post_init__(self):
        self.target_deg = self.reads_deg

    def goto(self, azimuth_deg):
        self.moves += 1
        off_deg = (self.moves * 0.618034 * self.seed) % 1.9 - 0.95
        self.target_deg = (azimuth_deg + off_deg) % 360.0

    def step(self, seconds):
        turn = turn_deg(self.reads_deg, self.target_deg)
        self.reads_deg = (self.reads_deg + max(-3.0 * seconds, min(3.0 * seconds, turn))) % 360.0

    @property
    def is_turning(self):
        return abs(turn_deg(self.reads_deg, self.target_deg)) > 1e-6


TICK_S = 10.0


def night_of_moves(slit, latitude_deg, dec_deg, side):
    """Ten hours of one star: the tube, what the dome read, its moves, and those of a dead-band of 1 degree."""
    hour_angles = -75.0 + SIDEREAL_DEG_S * np.arange(0.0, 36000.0, TICK_S)
    start, aim = tube(slit.slaving, latitude_deg, hour_angles, dec_deg, side)
    beams = leaves_dome(start, aim, slit.slaving.dome_radius_m)
    beams_deg = np.degrees(np.arctan2(beams[:, 0], beams[:, 1])) + slit.slaving.azimuth_zero_deg
    dome, plain_deg, plain_moves, reads = TurningDome(float(beams_deg[0]) % 360.0), beams_deg[0], 0, []
    for hour_angle_deg, beam_deg in zip(hour_angles, beams_deg, strict=True):
        reads.append(dome.reads_deg)
        standing_deg = dome.target_deg if dome.is_turning else dome.reads_deg
        asked_deg = slit.next_azimuth_deg(Pointing(float(hour_angle_deg), dec_deg, side), standing_deg)
        if asked_deg is not None:
            dome.goto(asked_deg)
        if abs(turn_deg(plain_deg, beam_deg)) > 1.0:
            plain_deg, plain_moves = beam_deg, plain_moves + 1
        dome.step(TICK_S)
    return (start, aim), np.array(reads), dome.moves, plain_moves


class TestNight:
    def test_a_long_turn_goes_round_the_side_where_the_beam_stays_free(self):
        """The star passes four degrees south of the zenith, and the slit's end is nearer: it must not turn over north."""
        slaving = CENTRED.model_copy(update={"slit_past_zenith_deg": 5.0})
        slit, dec_deg = geometry(slaving=slaving), NORTH - 4.0
        (start, aim), reads, moves, _ = night_of_moves(slit, NORTH, dec_deg, EAST)
        clear = is_clear(start, aim, reads, slaving)
        assert clear[aim[:, 2] > 0.5].all()
        assert moves < 10

    @pytest.mark.parametrize("slaving", [CENTRED, OFFSET], ids=["centred", "offset"])
    @pytest.mark.parametrize("latitude_deg", [NORTH, SOUTH])
    def test_the_beam_is_never_clipped_with_five_times_fewer_moves_than_a_dead_band(self, slaving, latitude_deg):
        slit, moves, plain_moves = geometry(latitude_deg, slaving), 0, 0
        hemisphere = 1.0 if latitude_deg > 0.0 else -1.0
        sides = [EAST, WEST] if slit.needs_pier_side else [EAST]
        for side in sides:
            for dec_deg in [latitude_deg, latitude_deg + 1.0, hemisphere * 5.0, hemisphere * 70.0, hemisphere * 89.0]:
                (start, aim), reads, ours, plain = night_of_moves(slit, latitude_deg, dec_deg, side)
                is_up = leaves_dome(start, aim, slaving.dome_radius_m)[:, 2] > 2.5 * sin(np.radians(6.0))
                assert np.count_nonzero(is_up) > 1500
                clear = is_clear(start, aim, reads, slaving)
                where = f"dec {dec_deg:+.1f} side {side.value}: {ours} moves, dead-band {plain}"
                assert clear[is_up].all(), where
                assert plain >= 5 * ours, where
                moves, plain_moves = moves + ours, plain_moves + plain
        assert moves > 10
        assert plain_moves > 10 * moves


class TestPointing:
    SITE = Site(latitude_deg=NORTH, longitude_deg=11.0)

    @pytest.mark.parametrize(("hour_angle_deg", "dec_deg"), [(-60.0, 10.0), (140.0, 70.0), (0.0, 89.0), (20.0, -30.0)])
    @pytest.mark.parametrize("latitude_deg", [NORTH, SOUTH])
    def test_azimuth_and_altitude_come_first(self, hour_angle_deg, dec_deg, latitude_deg):
        azimuth_deg, up_deg = horizontal_deg(hour_angle_deg, dec_deg, latitude_deg)
        sample = mount(azimuth_deg=azimuth_deg, altitude_deg=up_deg, ra_deg=10.0, dec_deg=0.0, pier_side=WEST)
        pointing = pointing_of(sample, latitude_deg, 99.0)
        assert turn_deg(hour_angle_deg, pointing.hour_angle_deg) == pytest.approx(0.0, abs=1e-6)
        assert pointing.dec_deg == pytest.approx(dec_deg, abs=1e-6)
        assert (pointing.pier_side, pointing.is_tracking) == (WEST, True)

    def test_else_right_ascension_and_at_the_pole_too(self):
        assert pointing_of(mount(ra_deg=30.0, dec_deg=20.0), NORTH, 50.0) == Pointing(20.0, 20.0)
        at_pole = mount(azimuth_deg=0.0, altitude_deg=NORTH, ra_deg=30.0, dec_deg=90.0, is_tracking=False)
        assert pointing_of(at_pole, NORTH, 50.0) == Pointing(20.0, 90.0, is_tracking=False)
        assert pointing_of(mount(ra_deg=30.0), NORTH, 50.0) is None
        only_altaz = pointing_of(mount(azimuth_deg=0.0, altitude_deg=NORTH), NORTH, 50.0)
        assert only_altaz is not None
        assert only_altaz.dec_deg == pytest.approx(90.0)

    def test_a_slew_ends_by_the_sidereal_time_of_the_mount(self):
        azimuth_deg, up_deg = horizontal_deg(20.0, 10.0, NORTH)
        sample = mount(azimuth_deg=azimuth_deg, altitude_deg=up_deg, ra_deg=100.0, dec_deg=10.0, target_pier_side=EAST)
        sample = replace(sample, target_ra_deg=110.0, target_dec_deg=-5.0, is_slewing=True, pier_side=WEST)
        now = pointing_of(sample, NORTH, 0.0)
        end = slew_end(sample, now, 0.0)
        assert (end.hour_angle_deg, end.dec_deg) == (pytest.approx(10.0), -5.0)
        assert (end.pier_side, end.is_tracking) == (EAST, True)
        assert slew_end(replace(sample, target_ra_deg=None), now, 0.0) is None
        from_the_pole = slew_end(sample, replace(now, dec_deg=89.0), 115.0)
        assert from_the_pole.hour_angle_deg == pytest.approx(5.0)

    def test_the_sky_goes_round_in_a_sidereal_day(self):
        assert Pointing(10.0, 5.0).after(86164.0905 / 4.0).hour_angle_deg == pytest.approx(100.0, abs=1e-4)
        assert Pointing(10.0, 5.0, is_tracking=False).after(3600.0).hour_angle_deg == 10.0
