"""The support of a measure on a grid, carried along: what keeps numerical tails from leading in a moving frame.

In the frame z = e^{−tV} x the score between two points grows like e^{2λt}, so that the outermost mass, however
small, leads everything. A scheme leaves a trail of tiny masses outside the true support, and from t* ≈ ½ log(1/h) on
that trail would lead. Points of the boundary of the initial support, moved along the field, say where the support is;
mass that the scheme leaves outside their convex hull is put back into the nearest cell that the hull touches.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_erosion, distance_transform_edt
from scipy.spatial import ConvexHull

from meanfield.measures.grid import Cells, Grid, along
from particles.checks import Array
from particles.fields.field import VelocityField
from particles.measure import Atoms
from particles.models.attention import SoftmaxField

MAX_MARKERS = 512
"""Most points, besides the vertices of its convex hull, that stand for the boundary of the support."""


BATCH = 2**20
"""Pairs of a cell and a face of the hull that are compared at a time, which bounds the memory."""

TAILS = ("track", "stop", "ignore")
"""What a run does about the masses that a scheme leaves outside the true support."""

SHARP = 1e-2
"""Least density at the rim, against the largest, of a measure whose support is taken to end there."""

MAX_CONTRAST = 1.0
"""Largest change of the score across a cell up to which the tails of a scheme do not lead the field."""


def choose_tails(model: VelocityField, cells: Cells) -> str:
    """The default for attention: "track" a support that ends sharply; else "stop" in a moving frame, "ignore" outside.

    Noise leaves no support to track. Fields that are no attention have no leaders: "ignore".
    """
    if not any(isinstance(term, SoftmaxField) for term in model.terms):
        return "ignore"
    full = cells.masses > 0
    density = cells.masses / cells.grid.cell_volumes
    rim = full & ~binary_erosion(full, border_value=0)
    if not model.noisy and np.median(density[rim]) >= SHARP * density.max():
        return "track"
    return "ignore" if model.frame is None else "stop"


def contrast(model: VelocityField, t: float, cells: Cells) -> float:
    """The largest change of an attention score across a cell, max_{x, k} |(B_A(t) x)_k| h_k over cells x with mass.

    At 1 the atoms of neighbouring cells differ in weight by e: from that time t* on the field is led by single cells.
    Fields that are no attention count as 0.
    """
    scores = [term.score_matrix(t) for term in model.terms if isinstance(term, SoftmaxField)]
    sizes = np.array([w.max() for w in cells.grid.widths])
    first, *others = cells.grid.centres
    largest = 0.0
    # A layer at a time, so that the points are never laid out.
    for x, layer in zip(first, cells.masses > 0, strict=True):
        where = np.nonzero(layer) if others else (np.zeros(int(layer), int),)
        points = np.stack([np.full(len(where[0]), x), *(c[i] for c, i in zip(others, where, strict=False))], axis=1)
        largest = max([largest, *(float((np.abs(points @ B.T) * sizes).max(initial=0.0)) for B in scores)])
    return largest


def follow(model: VelocityField, t0: float, before: Cells, t1: float, after: Cells, markers: Array) -> Array:
    """The markers at t1, by Heun's method in the fields of the measures at t0 and t1."""
    dt = t1 - t0
    first = model.velocity(t0, markers, Atoms(before.points, before.weights))
    second = model.velocity(t1, markers + dt * first, Atoms(after.points, after.weights))
    return np.asarray(markers + dt / 2 * (first + second))


def return_tails(cells: Cells, markers: Array) -> tuple[Array, float]:
    """Cell masses with all mass outside the hull put into the nearest cell that it touches, and how much that was."""
    grid, masses = cells
    inside = touched(grid, markers)
    outside = (masses > 0) & ~inside
    if not outside.any():
        return masses, 0.0
    nearest = distance_transform_edt(
        ~inside, sampling=[float(w.mean()) for w in grid.widths], return_distances=False, return_indices=True
    )
    out = np.where(inside, masses, 0.0)
    np.add.at(out, tuple(index[outside] for index in nearest), masses[outside])
    return out, float(masses[outside].sum())


def boundary_markers(grid: Grid, masses: Array) -> Array:
    """Corners (m, d) of the outermost cells that carry mass: the vertices of its convex hull, and others between.

    Of the others at most MAX_MARKERS.
    """
    full = np.zeros([n + 1 for n in grid.shape], dtype=bool)
    for corner in np.ndindex(*[2] * grid.dim):
        full[tuple(slice(c, c + n) for c, n in zip(corner, grid.shape, strict=True))] |= masses > 0
    ends = np.zeros_like(full)
    for k in range(grid.dim):
        # The first and the last along each line: all that the convex hull can touch.
        ends |= full & ((np.cumsum(full, axis=k) == 1) | (np.flip(np.cumsum(np.flip(full, k), axis=k), k) == 1))
    where = np.nonzero(ends)
    points = np.stack([e[i] for e, i in zip(grid.edges, where, strict=True)], axis=1)
    if len(points) <= MAX_MARKERS:
        return points
    vertices = ConvexHull(points).vertices
    others = np.delete(points, vertices, axis=0)
    return np.concatenate([points[vertices], others[:: -(-len(others) // MAX_MARKERS)]])


def touched(grid: Grid, markers: Array) -> npt.NDArray[np.bool_]:
    """Which cells the convex hull of the markers touches, shape grid.shape."""
    half = np.array([w.max() for w in grid.widths]) / 2
    low, high = markers.min(axis=0) - half, markers.max(axis=0) + half
    inside = np.ones(grid.shape, dtype=bool)
    for k, c in enumerate(grid.centres):
        inside &= along((c >= low[k]) & (c <= high[k]), k, grid.dim)
    if grid.dim == 1:
        return inside
    corners = np.stack(np.meshgrid(*[[-1.0, 1.0]] * grid.dim, indexing="ij"), axis=-1).reshape(-1, grid.dim) * half
    faces = ConvexHull((markers[:, None] + corners).reshape(-1, grid.dim)).equations
    where = np.nonzero(inside)
    centres = np.stack([c[i] for c, i in zip(grid.centres, where, strict=True)], axis=1)
    batch = max(1, BATCH // len(faces))
    for a in range(0, len(centres), batch):
        part = tuple(index[a : a + batch] for index in where)
        inside[part] = (centres[a : a + batch] @ faces[:, :-1].T + faces[:, -1] <= 1e-12).all(axis=1)
    return inside
