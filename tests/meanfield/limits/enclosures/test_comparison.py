"""The comparison matrix is above the blocks of the Jacobian at every state of the tube, and its flow is a bound."""

import numpy as np
import pytest
from scipy.linalg import expm

from meanfield.limits.enclosures.comparison import _spread, grown, growth
from meanfield.limits.enclosures.defect import defect
from meanfield.limits.enclosures.series import series, step_length, system_of, value
from meanfield.limits.head import Head
from particles import SelfAttention
from particles.fields.questions import jacobian


def setting(seed, scalar, size):
    rng = np.random.default_rng(seed)
    n, d = 7, 1 + seed % 3
    Q, K, V = rng.normal(size=(3, d, d))
    V = 0.8 * np.eye(d) if scalar else V
    model = SelfAttention(Q, K, V)
    w = rng.dirichlet(np.ones(n))
    return model, system_of(Head(Q, K, V), w, 0.0), size * rng.uniform(-1, 1, size=(n, d)), rng


@pytest.mark.parametrize("tube", [0.0, 1e-6, 0.02])
@pytest.mark.parametrize("size", [1.0, 5.0])
@pytest.mark.parametrize("scalar", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_blocks_of_all_states_are_below(seed, scalar, size, tube):
    model, equation, x, rng = setting(seed, scalar, size)
    p = series(equation, x, step_length(equation, x, 0.5))
    parts, n = 6, len(x)
    radii = tube * rng.uniform(0.5, 1.0, size=n)
    C = growth(equation, p, defect(equation, p), radii, parts)
    at = np.arange(n)
    for k in range(parts):
        for sigma in -1.0 + (2.0 * k + np.array([0.0, 1.0, 2.0])) / parts:
            for _ in range(3):
                move = rng.normal(size=x.shape)
                state = value(p.x, sigma) + radii[:, None] * move / np.linalg.norm(move, axis=1, keepdims=True)
                J = p.half * jacobian(model, 0.0, state, equation.w)
                blocks = np.linalg.norm(J, 2, axis=(2, 3))
                symmetric = 0.5 * (J[at, at] + np.swapaxes(J[at, at], 1, 2))
                blocks[at, at] = np.linalg.eigvalsh(symmetric)[:, -1]
                assert (blocks <= C[k] * (1 + 1e-9) + 1e-12).all()


def test_the_bound_is_near_the_blocks_of_small_steps():
    model, equation, x, _ = setting(1, True, 1.0)
    p = series(equation, x, 1e-4)
    C = growth(equation, p, defect(equation, p), np.zeros(len(x)), 2)[0] / p.half
    blocks = np.linalg.norm(jacobian(model, 0.0, x, equation.w), 2, axis=(2, 3))
    off = ~np.eye(len(x), dtype=bool)
    assert C[off] == pytest.approx(blocks[off], rel=0.01)


def test_the_flow_of_the_comparison_system():
    rng = np.random.default_rng(0)
    C, start, rate = rng.uniform(0, 1, size=(3, 5, 5)), rng.uniform(0, 1, size=5), rng.uniform(0, 1, size=5)
    y = start
    for part in C:
        whole = np.block([[part, rate[:, None]], [np.zeros((1, 6))]]) * (2 / 3)
        y = (expm(whole) @ np.append(y, 1.0))[:5]
    found = grown(C, start, rate)
    assert (found >= y).all()
    np.testing.assert_allclose(found, y, rtol=1e-8)
    assert np.isinf(grown(100.0 * C, start, rate)).all()
    assert (grown(0.0 * C, start, 0.0 * rate) >= start).all()


@pytest.mark.parametrize(("n", "d"), [(5, 2), (4, 4), (3, 40)])
def test_the_spread_is_bounded_from_products_of_vectors_or_of_tokens(n, d):
    rng = np.random.default_rng(n)
    P, u = rng.dirichlet(np.ones(n), size=(2, n)), rng.normal(size=(2, n, n, d))
    true = np.linalg.norm(np.einsum("sij,sija,sijb->siab", P, u, u), 2, axis=(2, 3))
    found = _spread(P, u)
    assert (true <= found).all()
    # Its root of order 16 of a sum of eigenvalues is too large by that of their number at most.
    assert (found <= true * min(n, d) ** (1 / 16) * (1 + 1e-9)).all()
