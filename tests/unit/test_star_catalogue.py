"""The star catalogue's cone against the sum of all stars."""

import numpy as np
import pytest

from app.frames.star_catalogue import CatalogueUnreadable, StarCatalogue
from app.paths import ResourceMissing, resource


@pytest.fixture(scope="module")
def all_stars():
    """Every star of the file, decoded as its README says."""
    with np.load(resource("stars/tycho2_vt15.npz")) as file:
        ra, dec, magnitude = (file[name].astype(float) for name in ("ra", "dec", "mag"))
    return np.radians(ra * 360 / 2**32), np.radians(dec * 180 / (2**32 - 1) - 90), magnitude * 0.07 - 2


CONES = [
    (123.4, 12.3, 1.5),
    (0.05, 45.0, 0.7),
    (359.95, -33.0, 0.7),
    (360.0, 5.0, 1.0),
    (-10.0, 60.0, 2.0),
    (77.0, 90.0, 1.0),
    (77.0, 89.3, 1.0),
    (200.0, 88.0, 3.0),
    (10.0, -90.0, 1.2),
    (310.0, -89.6, 0.9),
    (180.0, 0.0, 0.01),
]


@pytest.mark.parametrize(("ra_deg", "dec_deg", "radius_deg"), CONES)
def test_cone_holds_exactly_the_stars_within_its_radius(all_stars, ra_deg, dec_deg, radius_deg):
    ra, dec, magnitude = all_stars
    a, d = np.radians(ra_deg), np.radians(dec_deg)
    haversine = np.sin((dec - d) / 2) ** 2 + np.cos(d) * np.cos(dec) * np.sin((ra - a) / 2) ** 2
    inside = np.flatnonzero(2 * np.arcsin(np.sqrt(haversine)) <= np.radians(radius_deg))
    stars = StarCatalogue.embedded().cone(ra_deg, dec_deg, radius_deg)
    found = np.sort(stars.ra_deg + 1j * stars.dec_deg)
    assert np.allclose(found, np.sort(np.degrees(ra[inside]) + 1j * np.degrees(dec[inside])), atol=1e-9)
    assert np.allclose(np.sort(magnitude[inside]), stars.magnitude)


def test_brightest_star_comes_first_and_is_where_it_is_on_the_sky():
    # HD 209458, 22 03 10.77 +18 53 03.5, V 7.6.
    stars = StarCatalogue.embedded().cone(330.8, 18.9, 0.3)
    assert (stars.ra_deg[0], stars.dec_deg[0]) == pytest.approx((330.7949, 18.8843), abs=1e-4)
    assert (np.diff(stars.magnitude) >= 0).all()
    assert stars.magnitude[0] == pytest.approx(7.7, abs=0.1)


def test_an_empty_cone_is_no_error():
    assert len(StarCatalogue.embedded().cone(180.0, 0.0, 1e-6)) == 0


def test_catalogue_is_read_once_and_only_when_asked(tmp_path):
    assert StarCatalogue.embedded() is StarCatalogue.embedded()
    StarCatalogue(tmp_path / "not_there.npz")


def test_damaged_catalogue_says_which_file(tmp_path):
    path = tmp_path / "broken.npz"
    path.write_bytes(b"PK\x03\x04 but no more")
    with pytest.raises(CatalogueUnreadable, match=r"broken\.npz cannot be read .* install Cupola again"):
        StarCatalogue(path).cone(0.0, 0.0, 1.0)


def test_catalogue_comes_with_its_notice():
    notice = resource("stars/NOTICE").read_text(encoding="utf-8")
    assert "A. Wicenec, 2000, Astronomy and Astrophysics 355, L27" in notice
    assert "Redistribution and use in source and binary forms" in notice


def test_missing_resource_is_named():
    with pytest.raises(ResourceMissing, match=r"stars/none\.npz is missing") as caught:
        resource("stars/none.npz")
    assert isinstance(caught.value, FileNotFoundError)


def test_stars_are_also_had_by_their_place_in_the_file(all_stars):
    catalogue = StarCatalogue.embedded()
    chosen = np.array([[1_000_000, 5], [7, 1_871_010]])
    stars = catalogue.stars(chosen)
    assert np.allclose(np.radians(stars.ra_deg), all_stars[0][chosen])
    assert np.allclose(np.radians(stars.dec_deg), all_stars[1][chosen])
    zone = catalogue.stars(slice(*catalogue.zones[128:130]))
    assert 38.0 <= zone.dec_deg.min() < zone.dec_deg.max() < 39.0


def test_checksum_is_that_of_the_file(tmp_path):
    (tmp_path / "stars.npz").write_bytes(b"abc")
    assert StarCatalogue(tmp_path / "stars.npz").checksum.startswith("ba7816bf8f01cfea")
    with pytest.raises(CatalogueUnreadable, match="install Cupola again"):
        _ = StarCatalogue(tmp_path / "none.npz").checksum
