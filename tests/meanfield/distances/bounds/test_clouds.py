"""Offsets and extreme units cost no accuracy."""

import numpy as np
import pytest

from meanfield import wasserstein, wasserstein_bracket
from meanfield.distances.arguments import as_atoms
from meanfield.distances.bounds.clouds import as_pair
from particles.measure import EmpiricalMeasure


def test_an_offset_costs_no_accuracy():
    rng = np.random.default_rng(1)
    x, y = rng.integers(-1024, 1024, (2, 200, 3)) / 1024.0
    near = wasserstein_bracket(EmpiricalMeasure(x), EmpiricalMeasure(y), "certify")
    far = wasserstein_bracket(EmpiricalMeasure(x + 2.0**30), EmpiricalMeasure(y + 2.0**30), "certify")
    assert far.lower == pytest.approx(near.lower, rel=1e-11)
    assert far.upper == pytest.approx(near.upper, rel=1e-11)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_extreme_units(scale):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 50, 2))
    exact = wasserstein(EmpiricalMeasure(x), EmpiricalMeasure(y)) * scale
    bracket = wasserstein_bracket(EmpiricalMeasure(scale * x), EmpiricalMeasure(scale * y), "dual")
    assert bracket.lower <= exact * (1 + 1e-12)
    assert exact * (1 - 1e-12) <= bracket.upper
    assert bracket.width < 1e-11 * exact


def test_a_pair_is_shifted_and_scaled_without_rounding():
    rng = np.random.default_rng(4)
    points = [2.0**40 + rng.integers(0, 2**12, (30, 3)) / 2.0**10 for _ in range(2)]
    pair = as_pair(*(as_atoms(EmpiricalMeasure(x), "x") for x in points))
    assert np.log2(pair.unit) % 1 == 0
    offset = points[0] - pair.unit * pair.x.points
    # Differences of the points are exact in float64, so the offset is one for all of both clouds.
    np.testing.assert_array_equal(offset, np.broadcast_to(offset[0], (30, 3)))
    np.testing.assert_array_equal(points[1] - pair.unit * pair.y.points, offset)
    apart = np.max([np.sum((x - y) ** 2) for x in pair.x.points for y in pair.y.points])
    assert apart <= pair.diameter2 <= 12 * (1 + 1e-12)


def test_axes_of_very_different_length_share_the_unit_of_the_longest():
    x, y = np.array([[1e200, 0.0], [0.0, 1e-200]]), np.array([[-1e200, 1e-200], [1e180, 0.0]])
    pair = as_pair(*(as_atoms(EmpiricalMeasure(z), "x") for z in (x, y)))
    assert 0.5 <= 2e200 / pair.unit <= 2.0
    assert np.isfinite(pair.x.points).all()
    assert np.isfinite(pair.diameter2)


def test_an_offset_along_one_axis_alone_is_taken_off():
    x, y = np.random.default_rng(0).normal(size=(2, 20, 2)) + np.array([2.0**40, 0.0])
    pair = as_pair(*(as_atoms(EmpiricalMeasure(points), "mu") for points in (x, y)))
    apart = x[:, None] - y
    np.testing.assert_array_equal(pair.unit * (pair.x.points[:, None] - pair.y.points), apart)
    assert max(np.abs(pair.x.points).max(), np.abs(pair.y.points).max()) <= 2
