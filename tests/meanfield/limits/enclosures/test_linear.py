"""Linear attention: the defect and the growth of errors are above what long doubles show."""

import numpy as np
import pytest
from oracles.precise import LongDouble

from meanfield.limits.enclosures.comparison import growth
from meanfield.limits.enclosures.defect import defect
from meanfield.limits.enclosures.linear import SHARE, linear_system_of
from meanfield.limits.enclosures.series import series, step_length, value
from meanfield.limits.head import Head


def system(seed, n=5, d=2):
    rng = np.random.default_rng(seed)
    Q, K, V = rng.normal(size=(3, d, d))
    return linear_system_of(Head(Q, K, V), rng.dirichlet(np.ones(n)), 0.0), rng.uniform(-1, 1, size=(n, d))


def velocity(equation, x):
    V, B, w = (LongDouble.array(M) for M in (equation.V, equation.B, equation.w))
    moment = np.einsum("ic,ie,i->ce", x, x, w)
    return x @ (V @ moment @ B).T


@pytest.mark.parametrize("longer", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_no_point_of_a_step_misses_by_more(seed, longer):
    equation, x = system(seed)
    p = series(equation, x, longer * step_length(equation, x, 1.0))
    found = defect(equation, p)
    wide, half = LongDouble.array(p.x), LongDouble.array(p.half)[()]
    orders = LongDouble.array(np.arange(1.0, len(wide)))[:, None, None]
    for sigma in LongDouble.array(np.linspace(-1.0, 1.0, 9)):
        missed = value(orders * wide[1:], sigma) - half * velocity(equation, value(wide, sigma))
        assert (np.linalg.norm(missed.astype(float), axis=1) <= found.rate).all()
    assert (found.left_out <= found.rate).all()


@pytest.mark.parametrize("seed", range(3))
def test_errors_grow_no_faster(seed):
    """|X_i(x + e) − X_i(x)| ≤ Σ_j C_ij |e_j| for small errors of one token at a time."""
    equation, x = system(seed)
    p = series(equation, x, 0.05)
    tube = np.full(len(x), 1e-3)
    C = growth(equation, p, defect(equation, p), tube, 1)[0]
    rng = np.random.default_rng(seed)
    for j in range(len(x)):
        moved = LongDouble.array(value(p.x, rng.uniform(-1.0, 1.0)))
        later = moved.copy()
        later[j] += 1e-5 * rng.normal(size=x.shape[1])
        gap = 0.05 * (velocity(equation, later) - velocity(equation, moved))
        error = float(np.linalg.norm((later - moved)[j].astype(float)))
        assert (np.linalg.norm(gap.astype(float), axis=1) <= C[:, j] * error).all()


def test_speeds_are_bounded():
    equation, x = system(3)
    size = float(np.linalg.norm(x, axis=1).max())
    assert np.linalg.norm(velocity(equation, x).astype(float), axis=1).max() <= equation.fastest(size)


def test_a_step_is_a_share_of_the_time_in_which_the_equation_turns():
    """h ‖V M B‖₂ = SHARE with M = Σ w x xᵀ, for matrices that do not commute and masses that differ."""
    rng = np.random.default_rng(4)
    head, x = Head(*rng.normal(size=(3, 2, 2))), rng.normal(size=(3, 2))
    w = np.array([0.2, 0.3, 0.5])
    moment = sum(a * np.outer(p, p) for a, p in zip(w, x, strict=True))
    speed = np.linalg.norm(head.V @ moment @ head.K.T @ head.Q, 2)
    equation = linear_system_of(head, w, 0.0)
    assert step_length(equation, x, 1e9) == pytest.approx(SHARE / speed, rel=1e-12)
    assert step_length(equation, x, 1e-9) == 1e-9
    assert step_length(equation, 0.0 * x, 2.0) == 2.0
