"""Gaussian closure: attention maps Gaussians to Gaussians.

For μ = N(m, S) and score yᵀBx, the measure e^{yᵀBx} dμ(y), normalised, is N(m + SBx, S): complete the square in
−½(y − m)ᵀS⁻¹(y − m) + yᵀBx. So X[μ](x) = V(m + SBx) is affine in x, and along x' = X

    m' = V(I + SB)m,        S' = (VSB)S + S(VSB)ᵀ  (+ 2D with noise √(2D) dW).
"""

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm, sqrtm


def field(x, m, S, V, B):
    """X[N(m, S)](x) = V(m + S B x) for points x (k, d)."""
    return (m + x @ (S @ B).T) @ V.T


def closure(m0, S0, V, B, t, D=None):
    """(m, S) at time t, by DOP853 at the tightest tolerance that it takes; V, B constant or functions of t."""
    m0, S0 = np.atleast_1d(np.asarray(m0, float)), np.atleast_2d(np.asarray(S0, float))
    d = len(m0)

    def at(M, s):
        return np.atleast_2d(M(s) if callable(M) else M)

    noise = np.zeros((d, d)) if D is None else 2 * np.atleast_2d(D)

    def slope(s, y):
        m, S = y[:d], y[d:].reshape(d, d)
        G = at(V, s) @ S @ at(B, s)
        return np.concatenate([at(V, s) @ m + G @ m, (G @ S + S @ G.T + noise).ravel()])

    end = solve_ivp(slope, (0, t), np.concatenate([m0, S0.ravel()]), method="DOP853", rtol=3e-14, atol=1e-16).y[:, -1]
    return end[:d], end[d:].reshape(d, d)


def power(S, p):
    """S^p for a symmetric positive definite S."""
    values, vectors = np.linalg.eigh(S)
    return (vectors * values**p) @ vectors.T


def contracting(m0, S0, t):
    """V = −I, B = I: S' = −2S², so S⁻¹ grows by 2t; m' = −(I + S)m, and ∫S = ½ log(I + 2tS₀)."""
    S0 = np.atleast_2d(S0)
    I = np.eye(len(S0))  # noqa: E741
    return np.exp(-t) * power(I + 2 * t * S0, -0.5) @ np.atleast_1d(m0), np.linalg.inv(np.linalg.inv(S0) + 2 * t * I)


def contracting_flow(x0, m0, S0, t):
    """Where x₀ goes for V = −I, B = I: (x − m)' = −S(x − m), so x − m = (I + 2tS₀)^{−1/2} (x₀ − m₀)."""
    S0 = np.atleast_2d(S0)
    m, _ = contracting(m0, S0, t)
    return m + (x0 - np.atleast_1d(m0)) @ power(np.eye(len(S0)) + 2 * t * S0, -0.5)


def expanding(m0, S0, t):
    """V = B = I: S' = 2S², S⁻¹ falls by 2t until t* = 1/(2 λ_max(S₀)); m' = (I + S)m."""
    S0 = np.atleast_2d(S0)
    I = np.eye(len(S0))  # noqa: E741
    return np.exp(t) * power(I - 2 * t * S0, -0.5) @ np.atleast_1d(m0), np.linalg.inv(np.linalg.inv(S0) - 2 * t * I)


J = np.array([[0.0, -1.0], [1.0, 0.0]])


def rotating(S0, t):
    """V = J, B = I, d = 2, m = 0: S' = [J, S²] = tr(S)[J, S] since S² = tr(S)S − det(S)I; so S = RS₀Rᵀ, R = e^{tτJ}.

    τ = tr S₀; the period of S is π/τ, the eigenvalues are conserved.
    """
    R = expm(t * np.trace(S0) * J)
    return R @ S0 @ R.T


def rotating_flow(x0, S0, t):
    """Where x₀ goes: y = e^{−tτJ}x has y' = J(S₀ − τI)y, a constant matrix."""
    tau = np.trace(S0)
    return x0 @ (expm(t * tau * J) @ expm(t * J @ (S0 - tau * np.eye(2)))).T


def contracting_in_time(x0, m0, s0, a, b):
    """V = −v(t), B = β(t), d = 1, at a time where a = ∫v and b = ∫vβ: s = s₀/(1 + 2 s₀ b).

    s' = −2vβs²; m' = −v(1 + βs)m, and ∫vβs = ½ log(1 + 2s₀b); (x − m)' = −vβs(x − m).
    """
    factor = (1 + 2 * s0 * b) ** -0.5
    return np.exp(-a) * factor * m0 + factor * (x0 - m0)


def stationary_variance(kappa):
    """d = 1, V = −1, B = 1, noise √(2κ) dW: s' = −2s² + 2κ, so s → √κ."""
    return np.sqrt(kappa)


def noisy_variance(s0, kappa, t):
    """The same at time t: s' = 2(κ − s²) is a Riccati equation, s = √κ tanh(2√κ t + artanh(s₀/√κ)), s₀ < √κ."""
    root = np.sqrt(kappa)
    return root * np.tanh(2 * root * t + np.arctanh(s0 / root))


def sinkhorn_slope(S, V):
    """S' = VC + CVᵀ for doubly-normalised attention with kernel e^{⟨x, y⟩}: C = ((I + 4S²)^{1/2} − I)/2.

    The coupling e^{⟨x, y⟩} a(x) b(y) μμ with both marginals N(0, S) is Gaussian, and −I stands off the diagonal of its
    precision: S⁻¹C(S − CS⁻¹C)⁻¹ = I. All commute with S, so C = S² − C².
    """
    C = np.real(sqrtm(np.eye(len(S)) + 4 * S @ S) - np.eye(len(S))) / 2
    return V @ C + C @ V.T


def nodes(m, S, k):
    """Gauss–Hermite points and weights of N(m, S): moments up to degree 2k − 1 in each axis are exact."""
    m, S = np.atleast_1d(np.asarray(m, float)), np.atleast_2d(np.asarray(S, float))
    z, w = np.polynomial.hermite_e.hermegauss(k)
    grids = np.meshgrid(*[z] * len(m), indexing="ij")
    masses = np.meshgrid(*[w / w.sum()] * len(m), indexing="ij")
    return m + np.stack(grids, -1).reshape(-1, len(m)) @ np.linalg.cholesky(S).T, np.prod(masses, axis=0).ravel()
