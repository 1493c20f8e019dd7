"""Multipoles against double sums: near and far, crowded and coincident."""

import numpy as np
import pytest

import particles.models.aggregation as aggregation
from particles import LogAttraction
from particles.kernels.fast.multipole import _divide, cauchy_sums
from particles.measure import Atoms


def clouds():
    rng = np.random.default_rng(3)
    line = rng.normal(size=700) + 0j
    plane = rng.normal(size=700) + 1j * rng.normal(size=700)
    crowded = np.concatenate([plane[:300], 1e-6 * plane[300:600] + 0.3, np.full(100, 1.0 + 1.0j)])
    ring = np.exp(2j * np.pi * np.arange(700) / 700)
    return {"line": line, "plane": plane, "crowded": crowded, "ring": ring, "one place": np.zeros(700, dtype=complex)}


@pytest.mark.parametrize("name", clouds())
def test_multipoles_are_the_double_loop(name):
    z = clouds()[name]
    w = np.random.default_rng(1).dirichlet(np.ones(len(z)))
    targets = np.concatenate([z, [5.0 + 5.0j, 0.31 + 0.0j]])
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = targets[:, None] - z
        terms = np.where(gap != 0, w / np.where(gap != 0, gap, 1.0), 0.0)
    exact = terms.sum(axis=1)
    # Rounding is relative to the sum of moduli, which near pairs dominate.
    error = np.abs(cauchy_sums(targets, z, w) - exact) / (np.abs(terms).sum(axis=1) + 1e-300)
    assert error.max() < 5e-15


@pytest.mark.parametrize("d", [1, 2])
def test_log_attraction_of_many_tokens_is_that_of_the_pairs(d, monkeypatch):
    rng = np.random.default_rng(d)
    x, w = rng.normal(size=(600, d)), rng.dirichlet(np.ones(600))
    x[7] = x[8]
    pairs = LogAttraction(0.8).velocity(0.0, x, Atoms(x, w))
    monkeypatch.setattr(aggregation, "MULTIPOLE_PAIRS", 0)
    fast = LogAttraction(0.8).velocity(0.0, x, Atoms(x, w))
    np.testing.assert_allclose(fast, pairs, rtol=1e-11, atol=1e-13 * np.abs(pairs).max())
    np.testing.assert_array_equal(fast[7], fast[8])


@pytest.mark.parametrize("size", [2.0**-40, 2.0**40])
def test_a_cloud_of_any_size_is_divided_alike(size):
    z, w = clouds()["plane"], np.full(700, 1 / 700)
    (order, cells), (other, scaled) = _divide(z, w), _divide(size * z, w)
    np.testing.assert_array_equal(other, order)
    np.testing.assert_array_equal(scaled.child, cells.child)
    np.testing.assert_array_equal(scaled.radius, size * cells.radius)
    np.testing.assert_allclose(scaled.terms, cells.terms, atol=1e-15)
