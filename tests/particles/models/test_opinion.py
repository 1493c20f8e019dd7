"""Averaging models against double loops; clusters, hull and order of tokens on a line."""

from fractions import Fraction

import numpy as np
import pytest
from oracles.naive import pulled
from pair_models import assert_acts_on_any_point, assert_the_double_loop

from meanfield.analysis.energies import diameter
from particles import (
    RK4,
    Euler,
    HegselmannKrause,
    Krause,
    simulate,
)
from particles.errors import InvalidInput

CASES = {
    "krause": (Krause(lambda s: np.exp(-3 * s)), pulled(lambda s: np.exp(-3 * s), True)),
    "krause, compact": (
        Krause(lambda s: np.maximum(1 - s, 0.0), radius=1.0),
        pulled(lambda s: max(1 - s, 0.0), True),
    ),
    "hegselmann-krause": (HegselmannKrause(0.8), pulled(lambda s: float(s <= 0.64), True)),
    "hegselmann-krause, few neighbours": (HegselmannKrause(0.15), pulled(lambda s: float(s <= 0.0225), True)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("n", "d"), [(23, 1), (30, 2), (19, 3)])
def test_the_field_is_the_double_loop(name, n, d):
    assert_the_double_loop(*CASES[name], n, d)


@pytest.mark.parametrize("name", [name for name in CASES if "hegselmann" not in name])
def test_the_field_acts_on_any_point(name):
    assert_acts_on_any_point(CASES[name][0])


@pytest.mark.parametrize(
    "model", [HegselmannKrause(0.7), Krause(lambda s: np.exp(-2 * s))], ids=["bounded", "Gaussian"]
)
def test_the_map_keeps_the_order_for_kernels_that_are_log_concave_in_the_distance(model):
    for seed in range(20):
        x0 = np.sort(np.random.default_rng(seed).normal(size=30))
        ds = simulate(model, x0, np.arange(6.0), Euler(1.0))
        assert (np.diff(ds.position[..., 0], axis=1) >= -1e-12).all()


def test_the_map_exchanges_two_tokens_that_listen_to_far_ones_only():
    ds = simulate(Krause(lambda s: s), [0.0, 1.0], [0.0, 1.0, 2.0], Euler(1.0))
    np.testing.assert_allclose(ds.position[..., 0], [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]], atol=1e-15)


def exact_clusters(n):
    """Clusters of the synchronous map from 0, 1, …, n − 1 with radius 1, in rational arithmetic."""
    x = [Fraction(i) for i in range(n)]
    while True:
        near = [[y for y in x if abs(y - z) <= 1] for z in x]
        moved = [sum(c) / len(c) for c in near]
        if moved == x:
            return len(set(x))
        x = moved


@pytest.mark.parametrize("radius", [1.0, 0.1])
def test_synchronous_map_counts_clusters_as_exact_arithmetic_does(radius):
    for n in (3, 7, 12, 20, 31):
        ds = simulate(HegselmannKrause(radius), radius * np.arange(n), [0.0, 60.0], Euler(dt=1.0))
        x = np.sort(ds.position[-1].values[:, 0])
        assert 1 + np.sum(np.diff(x) > 1e-9 * radius) == exact_clusters(n)


def test_opinions_stay_in_their_hull_and_in_order():
    x0 = np.sort(np.random.default_rng(2).uniform(0, 3, 40))
    for model in (HegselmannKrause(0.5), Krause(lambda s: 1 / (1 + s) ** 2)):
        ds = simulate(model, x0, np.linspace(0, 5, 11), RK4(dt=0.05))
        x = ds.position.values
        assert (np.diff(diameter(x)) <= 1e-14).all()
        assert (np.diff(x[:, :, 0], axis=1) >= -1e-14).all()


@pytest.mark.parametrize(
    "phi", [lambda s: np.ones(3), lambda s: np.full(s.shape, np.nan), lambda s: np.where(s > 0.1, -1.0, 1.0)]
)
def test_each_fault_of_a_kernel_is_refused(phi):
    with pytest.raises(InvalidInput, match="phi must map"):
        simulate(Krause(phi), [0.0, 0.5, 1.5, 1.7], [0.0, 1.0])
