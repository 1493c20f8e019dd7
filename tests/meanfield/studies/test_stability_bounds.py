"""Constants of (6.3)–(6.5) against the field itself, the linearised system, and verdicts of (6.6)."""

import numpy as np
import pytest
import xarray as xr

from meanfield import wasserstein
from meanfield.studies import stability
from meanfield.studies.constants import constants, sharp_products
from meanfield.studies.growth import jacobian, labelled_rate, linear_rate, splitting_rate
from meanfield.studies.inequalities import frozen_flows, orders
from meanfield.studies.stability_bounds import informative_until, judge
from particles import EmpiricalMeasure, SelfAttention
from particles.errors import InvalidInput, NotSupported


def heads(seed, d, frame=False):
    rng = np.random.default_rng(seed)
    model = SelfAttention(*rng.standard_normal((3, d, d)))
    return model.rescaled() if frame else model + SelfAttention(*rng.standard_normal((3, d, d)))


def in_ball(rng, n, d, radius):
    points = rng.standard_normal((n, d))
    return EmpiricalMeasure(radius * points / np.linalg.norm(points, axis=1).max(), rng.dirichlet(np.full(n, 0.3)))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("frame", [False, True])
def test_no_measure_in_the_ball_beats_the_constants(seed, frame):
    rng = np.random.default_rng(seed)
    d, t, R = 1 + seed % 3, 0.3, rng.uniform(0.2, 1.2)
    model = heads(seed, d, frame)
    found = constants(model, t, R)
    for _ in range(5):
        mu, nu = in_ball(rng, 6, d, R), in_ball(rng, 5, d, R)
        x = in_ball(rng, 40, d, R).points
        v = model.velocity(t, x, mu)
        step = 1e-6 * rng.standard_normal(x.shape)
        difference = (model.velocity(t, x + step, mu) - v) / np.linalg.norm(step, axis=1)[:, None]
        unit = step / np.linalg.norm(step, axis=1)[:, None]
        assert np.linalg.norm(difference, axis=1).max() <= found.in_space * (1 + 1e-4)
        assert (difference * unit).sum(axis=1).max() <= found.one_sided + 1e-4 * found.in_space
        assert np.linalg.norm(v, axis=1).max() <= found.size * (1 + 1e-12)
        gap = np.linalg.norm(v - model.velocity(t, x, nu), axis=1).max()
        assert gap <= np.exp(found.log_in_measure) * wasserstein(mu, nu, 1)
        assert gap <= np.exp(found.log_in_measure_w2) * wasserstein(mu, nu, 2)
        both = np.concatenate((mu.points, nu.points, x))
        sharper = constants(model, t, R, support=both)
        assert sharper.growth <= found.growth * (1 + 1e-12)
        assert gap <= np.exp(sharper.log_in_measure_w2) * wasserstein(mu, nu, 2)


def test_the_constant_in_space_is_attained():
    # Two equal masses at ±R u, u the maximiser of |Vu||Bᵀu|: at x = 0 the covariance is R² u uᵀ.
    V, R = np.diag([3.0, 1.0]), 0.7
    model = SelfAttention(np.eye(2), np.eye(2), V)
    mu = EmpiricalMeasure([[R, 0.0], [-R, 0.0]])
    slope = (model.velocity(0, np.array([[1e-5, 0.0]]), mu) - model.velocity(0, np.array([[-1e-5, 0.0]]), mu)) / 2e-5
    assert constants(model, 0.0, R).in_space == pytest.approx(3 * R**2, rel=1e-9)
    assert np.linalg.norm(slope) == pytest.approx(3 * R**2, rel=1e-6)


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_sharp_products_against_many_directions(d):
    rng = np.random.default_rng(d)
    V, B = rng.standard_normal((2, d, d))
    u = rng.standard_normal((20000, d))
    u /= np.linalg.norm(u, axis=1)[:, None]
    first, second = u @ V.T, u @ B
    sizes = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    kappa, symmetric = sharp_products(V, B)
    assert sizes.max() <= kappa <= np.linalg.norm(V, 2) * np.linalg.norm(B, 2) * (1 + 1e-12)
    assert (0.5 * ((first * second).sum(axis=1) + sizes)).max() <= symmetric + 1e-12
    if d <= 3:
        assert sizes.max() >= 0.8 * kappa
    assert sharp_products(-np.eye(d), np.eye(d))[1] == pytest.approx(0.0, abs=1e-9)


def test_6_5_fails_on_the_whole_space():
    # ν moves ε of the mass of δ₀ to 1: W₁ = ε, but far out all attention goes to that mass.
    model = SelfAttention(1.0, 1.0, 1.0)
    mu = EmpiricalMeasure([0.0])
    for eps in (1e-2, 1e-6):
        nu = EmpiricalMeasure([0.0, 1.0], [1 - eps, eps])
        x = np.array([[100.0]])
        assert np.linalg.norm(model.velocity(0, x, mu) - model.velocity(0, x, nu)) > 0.99
        assert wasserstein(mu, nu, 1) == pytest.approx(eps)


@pytest.mark.parametrize("frame", [False, True])
def test_jacobian_against_differences(frame):
    rng = np.random.default_rng(3)
    model, x, w = heads(5, 2, frame), rng.standard_normal((4, 2)), rng.dirichlet(np.ones(4))
    J = jacobian(model, 0.2, x, w)
    for k in range(8):
        step = np.zeros(8)
        step[k] = 1e-5
        forward = model.particle_velocity(0.2, x + step.reshape(4, 2), w)
        backward = model.particle_velocity(0.2, x - step.reshape(4, 2), w)
        np.testing.assert_allclose(J[:, k], ((forward - backward) / 2e-5).ravel(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_no_small_perturbation_grows_faster_than_the_labelled_rate(seed):
    rng = np.random.default_rng(seed)
    model, x, w = heads(seed, 2), rng.standard_normal((6, 2)), rng.dirichlet(np.ones(6))
    rate, direction = labelled_rate(model, 0.0, x, w)

    def growth(z):
        dz = (model.particle_velocity(0, x + 1e-6 * z, w) - model.particle_velocity(0, x - 1e-6 * z, w)) / 2e-6
        return (w @ (z * dz).sum(axis=1)) / (w @ (z * z).sum(axis=1))

    assert growth(direction) == pytest.approx(rate, rel=1e-5)
    assert max(growth(rng.standard_normal((6, 2))) for _ in range(50)) < rate
    assert np.isnan(linear_rate(model, 0.0, np.zeros((601, 2)), np.full(601, 1 / 601))[0])


def test_one_atom_can_split_although_it_is_attracted():
    # V = −1, one atom: moved as a whole it is drawn back at the rate 1, but its halves feel no field that parts them.
    model, x, w = SelfAttention(1.0, 1.0, -1.0), np.array([[0.7]]), np.ones(1)
    assert labelled_rate(model, 0.0, x, w)[0] == -1.0
    rate, direction = linear_rate(model, 0.0, x, w)
    assert (rate, abs(direction[0, 0])) == (0.0, 1.0)


@pytest.mark.parametrize("frame", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_halves_of_an_atom_part_at_the_splitting_rate(seed, frame):
    rng = np.random.default_rng(seed)
    model, x, w = heads(seed, 2, frame), rng.standard_normal((4, 2)), rng.dirichlet(np.ones(4))
    rate, direction = splitting_rate(model, 0.2, x, w)
    i = int(np.argmax(np.abs(direction).max(axis=1)))
    assert w @ (direction**2).sum(axis=1) == pytest.approx(1.0)
    eps = 1e-4 * direction[i] / np.linalg.norm(direction[i])
    halves, masses = np.vstack([x, x[i] - eps]), np.append(w, w[i] / 2)
    halves[i] += eps
    masses[i] /= 2
    v = model.particle_velocity(0.2, halves, masses)
    gap = halves[i] - halves[-1]
    assert (v[i] - v[-1]) @ gap / (gap @ gap) == pytest.approx(rate, rel=1e-6, abs=1e-7)
    assert linear_rate(model, 0.2, x, w)[0] == max(rate, labelled_rate(model, 0.2, x, w)[0])


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


def test_lanczos_agrees_with_the_dense_eigenvalues():
    rng = np.random.default_rng(0)
    model, x, w = heads(0, 2), 0.5 * rng.standard_normal((80, 2)), np.full(80, 1 / 80)
    J = jacobian(model, 0.0, x, w)
    assert labelled_rate(model, 0.0, x, w)[0] == pytest.approx(np.linalg.eigvalsh(0.5 * (J + J.T))[-1], rel=1e-9)
    assert labelled_rate(model, 0.0, x, w)[0] == labelled_rate(model, 0.0, x, w)[0]


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


def test_inequalities_6_7_and_6_8():
    rng = np.random.default_rng(2)
    for seed in range(5):
        mu, nu = in_ball(rng, 15, 2, 1.0), in_ball(rng, 12, 2, 1.0)
        first, second = orders(mu, nu)
        assert first.holds
        assert second.holds
        assert second.slack >= 1
        flows = frozen_flows(heads(seed, 2), mu, nu, 0.1)
        assert flows.holds
    # One atom each: all distances agree, and the diameter is that distance.
    first, second = orders(EmpiricalMeasure([[0.0, 0.0]]), EmpiricalMeasure([[3.0, 4.0]]))
    assert first.left == 5.0
    assert second.right == pytest.approx(5.0, rel=1e-15)


def test_particles_without_mass_change_nothing():
    model = SelfAttention(np.eye(2), np.eye(2), np.diag([1.0, -0.5]))
    x = np.random.default_rng(4).standard_normal((5, 2))
    w = np.array([0.2, 0.0, 0.3, 0.5, 0.0])
    rate, direction = labelled_rate(model, 0.0, x, w)
    alone, same = labelled_rate(model, 0.0, x[w > 0], w[w > 0])
    assert rate == alone
    np.testing.assert_array_equal(direction[w > 0], same)
    assert (direction[w == 0] == 0).all()
    ds = stability(model, EmpiricalMeasure(x, w), EmpiricalMeasure(x + 0.01), [0.0, 0.1])
    assert (ds["verdict_run"] == 1).all()


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
