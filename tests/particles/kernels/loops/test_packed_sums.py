"""The velocity from packed parameters against the fields themselves, at several times and numbers of tokens."""

import numpy as np
import pytest
from compiled_models import MODELS, tokens

from particles.fields.compiled_sum import compiled_sum, pack
from particles.kernels.loops.step_loop import DOP853, Runs, advance_runs


def velocity(model, t, x, w):
    n, d = x.shape
    places = np.minimum(np.arange(-(-n // 8) * 8), n - 1)
    with np.errstate(divide="ignore"):
        mass, bits = w[places], np.log2(w[places])
    start = np.ascontiguousarray(x.T[:, places]).reshape(1, -1)
    # A run that is given a step to plan with and none to take: its field is evaluated once, at the start.
    clock, state = np.array([[t, 1.0]]), np.zeros((1, 2), np.int64)
    run = Runs(start, np.full_like(start, np.nan), clock, state, np.zeros(1, np.int64))
    sums = pack([compiled_sum(model.in_dimension(d))])
    advance_runs(run, DOP853, sums, mass, bits, n, t + 1.0, np.array([1e-8, 1e-10, np.inf]), 0, 0, 1)
    return run.velocity.reshape(d, -1)[:, :n].T


@pytest.mark.parametrize("name", MODELS)
def test_the_velocity_is_that_of_the_field(name):
    """Measured: 3e-14 of the largest velocity."""
    for n in (1, 3, 8, 21):
        x, w = tokens(name, n, runs=1)
        for t in (0.0, 0.7, -1.3):
            expected = MODELS[name].in_dimension(x.shape[2]).particle_velocity(t, x, w)[0]
            found = velocity(MODELS[name], t, x[0], w)
            assert np.abs(found - expected).max() <= 1e-13 * max(1.0, np.abs(expected).max())


def test_scores_of_any_size_and_weights_down_to_none():
    x = np.array([[700.0, 0, 0], [-700.0, 1, 0], [1.0, 0, 0], [0.0, 0, 1]])
    w = np.array([1e-300, 1.0, 0.0, 1e-12]) / (1 + 1e-12)
    model = MODELS["attention"]
    expected = model.particle_velocity(0.0, x[None], w)[0]
    np.testing.assert_allclose(velocity(model, 0.0, x, w), expected, rtol=1e-11, atol=1e-11)


def test_what_overflows_is_nan_or_infinite():
    x = np.array([[1e160, 0.0, 0.0], [0.0, 1e160, 0.0]])
    assert not np.isfinite(velocity(MODELS["attention"], 0.0, x, np.full(2, 0.5))).all()
    assert not np.isfinite(velocity(MODELS["rescaled by the identity"], 1e4, x / 1e160, np.full(2, 0.5))).all()
