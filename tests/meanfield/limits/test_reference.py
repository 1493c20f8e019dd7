"""The reference integration: exact sums, both signs, the whole run."""

import numpy as np
import pytest

from meanfield import limits
from meanfield.limits import reference
from meanfield.limits.head import Head, head_of
from meanfield.limits.reference import NUDGE, compare
from meanfield.limits.run import read_run
from particles import SelfAttention, simulate

I1 = np.eye(1)


def comparison(x0, times, saves, **options):
    head = Head(I1, I1, I1)
    return compare(
        read_run(simulate(SelfAttention(I1, I1, I1, **options), x0, times)),
        head,
        head.block,
        saves,
        lambda passed: None,
    )


def test_ordinary_tokens_stay_beside_their_copies():
    found = comparison([[-1.0], [0.4], [1.0]], [0.0, 1.0, 2.0], [1, 2])
    assert set(found.error) == {1, 2}
    assert found.strayed < 1e4 * NUDGE
    assert max(found.error.values()) < 1e-6


def test_copies_part_beside_a_saddle_even_if_they_are_looked_at_before_and_after():
    found = comparison([[-100.0], [0.0], [100.0]], [0.0, 2.0], [1])
    assert found.strayed > 0.1


def test_the_first_saved_time_needs_no_integration():
    assert comparison([[-1.0], [1.0]], [0.0], [0]).error[0] < 1e-8


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-9])
def test_the_tolerance_of_a_field_is_not_shared(size):
    """Positions as loose sums would leave them: the certificate of the exact equation knows that they are off."""
    model = SelfAttention(I1, I1, I1, tolerance=0.3)
    assert head_of(model).attention().tolerance is None
    run = simulate(model, [[-1.0], [-0.5], [0.4], [1.0]], np.linspace(0.0, 8.0, 9))
    exact = limits.certify(run)
    assert exact.known
    off = run.copy(deep=True)
    off.position.values[1:] *= 1.0 + size
    found = limits.certify(off)
    assert found.known == (size < 1e-5)
    if found.known:
        assert (np.abs(found.limits - exact.limits)[:, 0] <= found.bound + exact.bound).all()
        assert found.bound.max() > 0.5 * size


def test_a_reference_that_takes_too_many_steps_compares_nothing(monkeypatch):
    monkeypatch.setattr(reference, "MAX_STEPS", 2)
    found = comparison([[-1.0], [0.4], [1.0]], [0.0, 1.0, 2.0], [1, 2])
    assert found.error == {1: np.inf, 2: np.inf}
    assert found.strayed == np.inf
