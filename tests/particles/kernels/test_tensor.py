"""Nested one-axis averages against the exact sum over all pairs."""

import numpy as np
import pytest

from particles.kernels import tensor
from particles.kernels.exact.direct import direct_average
from particles.kernels.tensor import contraction_order, tensor_average, tensor_cost


def grid_points(axes):
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def by_pairs(queries, sources, logs):
    q, y = grid_points(queries), grid_points(sources)
    mean, logsumexp, finite = direct_average(q[None].copy(), y[None], None, logs.reshape(1, -1), 1)
    assert finite
    shape = tuple(map(len, queries))
    return [mean[0, :, k].reshape(shape) for k in range(len(queries))], logsumexp.reshape(shape)


def check(queries, sources, logs, tolerance=1e-13):
    means, logsumexp = tensor_average(queries, sources, logs, range(len(queries)))
    expected, expected_log = by_pairs(queries, sources, logs)
    size = max(np.max(np.abs(y)) for y in sources)
    score = 1 + sum(np.max(np.abs(q)) * np.max(np.abs(y)) for q, y in zip(queries, sources, strict=True))
    for mean, other in zip(means, expected, strict=True):
        assert np.max(np.abs(mean - other)) < tolerance * size * max(1, score / 100)
    assert np.max(np.abs(logsumexp - expected_log)) < tolerance * score
    for k in range(len(queries)):
        (alone,), _ = tensor_average(queries, sources, logs, [k])
        assert np.max(np.abs(alone - expected[k])) < tolerance * size * max(1, score / 100)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("t", [0.0, 1.0, 3.0])
def test_agrees_with_all_pairs(d, t):
    rng = np.random.default_rng(d)
    sources = [np.exp(t) * np.sort(rng.uniform(-5, 5, n)) for n in (13, 9, 7)[:d]]
    queries = [np.exp(t) * np.sort(rng.uniform(-5, 5, m)) for m in (8, 11, 6)[:d]]
    check(queries, sources, np.log(rng.dirichlet(np.ones((13, 9, 7)[:d]).ravel()).reshape((13, 9, 7)[:d])))


@pytest.mark.parametrize("d", [2, 3])
def test_mass_far_from_the_favoured_corner(d):
    """The mass sits in one corner and the queries favour the other: a shift by each axis's maximum underflows here."""
    axes = [np.linspace(-30, 30, 25)] * d
    logs = np.full((25,) * d, -np.inf)
    rng = np.random.default_rng(0)
    logs[(slice(0, 3),) * d] = rng.uniform(-3, 0, (3,) * d)
    logs[(-1,) * d] = -1e5
    check([np.linspace(20, 40, 5)] * d, axes, logs)


@pytest.mark.parametrize("d", [2, 3])
def test_mass_along_the_diagonal_and_in_one_cell(d):
    axes = [np.linspace(-50, 50, 12)] * d
    logs = np.full((12,) * d, -np.inf)
    for i in range(12):
        logs[(i,) * d] = -0.1 * i
    check(axes, axes, logs)
    single = np.full((12,) * d, -np.inf)
    single[(3,) * d] = -700.0
    check(axes, axes, single)


def test_cost_counts_every_stage():
    assert contraction_order([5, 5], [5, 5], [0]) == [1, 0]
    assert contraction_order([5, 5], [5, 5], [1]) == [0, 1]
    assert tensor_cost([4, 4], [4, 4], [0, 1]) == 2 * 4**3


def test_large_problems_go_by_slabs(monkeypatch):
    rng = np.random.default_rng(5)
    queries, sources = ([np.sort(rng.normal(size=n)) for n in shape] for shape in ((7, 5, 6), (4, 6, 5)))
    logs = np.log(rng.dirichlet(np.ones(120)).reshape(4, 6, 5))
    whole = tensor_average(queries, sources, logs, (0, 2))
    monkeypatch.setattr(tensor, "ENTRIES", 300)
    slabs = tensor_average(queries, sources, logs, (0, 2))
    np.testing.assert_allclose(slabs[0], whole[0], atol=1e-14)
    np.testing.assert_allclose(slabs[1], whole[1], atol=1e-14)
