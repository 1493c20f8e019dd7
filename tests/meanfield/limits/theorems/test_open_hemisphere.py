"""Tokens of an open hemisphere have one limit, within the bound, at the rate or faster; others are left open."""

import numpy as np
import pytest
from user_fields import Halved

from meanfield import limits
from meanfield.limits.theorems.open_hemisphere import pole
from particles import Adaptive, SelfAttention, Sphere, simulate

I3 = np.eye(3)
TIMES = np.linspace(0.0, 3.0, 7)


def cloud(seed, n=6, lift=0.3):
    x = np.random.default_rng(seed).normal(size=(n, 3))
    x[:, 2] = np.abs(x[:, 2]) + lift
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def two_heads():
    rng = np.random.default_rng(7)
    return SelfAttention(rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), 0.4 * I3) + SelfAttention(I3, -I3, 0.9 * I3)


@pytest.mark.parametrize("field", [SelfAttention(I3, I3, I3), two_heads()], ids=["one head", "two heads"])
@pytest.mark.parametrize("seed", range(3))
def test_the_limit_lies_within_the_bound_and_the_cap_shrinks_at_the_rate(field, seed):
    model, x0 = field.on_sphere(), cloud(seed)
    found = limits.certify(simulate(model, x0, TIMES))
    assert (found.theorem, found.status) == ("open hemisphere", "conditional")
    assert "exact solution lies within" in found.assumptions[0]
    late = simulate(model, x0, [0.0, 3.0, 5.0, 40.0], Adaptive(1e-10, 1e-12)).position.values
    assert np.linalg.norm(late[-1] - found.limits, axis=1).max() <= found.bound.max()
    _, cosine = pole(late[1])
    _, later = pole(late[2])
    tangents = [np.tan(np.arccos(c)) for c in (cosine, later)]
    assert tangents[1] <= tangents[0] * np.exp(-2.0 * found.limit_set.rate)
    assert found.limit_set.rate > 0.0
    assert found.distance[-1] == pytest.approx(found.bound.max(), rel=1e-6)


def test_weights_and_tokens_without_mass():
    weights = np.array([0.5, 0.2, 0.2, 0.1, 0.0, 0.0])
    x0 = cloud(3)
    x0[4] = -x0[0]
    found = limits.certify(simulate(SelfAttention(I3, I3, I3).on_sphere(), x0, TIMES, weights=weights))
    assert list(found.limit_kind) == ["point"] * 4 + ["unknown"] * 2
    assert np.isinf(found.bound[4:]).all()


def test_tokens_around_the_sphere_are_left_open():
    around = np.vstack([I3, -I3])
    found = limits.certify(simulate(SelfAttention(I3, I3, I3).on_sphere(), around, [0.0, 0.5]))
    assert (found.theorem, found.status) == ("open hemisphere", "undecided")
    assert "not proved to lie in an open hemisphere" in found.reason


def test_an_enclosure_that_is_asked_for_in_vain_is_told():
    ds = simulate(SelfAttention(I3, I3, I3).on_sphere(), cloud(0), TIMES)
    plain, asked = limits.certify(ds), limits.certify(ds, enclose=True)
    assert (plain.status, plain.reason, asked.status) == ("conditional", "", "conditional")
    assert "the exact solution is not enclosed: that is done for tokens of R^d" in asked.reason
    np.testing.assert_array_equal(asked.limits, plain.limits)


def test_other_models_are_not_covered():
    assert limits.hypotheses(SelfAttention(I3, I3, -I3).on_sphere()).theorem is None
    assert limits.hypotheses(SelfAttention(I3, I3, np.diag([1.0, 1.0, 0.9])).on_sphere()).theorem is None
    assert limits.hypotheses(Halved(I3, I3, I3).on_sphere()).theorem is None
    assert limits.hypotheses(SelfAttention(I3, I3, lambda t: (1 + t) * I3).on_sphere()).theorem is None
    assert "V a multiple of I" in limits.hypotheses(SelfAttention(I3, I3, np.diag([1.0, 1.0, 0.9])).on_sphere()).reason


def test_the_pole_is_the_centre_of_the_smallest_cap():
    centre, cosine = pole(np.eye(3))
    np.testing.assert_allclose(centre, np.ones(3) / np.sqrt(3), atol=1e-14)
    assert cosine == pytest.approx(1 / np.sqrt(3), abs=1e-14)
    x = cloud(5, n=9)
    centre, cosine = pole(x)
    trial = Sphere().project(centre + 0.05 * np.random.default_rng(0).normal(size=(400, 3)))
    assert (x @ trial.T).min(axis=0).max() <= cosine + 1e-12
    # The cap holds every point and touches one.
    assert (x @ centre).min() == pytest.approx(cosine, abs=1e-14)
    assert pole(np.vstack([np.eye(3), -np.eye(3)]))[1] == 0.0


def test_the_rates_of_heads_add():
    """Each head contributes λ_h w e^{−2‖B_h‖ sin θ}: without scores the rate is Λ times the least mass."""
    zero = np.zeros((3, 3))
    field = SelfAttention(zero, zero, 0.4 * I3) + SelfAttention(zero, zero, 0.9 * I3)
    found = limits.certify(simulate(field.on_sphere(), cloud(0), TIMES))
    assert found.limit_set.rate == pytest.approx(1.3 / 6, rel=1e-12)


def test_a_bound_as_wide_as_the_way_to_go_is_called_vacuous():
    ds = simulate(SelfAttention(2.0 * I3, I3, I3).on_sphere(), cloud(0), [0.0, 0.5, 20.0])
    early, late = (limits.certify(ds.isel(time=slice(stop))) for stop in (2, 3))
    assert early.bound.max() > 0.5 * early.distance[0] > 100.0 * late.bound.max()
    assert "vacuous, as wide as the first distance; run longer" in repr(early)
    assert "vacuous" not in repr(late)
