"""The independent check agrees with proofs, and refuses what they do not give."""

from dataclasses import replace

import numpy as np
import pytest

from meanfield import limits
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


def test_certificates_without_a_proof_are_refused():
    found = limits.certify(simulate(SelfAttention(I2, I2, -I2), [[1.0, 0.0], [0.0, 1.0]], [0.0, 0.1]))
    with pytest.raises(InvalidInput, match="no proof about the exact solution"):
        limits.verify(found)
