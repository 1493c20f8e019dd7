"""One field a run: in frames, sums and spaces."""

import numpy as np
import pytest
from user_fields import Clock, ToMean

from meanfield import FrozenFlow
from particles import (
    RK4,
    Adaptive,
    Ensemble,
    SelfAttention,
    simulate,
)
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import MovingFrame

A = np.array([[0.2, 0.6], [-0.3, 0.1]])
ENSEMBLE = Ensemble((SelfAttention(A, A, np.eye(2)), SelfAttention(A, np.eye(2), -A), ToMean(0.7)), repeat=2)
RUNS = np.random.default_rng(5).normal(size=(6, 4, 2))


@pytest.mark.parametrize("method", [RK4(0.1), Adaptive(), FrozenFlow(0.1)], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize(
    ("make", "x0"),
    [
        (lambda field: field.in_frame(A), RUNS),
        (lambda field: field + ToMean(0.2), RUNS),
        (lambda field: MovingFrame(field + ToMean(0.2), A), RUNS),
        (lambda field: field.on_sphere(), RUNS / np.linalg.norm(RUNS, axis=-1, keepdims=True)),
        (lambda field: field.on_circle(), 3 + RUNS[..., :1]),
    ],
    ids=["frame", "sum", "frame of a sum", "sphere", "circle"],
)
def test_an_ensemble_goes_where_its_fields_go(method, make, x0):
    times = [0.0, 0.3, 0.5]
    model = make(ENSEMBLE)
    assert model.runs == 6
    ds = simulate(model, x0, times, method)
    for run in range(6):
        alone = simulate(make(ENSEMBLE.fields[run // 2]), x0[run], times, method)
        np.testing.assert_allclose(ds.position.isel(run=run), alone.position, rtol=0, atol=1e-14)
    with pytest.raises(InvalidInput, match="model of 6 runs"):
        simulate(model, x0[0], times, method)


def test_ensembles_of_different_runs_do_not_add():
    with pytest.raises(InvalidInput, match=r"one number of runs, got \[3, 6\]"):
        ENSEMBLE + Ensemble(ENSEMBLE.fields)
    with pytest.raises(NotSupported, match="Ensemble of ensembles"):
        Ensemble((ENSEMBLE,))
    with pytest.raises(NotSupported, match="Ensemble of ensembles"):
        Ensemble((ToMean(0.7), ENSEMBLE))


def test_an_ensemble_of_one_field_is_like_that_field():
    field = Clock(1)
    one = Ensemble((field,), repeat=3)
    assert (one.dim, one.space, one.exchangeable, one.breakpoints) == (
        field.dim,
        field.space,
        field.exchangeable,
        field.breakpoints,
    )
    assert one.runs == 3
