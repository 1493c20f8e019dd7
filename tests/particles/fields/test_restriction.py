"""Fields on the sphere: tangency, steps that stay on it, energies of SA and USA, the equiangular curve."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from particles import RK4, Adaptive, Diffusion, EmpiricalMeasure, Euler, EulerMaruyama, SelfAttention, Torus, simulate
from particles.errors import InvalidInput, NotSupported, RunStopped
from particles.fields.field import VelocityField, restricted


def sphere(n, d, seed):
    x = np.random.default_rng(seed).normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def attention(beta, d, normalization="softmax", sign=1.0):
    return SelfAttention(beta * np.eye(d), np.eye(d), sign * np.eye(d), normalization=normalization)


@pytest.mark.parametrize("normalization", ["softmax", "none"])
def test_field_is_the_projected_double_loop(normalization):
    n, d, beta = 7, 3, 1.7
    x = sphere(n, d, 0)
    w = np.random.default_rng(1).dirichlet(np.ones(n))
    expected = np.zeros((n, d))
    for i in range(n):
        e = w * np.exp(beta * x @ x[i])
        mean = (e / e.sum() if normalization == "softmax" else e) @ x
        expected[i] = mean - np.dot(x[i], mean) * x[i]
    model = attention(beta, d, normalization).on_sphere()
    np.testing.assert_allclose(model.particle_velocity(0.0, x, w), expected, atol=1e-14)
    np.testing.assert_allclose(model.velocity(0.0, x, EmpiricalMeasure(x, w)), expected, atol=1e-14)


@pytest.mark.parametrize("method", [Euler(dt=0.1), RK4(dt=0.1), Adaptive()])
def test_steps_stay_on_the_sphere_to_rounding(method):
    ds = simulate(attention(4.0, 3).on_sphere(), sphere(12, 3, 2), np.linspace(0, 5, 6), method)
    np.testing.assert_allclose(np.linalg.norm(ds.position, axis=-1), 1.0, rtol=4e-16)


@pytest.mark.parametrize(("method", "order"), [(Euler, 1), (RK4, 4)])
def test_projection_keeps_the_order(method, order):
    x0 = sphere(6, 3, 3)
    model = attention(2.0, 3).on_sphere()
    exact = simulate(model, x0, [0.0, 1.0], Adaptive(1e-12, 1e-13)).position[-1].values
    errors = [
        np.abs(simulate(model, x0, [0.0, 1.0], method(dt)).position[-1].values - exact).max() for dt in (0.1, 0.05)
    ]
    assert abs(np.log2(errors[0] / errors[1]) - order) < 0.3


@pytest.mark.parametrize("beta", [0.5, 3.0])
def test_equiangular_tokens_follow_their_scalar_equation(beta):
    n, rho0 = 5, 0.2
    gram = rho0 + (1 - rho0) * np.eye(n)
    x0 = np.linalg.cholesky(gram)
    ds = simulate(attention(beta, n).on_sphere(), x0, [0.0, 1.0, 3.0])
    curve = solve_ivp(
        lambda t, r: 2 * (1 - r) * ((n - 1) * r + 1) / (np.exp(beta * (1 - r)) + n - 1),
        (0, 3), [rho0], t_eval=[1.0, 3.0], rtol=1e-11, atol=1e-13,
    )  # fmt: skip
    for k, rho in enumerate(curve.y[0]):
        x = ds.position[k + 1].values
        np.testing.assert_allclose((x @ x.T)[np.triu_indices(n, 1)], rho, rtol=1e-8)


def test_surface_divergence_on_the_circle_is_the_derivative_in_the_angle():
    model = attention(2.0, 2).on_sphere()
    mu = EmpiricalMeasure(sphere(8, 2, 4))

    def at(angle):
        return np.column_stack([np.cos(angle), np.sin(angle)])

    def speed(angle):
        return np.sum(model.velocity(0.0, at(angle), mu) * np.column_stack([-np.sin(angle), np.cos(angle)]), axis=1)

    angles = np.linspace(0.1, 6, 11)
    h = 1e-5
    numeric = (speed(angles + h) - speed(angles - h)) / (2 * h)
    np.testing.assert_allclose(VelocityField.divergence(model, 0.0, at(angles), mu), numeric, atol=1e-8)


def test_sums_and_sphere_commute_and_what_has_no_meaning_is_refused():
    one, two = attention(1.0, 3), attention(2.0, 3, sign=-0.3)
    x, w = sphere(6, 3, 5), np.full(6, 1 / 6)
    a = (one + two).on_sphere().particle_velocity(0.0, x, w)
    b = (one.on_sphere() + two.on_sphere()).particle_velocity(0.0, x, w)
    np.testing.assert_allclose(a, b, atol=1e-15)
    assert len((one + two).on_sphere().terms) == 2
    with pytest.raises(InvalidInput, match="unit sphere"):
        simulate(one.on_sphere(), 1.01 * x, [0.0, 1.0])
    with pytest.raises(NotSupported, match="add in the whole space first"):
        one.on_sphere() + two
    with pytest.raises(NotSupported, match="state space of its own"):
        one.on_sphere().in_frame(np.eye(3))
    with pytest.raises(NotSupported, match="frame"):
        one.rescaled().on_sphere()
    with pytest.raises(NotSupported, match="d ≥ 2"):
        attention(1.0, 1).on_sphere()


class LateNoise(VelocityField):
    """No drift; isotropic noise until t = 1, then not."""

    dim = 2

    def velocity(self, t, x, mu):
        return np.zeros_like(x)

    def diffusion(self, t):
        return np.diag([0.1, 0.1 if t < 1 else 0.2])


@pytest.mark.parametrize("where", ["on_sphere", "on_circle"])
def test_noise_that_ceases_to_be_isotropic_stops_the_run(where):
    model = getattr(LateNoise(), where)()
    x0 = sphere(4, 2, 0) if where == "on_sphere" else [0.0, 1.0, 2.0, 3.0]
    with pytest.raises(NotSupported, match="must be isotropic"):
        model.diffusion(1.5)
    with pytest.raises(RunStopped, match="must be isotropic"):
        simulate(model, x0, [0.0, 2.0], EulerMaruyama(0.1), rng=0)


def test_a_wrapper_forwards_what_it_does_not_change():
    noisy = attention(1.0, 2) + Diffusion(0.3)
    for model in (noisy.on_sphere(), noisy.on_circle()):
        assert model.noisy
        assert model.exchangeable
        np.testing.assert_array_equal(model.diffusion(0.0), 0.3 * np.eye(model.dim))
        assert model.summation(10) == noisy.summation(10) != ""
        assert [type(term) for term in model.terms] == [type(model)] * 2


def test_a_space_without_a_restriction_is_named():
    with pytest.raises(NotSupported, match="Torus"):
        restricted(Torus(1.0), attention(1.0, 2))


def test_the_origin_has_no_tangent():
    with pytest.raises(InvalidInput, match="the origin"):
        attention(1.0, 2).on_sphere().velocity(0.0, np.zeros((1, 2)), EmpiricalMeasure(np.eye(2)))


def test_noise_of_one_direction_is_refused_where_the_field_is_made():
    uneven = attention(1.0, 2) + Diffusion([[1.0, 0.0], [0.0, 2.0]])
    for restrict in (VelocityField.on_sphere, VelocityField.on_circle):
        with pytest.raises(NotSupported):
            restrict(uneven)
    assert (attention(1.0, 2) + Diffusion(0.1)).on_sphere().noisy
