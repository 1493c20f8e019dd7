"""Tensor grids and measures given by their cell masses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
import xarray as xr

from meanfield.measures.cells import Density, Edges, cell_integrals, deposit
from particles.checks import Array, Immutable, Periods, as_finite, as_periods, as_weights, count, frozen, hold
from particles.dataset import variable
from particles.errors import InvalidInput
from particles.free_memory import require_memory
from particles.measure import EmpiricalMeasure

MIN_CAPTURED = 1.0 - 1e-3
"""The least mass of a law that a box must hold."""


@runtime_checkable
class Law(Protocol):
    """A probability law on R^d that knows the masses of tensor cells."""

    @property
    def dim(self) -> int:
        """The dimension d."""

    def cell_masses(self, edges: Edges) -> Array:
        """Masses of the cells of a tensor grid, shape (N_1, …, N_d), not normalised."""


class Grid(Immutable):
    """A tensor grid of cells on a box, in 'ij' order; `Grid.from_edges` takes edges of any spacing.

    Parameters
    ----------
    bounds : sequence of d pairs (low, high)
        The box.
    shape : int or sequence of d ints
        Cells along each axis, at least 2 each.

    Raises
    ------
    InvalidInput
        For empty or infinite intervals, axes of one cell, cell volumes beyond the range of float64.
    """

    _edges: Edges
    _uniform: bool

    def __init__(self, bounds: Sequence[tuple[float, float]], shape: Sequence[int] | int) -> None:
        pairs = as_finite(bounds, "bounds")
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise InvalidInput(f"bounds must be d pairs (low, high), one an axis, got shape {pairs.shape}")
        counts = np.atleast_1d(as_finite(shape, "shape"))
        if counts.shape != (len(pairs),):
            raise InvalidInput(f"shape must have one entry an axis: got {shape!r} for {len(pairs)} bounds")
        if (counts != np.round(counts)).any() or (counts < 2).any():
            raise InvalidInput(f"shape must be whole numbers of at least 2 cells along each axis, got {shape!r}")
        count(math.prod(int(n) for n in counts), "the number of cells")
        self._set(tuple(np.linspace(low, high, int(n) + 1) for (low, high), n in zip(pairs, counts, strict=True)))
        hold(self, _uniform=True)

    @classmethod
    def from_edges(cls, edges: Sequence[npt.ArrayLike]) -> Self:
        """A grid of any spacing: d increasing arrays of cell edges."""
        if not isinstance(edges, list | tuple):
            raise InvalidInput(f"edges must be a list of arrays, one an axis, got {type(edges).__name__}")
        grid = cls.__new__(cls)
        grid._set(tuple(as_finite(e, f"edges[{k}]") for k, e in enumerate(edges)))
        hold(grid, _uniform=all(np.ptp(w) <= 1e-9 * w[0] for w in grid.widths))
        return grid

    def _set(self, edges: Edges) -> None:
        if not edges:
            raise InvalidInput("a grid needs at least one axis, got none")
        for k, e in enumerate(edges):
            if e.ndim != 1 or len(e) < 3:
                raise InvalidInput(f"edges[{k}] must be a 1-D array of at least 3 edges (2 cells), got shape {e.shape}")
            if (np.diff(e) <= 0).any():
                i = int(np.argmax(np.diff(e) <= 0))
                raise InvalidInput(f"edges[{k}] must increase strictly, got {e[i]:g} then {e[i + 1]:g}: low < high")
        small, large = (math.prod(float(f(np.diff(e))) for e in edges) for f in (np.min, np.max))
        if not (np.finfo(float).tiny <= small and large < np.inf):
            raise InvalidInput(f"cell volumes from {small:g} to {large:g} leave the range of float64: change the unit")
        hold(self, _edges=tuple(frozen(e) for e in edges))

    def __repr__(self) -> str:
        return f"Grid(bounds={list(self.bounds)}, shape={self.shape})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        return self.shape == other.shape and all(map(np.array_equal, self.edges, other.edges))

    __hash__ = None  # type: ignore[assignment]

    def _shown(self) -> dict[str, object]:
        kind = "all alike" if self.uniform else "of different widths"
        return {"bounds": self.bounds, "shape": self.shape, "cells": f"{math.prod(self.shape)}, {kind}"}

    @property
    def edges(self) -> Edges:
        """Cell edges along each axis, d arrays of N_k + 1."""
        return self._edges

    @property
    def dim(self) -> int:
        """The dimension d."""
        return len(self._edges)

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return tuple(len(e) - 1 for e in self._edges)

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """The box: (low, high) along each axis."""
        return tuple((float(e[0]), float(e[-1])) for e in self._edges)

    @cached_property
    def centres(self) -> tuple[Array, ...]:
        """Cell centres along each axis, d arrays of N_k."""
        return tuple(frozen((e[1:] + e[:-1]) / 2) for e in self._edges)

    @cached_property
    def widths(self) -> tuple[Array, ...]:
        """Cell widths along each axis, d arrays of N_k."""
        return tuple(frozen(np.diff(e)) for e in self._edges)

    @property
    def uniform(self) -> bool:
        """Whether all cells are alike."""
        return self._uniform

    @property
    def cell_volume(self) -> float:
        """The volume of every cell, on a grid whose cells are alike; `cell_volumes` serves any grid."""
        if not self.uniform:
            raise InvalidInput("the cells differ in volume on this grid: use cell_volumes, an array")
        return math.prod((high - low) / n for (low, high), n in zip(self.bounds, self.shape, strict=True))

    @property
    def cell_volumes(self) -> Array:
        """Volumes of the cells, shape (N_1, …, N_d)."""
        volumes = np.ones(self.shape)
        for k, w in enumerate(self.widths):
            volumes *= along(w, k, self.dim)
        return volumes

    @property
    def points(self) -> Array:
        """All cell centres, shape (N_1 ⋯ N_d, d), the last axis fastest."""
        return tensor_points(self.centres)

    def measure(
        self,
        source: Law | Density | EmpiricalMeasure | npt.ArrayLike,
        *,
        periods: Sequence[float | None] | None = None,
    ) -> GridMeasure:
        """The measure on this grid of a law, a density, an array of cell masses, or a point cloud.

        A law gives exact cell masses; one of which the box holds less than 1 − 1e-3 is refused. A density
        (m, d) → (m,) is integrated adaptively over the cells. Both are divided by the mass on the box, kept as
        `captured`. Masses must sum to 1. A point cloud is deposited linearly, keeping mass, mean and positivity; a
        point outside the outermost cell centres is refused.

        A grid does not know whether its ends are one point: on a circle or torus give `periods`, the period of each
        axis or None, with which `wasserstein` warns of straight distances (a point cloud brings its own).
        """
        found = self._measure(source)
        if periods is None:
            return found
        made = {"captured": found.captured, "error": found.error}
        return GridMeasure(self, found.masses, **made, source=found.source, periods=periods)

    def _measure(self, source: Law | Density | EmpiricalMeasure | npt.ArrayLike) -> GridMeasure:
        cells = math.prod(self.shape)
        require_memory(8.0 * cells, f"the masses of {cells} cells", "take fewer cells an axis")
        if isinstance(source, GridMeasure):
            if source.grid != self:
                raise InvalidInput("the measure lives on another grid: build it on this one from its law or density")
            return source
        if isinstance(source, EmpiricalMeasure):
            return GridMeasure(self, self._deposit(source), source=source, periods=source.periods)
        if isinstance(source, Law):
            return self._from_law(source)
        if callable(source):
            return self._from_density(source)
        return GridMeasure(self, source)

    def _from_law(self, law: Law) -> GridMeasure:
        self._check_dim(law.dim, "law")
        masses = law.cell_masses(self.edges)
        captured = float(masses.sum())
        if captured < MIN_CAPTURED:
            raise InvalidInput(
                f"the box {list(self.bounds)} holds only {captured:.6g} of the mass of {law!r}, "
                f"at least {MIN_CAPTURED:g} is needed: widen the box"
            )
        return GridMeasure(self, masses / captured, captured=captured, source=law)

    def _from_density(self, density: Callable[[Array], Array]) -> GridMeasure:
        masses, error = cell_integrals(density, self.edges)
        captured = float(masses.sum())
        if error > 1e-3:
            raise InvalidInput(f"the cell masses of the density are known only to {error:.1g}: smooth it or refine")
        return GridMeasure(self, masses / captured, captured=captured, error=error)

    def _deposit(self, cloud: EmpiricalMeasure) -> Array:
        self._check_dim(cloud.dim, "point cloud")
        for k, c in enumerate(self.centres):
            x = cloud.points[:, k]
            outside = (x < c[0]) | (x > c[-1])
            if outside.any():
                i = int(np.argmax(outside))
                raise InvalidInput(
                    f"point {i} at {cloud.points[i].tolist()} lies outside the outermost cell centres "
                    f"[{c[0]:g}, {c[-1]:g}] of axis {k}, where its mean could not be kept: widen the box"
                )
        return deposit(cloud.points, cloud.weights, self.centres)

    def _check_dim(self, dim: int, what: str) -> None:
        if dim != self.dim:
            raise InvalidInput(f"the {what} lives in dimension {dim}, the grid in dimension {self.dim}")


def along(values: Array, axis: int, dim: int) -> Array:
    """A vector laid along one axis of a d-dimensional array, for broadcasting."""
    return values.reshape([-1 if k == axis else 1 for k in range(dim)])


def tensor_points(axes: tuple[Array, ...]) -> Array:
    """The points of a tensor grid, shape (N_1 ⋯ N_d, d), the last axis fastest."""
    points = np.empty((*map(len, axes), len(axes)))
    for k, axis in enumerate(axes):
        points[..., k] = along(axis, k, len(axes))
    return points.reshape(-1, len(axes))


class Cells(NamedTuple):
    """Cell masses that are not checked: what a scheme hands to a field at every stage."""

    grid: Grid
    masses: Array

    @property
    def points(self) -> Array:
        """Centres of the cells that carry mass, shape (n, d)."""
        full = self.masses > 0
        points = np.empty((int(np.count_nonzero(full)), full.ndim))
        for k, c in enumerate(self.grid.centres):
            points[:, k] = np.broadcast_to(along(c, k, full.ndim), full.shape)[full]
        return points

    @property
    def weights(self) -> Array:
        """Their masses, shape (n,), total 1."""
        weights = self.masses[self.masses > 0]
        return np.asarray(weights / weights.sum())


class GridMeasure(Immutable):
    """A probability measure given by its cell masses; to a field it is atoms at the cell centres.

    Parameters
    ----------
    grid : Grid
        The cells.
    masses : array grid.shape
        Cell masses, non-negative, total 1 within 1e-9.
    captured : float
        The mass that a law or density had on the box before it was normalised.
    error : float
        The estimated sum of absolute errors of the masses.
    source : Law or EmpiricalMeasure, optional
        What the masses were made from, None where they are all that is known.
    periods : sequence of d numbers or None, optional
        The period of each axis on a circle or torus, as for EmpiricalMeasure.

    Raises
    ------
    InvalidInput
        For masses of another shape, negative or not of total 1; periods that are no d positive numbers.
    """

    grid: Grid
    _masses: Array
    captured: float
    error: float
    source: Law | EmpiricalMeasure | None
    periods: Periods | None

    def __init__(
        self,
        grid: Grid,
        masses: npt.ArrayLike,
        *,
        captured: float = 1.0,
        error: float = 0.0,
        source: Law | EmpiricalMeasure | None = None,
        periods: Sequence[float | None] | None = None,
    ) -> None:
        if not isinstance(grid, Grid):
            raise InvalidInput(f"grid must be a Grid, got {type(grid).__name__}")
        array = as_finite(masses, "masses")
        if array.shape != grid.shape:
            raise InvalidInput(f"masses must have the shape {grid.shape} of the grid, got {array.shape}")
        masses = frozen(as_weights(array.ravel(), array.size, "masses").reshape(grid.shape))
        known = as_periods(periods, grid.dim)
        hold(self, grid=grid, _masses=masses, captured=captured, error=error, source=source, periods=known)

    def __repr__(self) -> str:
        return f"GridMeasure({self.grid!r}, captured={self.captured:.6g})"

    def _shown(self) -> dict[str, object]:
        made = {} if self.source is None else {"source": self.source}
        return {"grid": self.grid, "captured": self.captured, "mean": self.mean(), **made}

    @property
    def masses(self) -> Array:
        """Cell masses, shape (N_1, …, N_d), read-only, total 1."""
        return self._masses

    @property
    def density(self) -> Array:
        """Cell averages of the density, shape (N_1, …, N_d)."""
        return np.asarray(self._masses / self.grid.cell_volumes)

    @property
    def dim(self) -> int:
        """The dimension d."""
        return self.grid.dim

    @property
    def points(self) -> Array:
        """Cell centres, shape (N_1 ⋯ N_d, d)."""
        return self.grid.points

    @property
    def weights(self) -> Array:
        """Cell masses in the order of `points`, shape (N_1 ⋯ N_d,)."""
        return self._masses.ravel()

    def mean(self) -> Array:
        """∫ x dμ of the atoms at the cell centres, shape (d,)."""
        return np.array([self._marginal((k,)) @ c for k, c in enumerate(self.grid.centres)])

    def covariance(self) -> Array:
        """Covariance (d, d) of the atoms at the cell centres; the spread h²/12 within a cell is not added."""
        centred = [c - m for c, m in zip(self.grid.centres, self.mean(), strict=True)]
        d = self.dim
        out = np.empty((d, d))
        for i in range(d):
            out[i, i] = self._marginal((i,)) @ centred[i] ** 2
            for j in range(i):
                out[i, j] = out[j, i] = centred[j] @ self._marginal((j, i)) @ centred[i]
        return out

    def _marginal(self, keep: tuple[int, ...]) -> Array:
        drop = tuple(k for k in range(self.dim) if k not in keep)
        return np.asarray(self._masses.sum(axis=drop))


def some_centres(mu: GridMeasure, most: int) -> Array:
    """Centres (m, d) of at most `most` cells with mass, spread over them."""
    full = np.flatnonzero(mu.masses)
    chosen = np.unravel_index(full[:: -(-len(full) // most)], mu.grid.shape)
    return np.column_stack([centres[index] for centres, index in zip(mu.grid.centres, chosen, strict=True)])


def grid_of(ds: xr.Dataset) -> Grid:
    """The grid of a Dataset made by solve. Raises InvalidInput where cells were left out of it."""
    axes = [ds[f"x{k + 1}"] for k in range(ds["density"].ndim - ("time" in ds["density"].dims))]
    edges = [np.asarray(axis.attrs.get("edges", ()), dtype=float) for axis in axes]
    for axis, e in zip(axes, edges, strict=True):
        if len(e) != axis.size + 1:
            raise InvalidInput(
                f"{axis.name} has {axis.size} cells and {len(e)} edges: take the grid of the whole Dataset of solve"
            )
    return Grid.from_edges(edges)


def grid_axes(grid: Grid) -> dict[str, xr.Variable]:
    """The coordinates x1, …, xd of a Dataset: cell centres, with the edges of the cells as an attribute."""
    axes = {}
    for k, (centres, edges) in enumerate(zip(grid.centres, grid.edges, strict=True), start=1):
        axes[f"x{k}"] = variable(f"x{k}", centres, f"cell centre along x{k}")
        axes[f"x{k}"].attrs["edges"] = np.array(edges)
    return axes
