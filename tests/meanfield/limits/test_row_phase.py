"""The leader phase of many heads and of causal masks: the bound on later motion holds, and is needed."""

import numpy as np
import pytest

from meanfield.limits.phase import drift, phase_at
from meanfield.limits.row_phase import row_drift, row_phase
from meanfield.limits.spectrum import leading_block, spectrum
from particles import Adaptive, CausalAttention, SelfAttention, simulate


def phase_of(values, scores, x, seen=None):
    n = len(x)
    seen = np.ones((len(values), n, n), dtype=bool) if seen is None else seen
    return row_phase(np.array(values), np.array(scores), np.array(x), np.full(n, -np.log(n)), seen)


@pytest.mark.parametrize("error", [1e-9, 1e-3, 0.02, 0.05])
@pytest.mark.parametrize("B", [np.eye(2), np.array([[1.2, 0.3], [-0.1, 0.9]])])
def test_one_head_is_the_phase_of_one_head(B, error):
    """Same leaders, and a bound of the same size, also where errors are not small beside the distances of tokens."""
    x = 5.0 * np.array([[1.0, 0.2], [-0.8, 0.1], [0.7, 0.1], [-0.5, -0.1]])
    V = 0.7 * np.eye(2)
    one = phase_at(B, V, leading_block(V, spectrum(V)), x, np.full(4, -np.log(4)))
    many = phase_of([0.7], [B], x)
    np.testing.assert_array_equal(many.leaders[0], one.leaders)
    assert 0.0 < row_drift(many, error) == pytest.approx(drift(one, error), rel=1e-6)


@pytest.mark.parametrize("error", [1e-6, 0.01, 0.03])
def test_leaders_alone_are_held_apart_as_by_one_head(error):
    """Without followers all that moves a token is its rival: the bound is made of the exponents between clusters."""
    x, V = np.array([[1.9, 0.4], [-1.5, 0.2]]), 0.7 * np.eye(2)
    one = phase_at(np.eye(2), V, leading_block(V, spectrum(V)), x, np.full(2, -np.log(2)))
    found = row_drift(phase_of([0.7], [np.eye(2)], x), error)
    assert np.isfinite(found)
    assert 0.0 < found == pytest.approx(drift(one, error), rel=1e-6)


def test_mixtures_stand_between_leaders():
    """Token 2 follows token 0 in one head and token 1 in the other."""
    scores = [np.diag([1.0, 0.2]), np.diag([1.0, 0.2]) @ np.array([[0.0, 1.0], [1.0, 0.0]])]
    x = 4.0 * np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.2]])
    found = phase_of([0.6, 0.2], scores, x)
    assert found.leaders.tolist()[0][0] == 0
    np.testing.assert_allclose(
        found.mixtures[2], 0.75 * x[found.leaders[0, 2]] + 0.25 * x[found.leaders[1, 2]], rtol=1e-14
    )
    assert found.spread == pytest.approx(1.0)
    assert phase_of([0.9, -0.3], scores, x).spread == pytest.approx(2.0)


def test_leaders_that_another_head_leads_elsewhere_are_none():
    x = 4.0 * np.array([[1.0, 0.1], [0.1, 1.0]])
    swapped = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert np.isinf(row_drift(phase_of([0.5, 0.5], [np.eye(2), swapped], x), 1e-12))
    assert np.isfinite(row_drift(phase_of([0.5, 0.5], [np.eye(2), np.diag([1.0, 0.8])], x), 1e-12))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_no_state_within_the_error_moves_further(seed, causal):
    """d_i stays and e^{−Λτ} x_l stays, within the bound, from random states."""
    rng = np.random.default_rng(seed)
    values = [0.8] if causal else [0.7, 0.4, -0.2]
    roots = rng.normal(size=(len(values), 2, 2))
    scores = roots @ roots.transpose(0, 2, 1) + 0.3 * np.eye(2)
    x = rng.uniform(-1.0, 1.0, size=(5, 2))
    heads = [
        (CausalAttention if causal else SelfAttention)(B, np.eye(2), v * np.eye(2))
        for B, v in zip(scores, values, strict=True)
    ]
    model = heads[0] if causal else heads[0] + heads[1] + heads[2]
    seen = np.tril(np.ones((1, 5, 5), dtype=bool)) if causal else None
    run = simulate(model, x, np.linspace(0.0, 6.0, 25))
    closed = 0
    for k in range(len(run.time)):
        centre, error = run.position.values[k], 1e-4
        phase = phase_of(values, scores, centre, seen)
        moved = row_drift(phase, error)
        if not 1e-9 < moved < 0.1 or closed == 3:
            continue
        closed += 1
        way = rng.normal(size=x.shape)
        start = centre + error * way / np.linalg.norm(way, axis=1, keepdims=True)
        late = simulate(model, start, [0.0, 1.0], Adaptive(1e-10, 1e-13)).position.values[-1]
        mixed = [np.einsum("h,hid->id", np.array(values) / sum(values), y[phase.leaders]) for y in (start, late)]
        offsets = np.abs((late - mixed[1]) - (start - mixed[0])).max()
        leading = np.unique(phase.leaders)
        led = np.abs(np.exp(-sum(values)) * late[leading] - start[leading]).max()
        assert max(offsets, led) <= moved + 1e-8
    if seed == 0:
        assert closed
