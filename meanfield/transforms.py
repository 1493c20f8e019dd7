"""The velocity of a model on a tensor grid of points: one door for the schemes, dispatched on the model's type."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from meanfield.grid import Cells, along, tensor_points
from particles.checks import Array
from particles.measure import Atoms
from particles.models.base import Sum, VelocityField

PAIRS = 2**22
"""Pairs of query and source that the default evaluates at a time, which bounds its memory."""


@singledispatch
def tensor_velocity(
    model: VelocityField, t: float, axes: tuple[Array, ...], mu: Cells, components: tuple[int, ...]
) -> tuple[Array, ...]:
    """Components of X_t[mu] at the points of a tensor grid `axes`, each of shape (len(axes[0]), …, len(axes[d−1])).

    The default asks model.velocity at every point, in batches: O(points × cells) for a sum over all pairs.
    """
    points, shape = tensor_points(axes), tuple(map(len, axes))
    atoms = Atoms(mu.points, mu.weights)
    out = np.empty((len(components), len(points)))
    batch = max(1, PAIRS // len(atoms.weights))
    for a in range(0, len(points), batch):
        out[:, a : a + batch] = model.velocity(t, points[a : a + batch], atoms)[:, components].T
    return tuple(part.reshape(shape) for part in out)


@tensor_velocity.register
def _(model: Sum, t: float, axes: tuple[Array, ...], mu: Cells, components: tuple[int, ...]) -> tuple[Array, ...]:
    parts = [tensor_velocity(term, t, axes, mu, components) for term in model.terms]
    totals = [np.sum(part, axis=0) for part in zip(*parts, strict=True)]
    if model.frame is not None:
        # Each term carries the drift −A z of the frame; the sum carries it once.
        for total, k in zip(totals, components, strict=True):
            for j, axis in enumerate(axes):
                total += (len(parts) - 1) * model.frame[k, j] * along(axis, j, len(axes))
    return tuple(totals)


def cell_velocity(model: VelocityField, t: float, mu: Cells) -> tuple[Array, ...]:
    """X_t[mu] at the cell centres: d arrays of shape grid.shape."""
    return tensor_velocity(model, t, mu.grid.centres, mu, tuple(range(mu.grid.dim)))


def face_velocities(model: VelocityField, t: float, mu: Cells) -> tuple[Array, ...]:
    """The normal component of X_t[mu] at the face centres: d arrays, the k-th with N_k + 1 entries along axis k."""
    grid = mu.grid
    out = []
    for k in range(grid.dim):
        axes = tuple(grid.edges[j] if j == k else grid.centres[j] for j in range(grid.dim))
        out.append(tensor_velocity(model, t, axes, mu, (k,))[0])
    return tuple(out)
