"""Gauss rules on cells whose density is not constant: exact for the polynomials that Gauss–Legendre has for a constant.

Where a cell is as wide as the density in it, the nodes of Gauss–Legendre with weights in proportion to the density are
far from its first moments; Gauss nodes of the density itself are exact for them.
"""

from __future__ import annotations

import numpy as np

from meanfield.measures.cells import outer
from meanfield.measures.gauss_legendre import gauss_legendre
from particles.checks import Array

CONSTANT = 1e-12
"""Relative deviation of a density from its mean within which a cell takes the nodes of Gauss–Legendre, bit for bit."""

FLOOR = 1e-14
"""Least share of a cell's mass that a sample is taken to have: with fewer samples than nodes there would be no rule."""


def gauss_rule(places: Array, masses: Array, count: int) -> Array:
    """The Gauss nodes of discrete measures on the line, each on the same places; (cell, count), increasing.

    The three-term recurrence of their orthogonal polynomials by Stieltjes' procedure, and the eigenvalues of its Jacobi
    matrix: Gautschi, Orthogonal Polynomials, 2.2 and 3.1.

    Parameters
    ----------
    places : array (m,)
        Where the measures have mass, m ≥ count.
    masses : array (cell, m)
        The masses, not negative, of total 1.
    count : int
        The number of nodes.
    """
    masses = np.maximum(masses, FLOOR)
    before, now = np.zeros_like(masses), np.ones_like(masses)
    norm, beta = np.ones(len(masses)), np.zeros(len(masses))
    jacobi = np.zeros((len(masses), count, count))
    for k in range(count):
        square = (masses * now**2).sum(axis=1)
        if k:
            beta = square / norm
            jacobi[:, k, k - 1] = jacobi[:, k - 1, k] = np.sqrt(beta)
        norm = square
        alpha = (masses * now**2) @ places / norm
        jacobi[:, k, k] = alpha
        before, now = now, (places - alpha[:, None]) * now - beta[:, None] * before
    return np.asarray(np.linalg.eigvalsh(jacobi))


def cell_rules(places: Array, weights: Array, masses: Array, count: int) -> tuple[Array, Array]:
    """Nodes and shares of the mass of cells (0, 1)^d from their masses at a tensor rule.

    Along each axis the nodes are the Gauss nodes of the marginal density, and the weights integrate the tensor product
    of their Lagrange polynomials: Gauss's rule where the density is a product, of the same order where it is none.
    Cells of constant density, and those without mass, have the rule of Gauss and Legendre bit for bit.

    Parameters
    ----------
    places, weights : arrays (m,)
        The rule on (0, 1).
    masses : array (cell, m, …, m)
        Density times weights.
    count : int
        Nodes along an axis, at most m.

    Returns
    -------
    nodes : array (cell, count, d)
        The nodes along each axis.
    shares : array (cell, count, …, count)
        Their weights, total 1 in each cell; some are negative where the axes depend on each other too much.
    """
    d = masses.ndim - 1
    axes = tuple(range(1, d + 1))
    even = outer([weights] * d)
    total = masses.sum(axis=axes, keepdims=True)
    masses = np.where(total > 0, masses / np.where(total > 0, total, 1.0), even)
    legendre, legendre_weights = gauss_legendre(count)
    constant = (np.abs(masses / even - 1) <= CONSTANT).all(axis=axes)
    nodes = np.empty((len(masses), count, d))
    shares = masses
    for k in range(d):
        marginal = masses.sum(axis=tuple(j + 1 for j in range(d) if j != k))
        level = (np.abs(marginal / weights - 1) <= CONSTANT).all(axis=1)
        nodes[:, :, k] = np.where(level[:, None], (legendre + 1) / 2, gauss_rule(places, marginal, count))
        # The axis k of the samples becomes the axis k of the nodes.
        moved = np.moveaxis(shares, k + 1, -1)
        lagrange = _lagrange(nodes[:, :, k], places).reshape(len(masses), *[1] * (d - 1), len(places), count)
        shares = np.moveaxis((moved[..., None, :] @ lagrange)[..., 0, :], -1, k + 1)
    shares[constant] = outer([legendre_weights / 2] * d)
    return nodes, shares


def _lagrange(nodes: Array, at: Array) -> Array:
    """The Lagrange polynomials of nodes (cell, q) at points (m,): (cell, m, q)."""
    cells, count = nodes.shape
    out = np.ones((cells, len(at), count))
    for j in range(count):
        for i in range(count):
            if i != j:
                out[:, :, j] *= (at - nodes[:, i, None]) / (nodes[:, j, None] - nodes[:, i, None])
    return out
