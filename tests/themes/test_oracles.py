"""The closed forms themselves, checked against their equations: a wrong oracle is worse than none."""

import numpy as np
import pytest
from oracles import gaussian, linear_attention, tokens, uniform


def derivative(f, t, h=1e-3):
    """Sixth-order central difference."""
    return sum(c * (f(t + k * h) - f(t - k * h)) for k, c in ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60))) / h


S0 = np.array([[0.2, 0.05], [0.05, 0.1]])
M0 = np.array([0.4, -0.3])


@pytest.mark.parametrize(("form", "V"), [(gaussian.contracting, -np.eye(2)), (gaussian.expanding, np.eye(2))])
def test_gaussian_special_cases_follow_the_closure(form, V):
    m, S = form(M0, S0, 0.7)
    m_ode, S_ode = gaussian.closure(M0, S0, V, np.eye(2), 0.7)
    np.testing.assert_allclose(m, m_ode, rtol=1e-12)
    np.testing.assert_allclose(S, S_ode, rtol=1e-12)


def test_rotating_gaussian_follows_the_closure_and_returns_after_its_period():
    _, S_ode = gaussian.closure(np.zeros(2), S0, gaussian.J, np.eye(2), 1.3)
    np.testing.assert_allclose(gaussian.rotating(S0, 1.3), S_ode, rtol=1e-12)
    np.testing.assert_allclose(gaussian.rotating(S0, np.pi / np.trace(S0)), S0, rtol=1e-12)
    x = np.array([[1.0, 2.0]])
    slope = gaussian.field(gaussian.rotating_flow(x, S0, 1.3), np.zeros(2), S_ode, gaussian.J, np.eye(2))
    np.testing.assert_allclose(derivative(lambda t: gaussian.rotating_flow(x, S0, t), 1.3), slope, rtol=1e-10)


def test_gaussian_flows_are_flows_of_the_gaussian_field():
    x = np.array([[1.0, -2.0], [0.3, 0.1]])
    m, S = gaussian.contracting(M0, S0, 0.8)
    slope = gaussian.field(gaussian.contracting_flow(x, M0, S0, 0.8), m, S, -np.eye(2), np.eye(2))
    np.testing.assert_allclose(
        derivative(lambda t: gaussian.contracting_flow(x, M0, S0, t), 0.8), slope, rtol=1e-9, atol=1e-11
    )


def test_noise_and_its_stationary_variance():
    _, S = gaussian.closure([0.0], [[0.1]], -1.0, 1.0, 0.9, D=0.3)
    assert S[0, 0] == pytest.approx(gaussian.noisy_variance(0.1, 0.3, 0.9), rel=1e-12)
    assert gaussian.noisy_variance(0.1, 0.3, 40.0) == pytest.approx(gaussian.stationary_variance(0.3), rel=1e-12)


def test_sinkhorn_cross_covariance_is_the_fixed_point_of_sinkhorn():
    """One-dimensional Sinkhorn iterations on a fine grid, from the definition."""
    s, x = 0.6, np.linspace(-6, 6, 241)
    mass = np.exp(-(x**2) / (2 * s))
    mass /= mass.sum()
    kernel = np.exp(x[:, None] * x[None])
    a = np.ones_like(x)
    for _ in range(400):
        a = np.sqrt(a / (kernel @ (a * mass)))
    cross = (a * mass * x) @ kernel @ (a * mass * x)
    assert gaussian.sinkhorn_slope(np.array([[s]]), np.array([[1.0]]))[0, 0] == pytest.approx(2 * cross, rel=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
def test_linear_attention_by_formula_and_by_matrix_equation(sign):
    x0 = np.random.default_rng(1).uniform(-1, 1, (9, 3))
    w = np.random.default_rng(2).dirichlet(np.ones(9))
    np.testing.assert_allclose(
        linear_attention.positions(x0, 0.4, sign, w),
        linear_attention.positions_by_matrix(x0, sign * np.eye(3), np.eye(3), 0.4, w),
        rtol=1e-11,
        atol=1e-13,
    )


def test_two_tokens_contain_the_symmetric_pair():
    r0 = np.array([0.6, 0.3])
    m, r = tokens.two_tokens([0, 0], r0, 0.9)
    np.testing.assert_allclose(m, 0, atol=1e-15)
    assert r @ r == pytest.approx(tokens.symmetric_pair(r0 @ r0, 0.9), rel=1e-12)


def test_polygons_and_simplices_agree_where_they_are_the_same_figure():
    assert tokens.polygon_radius(2, 0.7, 1.1) ** 2 == pytest.approx(tokens.symmetric_pair(0.49, 1.1), rel=1e-12)
    assert tokens.simplex_radius(2, 0.7, 1.1) == pytest.approx(tokens.polygon_radius(2, 0.7, 1.1), rel=1e-12)
    assert tokens.simplex_radius(3, 0.7, 1.1) == pytest.approx(tokens.polygon_radius(3, 0.7, 1.1), rel=1e-12)
    corners = tokens.simplex(4)
    np.testing.assert_allclose(corners @ corners.T, np.full((4, 4), -1 / 3) + 4 / 3 * np.eye(4), atol=1e-14)


def test_equiangular_tokens_on_the_sphere():
    """ρ' from the definition: project Σ_j P_ij x_j on the tangent plane of each of four equiangular tokens."""
    n, rho, beta = 4, 0.3, 1.7
    x = np.linalg.cholesky((1 - rho) * np.eye(n) + rho)
    P = np.exp(beta * x @ x.T)
    P /= P.sum(axis=1, keepdims=True)
    speed = P @ x
    speed -= (speed * x).sum(axis=1, keepdims=True) * x
    rate = speed[0] @ x[1] + x[0] @ speed[1]
    assert derivative(lambda t: tokens.equiangular_cosine(n, rho, beta, t), 0.0) == pytest.approx(rate, rel=1e-9)


def test_uniform_field_across_its_series():
    x = np.array([-3.0, -0.05, -0.049, 1e-6, 0.02, 0.0499, 0.0501, 1.0])
    y, w = uniform.nodes(1.0, 30)
    weight = np.exp(x[:, None] * y[:, 0]) * w
    np.testing.assert_allclose(uniform.field(1.0, x), (weight @ y)[:, 0] / weight.sum(axis=1), rtol=1e-12, atol=1e-15)
