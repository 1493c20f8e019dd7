"""Constants of (6.3)–(6.5) against the field itself, the linearised system, and verdicts of (6.6)."""

import numpy as np
import pytest
import xarray as xr

from meanfield import wasserstein
from meanfield.studies import stability
from meanfield.studies.constants import constants
from meanfield.studies.growth import linear_rate
from meanfield.studies.inequalities import frozen_flows
from meanfield.studies.stability_bounds import informative_until, judge
from particles import EmpiricalMeasure, SelfAttention
from particles.errors import InvalidInput, NotSupported


def test_a_bound_is_vacuous_from_where_it_exceeds_the_diameter():
    time = np.array([0.0, 1.0, 2.0, 3.0])
    radius = xr.DataArray([1.0, 1.0, 1.0, 1.0], dims="time")
    for log_bound, until in (
        ([-2.0, 0.0, 1.0, 2.0], 1.0 + np.log(2.0)),
        ([-2.0, -1.0, 0.0, 0.5], np.inf),
        ([1.0, 2.0, 3.0, 4.0], 0.0),
        ([-2.0, 0.0, np.inf, np.inf], 1.0),
    ):
        ds = xr.Dataset({"log_bound": ("time", log_bound), "radius": radius}, {"time": time})
        assert float(informative_until(ds, "log_bound")) == pytest.approx(until)
    pairs = xr.concat([ds, ds.assign(log_bound=ds["log_bound"] * 0)], "seed")
    np.testing.assert_array_equal(informative_until(pairs, "log_bound"), [1.0, np.inf])


@pytest.mark.parametrize("V", [np.eye(2), -np.eye(2), np.diag([1.0, -0.5]), np.array([[0.0, 1.0], [-1.0, 0.0]])])
@pytest.mark.parametrize("rescaled", [False, True])
def test_6_6_is_verified(V, rescaled):
    rng = np.random.default_rng(0)
    model = SelfAttention(np.eye(2), np.eye(2), V)
    x = rng.uniform(-0.5, 0.5, (30, 2))
    mu, nu = EmpiricalMeasure(x), EmpiricalMeasure(x + 0.01 * rng.standard_normal((30, 2)))
    ds = stability(model.rescaled() if rescaled else model, mu, nu, np.linspace(0, 0.5, 6))
    assert (ds["verdict"] == 1).all()
    assert (ds["verdict_run"] == 1).all()
    assert (ds["verdict_coupled"] == 1).all()
    coupled, worst = (ds[name] - ds[name][0] for name in ("log_bound_coupled", "log_bound_run"))
    assert (coupled <= worst + ds["exponent_error"]).all()
    assert (ds["log_bound_run"] <= ds["log_bound"] + 1e-12).all()
    assert float(ds["lower"][0]) == pytest.approx(wasserstein(mu, nu), rel=1e-9)
    # W₂ of small perturbations grows no faster than the linear rate allows, to first order.
    assert (np.log(ds["distance"] / ds["distance"][0]) <= ds["log_growth_linear"] + 0.01).all()
    assert all(ds[name].attrs["units"] == "1" and ds[name].attrs["long_name"] for name in ds.data_vars)
    assert (ds["solver_error"] < 1e-6).all()


def test_a_known_growth_rate():
    # V = I, Q = K = 0: every token moves with the mean, x_i' = m, so a shift of all grows like e^t.
    x = np.random.default_rng(1).standard_normal((10, 2))
    model = SelfAttention(np.zeros((2, 2)), np.zeros((2, 2)), np.eye(2))
    ds = stability(model, EmpiricalMeasure(x), EmpiricalMeasure(x + np.array([0.1, 0.0])), [0.0, 0.5, 1.0])
    np.testing.assert_allclose(ds["growth_rate"][:-1], 1.0, rtol=1e-6)
    np.testing.assert_allclose(ds["linear_rate"], 1.0, rtol=1e-9)
    np.testing.assert_allclose(ds["log_bound"] - ds["log_bound"][0], [0, 0.5, 1.0], rtol=1e-6)


def test_verdicts():
    lower, upper = np.array([1.0, 2.0, 2.0, 5.0]), np.array([1.2, 2.1, 2.9, 5.5])
    exponent = np.log([1.0, 2.2, 2.2, 2.2])
    np.testing.assert_array_equal(judge(lower, upper, exponent), [1, 1, 0, 2])
    # An exponent known within ± error decides only where its whole range does.
    np.testing.assert_array_equal(judge(lower, upper, exponent, np.array([0.0, 0.1, 0.1, 0.1])), [1, 0, 0, 2])
    np.testing.assert_array_equal(judge(lower, upper, exponent, np.array([0.0, 0.1, 0.1, 1.0])), [1, 0, 0, 0])


def test_two_measures_at_the_origin_stay_there():
    model, mu = SelfAttention(np.eye(2), np.eye(2), np.eye(2)), EmpiricalMeasure(np.zeros((3, 2)))
    ds = stability(model, mu, mu, [0.0, 1.0])
    assert (ds["upper"] == 0).all()
    assert (ds["verdict"] != 2).all()
    assert frozen_flows(model, mu, mu, 0.1).holds


def test_what_is_refused():
    mu = EmpiricalMeasure(np.zeros((2, 1)))
    model = SelfAttention(1.0, 1.0, 1.0)
    with pytest.raises(InvalidInput, match="at least two"):
        stability(model, mu, mu, [0.0])
    with pytest.raises(InvalidInput, match="radius must be one positive"):
        constants(model, 0.0, 0.0)
    with pytest.raises(InvalidInput, match="t must be finite"):
        constants(model, np.nan, 1.0)
    with pytest.raises(InvalidInput, match="within must not be negative"):
        constants(model, 0.0, 1.0, within=-1.0)
    with pytest.raises(InvalidInput, match="support"):
        constants(model, 0.0, 1.0, support=[[0.0, 1.0]])
    with pytest.raises(InvalidInput, match="effort must be one of 'cheap', 'dual', 'certify', got 'exact'"):
        stability(model, mu, mu, [0.0, 1.0], effort="exact")
    with pytest.raises(InvalidInput, match="mu0 must be an EmpiricalMeasure, got ndarray"):
        stability(model, mu.points, mu, [0.0, 1.0])
    with pytest.raises(NotSupported, match="do not depend on time"):
        constants(SelfAttention(lambda t: np.array([[t]]), 1.0, 1.0), 0.0, 1.0)
    with pytest.raises(InvalidInput, match="original frame"):
        frozen_flows(model.rescaled(), mu, mu, 0.1)


def test_the_radius_is_that_of_both_clouds_and_the_rate_is_that_of_the_first():
    """V = I without scores: z' = m. The rate of whole atoms is 1 for any masses; the farthest token is one of nu."""
    zero = np.zeros((2, 2))
    mu = EmpiricalMeasure([[1.0, 0.0], [0.0, 0.5]], [0.9, 0.1])
    nu = EmpiricalMeasure([[0.0, -3.0], [0.0, 2.0]], [0.2, 0.8])
    ds = stability(SelfAttention(zero, zero, np.eye(2)), mu, nu, [0.0, 1e-9])
    assert float(ds["radius"][0]) == pytest.approx(3.0, rel=1e-12)
    turning = SelfAttention(np.eye(2), np.eye(2), np.eye(2))
    found = stability(turning, mu, nu, [0.0, 1e-9])
    own, _ = linear_rate(turning, 0.0, mu.points, mu.weights)
    other, _ = linear_rate(turning, 0.0, mu.points, nu.weights)
    assert float(found["linear_rate"][0]) == pytest.approx(own, rel=1e-12)
    assert abs(other - own) > 1e-3


def test_small_clouds_are_followed_as_closely():
    """With Q and K divided by it a cloud of any size is the same one, the error of the solver included."""
    found = []
    for s in (1.0, 1e-30):
        x, y = s * np.random.default_rng(0).standard_normal((2, 5, 2))
        model = SelfAttention(np.eye(2) / s, np.eye(2) / s, np.eye(2))
        found.append(stability(model, EmpiricalMeasure(x), EmpiricalMeasure(y), [0.0, 3.0]) / s)
    np.testing.assert_allclose(found[1]["distance"], found[0]["distance"], rtol=1e-9)
    assert 0.1 < found[1]["solver_error"][1] / found[0]["solver_error"][1] < 10


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_verdicts_compare_with_the_distance_at_the_start_in_any_unit(unit):
    """D(0) in [1, 1.1]: e^0.5 D(0) is at least 1.65 and at most 1.82 units."""
    lower, upper = unit * np.array([1.0, 1.0, 1.0, 1.9]), unit * np.array([1.1, 1.6, 1.7, 2.0])
    assert judge(lower, upper, np.array([0.0, 0.5, 0.5, 0.5])).tolist() == [1, 1, 0, 2]
