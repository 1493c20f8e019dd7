"""Reconstructed faces: bounded by the neighbours, and exact for quartics."""

import numpy as np
import pytest

from meanfield.schemes.reconstruction import LIMITERS, central_weno, limited_linear


@pytest.mark.parametrize("limiter", LIMITERS)
def test_limited_faces_stay_between_neighbours(limiter):
    rng = np.random.default_rng(0)
    edges = np.cumsum(rng.uniform(0.2, 1.0, 41))
    averages = rng.random((40, 3))
    left, right = limited_linear(averages, edges, LIMITERS[limiter])
    low, high = np.minimum(averages[:-1], averages[1:]), np.maximum(averages[:-1], averages[1:])
    for side in (left[1:-1], right[1:-1]):
        assert (side >= low - 1e-14).all()
        assert (side <= high + 1e-14).all()


def test_weno_faces_are_exact_for_quartics_away_from_walls():
    """With equal roughness of the parabolas the blend is the quartic; for a cubic of weak bend it nearly is."""
    edges = np.cumsum(np.linspace(1.0, 1.3, 21) * 0.05)
    primitive = np.polynomial.Polynomial([0, 3.0, 0.4, 0.05])
    averages = np.diff(primitive(edges)) / np.diff(edges)
    left, right = central_weno(averages, edges)
    exact = primitive.deriv()(edges)
    np.testing.assert_allclose(left[4:-3], exact[4:-3], rtol=1e-12)
    np.testing.assert_allclose(right[3:-4], exact[3:-4], rtol=1e-12)


def test_weno_faces_do_not_overshoot_a_jump():
    """The blend turns to the parabolas that do not cross the jump; a blend of all of them overshoots by a sixth."""
    edges = np.linspace(0.0, 1.0, 21)
    averages = (np.arange(20) >= 10).astype(float)
    for side in central_weno(averages, edges):
        assert side[1:-1].min() >= -1e-12
        assert side[1:-1].max() <= 1 + 1e-12
