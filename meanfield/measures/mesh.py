"""The cells of a moved mesh between their vertices: volumes, orientation, mean density, centres."""

from __future__ import annotations

import itertools

import numpy as np

from particles.checks import Array

GAUSS = 0.5 + np.array([-0.5, 0.5]) / np.sqrt(3)
"""The two Gauss nodes of (0, 1): they integrate the determinant of a multilinear map exactly for d ≤ 3."""


def _corner(vertices: Array, corner: tuple[int, ...]) -> Array:
    """The corner of every cell that lies at the given end of each axis, (n_1, …, n_d, d)."""
    return vertices[tuple(slice(1, None) if end else slice(None, -1) for end in corner)]


def _jacobian(vertices: Array, place: tuple[float, ...]) -> Array:
    """det of the multilinear map of every cell at a place in (0, 1)^d, shape (n_1, …, n_d)."""
    d = vertices.shape[-1]
    columns = []
    for k in range(d):
        column = np.zeros_like(_corner(vertices, (0,) * d))
        for corner in itertools.product((0, 1), repeat=d):
            weight = np.prod(
                [u if end else 1 - u for j, (u, end) in enumerate(zip(place, corner, strict=True)) if j != k]
            )
            column = column + (weight if corner[k] else -weight) * _corner(vertices, corner)
        columns.append(column)
    return np.asarray(np.linalg.det(np.stack(columns, axis=-1)))


def corner_volumes(vertices: Array) -> Array:
    """det of the multilinear map of every cell at its corners, (n_1, …, n_d, 2^d); ≤ 0 where it has turned over."""
    d = vertices.shape[-1]
    return np.stack([_jacobian(vertices, c) for c in itertools.product((0.0, 1.0), repeat=d)], axis=-1)


def cell_volumes(vertices: Array) -> Array:
    """The signed volumes of the cells, shape (n_1, …, n_d)."""
    d = vertices.shape[-1]
    return np.asarray(np.mean([_jacobian(vertices, place) for place in itertools.product(GAUSS, repeat=d)], axis=0))


def mean_density(cell_mass: Array, vertices: Array) -> Array:
    """Mass over volume of every cell; NaN where it has turned over: a flow keeps every det DΦ > 0.

    At the centre of a disc two corners of a cell are one point, where det is 0.
    """
    volumes = cell_volumes(vertices)
    folded = ~((corner_volumes(vertices) >= 0).all(axis=-1) & (volumes > 0))
    return np.asarray(np.where(folded, np.nan, cell_mass / np.where(folded, 1.0, volumes)))


def corners(vertices: Array) -> Array:
    """The corners of every cell, shape (n_1, …, n_d, 2^d, d)."""
    d = vertices.shape[-1]
    return np.stack([_corner(vertices, c) for c in itertools.product((0, 1), repeat=d)], axis=-2)


def centres(vertices: Array) -> Array:
    """The mean of the corners of every cell, shape (n_1, …, n_d, d)."""
    return np.asarray(corners(vertices).mean(axis=-2))
