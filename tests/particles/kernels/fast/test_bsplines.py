"""B-splines against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import BSpline

from particles.kernels.fast import bsplines as splines


@pytest.mark.parametrize("order", [8, 12, 16, 20, 24])
def test_weights_and_slopes_are_those_of_the_b_spline(order):
    """SciPy's B-spline at the distances to the nodes, and its derivative."""
    step, nodes = 0.37, order + 9
    points = np.zeros((40, 3))
    points[:, 2] = np.random.default_rng(order).uniform(-4 * step, 4 * step, 40)
    spline = BSpline.basis_element(np.arange(order + 1) - order / 2, extrapolate=False)
    positions = (np.arange(nodes) - (nodes - 1) / 2) * step
    value, slope = np.empty(40), np.empty((40, 3))
    for node in range(nodes):
        grid = np.zeros((1, 1, nodes))
        grid[0, 0, node] = 1.0
        splines.interpolate(points, 0, 40, np.array([1.0, 1.0, step]), order, grid, value, slope)
        distance = (points[:, 2] - positions[node]) / step
        assert value == pytest.approx(np.nan_to_num(spline(distance)), abs=1e-14)
        assert slope[:, 2] == pytest.approx(np.nan_to_num(spline.derivative()(distance)) / step, abs=1e-13)
        one = np.zeros((1, 1, nodes))
        splines.add_masses(points[:1], np.array([2.0]), 0, 1, np.array([1.0, 1.0, step]), order, one)
        assert one[0, 0, node] == pytest.approx(2 * value[0], abs=1e-15)
