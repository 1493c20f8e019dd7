"""Face values of a density from its cell averages along one axis: upwind, limited linear, central WENO.

Every function takes averages with the axis first, shape (N, ...), and the cell edges (N + 1,), and returns the
values from the left and from the right at the N + 1 faces. Outside the box the density is zero.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import perm

import numpy as np

from particles.checks import Array

Limiter = Callable[[Array, Array, Array, Array], Array]
"""A limiter: the size of the slope to take, from the sizes a, b ≥ 0 of the slopes towards the left and the right
neighbour, of one sign, and the distances of those neighbours in half widths of the cell (2 on a uniform grid).
What would carry a face value beyond a neighbour's average is cut, and at an extreme the slope is 0, whatever it is."""


def minmod(a: Array, b: Array, left: Array, right: Array) -> Array:
    """The smaller of the two: the most diffusive."""
    return np.minimum(a, b)


def van_leer(a: Array, b: Array, left: Array, right: Array) -> Array:
    """The harmonic mean."""
    # Halved first: the product of two tiny slopes would underflow before it is divided.
    return np.asarray(2 * np.minimum(a, b) * (np.maximum(a, b) / np.maximum(a + b, np.finfo(float).tiny)))


def mc(a: Array, b: Array, left: Array, right: Array) -> Array:
    """Monotonised central: the slope of the parabola through three averages, exact on any spacing."""
    return np.asarray((a * right + b * left) / (left + right))


def superbee(a: Array, b: Array, left: Array, right: Array) -> Array:
    """The steepest: sharp fronts, and smooth waves squared."""
    return np.maximum(np.minimum(a * left, b), np.minimum(a, b * right))


LIMITERS: dict[str, Limiter] = {"minmod": minmod, "van_leer": van_leer, "mc": mc, "superbee": superbee}
"""The limiters of the linear reconstruction by name."""


def upwind(averages: Array, edges: Array) -> tuple[Array, Array]:
    """Piecewise constant, first order."""
    return _at_faces(averages, averages)


def limited_linear(averages: Array, edges: Array, limiter: Limiter) -> tuple[Array, Array]:
    """Piecewise linear with limited slopes, second order; face values stay between the neighbours' averages."""
    rise = 0.5 * _column(np.diff(edges), averages) * limited_slopes(averages, edges, limiter)
    return _at_faces(averages - rise, averages + rise)


def _at_faces(low: Array, high: Array) -> tuple[Array, Array]:
    wall = np.zeros_like(low[:1])
    return np.concatenate([wall, high]), np.concatenate([low, wall])


def _column(values: Array, like: Array) -> Array:
    return values.reshape(-1, *[1] * (like.ndim - 1))


def limited_slopes(averages: Array, edges: Array, limiter: Limiter) -> Array:
    """Limited slopes of the averages, shape (N, ...), on any spacing.

    Their bound is the slope at which a face value would reach the neighbour's average.
    """
    widths = np.diff(edges)
    padded = np.concatenate([widths[:1], widths, widths[-1:]])
    gaps = (padded[1:] + padded[:-1]) / 2
    zero = np.zeros_like(averages[:1])
    slopes = np.diff(np.concatenate([zero, averages, zero]), axis=0) / _column(gaps, averages)
    left, right = (_column(2 * gap / widths, averages) for gap in (gaps[:-1], gaps[1:]))
    a, b = np.abs(slopes[:-1]), np.abs(slopes[1:])
    bound = np.minimum(a * left, b * right)
    size = np.clip(limiter(a, b, left, right), 0.0, bound)
    return np.where(slopes[:-1] * slopes[1:] > 0, np.sign(slopes[:-1]) * size, 0.0)


CENTRAL, SIDE = 0.5, (0.125, 0.25, 0.125)
"""Linear weights of the quartic and of the three parabolas; any positive numbers of sum 1 give the same order."""


def central_weno(averages: Array, edges: Array) -> tuple[Array, Array]:
    """Central WENO, fifth order on smooth data and any spacing (CWENO-Z: Cravero, Semplice and Visconti 2019).

    A quartic through five averages and three parabolas through three each are blended by their roughness; then each
    cell's face values are drawn towards its average until none is negative (Zhang and Shu 2010).
    """
    flat = averages.reshape(len(averages), -1)
    low, high = np.empty_like(flat), np.empty_like(flat)
    scale = max(float(flat.max()), np.finfo(float).tiny)
    for a in range(0, flat.shape[1], SLAB):
        part = slice(a, a + SLAB)
        low[:, part], high[:, part] = _blend(flat[:, part] / scale, edges)
    low *= scale
    high *= scale
    return _at_faces(low.reshape(averages.shape), high.reshape(averages.shape))


SLAB = 4096
"""Columns reconstructed at a time, which bounds the memory."""


def _blend(averages: Array, edges: Array) -> tuple[Array, Array]:
    quartic, parabolas = _stencils(edges.tobytes())
    n = len(averages)
    ghosts = np.zeros((2, averages.shape[1]))
    padded = np.concatenate([ghosts, averages, ghosts])
    window = np.stack([padded[j : j + n] for j in range(5)])
    full = np.einsum("nkj,jnm->knm", quartic, window)
    parts = [np.einsum("nkj,jnm->knm", parabolas[s], window[s : s + 3]) for s in range(3)]
    rough = [_roughness(full), *map(_roughness, parts)]
    contrast = np.abs(rough[1] - rough[3])
    weights = [d * (1 + (contrast / (r + 1e-60)) ** 2) for d, r in zip((CENTRAL, *SIDE), rough, strict=True)]
    total = sum(weights)
    faces = []
    for side in (-0.5, 0.5):
        values = [_at(p, side) for p in parts]
        central = (_at(full, side) - sum(d * v for d, v in zip(SIDE, values, strict=True))) / CENTRAL
        faces.append(sum(w * v for w, v in zip(weights, (central, *values), strict=True)) / total)
    least = np.minimum(faces[0], faces[1])
    pull = np.where(least < 0, averages / np.where(least < 0, averages - least, 1.0), 1.0)
    low, high = (np.maximum(averages + pull * (face - averages), 0.0) for face in faces)
    return low, high


def _at(coefficients: Array, xi: float) -> Array:
    return np.asarray(np.tensordot(xi ** np.arange(len(coefficients)), coefficients, axes=1))


def _roughness(coefficients: Array) -> Array:
    """Σ_{l ≥ 1} ∫ (d^l P/dξ^l)² dξ over the cell −½ < ξ < ½ (Jiang and Shu), for P = Σ_k a_k ξ^k."""
    form = ROUGHNESS[: len(coefficients), : len(coefficients)]
    return np.asarray(np.einsum("knm,kl,lnm->nm", coefficients, form, coefficients, optimize=True))


def _roughness_form(degree: int) -> Array:
    form = np.zeros((degree + 1, degree + 1))
    for m in range(degree + 1):
        for n in range(degree + 1):
            for order in range(1, min(m, n) + 1):
                power = m + n - 2 * order
                if power % 2 == 0:
                    form[m, n] += perm(m, order) * perm(n, order) * 0.5**power / (power + 1)
    return form


ROUGHNESS = _roughness_form(4)


@lru_cache(maxsize=16)
def _stencils(edges: bytes) -> tuple[Array, list[Array]]:
    """Matrices from averages to the coefficients in ξ = (x − c_i)/h_i: (N, 5, 5), and three of (N, 3, 3)."""
    e = np.frombuffer(edges)
    w = np.diff(e)
    padded = np.concatenate([e[0] - np.cumsum(w[:2])[::-1], e, e[-1] + np.cumsum(w[-2:][::-1])])
    centres = (e[1:] + e[:-1]) / 2
    window = np.stack([padded[j : j + len(w)] for j in range(6)], axis=1)
    xi = (window - centres[:, None]) / w[:, None]

    def inverse(faces: Array, degree: int) -> Array:
        k = np.arange(degree + 1)
        powers = faces[:, :, None] ** (k + 1) / (k + 1)
        return np.asarray(np.linalg.inv(np.diff(powers, axis=1) / np.diff(faces, axis=1)[:, :, None]))

    return inverse(xi, 4), [inverse(xi[:, s : s + 4], 2) for s in range(3)]
