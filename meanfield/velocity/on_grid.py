"""The velocity of a model on a tensor grid of points: one function for the schemes, dispatched on the model's type.

Softmax fields go axis by axis where the scores allow it. The score of query x and source y is ⟨Bx, y⟩:

- B diagonal: Bx runs over a tensor grid with x, and nested sums over one axis each give the average exactly,
  at O(N^{d+1}) instead of O(N^{2d}) (`particles/kernels/tensor.py`);
- B general: the average Φ(q) = Σ w y e^{⟨q, y⟩} / Σ w e^{⟨q, y⟩} is formed on a tensor grid of nodes that covers
  the box of Bx, and a spline of degree seven through it is evaluated at Bx. The nodes are refined by a factor of 3/2
  until two successive splines agree to the tolerance at every point, which estimates the error and does not bound it
  (a bound would need the eighth derivatives of Φ, ninth cumulants of the sources, and the constants of the spline);
  where that would cost more than the direct sum, the direct sum is taken. A grid of points is halved until the nodes
  of each part are few (NODES): the box of half a grid is half as long, so that both parts need no more nodes than one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import singledispatch
from typing import NamedTuple

import numpy as np

from meanfield.measures.grid import Cells, Grid, along, tensor_points
from meanfield.velocity.convolution import convolved
from meanfield.velocity.splines import DEGREE, evaluate, to_coefficients
from particles.checks import Array
from particles.errors import NotSupported, OutOfRange, RunStopped
from particles.fields.field import Sum, VelocityField
from particles.kernels.tensor import tensor_average, tensor_cost
from particles.models.attention import SoftmaxField, softmax_head
from particles.models.bilinear import log_of
from particles.models.potentials import pair_potential

PAIRS = 2**22
"""Pairs of query and source that the default evaluates at a time, which bounds its memory."""

SLAB = 16
"""Indices along the first axis at which the components of the field are assembled at a time."""

TOLERANCE = 1e-8
"""Error of the spline for a general B, relative to the largest distance of a source from the mean, where the model
names no tolerance of its own."""

NODES = 2**20
"""Values at nodes, over all components, that a spline may have on any grid; on larger ones half as many as points."""

EXPONENTIAL_COST, NODE_COST, POINT_COST = 2, 40, {2: 130, 3: 340}
"""Time of an exponential on the nodes, of a node's coefficient and of a value at a point of R^d, in pairs of the direct
sum (measured)."""


@singledispatch
def tensor_velocity(
    model: VelocityField, t: float, axes: tuple[Array, ...], mu: Cells, components: tuple[int, ...]
) -> tuple[Array, ...]:
    """Components of X_t[mu] at the points of a tensor grid `axes`, each of shape (len(axes[0]), …, len(axes[d−1])).

    The default goes axis by axis for what is known to be a softmax head, by convolution for a pair potential at points
    of a uniform grid, and asks model.velocity at every point of any other field, in batches: O(points × cells) for a
    sum over all pairs. The measure that the field is given has the `grid` and the `masses` too.
    """
    try:
        head = softmax_head(model)
    except NotSupported:
        return _pair_velocity(model, axes, mu, components) or _point_by_point(model, t, axes, mu, components)
    return _softmax_velocity(head, t, axes, mu, components)


def _pair_velocity(
    model: VelocityField, axes: tuple[Array, ...], mu: Cells, components: tuple[int, ...]
) -> tuple[Array, ...]:
    """By convolution; nothing where the field has no pair potential or the points are not those of a uniform grid."""
    try:
        pair_potential(model)
    except NotSupported:
        return ()
    parts = [convolved(model, axes, mu, k) for k in components]
    return tuple(part for part in parts if part is not None)


class CellAtoms(NamedTuple):
    """What a field is given on a grid: atoms at the centres of the cells with mass, and the cells themselves."""

    points: Array
    weights: Array
    grid: Grid
    masses: Array


def _point_by_point(
    model: VelocityField, t: float, axes: tuple[Array, ...], mu: Cells, components: tuple[int, ...]
) -> tuple[Array, ...]:
    points, shape = tensor_points(axes), tuple(map(len, axes))
    atoms = CellAtoms(mu.points, mu.weights, mu.grid, mu.masses)
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


def _softmax_velocity(
    model: SoftmaxField, t: float, axes: tuple[Array, ...], mu: Cells, components: tuple[int, ...]
) -> tuple[Array, ...]:
    V, B = model.value_matrix(t), model.score_matrix(t)
    needed = [k for k in range(len(axes)) if V[list(components), k].any()]
    if needed and not np.array_equal(B, np.diag(np.diag(B))):
        if len(axes) not in POINT_COST:
            return _point_by_point(model, t, axes, mu, components)
        out = tuple(np.empty(tuple(map(len, axes))) for _ in components)
        _Averages.of(model, t, mu, components, needed).fill(axes, out, max(NODES, out[0].size // 2))
        return out
    queries = [B[k, k] * axis for k, axis in enumerate(axes)]
    logs = log_of(np.maximum(mu.masses, 0.0))
    averages = tensor_average(queries, mu.grid.centres, logs, needed)[0] if needed else []
    del logs
    return _velocities(model, t, axes, dict(zip(needed, averages, strict=True)), components)


def _velocities(
    model: SoftmaxField, t: float, axes: Sequence[Array], means: dict[int, Array], components: Sequence[int]
) -> tuple[Array, ...]:
    """Components of V m − A x from the means m that V needs, by slabs, whose terms take little memory beside m."""
    V = model.value_matrix(t)
    out = tuple(np.empty(tuple(map(len, axes))) for _ in components)
    for part in (slice(a, a + SLAB) for a in range(0, len(axes[0]), SLAB)):
        piece = {k: mean[part] for k, mean in means.items()}
        for c, total in zip(components, out, strict=True):
            total[part] = _component(c, V, model.frame, piece, (axes[0][part], *axes[1:]))
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


class _Averages(NamedTuple):
    """Softmax averages of the coordinates `needed` at Bx, and the components of the field that they make."""

    model: SoftmaxField
    t: float
    mu: Cells
    components: tuple[int, ...]
    needed: Sequence[int]
    B: Array
    logs: Array
    atoms: int
    reach: Array
    """Extent of the atoms along each axis."""

    @classmethod
    def of(
        cls, model: SoftmaxField, t: float, mu: Cells, components: tuple[int, ...], needed: Sequence[int]
    ) -> _Averages:
        """Those of a model on a measure."""
        masses, every = mu.masses, range(mu.grid.dim)
        massive = masses > 0
        lines = [np.flatnonzero(massive.any(axis=tuple(j for j in every if j != k))) for k in every]
        reach = np.array([np.ptp(y[line]) for y, line in zip(mu.grid.centres, lines, strict=True)])
        atoms = int(np.count_nonzero(massive))
        del massive
        logs = log_of(np.maximum(masses, 0.0))
        return cls(model, t, mu, components, needed, model.score_matrix(t), logs, atoms, reach)

    @property
    def tolerance(self) -> float:
        """Error allowed to an average."""
        return (self.model.allowed or TOLERANCE) * float(np.linalg.norm(self.reach)) / 2

    def fill(self, axes: Sequence[Array], out: Sequence[Array], limit: int) -> None:
        """Write the components on a tensor grid of points into `out`, with at most `limit` values at nodes."""
        points = out[0].size
        budget, previous = points * self.atoms, list[Array]()
        box, nodes = self._first_nodes(axes)
        while True:
            # Two splines at least have to be compared.
            last = nodes if previous else _refined(nodes)
            if len(self.needed) * math.prod(last) > limit and points > 1:
                self._fill_halves(axes, out, limit)
                return
            budget -= self._cost(nodes, points)
            if budget < (0 if previous else self._cost(last, points)):
                for total, part in zip(out, self._directly(axes), strict=True):
                    total[...] = part
                return
            current = self._splines(axes, box, nodes)
            if previous and all(
                np.max(np.abs(a - b)) <= self.tolerance for a, b in zip(current, previous, strict=True)
            ):
                means = dict(zip(self.needed, current, strict=True))
                for c, total in zip(self.components, out, strict=True):
                    total[...] = _component(c, self.model.value_matrix(self.t), self.model.frame, means, axes)
                return
            previous, nodes = current, _refined(nodes)

    def _directly(self, axes: Sequence[Array]) -> tuple[Array, ...]:
        return _point_by_point(self.model, self.t, tuple(axes), self.mu, self.components)

    def _fill_halves(self, axes: Sequence[Array], out: Sequence[Array], limit: int) -> None:
        """The two halves of the grid along the axis whose halving shortens the box of Bx most."""
        d = len(axes)
        halves = [[axes[j][: len(axes[j]) // 2] if j == k else axes[j] for j in range(d)] for k in range(d)]
        sizes = [
            math.prod(self._first_nodes(h)[1]) if len(x) > 1 else math.inf for h, x in zip(halves, axes, strict=True)
        ]
        k = int(np.argmin(sizes))
        middle = len(axes[k]) // 2
        for half in (slice(None, middle), slice(middle, None)):
            part = tuple(half if j == k else slice(None) for j in range(d))
            self.fill([x[half] if j == k else x for j, x in enumerate(axes)], [total[part] for total in out], limit)

    def _first_nodes(self, axes: Sequence[Array]) -> tuple[list[tuple[float, float]], list[int]]:
        """The box of Bx, and how many nodes along each of its axes the first spline has."""
        ends = np.stack([self.B * [x[i] for x in axes] for i in (0, -1)])
        box = list(zip(ends.min(axis=0).sum(axis=1), ends.max(axis=0).sum(axis=1), strict=True))
        nodes = [
            max(DEGREE + 1, math.ceil(2 * (b - a) * r)) if b > a else 1
            for (a, b), r in zip(box, self.reach, strict=True)
        ]
        return box, nodes

    def _cost(self, nodes: Sequence[int], points: int) -> int:
        exponentials = tensor_cost(nodes, self.logs.shape, self.needed)
        values = NODE_COST * math.prod(nodes) + POINT_COST[len(nodes)] * points
        return EXPONENTIAL_COST * exponentials + len(self.needed) * values

    def _splines(self, axes: Sequence[Array], box: Sequence[tuple[float, float]], nodes: Sequence[int]) -> list[Array]:
        """The averages at Bx by splines through given numbers of nodes."""
        grid = [np.linspace(a, b, n) for (a, b), n in zip(box, nodes, strict=True)]
        values = tensor_average(grid, self.mu.grid.centres, self.logs, self.needed)[0]
        for value in values:
            to_coefficients(grid, value)
        return [evaluate(grid, value, self.B, axes) for value in values]


def _refined(nodes: Sequence[int]) -> list[int]:
    return [math.ceil(1.5 * n) if n > 1 else 1 for n in nodes]


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


def check_velocities(velocities: Sequence[Array], t: float) -> None:
    """Stop the run where the model's velocity is not finite."""
    for k, velocity in enumerate(velocities):
        bad = ~np.isfinite(velocity)
        if bad.any():
            index = [int(i) for i in np.argwhere(bad)[0]]
            raise RunStopped(
                f"the model's velocity component {k} is {velocity[tuple(index)]} at grid index {index} at t = {t:g}: "
                "check the model there, or stop before that time",
                time=t,
            )
