"""A few tokens in symmetric positions: the particle system is one or two scalar equations."""

import numpy as np
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq


def _invert(slope, y0, t):
    """y(t) for y' = slope(y), slope of one sign: solves ∫_{y0}^{y} ds/slope(s) = t, by quadrature and bisection."""

    def time_to(y):
        return quad(lambda s: 1 / slope(s), y0, y, epsabs=1e-14, epsrel=1e-13, limit=200)[0] - t

    y, forward = y0, np.sign(slope(y0))
    while time_to(y) < 0:
        y = y * 1.5 if forward > 0 else y / 1.5
    return brentq(time_to, *sorted((y0, y)), xtol=1e-15, rtol=1e-14)


def symmetric_pair(u0, tau):
    """|x|² of two tokens ±x, Q = K = I, V = v(t)I, at τ = ∫v: u' = 2u tanh u.

    At x the weights are e^{u} and e^{−u}, so X(x) = v x tanh u.
    """
    return _invert(lambda u: 2 * u * np.tanh(u), u0, tau)


def two_tokens(m0, r0, t):
    """(m, r) of two tokens m ± r, Q = K = V = I, weights ½.

    At x the weights of m ± r stand as e^{±2⟨x, r⟩}, so x' = m + r tanh⟨x, r⟩; with a, b = tanh⟨m ± r, r⟩
    m' = m + r(a + b)/2 and r' = r(a − b)/2: r keeps its direction e, and only s = ⟨m, e⟩ and ρ = |r| interact.
    """
    m0, r0 = np.asarray(m0, float), np.asarray(r0, float)
    rho0 = np.linalg.norm(r0)
    e = r0 / rho0

    def slope(_, y):
        s, rho = y
        a, b = np.tanh(rho * (s + rho)), np.tanh(rho * (s - rho))
        return [s + rho * (a + b) / 2, rho * (a - b) / 2]

    s, rho = solve_ivp(slope, (0, t), [m0 @ e, rho0], method="DOP853", rtol=3e-14, atol=1e-16).y[:, -1]
    across = m0 - (m0 @ e) * e
    return np.exp(t) * across + s * e, rho * e


def polygon(n):
    """The n corners of the regular polygon of radius 1."""
    angle = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def polygon_radius(n, rho0, tau):
    """Radius of n tokens on a regular polygon, Q = K = I, V = v(t)I, at τ = ∫v.

    By symmetry X points along the token: ρ' = v ρ Σ_j cos θ_j e^{ρ² cos θ_j} / Σ_j e^{ρ² cos θ_j}, θ_j = 2πj/n.
    """
    c = np.cos(2 * np.pi * np.arange(n) / n)

    def slope(rho):
        weight = np.exp(rho**2 * (c - 1))
        return rho * (c @ weight) / weight.sum()

    return _invert(slope, rho0, tau)


def simplex(n):
    """The n corners of a regular simplex of radius 1 in R^{n−1}: inner products −1/(n − 1)."""
    corners = np.eye(n) - 1 / n
    basis = np.linalg.svd(corners)[2][: n - 1]
    points = corners @ basis.T
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def simplex_radius(n, rho0, tau):
    """Radius of n tokens on a regular simplex, Q = K = I, V = v(t)I: Σ_{j≠i} x_j = −x_i, so X(x_i) ∥ x_i:

    ρ' = v ρ (e^{ρ²} − e^{−ρ²/(n−1)}) / (e^{ρ²} + (n − 1) e^{−ρ²/(n−1)}).
    """

    def slope(rho):
        ratio = np.exp(-(rho**2) * n / (n - 1))
        return rho * (1 - ratio) / (1 + (n - 1) * ratio)

    return _invert(slope, rho0, tau)


def equiangular_cosine(n, rho0, beta, t):
    """Cosine ρ between any two of n equiangular tokens on the sphere, attention at inverse temperature β, V = I.

    ρ' = 2(1 − ρ)((n − 1)ρ + 1) / (e^{β(1−ρ)} + n − 1): with p = e^β/Z on the diagonal and q = e^{βρ}/Z off it,
    the tangent part of Σ_j P_ij x_j is q Σ_{j≠i} (x_j − ρ x_i), and ρ' = 2⟨x_i', x_k⟩.
    """

    def slope(_, r):
        return 2 * (1 - r) * ((n - 1) * r + 1) / (np.exp(beta * (1 - r)) + n - 1)

    return solve_ivp(slope, (0, t), [rho0], method="DOP853", rtol=3e-14, atol=1e-16).y[0, -1]
