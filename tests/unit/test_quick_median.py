"""The quick median is numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from app.pipeline.quick_median import quick_median


@pytest.mark.parametrize("number", [1, 2, 3, 10, 4095, 4096])
def test_it_is_numpys(number: int) -> None:
    values = np.random.default_rng(number).normal(1000.0, 10.0, number).astype(np.float32)
    before = values.copy()
    assert quick_median(values) == float(np.median(values))
    assert np.array_equal(values, before)


def test_of_nothing_there_is_none() -> None:
    with pytest.raises(ValueError, match="zero-size"):
        quick_median(np.empty(0, np.float32))
