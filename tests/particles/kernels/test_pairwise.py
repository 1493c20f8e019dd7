"""Pair sums and multipoles against double loops, near and far, crowded and coincident."""

import numpy as np
import pytest

from particles import Krause, LogAttraction, PowerAttraction, simulate
from particles.errors import OutOfRange
from particles.kernels.pairwise import pair_sums, require_range


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


@pytest.mark.parametrize("reach", [None, 1.0])
@pytest.mark.parametrize("far", [1e155, 1e300, 1.7e308])
def test_points_whose_squared_distance_overflows_are_an_error(far, reach):
    x, y = np.array([[0.0, far], [1.0, 0.0]]), np.array([[0.0, -far]])
    for pair in ((x, y), (y, x), (x, x)):
        with pytest.raises(OutOfRange, match="squared distances overflow"):
            pair_sums(*pair, np.ones(len(pair[1])), np.ones_like, reach=reach)


def test_points_as_far_apart_as_float64_can_square_are_summed():
    x = np.array([[-5e153], [5e153]])
    found = pair_sums(x, x, np.array([0.5, 0.5]), lambda s: np.power(s, -0.25, out=np.zeros_like(s), where=s > 0))
    np.testing.assert_allclose(found.moment[:, 0], [0.5e77, -0.5e77], rtol=1e-14)


def test_a_start_with_tokens_too_far_apart_is_refused():
    for model in (PowerAttraction(1.5), LogAttraction(1.0), Krause(np.exp)):
        with pytest.raises(OutOfRange, match="squared distances overflow"):
            simulate(model, [-1e300, 0.0, 1e300], [0.0, 1.0])


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_points_too_far_apart_are_refused_on_whichever_side_they_lie(sign):
    near, far = np.zeros((2, 2)), np.array([[0.0, 0.0], [0.0, sign * 1e160]])
    for x, y in ((near, far), (far, near), (far, far)):
        with pytest.raises(OutOfRange, match=r"the points spread over 1e\+160, at most 1e154 is possible"):
            require_range(x, y)
    require_range(near, near)
    require_range(np.array([[1e153]]), np.array([[-1e153]]))
