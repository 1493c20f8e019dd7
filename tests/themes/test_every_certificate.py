"""What the certificate of every theorem keeps to: its shapes and kinds, other units, and another order of tokens."""

import numpy as np
import pytest

from meanfield import limits
from meanfield.limits.certificate import KINDS
from particles import Adaptive, CausalAttention, HardmaxAttention, SelfAttention, simulate

TIMES = np.linspace(0.0, 8.0, 33)
RNG = np.random.default_rng(12)
PLANE, SPACE = RNG.uniform(-1.0, 1.0, size=(7, 2)), RNG.uniform(-1.0, 1.0, size=(7, 3))
I1, I2, I3, I4 = (np.eye(d) for d in (1, 2, 3, 4))
SYMMETRIC, OTHER = np.array([[1.0, 0.3], [0.3, 0.8]]), np.array([[0.6, -0.4], [-0.4, 1.2]])


def softmax(B, V):
    return lambda unit: SelfAttention(np.asarray(B) / unit**2, np.eye(len(V)), V)


def two_heads(unit):
    return SelfAttention(SYMMETRIC / unit**2, I2, 0.7 * I2) + SelfAttention(OTHER / unit**2, I2, 0.5 * I2)


def on_sphere(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


UPPER = on_sphere(np.abs(SPACE) + 0.2)
EQUAL = np.linalg.cholesky(0.8 * I4 + 0.2)

FLAT = {
    "2.1": (softmax(I1, I1), SPACE[:, :1]),
    "3.1": (softmax(SYMMETRIC, I2), PLANE),
    "4.2": (softmax(I2, np.diag([1.0, -0.4])), PLANE),
    "5.2": (softmax(2.0 * I3, np.diag([1.0, 1.0, -0.5])), SPACE),
    "8.5": (softmax(SYMMETRIC, -I2), PLANE),
    "leaders of rows": (two_heads, np.random.default_rng(1).uniform(-1.0, 1.0, size=(7, 2))),
    "hardmax leaders": (lambda unit: HardmaxAttention(SYMMETRIC / unit**2, I2, 0.7 * I2), PLANE),
}
ROUND = {
    "open hemisphere": (SelfAttention(I3, I3, I3).on_sphere(), UPPER),
    "equal angles": (SelfAttention(I4, 2.0 * I4, 0.5 * I4).on_sphere(), EQUAL),
    "causal order": (CausalAttention(I3, I3, 0.8 * I3).on_sphere(), UPPER),
}
CASES = {name: (make(1.0), x0) for name, (make, x0) in FLAT.items()} | ROUND


def certificate(model, x0, unit=1.0, times=TIMES):
    return limits.certify(simulate(model, x0, times, Adaptive(1e-9, 1e-12 * unit)))


@pytest.fixture(scope="module")
def found():
    return {name: certificate(*case) for name, case in CASES.items()}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("early", [False, True], ids=["late", "early"])
def test_the_parts_of_a_certificate_fit_each_other(found, name, early):
    one = certificate(*CASES[name], times=[0.0, 0.02]) if early else found[name]
    n, d = one.positions.shape[1:]
    assert one.theorem == name
    assert one.known == (not early) or name in ("8.5", "causal order", "open hemisphere", "equal angles")
    assert one.limits.shape == (n, d)
    assert one.bound.shape == one.leaders.shape == one.limit_kind.shape == (n,)
    assert one.token_distance.shape == (len(one.times), n)
    assert set(one.limit_kind) <= set(KINDS)
    assert ((one.leaders >= -1) & (one.leaders < n)).all()
    assert (one.bound >= 0.0).all()
    assert np.isfinite(one.limits[one.limit_kind == "point"]).all()
    assert np.isinf(one.bound[one.limit_kind == "unknown"]).all()
    if one.known:
        assert np.isfinite(one.bound).all()
        points = one.limit_kind == "point"
        assert (one.limit_set.distance(one.limits)[points] <= one.bound[points] + 1e-12).all()
    else:
        assert np.isinf(one.bound).all()


@pytest.mark.parametrize("name", FLAT)
def test_in_other_units_the_limits_and_their_bounds_are_the_same(found, name):
    """x → 16 x and B → B/16² leave the equation as it is."""
    make, x0 = FLAT[name]
    here, there = found[name], certificate(make(16.0), 16.0 * x0, 16.0)
    assert there.status == here.status
    np.testing.assert_array_equal(there.leaders, here.leaders)
    np.testing.assert_allclose(there.limits, 16.0 * here.limits, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(there.bound, 16.0 * here.bound, rtol=0.5)


@pytest.mark.parametrize("name", [name for name in CASES if name != "causal order"])
def test_in_another_order_the_tokens_have_the_same_limits(found, name):
    model, x0 = CASES[name]
    order = np.roll(np.arange(len(x0))[::-1], 2)
    here, there = found[name], certificate(model, x0[order])
    assert there.status == here.status
    within = (here.bound[order] + there.bound)[:, None] + 1e-9
    points = there.limit_kind == "point"
    assert (np.abs(there.limits - here.limits[order]) <= within)[points].all()
    followed = there.leaders >= 0
    np.testing.assert_array_equal(followed, here.leaders[order] >= 0)
    np.testing.assert_array_equal(order[there.leaders[followed]], here.leaders[order][followed])
