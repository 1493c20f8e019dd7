"""Linear attention: X[μ](x) = ∫ ⟨Qx, Ky⟩ V y dμ(y) = V M B x, M = ∫ y yᵀ dμ, B = KᵀQ. Closed for every finite n.

Positions move by one matrix Φ(t), M = Φ M₀ Φᵀ. With V = σ v(t) I, B = β(t) I, σ = ±1: M' = 2σvβ M², so
M = (M₀⁻¹ − 2στ)⁻¹ with τ = ∫ vβ, and Φ' = σvβ M Φ gives Φ = (I − 2στ M₀)^{−1/2}.
"""

import numpy as np
from scipy.integrate import solve_ivp


def second_moment(x, w=None):
    """M = Σ_j w_j x_j x_jᵀ."""
    w = np.full(len(x), 1 / len(x)) if w is None else np.asarray(w)
    return (x.T * w) @ x


def positions(x0, tau, sign=1, w=None):
    """x(t) = (I − 2 sign τ M₀)^{−1/2} x₀, τ = t for V = sign·I and B = I; blow-up at τ = 1/(2 λ_max(M₀)) for sign 1."""
    values, vectors = np.linalg.eigh(second_moment(x0, w))
    return x0 @ (vectors * (1 - 2 * sign * tau * values) ** -0.5) @ vectors.T


def positions_by_matrix(x0, V, B, t, w=None):
    """x(t) = Φ(t) x₀ for any V, B (constant or functions of t): Φ' = V ΦM₀Φᵀ B Φ, by DOP853 at its tightest."""
    d = x0.shape[1]
    M0 = second_moment(x0, w)

    def at(M, s):
        return np.atleast_2d(M(s) if callable(M) else M)

    def slope(s, y):
        phi = y.reshape(d, d)
        return (at(V, s) @ phi @ M0 @ phi.T @ at(B, s) @ phi).ravel()

    phi = solve_ivp(slope, (0, t), np.eye(d).ravel(), method="DOP853", rtol=3e-14, atol=1e-16).y[:, -1]
    return x0 @ phi.reshape(d, d).T
