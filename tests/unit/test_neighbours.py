"""Which points are near each other, and how likely so many agree, as SciPy says."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.special import pdtrc

from app.pipeline import align, sources
from app.pipeline.neighbours import near_pairs


@pytest.mark.parametrize("limit", [0.01, 1.0, 7.5, 300.0])
@pytest.mark.parametrize("spread", [(100.0, 100.0), (100.0, 0.0), (0.0, 100.0)])
def test_near_pairs_are_all_those_within_the_limit(limit, spread):
    rng = np.random.default_rng(7)
    there = rng.uniform(-1.0, 1.0, (200, 2)) * spread
    here = np.concatenate([there[:50] + np.array([0.006, -0.004]), rng.uniform(-150.0, 150.0, (300, 2))])
    pairs, distances = near_pairs(here, there, limit)
    within = cKDTree(here).query_ball_tree(cKDTree(there), limit)
    assert {(i, j) for i, near in enumerate(within) for j in near} == {tuple(pair) for pair in pairs.tolist()}
    assert len(pairs) == sum(map(len, within))
    assert np.all(np.diff(pairs[:, 0]) >= 0)
    assert distances == pytest.approx(np.linalg.norm(here[pairs[:, 0]] - there[pairs[:, 1]], axis=1))


def test_a_point_at_the_limit_is_near():
    pairs, distances = near_pairs(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [3.0, 4.1]]), 5.0)
    assert pairs.tolist() == [[0, 0]]
    assert distances.tolist() == [5.0]


def test_no_points_have_no_neighbours():
    none, some = np.empty((0, 2)), np.zeros((3, 2))
    for here, there in ((none, some), (some, none), (none, none)):
        pairs, distances = near_pairs(here, there, 1.0)
        assert pairs.shape == (0, 2)
        assert distances.shape == (0,)


@pytest.mark.parametrize("expected", [0.0, 1e-9, 0.02, 0.7, 3.0, 40.0, 900.0])
def test_the_chance_of_more_than_so_many_is_poissons(expected):
    for count in (0, 1, 5, 60, 1400):
        chance = align._more_than(count, expected)
        if expected < count + 1:
            assert chance == pytest.approx(pdtrc(count, expected), rel=1e-9, abs=1e-290)
        else:
            assert chance == 1.0
            assert pdtrc(count, expected) > 0.3


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 3), (9, 12)])
def test_the_background_is_smoothed_by_a_median_of_nine_cells(shape):
    cells = np.random.default_rng(3).normal(100.0, 10.0, shape)
    assert np.array_equal(sources._median_of_nine(cells), ndimage.median_filter(cells, 3, mode="nearest"))
