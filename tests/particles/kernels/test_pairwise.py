"""Pair sums and multipoles against double loops, near and far, crowded and coincident."""

import numpy as np
import pytest

import particles.models.aggregation as aggregation
from particles import LogAttraction
from particles.kernels.fast.multipole import cauchy_sums
from particles.kernels.pairwise import pair_sums
from particles.measure import Atoms


def double_loop(x, y, w, phi, a, b):
    moment, mass = np.zeros((len(x), a.shape[1])), np.zeros(len(x))
    for i in range(len(x)):
        for j in range(len(y)):
            value = w[j] * phi(float(np.sum((x[i] - y[j]) ** 2)))
            moment[i] += value * (b[j] - a[i])
            mass[i] += value
    return moment, mass


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("reach", [None, 0.2, 2.0])
def test_pair_sums_are_the_double_loop(d, reach):
    rng = np.random.default_rng(d)
    x, y, w = rng.uniform(0, 1, (23, d)), rng.uniform(0, 1, (31, d)), rng.dirichlet(np.ones(31))
    a, b = rng.normal(size=(23, 2)), rng.normal(size=(31, 2))
    edge = np.inf if reach is None else reach**2
    moment, mass = double_loop(x, y, w, lambda s: (s <= edge) * (1 + s), a, b)
    found = pair_sums(x, y, w, lambda s: (s <= edge) * (1 + s), a=a, b=b, reach=reach)
    np.testing.assert_allclose(found.moment, moment, atol=1e-14)
    np.testing.assert_allclose(found.mass, mass, atol=1e-15)


def test_nobody_within_reach_is_no_error():
    found = pair_sums(np.zeros((2, 1)), np.full((40, 1), 9.0), np.full(40, 1 / 40), np.ones_like, reach=1.0)
    assert not found.moment.any()
    assert not found.mass.any()


def test_many_blocks_are_one_sum(monkeypatch):
    import particles.kernels.pairwise as pairwise

    x, w = np.random.default_rng(0).normal(size=(50, 2)), np.full(50, 0.02)
    whole = pair_sums(x, x, w, lambda s: np.exp(-s))
    monkeypatch.setattr(pairwise, "PAIRS", 170)
    np.testing.assert_allclose(pair_sums(x, x, w, lambda s: np.exp(-s)).moment, whole.moment, atol=1e-16)


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
