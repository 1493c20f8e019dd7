"""The velocity of a model on a tensor grid of points: one door for the schemes, dispatched on the model's type.

Softmax fields go axis by axis where the scores allow it. The score of query x and source y is ⟨Bx, y⟩:

- B diagonal: Bx runs over a tensor grid with x, and nested sums over one axis each give the average exactly,
  at O(N^{d+1}) instead of O(N^{2d}) (`particles/kernels/tensor.py`);
- B general: the average Φ(q) = Σ w y e^{⟨q, y⟩} / Σ w e^{⟨q, y⟩} is formed on a tensor grid of nodes that covers
  the box of Bx, and a spline of degree seven through it is evaluated at Bx. The nodes are refined by a factor of 3/2
  until two successive splines agree to the tolerance at every point; where that would cost more than the direct sum,
  the direct sum is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import singledispatch

import numpy as np
import numpy.typing as npt
from scipy.interpolate import NdBSpline, make_interp_spline

from meanfield.grid import Cells, along, tensor_points
from particles.checks import Array
from particles.errors import OutOfRange
from particles.kernels.tensor import tensor_average, tensor_cost
from particles.measure import Atoms
from particles.models.attention import SoftmaxField
from particles.models.base import Sum, VelocityField
from particles.models.bilinear import log_of

PAIRS = 2**22
"""Pairs of query and source that the default evaluates at a time, which bounds its memory."""

SLAB = 16
"""Indices along the first axis at which the components of the field are put together at a time."""

TOLERANCE = 1e-8
"""Error of the spline for a general B, relative to the largest distance of a source from the mean, where the model
names no tolerance of its own."""

DEGREE, MAX_NODES = 7, 2**23
"""Degree of the spline, and the nodes that it may have."""

NODE_COST, POINT_COST = 300, {2: 1_500, 3: 20_000}
"""Time to set up a node of the spline, and to evaluate it at a point in d dimensions, in exponentials (measured)."""


@singledispatch
def tensor_velocity(
    model: VelocityField, t: float, axes: tuple[Array, ...], mu: Cells, components: tuple[int, ...]
) -> tuple[Array, ...]:
    """Components of X_t[mu] at the points of a tensor grid `axes`, each of shape (len(axes[0]), …, len(axes[d−1])).

    The default asks model.velocity at every point, in batches: O(points × cells) for a sum over all pairs.
    """
    return _point_by_point(model, t, axes, mu, components)


def _point_by_point(
    model: VelocityField, t: float, axes: tuple[Array, ...], mu: Cells, components: tuple[int, ...]
) -> tuple[Array, ...]:
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


@tensor_velocity.register
def _(
    model: SoftmaxField, t: float, axes: tuple[Array, ...], mu: Cells, components: tuple[int, ...]
) -> tuple[Array, ...]:
    V, B, A = model.value_matrix(t), model.score_matrix(t), model.frame
    needed = [k for k in range(len(axes)) if V[list(components), k].any()]
    if np.array_equal(B, np.diag(np.diag(B))):
        queries = [B[k, k] * axis for k, axis in enumerate(axes)]
        averages = (
            tensor_average(queries, mu.grid.centres, log_of(np.maximum(mu.masses, 0.0)), needed)[0] if needed else []
        )
    else:
        masses = np.maximum(mu.masses, 0.0)
        found = _spline_averages(B, axes, mu.grid.centres, masses, needed, model.tolerance or TOLERANCE)
        if found is None:
            return _point_by_point(model, t, axes, mu, components)
        averages = found
    means = dict(zip(needed, averages, strict=True))
    out = tuple(np.empty(tuple(map(len, axes))) for _ in components)
    # By slabs of the first axis, so that the terms of the sums take little memory beside the means.
    for part in (slice(a, a + SLAB) for a in range(0, len(axes[0]), SLAB)):
        piece = {k: mean[part] for k, mean in means.items()}
        for c, total in zip(components, out, strict=True):
            total[part] = _component(c, V, A, piece, (axes[0][part], *axes[1:]))
    return out


def _component(c: int, V: Array, A: Array | None, means: dict[int, Array], axes: Sequence[Array]) -> Array:
    """Component c of V m − A x, written as V(m − x) where A = V, from the means that V needs."""
    total = np.zeros(tuple(map(len, axes)))
    own_frame = A is not None and np.array_equal(A, V)
    for k, axis in enumerate(axes):
        position = along(axis, k, len(axes))
        if V[c, k] != 0:
            total += V[c, k] * (means[k] - position if own_frame else means[k])
        if A is not None and not own_frame:
            total -= A[c, k] * position
    return total


def _spline_averages(
    B: Array, axes: Sequence[Array], sources: Sequence[Array], masses: Array, needed: Sequence[int], tolerance: float
) -> list[Array] | None:
    """Softmax averages of the coordinates `needed` at Bx, x on a tensor grid, within `tolerance` of their spread.

    None where the direct sum over all pairs is cheaper than the splines tried would be.
    """
    shape = tuple(map(len, axes))
    points = tensor_points(tuple(axes)) @ B.T
    low, high = points.min(axis=0), points.max(axis=0)
    logs = log_of(masses)
    reach = [np.ptp(y[np.flatnonzero(massive)]) for y, massive in zip(sources, _supports(masses), strict=True)]
    spread = math.hypot(*reach) / 2
    nodes = [
        max(DEGREE + 1, math.ceil(2 * (b - a) * r)) if b > a else 1 for a, b, r in zip(low, high, reach, strict=True)
    ]
    budget, lengths = len(points) * np.count_nonzero(masses), [len(y) for y in sources]
    previous = None
    while math.prod(nodes) <= MAX_NODES:
        budget -= tensor_cost(nodes, lengths, needed) + NODE_COST * len(needed) * math.prod(nodes)
        budget -= POINT_COST[len(axes)] * len(points)
        if budget < 0:
            return None
        grid = [np.linspace(a, b, n) for a, b, n in zip(low, high, nodes, strict=True)]
        values = np.stack(tensor_average(grid, sources, logs, needed)[0], axis=-1)
        current = _interpolate(grid, values, points)
        if previous is not None and np.max(np.abs(current - previous)) <= tolerance * spread:
            return [part.reshape(shape) for part in current.T]
        previous, nodes = current, [math.ceil(1.5 * n) if n > 1 else 1 for n in nodes]
    return None


def _supports(masses: Array) -> list[npt.NDArray[np.bool_]]:
    """For each axis, which of its cells carry mass."""
    every = range(masses.ndim)
    return [np.asarray(masses.any(axis=tuple(j for j in every if j != k))) for k in every]


def _interpolate(grid: Sequence[Array], values: Array, points: Array) -> Array:
    """Tensor spline of degree seven through `values` (n_1, …, n_d, e) at points (m, d); flat axes are left out."""
    knots, used = [], []
    for k, nodes in enumerate(grid):
        if len(nodes) > 1:
            spline = make_interp_spline(nodes, np.moveaxis(values, k, 0), k=DEGREE)
            values = np.moveaxis(spline.c, 0, k)
            knots.append(spline.t)
            used.append(k)
    coefficients = values.reshape([n for n in values.shape[:-1] if n > 1] + [values.shape[-1]])
    return np.asarray(NdBSpline(tuple(knots), np.ascontiguousarray(coefficients), DEGREE)(points[:, used]))


def cell_velocity(model: VelocityField, t: float, mu: Cells) -> tuple[Array, ...]:
    """X_t[mu] at the cell centres: d arrays of shape grid.shape."""
    with _saying_when(t):
        return tensor_velocity(model, t, mu.grid.centres, mu, tuple(range(mu.grid.dim)))


@contextmanager
def _saying_when(t: float) -> Iterator[None]:
    try:
        yield
    except OutOfRange as error:
        if error.time is not None:
            raise
        raise OutOfRange(f"{error} at t = {t:g}: stop before that time", time=t) from None


def face_velocities(model: VelocityField, t: float, mu: Cells) -> tuple[Array, ...]:
    """The normal component of X_t[mu] at the face centres: d arrays, the k-th with N_k + 1 entries along axis k."""
    grid = mu.grid
    out = []
    for k in range(grid.dim):
        axes = tuple(grid.edges[j] if j == k else grid.centres[j] for j in range(grid.dim))
        with _saying_when(t):
            out.append(tensor_velocity(model, t, axes, mu, (k,))[0])
    return tuple(out)
