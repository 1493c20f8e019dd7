"""Lower bounds on W₂ from one-dimensional projections.

For orthonormal q_1, …, q_d and any coupling, E|x − y|² = Σ_k E⟨q_k, x − y⟩², so W₂² ≥ Σ_k W₂(⟨q_k, ·⟩#μ, ⟨q_k, ·⟩#ν)².
Each term is at least the squared difference of the means plus that of the standard deviations along q_k. Summed over
any basis the first part is |mean difference|²; over the eigenvectors of the optimal map between the two covariances
the whole is Gelbrich's bound (Gelbrich 1990, Theorem 2.1). So slicing along that basis is at least as
sharp as both, and they need no evaluation of their own.
"""

from __future__ import annotations

import numpy as np

from meanfield.distances.bounds.clouds import Cloud, Pair
from meanfield.distances.bounds.couplings import corner
from meanfield.distances.bounds.rounding import UNIT, exact_sum, gamma
from particles.checks import Array


def squared_lower(pair: Pair, basis: Array) -> float:
    """A true lower bound on W₂² by slicing along the columns of `basis` (d, d), orthonormal up to rounding."""
    d = len(basis)
    defect = float(np.linalg.norm(basis.T @ basis - np.eye(d))) + d * gamma(d + 2)
    # A projection is off by at most γ_d |x| |q|, which moves the projected measure by that root mean square.
    slack = sum(gamma(d + 2) * (1.0 + defect) * _root_mean_square(c) for c in (pair.x, pair.y))
    total = 0.0
    for k in range(d):
        u, v = pair.x.points @ basis[:, k], pair.y.points @ basis[:, k]
        sliced = np.sqrt(squared_on_line(pair.x, u, pair.y, v)) - slack
        total += max(sliced, 0.0) ** 2
    return total * (1.0 - defect - gamma(d + 8))


def squared_on_line(x: Cloud, u: Array, y: Cloud, v: Array) -> float:
    """A true lower bound on W₂² of the measures with the clouds' weights on the line at u (n,) and v (m,)."""
    if x.uniform and y.uniform and len(u) == len(v):
        difference = np.sort(u) - np.sort(v)
        return float(np.mean(difference * difference)) * (1.0 - gamma(len(u) + 8))
    i, j = np.argsort(u, kind="stable"), np.argsort(v, kind="stable")
    plan = corner(x.weights[i], y.weights[j])
    difference = u[i][plan.i] - v[j][plan.j]
    cost = float(np.einsum("k,k->", plan.mass, difference * difference)) * (1.0 - gamma(len(plan.mass) + 8))
    # Monotone, so optimal for its own marginals a', b'. Potentials of |x − y|² on a line of length D are 2D-Lipschitz
    # and D |a − a'|₁ / 2 bounds W₁(a, a'), so W₂² moves by at most D² (|a − a'|₁ + |b − b'|₁). Each step of the corner
    # rule rounds what is left of one row and one column by u of itself at most.
    width = max(float(max(u.max(), v.max()) - min(u.min(), v.min())), 0.0) * (1.0 + 4.0 * UNIT)
    drift = _rounded_off(plan.i, x.weights[i]) + _rounded_off(plan.j, y.weights[j])
    gap = 2.0 * (x.mass_error + y.mass_error)
    return max(cost - width * width * (drift + gap), 0.0)


def project_on(pair: Pair, direction: Array) -> tuple[Array, Array, float]:
    """The projections of both clouds on a vector of length at most 1, and by how much rounding moves any of them."""
    d = len(direction)
    shrunk = direction * (1.0 - gamma(2 * d + 16)) / max(float(np.linalg.norm(direction)), 1e-300)
    reach = max(float(np.sqrt(np.einsum("nd,nd->n", c.points, c.points).max())) for c in (pair.x, pair.y))
    return pair.x.points @ shrunk, pair.y.points @ shrunk, gamma(d + 2) * reach * (1.0 + gamma(d + 8))


def gelbrich_basis(pair: Pair) -> Array:
    """Orthonormal eigenvectors (d, d) of the optimal map between Gaussians of the clouds' covariances."""
    return _symmetric(gaussian_map(pair))[1]


def gaussian_map(pair: Pair) -> Array:
    """H = S^{-1/2} (S^{1/2} T S^{1/2})^{1/2} S^{-1/2}, S and T the covariances, S regularised where it is singular."""
    s, t = _covariance(pair.x), _covariance(pair.y)
    s += np.eye(len(s)) * (1e-10 * np.trace(s) + np.finfo(float).tiny)
    values, vectors = _symmetric(s)
    root = (vectors * np.sqrt(values)) @ vectors.T
    inverse = (vectors / np.sqrt(values)) @ vectors.T
    values, vectors = _symmetric(root @ t @ root)
    return inverse @ ((vectors * np.sqrt(values)) @ vectors.T) @ inverse


def rotations(d: int, count: int, rng: np.random.Generator) -> list[Array]:
    """Random orthonormal bases (d, d)."""
    return [np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(count)]


def _rounded_off(index: np.ndarray, weights: Array) -> float:
    steps = np.bincount(index, minlength=len(weights))
    return UNIT * float(np.einsum("k,k->", steps, weights)) * (1.0 + gamma(len(weights) + 2))


def _covariance(cloud: Cloud) -> Array:
    centred = cloud.points - cloud.weights @ cloud.points
    covariance: Array = (centred.T * cloud.weights) @ centred
    return covariance


def _symmetric(matrix: Array) -> tuple[Array, Array]:
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return np.maximum(values, 0.0), vectors


def _root_mean_square(cloud: Cloud) -> float:
    squares = np.einsum("nd,nd->n", cloud.points, cloud.points)
    return float(np.sqrt(exact_sum(cloud.weights * squares))) * (1.0 + gamma(cloud.points.shape[1] + 8))
