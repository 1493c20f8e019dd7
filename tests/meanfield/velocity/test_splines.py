"""Splines on tensor grids of nodes, at linear images of tensor grids, against SciPy's."""

import numpy as np
import pytest
from scipy.interpolate import NdBSpline, make_interp_spline

from meanfield.measures.grid import tensor_points
from meanfield.velocity import splines


@pytest.mark.parametrize("counts", [(9, 20), (8, 13, 17)])
def test_values_are_those_of_scipy(counts, monkeypatch):
    monkeypatch.setattr(splines, "THREADED", 100)
    rng, d = np.random.default_rng(3), len(counts)
    B = rng.normal(size=(d, d))
    axes = [np.sort(rng.uniform(-1, 1, n)) for n in (7, 11, 13)[:d]]
    points = tensor_points(tuple(axes)) @ B.T
    nodes = [np.linspace(points[:, k].min(), points[:, k].max(), n) for k, n in enumerate(counts)]
    values = rng.normal(size=counts)
    knots, expected = [], values
    for k, x in enumerate(nodes):
        line = make_interp_spline(x, np.moveaxis(expected, k, 0), k=7)
        expected, knots = np.moveaxis(line.c, 0, k), [*knots, line.t]
    splines.to_coefficients(nodes, values)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(values, expected, atol=1e-12 * scale)
    found = splines.evaluate(nodes, values, B, axes)
    reference = NdBSpline(tuple(knots), np.ascontiguousarray(expected), 7)(points)
    np.testing.assert_allclose(found.ravel(), reference, atol=1e-12 * scale)


def test_polynomials_of_degree_seven_are_reproduced_and_flat_axes_left_out():
    B = np.array([[0.0, 0.0, 0.0], [0.5, 1.0, 0.2], [0.0, 0.3, -1.0]])
    axes = [np.linspace(0, 1, 5), np.linspace(-1, 1, 6), np.linspace(0, 2, 7)]
    nodes = [np.zeros(1), np.linspace(-1, 1.9, 12), np.linspace(-2.3, 0.3, 9)]
    values = (nodes[1] ** 7)[None, :, None] * (1 + nodes[2] ** 6)
    splines.to_coefficients(nodes, values)
    q = tensor_points(tuple(axes)) @ B.T
    np.testing.assert_allclose(
        splines.evaluate(nodes, values, B, axes).ravel(), q[:, 1] ** 7 * (1 + q[:, 2] ** 6), atol=1e-9
    )
