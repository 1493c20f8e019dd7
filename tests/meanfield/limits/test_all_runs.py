"""Certificates and hypotheses of ensembles are those of their runs."""

import numpy as np
import pytest

from meanfield import limits
from particles import Ensemble, SelfAttention, simulate, whole_states, write_netcdf
from particles.errors import InvalidInput

I2 = np.eye(2)
X = np.random.default_rng(0).standard_normal((4, 8, 2))
MIXED = Ensemble(tuple(SelfAttention(I2, I2, s * I2) for s in (1.0, -1.0)), repeat=2)


def test_an_ensemble_has_the_certificates_of_its_runs(tmp_path):
    model = SelfAttention(I2, I2, I2).rescaled()
    ds = simulate(model, X, [0.0, 2.0, 4.0])
    found = limits.certify(ds)
    assert found["limit"].dims == ("run", "particle", "component")
    for run in range(4):
        one = limits.certify(ds.isel(run=run))
        assert str(found["status"][run].values) == one.status
        assert str(found["reason"][run].values) == one.reason
        np.testing.assert_array_equal(found["limit"][run], one.limits)
        np.testing.assert_array_equal(found["bound"][run], one.bound)
        np.testing.assert_array_equal(found["leader"][run], one.leaders)
        np.testing.assert_array_equal(found["distance"][run], one.distance)
        assert found["phase_time"][run] == one.phase_time or np.isnan(one.phase_time)
    write_netcdf(found, tmp_path / "certificates.nc")


def test_each_run_of_an_ensemble_of_fields_is_certified_with_its_own_field():
    ds = simulate(MIXED, X, [0.0, 0.5, 1.0])
    found = limits.certify(ds)
    assert found["theorem"].values.tolist() == ["3.1", "3.1", "8.5", "8.5"]
    assert found["status"].values.tolist()[2:] == ["proved", "proved"]
    picked = limits.certify(ds.isel(run=[3, 0]))
    assert picked["theorem"].values.tolist() == ["8.5", "3.1"]
    assert picked["run"].values.tolist() == [3, 0]


def test_hypotheses_of_an_ensemble():
    ds = simulate(MIXED, X, [0.0, 0.1])
    for ensemble in (ds, MIXED):
        found = limits.hypotheses(ensemble)
        assert found["theorem"].values.tolist() == ["3.1", "3.1", "8.5", "8.5"]
        assert found["positive"].values.tolist() == [2, 2, 0, 0]
    assert limits.hypotheses(MIXED.fields[1]).theorem == "8.5"
    alone = simulate(MIXED.fields[1], X[0], [0.0, 0.1])
    assert limits.hypotheses(alone).theorem == limits.hypotheses_of(MIXED.fields[1]).theorem
    same = limits.hypotheses(simulate(MIXED.fields[1], X, [0.0, 0.1]))
    assert same["theorem"].values.tolist() == ["8.5"] * 4


def test_a_thinned_ensemble_is_certified_from_its_two_states():
    model = SelfAttention(I2, I2, I2).rescaled()
    ds = simulate(model, X, [0.0, 2.0, 4.0], every=3)
    np.testing.assert_array_equal(limits.certify(ds)["limit"], limits.certify(whole_states(ds))["limit"])


def test_certify_run_takes_one_run():
    ds = simulate(MIXED, X, [0.0, 0.1])
    with pytest.raises(InvalidInput, match="certify takes one run"):
        limits.certify_run(ds)


def test_progress_counts_the_runs():
    calls = []
    limits.certify(simulate(MIXED, X, [0.0, 0.1]), progress=lambda *counts: calls.append(counts))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
