"""Diagnostics of an ensemble are those of its runs, each with the field of its own."""

import numpy as np
import pytest

from meanfield.analysis import clusters, diagnostics
from particles import Ensemble, SelfAttention, simulate

I2 = np.eye(2)
X = np.random.default_rng(0).standard_normal((4, 6, 2))
MODEL = Ensemble(tuple(SelfAttention(s * I2, I2, -I2) for s in (1.0, 2.0)), repeat=2)


@pytest.fixture(scope="module")
def ds():
    return simulate(MODEL, X, np.linspace(0.0, 0.4, 5))


@pytest.mark.parametrize(
    "function",
    [
        diagnostics.mass,
        diagnostics.mean,
        diagnostics.covariance,
        diagnostics.support_radius,
        diagnostics.interaction_energy,
        diagnostics.weak_residual,
        clusters.leaders,
        clusters.attention_rank,
        clusters.effective_rank,
        clusters.attention_entropy,
        lambda ds: clusters.cluster_count(ds, distance=0.1),
        clusters.hull_volume,
    ],
)
def test_each_run_is_read_as_if_it_had_been_made_alone(function, ds):
    found = function(ds)
    assert found.dims[:2] == ("run", "time")
    for run in range(4):
        alone = simulate(MODEL.of_run(run), X[run], ds["time"].values)
        of_one = function(alone)
        np.testing.assert_array_equal(found[run], of_one)
        assert found.attrs == of_one.attrs


def test_runs_that_are_picked_keep_their_fields(ds):
    found = diagnostics.interaction_energy(ds.isel(run=[3]))
    np.testing.assert_array_equal(found, diagnostics.interaction_energy(ds)[3:])
