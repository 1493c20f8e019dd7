"""The independent check agrees with proofs, and refuses what they do not give."""

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest

from meanfield import limits
from meanfield.limits.head import Head
from meanfield.limits.verification import _leading, _least
from particles import SelfAttention, simulate
from particles.errors import InvalidInput

I2 = np.eye(2)


@pytest.fixture(scope="module")
def proved():
    x0 = np.random.default_rng(3).uniform(-1.0, 1.0, size=(12, 2))
    x0 = np.vstack([x0, x0[:1]])
    weights = np.append(np.full(12, 0.08), 0.04)
    ds = simulate(SelfAttention(I2, [[1.0, 0.2], [0.2, 0.7]], 0.9 * I2), x0, np.linspace(0.0, 8.0, 41), weights=weights)
    found = limits.certify(ds, enclose=True)
    assert found.status == "proved"
    return found


def changed(certificate, **numbers):
    """The certificate with other numbers in its proof."""
    proof = certificate.phase.enclosed
    held = replace(proof.persistence, **numbers)
    return replace(certificate, phase=replace(certificate.phase, enclosed=replace(proof, persistence=held)))


def test_proofs_are_confirmed(proved):
    found = limits.verify(proved)
    assert found.holds
    assert found.share == pytest.approx(0.5, abs=0.05)
    assert 0.5 < found.bound <= 1.0
    assert found.exponent > 1.0


def test_a_smaller_motion_is_refused(proved):
    assert not limits.verify(changed(proved, motion=0.4 * proved.phase.drift)).holds


def test_other_leaders_are_refused(proved):
    leaders = proved.phase.enclosed.persistence.leaders
    first, second = np.unique(leaders)[:2]
    swapped = leaders.copy()
    swapped[np.flatnonzero(leaders == first)[-1]] = second
    assert limits.verify(changed(proved, leaders=swapped)).exponent < 0.0


def test_limits_and_bounds_are_those_of_the_lemma(proved):
    assert not limits.verify(replace(proved, limits=proved.limits + 2.0 * proved.bound.max())).holds
    assert not limits.verify(replace(proved, bound=0.5 * proved.bound)).holds
    assert not limits.verify(changed(proved, radius=3.0 * proved.phase.enclosed.persistence.radius)).holds


@pytest.mark.parametrize(("spread", "motion"), [(1e-3, 1e-3), (0.01, 0.003), (0.003, 0.02)])
def test_numbers_are_those_of_the_lemma(proved, spread, motion):
    """Exponents and tails in floats, V = λI: |B| ((p + ε)(q + η) − pq) is what a product of p and q within ε, η is off.

    With errors that are no longer small beside the tokens' distances, and no two of them equal.
    """
    held = proved.phase.enclosed.persistence
    x, lead, w = held.centre, np.asarray(held.leaders), proved.phase.enclosed.system.w
    n, r = len(x), spread * (1.0 + np.arange(len(x)) / len(x))
    found = limits.verify(changed(proved, radius=r, motion=motion))
    head = proved.hypotheses.head
    B, s = head.K.T @ head.Q, np.linspace(0.0, 1.0, 4001)[:, None]
    size, length, d = np.linalg.norm(B, 2), np.linalg.norm, x - x[lead]
    rho, delta, tau, exponents = r + motion, r + r[lead] + motion, np.zeros(n), []
    for i in range(n):
        m = lead[i]
        for j in set(range(n)) - {m}:
            if lead[j] == m:
                q = length(d[j])
                a = -x[m] @ B.T @ d[j] - size * ((length(x[m]) + rho[m]) * (q + delta[j]) - length(x[m]) * q)
                b = -d[i] @ B.T @ d[j] - size * ((length(d[i]) + delta[i]) * (q + delta[j]) - length(d[i]) * q)
                exponents.append(a)
                tau[i] += w[j] / w[m] * (q + delta[j]) * np.exp(-a - b) / a
                continue
            p, q = length(x[m]) + length(d[i]), length(x[m] - x[lead[j]]) + length(d[j])
            far, wide = p + rho[m] + delta[i], q + rho[m] + rho[lead[j]] + delta[j]
            inner = np.sum(((x[m] + s * d[i]) @ B.T) * (x[m] - x[lead[j]] - s * d[j]), axis=1)
            f = inner.min() - size * (far * wide - p * q)
            exponents.append(f)
            tau[i] += w[j] / w[m] * wide * np.exp(-f) / (2.0 * f)
    assert found.exponent == pytest.approx(min(exponents), rel=1e-5)
    assert min(exponents) > 0.0
    assert found.share == pytest.approx((tau + tau[lead]).max() / motion, rel=1e-5)


def test_certificates_without_a_proof_are_refused():
    found = limits.certify(simulate(SelfAttention(I2, I2, -I2), [[1.0, 0.0], [0.0, 1.0]], [0.0, 0.1]))
    with pytest.raises(InvalidInput, match="no proof about the exact solution"):
        limits.verify(found)


def test_the_least_value_of_a_parabola_on_an_interval():
    """min of α + βs + γs² over 0 ≤ s ≤ 1 against a fine grid, with its vertex inside, outside, and turned up."""
    s = np.linspace(0.0, 1.0, 2001)
    for alpha, beta, gamma in ((1.0, -1.0, 1.0), (1.0, -1.9, 1.0), (0.5, -3.0, 1.0), (0.2, 1.0, 1.0), (1.0, 2.0, -3.0)):
        found = float(_least(Decimal(alpha), Decimal(beta), Decimal(gamma)))
        assert found == pytest.approx((alpha + beta * s + gamma * s * s).min(), abs=1e-6)


def test_an_eigenspace_on_which_V_is_no_multiple_is_not_confirmed():
    """A Jordan block at the leading eigenvalue: V is not λ on its eigenspace, whatever a candidate has it."""
    V = np.array([[1.0, 0.1, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.2]])
    block = Head(np.eye(3), np.eye(3), np.diag([1.0, 1.0, 0.2])).block
    assert _leading(SimpleNamespace(V=V, dim=3, block=block)) is None
    split = _leading(SimpleNamespace(V=np.diag([1.0, 1.0, 0.2]), dim=3, block=block))
    np.testing.assert_allclose(np.array(split.projection, dtype=float), np.diag([1.0, 1.0, 0.0]), atol=1e-30)
    assert float(split.value) == 1.0
    assert 1.0 <= float(split.ratio) <= 3.0 ** (1 / 32)
