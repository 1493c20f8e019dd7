"""What a run must be to be read."""

import numpy as np
import pytest
from certified import TIMES, random_points

from meanfield import limits
from particles import SelfAttention, simulate
from particles.errors import InvalidInput


def test_ensembles_are_refused_and_their_runs_accepted():
    model = SelfAttention(1.0, 1.0, 1.0).rescaled()
    ds = simulate(model, random_points(15, 20, 1).reshape(2, 10, 1), TIMES)
    with pytest.raises(InvalidInput, match=r"isel\(run=k\)"):
        limits.certify_run(ds)
    assert limits.certify_run(ds.isel(run=1)).theorem == "2.1"


def test_one_time_of_a_run_is_certified_with_its_dimension():
    model = SelfAttention(np.eye(2), np.eye(2), -np.eye(2))
    ds = simulate(model, [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [0, 0.1])
    with pytest.raises(InvalidInput, match=r"isel\(time=\[k\]\)"):
        limits.certify(ds.isel(time=0))
    assert limits.certify(ds.isel(time=[0])).status == "proved"


def test_positions_that_are_not_finite_are_refused_by_time_and_token():
    for V in (-1.0, 1.0):
        ds = simulate(SelfAttention(1.0, 1.0, V), random_points(32, 4, 1), [0.0, 0.5, 1.0]).copy(deep=True)
        ds.position.values[2, 3] = np.nan
        with pytest.raises(InvalidInput, match=r"token 3 is not at t = 1; .*slice\(2\)"):
            limits.certify(ds)
        limits.certify(ds.isel(time=slice(2)))


def test_times_at_which_e_to_the_tV_overflows_are_left_out():
    """x in the original frame with λ = −40 in V: e^{−tV} leaves float64 near t = 17.7."""
    ds = simulate(
        SelfAttention(np.eye(2), np.eye(2), np.diag([0.5, -40.0])), [[1.0, 0.1], [0.5, 0.2]], [0.0, 17.0, 19.0]
    )
    assert limits.certify(ds).times.tolist() == [0.0, 17.0]


def test_part_of_the_tokens_and_times_out_of_order_are_no_run():
    """Every second token has an equation of its own: nothing may be stated of it in the name of the run."""
    ds = simulate(SelfAttention(1.0, 1.0, 1.0), random_points(3, 6, 1), [0.0, 0.5, 1.0])
    with pytest.raises(InvalidInput, match=r"3 tokens sum to 0.5.*no run of its own, certify the whole Dataset"):
        limits.certify(ds.isel(particle=slice(None, None, 2)))
    with pytest.raises(InvalidInput, match="strictly increasing"):
        limits.certify(ds.isel(time=slice(None, None, -1)))
    unsigned = ds.copy(deep=True)
    unsigned.weight.values[:2] = -0.1, 1.0 / 3.0 + 0.1
    with pytest.raises(InvalidInput, match="masses have no sign"):
        limits.certify(unsigned, enclose=True)


def test_narrower_numbers_are_computed_with_in_float64():
    ds = simulate(SelfAttention(1.0, 1.0, 1.0), [-2.0, 1.0, 2.0], [0.0, 0.5, 1.0])
    narrow = limits.certify(ds.astype("float32"), enclose=True)
    exact = limits.certify(ds.astype("float32").astype(float), enclose=True)
    assert narrow.status == exact.status == "proved"
    np.testing.assert_array_equal(narrow.limits, exact.limits)
    np.testing.assert_array_equal(narrow.bound, exact.bound)
