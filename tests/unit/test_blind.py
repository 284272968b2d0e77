"""Blind search: frames are found on a sky that nothing is known of, and the table of quads survives what befalls it."""

import numpy as np
import pytest

from app.frames.star_catalogue import StarCatalogue, unit_vectors
from app.model.errors import Cancelled
from app.paths import resource, sky_folder
from app.pipeline import blind
from app.pipeline.blind import build, sky_quads, solve_blind
from app.pipeline.plate_solve import Unsolved
from app.pipeline.sky_fit import SkyFit

SHAPE = (800, 1100)
SCALE_ARCSEC = 5.0


@pytest.fixture(scope="module")
def patchy(tmp_path_factory):
    """The catalogue with little but a piece of the Milky Way, the celestial pole and the galactic pole."""
    with np.load(resource("stars/tycho2_vt15.npz")) as whole:
        ra, dec, magnitude, zones = (whole[name] for name in ("ra", "dec", "mag", "off"))
    ra_deg, dec_deg = ra * (360 / 2**32), dec * (180 / (2**32 - 1)) - 90
    here = (np.abs(ra_deg - 305) < 6) & (np.abs(dec_deg - 38) < 5)
    here |= (dec_deg > 85) | ((np.abs(ra_deg - 193) < 8) & (np.abs(dec_deg - 27) < 7))
    path = tmp_path_factory.mktemp("stars") / "patchy.npz"
    np.savez(path, ra=ra[here], dec=dec[here], mag=magnitude[here], off=np.r_[0, np.cumsum(here)][zones])
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, and nothing remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(blind, "_tables", {})
    return sky_folder()


@pytest.fixture(scope="module")
def table(patchy):
    return build(StarCatalogue(patchy))


@pytest.fixture
def known(patchy, table, monkeypatch):
    """The catalogue, its table already in memory."""
    catalogue = StarCatalogue(patchy)
    monkeypatch.setattr(blind, "_tables", {f"{catalogue.checksum[:16]}-{blind._VERSION}": table})
    return catalogue


def seen(ra_deg, dec_deg, *, is_flipped=False, seed=1):
    """Truth and detections: a tenth missing, 0.3 mag of scatter, as many again that no catalogue has."""
    rng = np.random.default_rng(seed)
    half = max(SHAPE) / 2 * SCALE_ARCSEC / 3600 * np.exp(1j * seed)
    truth = SkyFit(ra_deg, dec_deg, SHAPE, 1, np.array([0, half if is_flipped else -half, 1j * half]))
    stars = StarCatalogue.embedded().cone(ra_deg, dec_deg, 1.0)
    x, y = truth.pixels(stars.ra_deg, stars.dec_deg)
    kept = (x > 0) & (x < SHAPE[1] - 1) & (y > 0) & (y < SHAPE[0] - 1) & (rng.random(len(x)) > 0.1)
    count = kept.sum()
    magnitude = np.r_[stars.magnitude[kept] + rng.normal(0, 0.3, count), 11.0 + rng.exponential(1.0, count)]
    order = np.argsort(magnitude)
    x = np.r_[x[kept] + rng.normal(0, 0.1, count), rng.uniform(0, SHAPE[1], count)]
    y = np.r_[y[kept] + rng.normal(0, 0.1, count), rng.uniform(0, SHAPE[0], count)]
    return truth, x[order], y[order]


@pytest.mark.parametrize("is_flipped", [False, True])
@pytest.mark.parametrize("where", [(305.0, 38.0), (200.0, 89.3), (192.9, 27.1)])
@pytest.mark.parametrize("scales_arcsec", [(4.0, 6.0), blind.ANY_SCALE])
def test_a_frame_is_found_without_a_position(known, where, is_flipped, scales_arcsec):
    _, x, y = seen(*where, is_flipped=is_flipped)
    solution = solve_blind(x, y, SHAPE, known, scales_arcsec)
    found = unit_vectors(solution.centre_ra_deg, solution.centre_dec_deg)
    apart = np.linalg.norm(found - unit_vectors(*where))
    assert np.degrees(apart) * 3600 < 2.0
    assert solution.scale_arcsec == pytest.approx(SCALE_ARCSEC, rel=1e-3)
    assert solution.is_flipped is is_flipped


def test_stars_of_no_sky_are_found_nowhere(known):
    rng = np.random.default_rng(4)
    for count in (60, 200):
        x, y = rng.uniform(0, SHAPE[1], count), rng.uniform(0, SHAPE[0], count)
        with pytest.raises(Unsolved, match=rf"^{count} detections match no part of the sky at 0.3 to 30 arcsec/px"):
            solve_blind(x, y, SHAPE, known)


def test_a_frame_of_another_scale_is_not_found(known):
    _, x, y = seen(305.0, 38.0)
    with pytest.raises(Unsolved, match=r"at 2 to 4\.5 arcsec/px"):
        solve_blind(x, y, SHAPE, known, (2.0, 4.5))


def test_a_small_field_is_too_sparse_before_anything_is_searched(known):
    with pytest.raises(Unsolved, match=r"^0.22 square degrees at most are too few .* Tycho-2 is too sparse"):
        solve_blind(np.arange(50.0), np.arange(50.0), SHAPE, known, (1.0, 1.8))


def test_the_search_can_be_stopped(known):
    def stop():
        raise Cancelled

    _, x, y = seen(305.0, 38.0)
    with pytest.raises(Cancelled):
        solve_blind(x, y, SHAPE, known, check=stop)


def test_the_table_is_sorted_and_has_each_quad_once(table):
    assert (np.diff(table.cells.astype(np.int64)) >= 0).all()
    assert len(np.unique(np.sort(table.stars, axis=1), axis=0)) == len(table.stars)
    assert len(table.stars) > 10_000


def test_quads_that_are_alike_are_all_found(table):
    kept = table.codes / 2**15 - 1.0
    codes = kept[::2000] + np.random.default_rng(1).uniform(-0.005, 0.005, (len(kept[::2000]), 4))
    asked, found = table.like(codes)
    expected = {
        (i, int(j)) for i, code in enumerate(codes) for j in np.flatnonzero(((kept - code) ** 2).sum(1) <= 0.0125**2)
    }
    assert set(zip(asked.tolist(), found.tolist(), strict=True)) == expected
    assert len(asked) == len(expected)


def test_the_table_is_made_once_and_then_read(cache, patchy, table, monkeypatch):
    made = sky_quads(StarCatalogue(patchy))
    (file,) = cache.iterdir()
    assert file.name == f"quads-{StarCatalogue(patchy).checksum[:16]}-{blind._VERSION}.npz"
    monkeypatch.setattr(blind, "build", None)
    assert sky_quads(StarCatalogue(patchy)) is made
    monkeypatch.setattr(blind, "_tables", {})
    again = sky_quads(StarCatalogue(patchy))
    for name in ("cells", "codes", "stars"):
        assert np.array_equal(getattr(again, name), getattr(table, name))


def cut(content):
    return content[: len(content) // 2]


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut, flipped, lambda _: b"", lambda _: b"no archive"])
def test_a_damaged_table_is_made_again(cache, patchy, table, monkeypatch, damage):
    monkeypatch.setattr(blind, "build", lambda catalogue, check: table)
    sky_quads(StarCatalogue(patchy))
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    monkeypatch.setattr(blind, "_tables", {})
    again = sky_quads(StarCatalogue(patchy))
    assert np.array_equal(again.stars, table.stars)
    assert blind._read(file) is not None
    assert [path.name for path in cache.iterdir()] == [file.name]


def test_a_table_that_is_given_up_leaves_nothing(cache, patchy):
    looks = iter(range(181))

    def stop_late():
        if next(looks, None) is None:
            raise Cancelled

    with pytest.raises(Cancelled):
        sky_quads(StarCatalogue(patchy), stop_late)
    assert not cache.exists()


@pytest.mark.logs_warnings
def test_a_cache_that_cannot_be_written_is_a_warning(cache, patchy, table, monkeypatch, caplog):
    monkeypatch.setattr(blind, "build", lambda catalogue, check: table)
    cache.parent.mkdir(parents=True)
    cache.write_text("a file is in the way")
    assert sky_quads(StarCatalogue(patchy)) is table
    assert "cannot be kept" in caplog.text
