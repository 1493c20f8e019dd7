"""A law cut into the cells of a material mesh: what a Lagrangian scheme carries along the flow.

μ_t = Φ_t#μ₀, so that Gauss nodes of μ₀ moved by the flow, with their weights, integrate against μ_t to the order of the
rule, while the vertices of the mesh show where the cells have gone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Protocol

import numpy as np

from meanfield.measures.cells import Edges, outer
from meanfield.measures.discs import Ring
from meanfield.measures.gauss_legendre import gauss_legendre
from meanfield.measures.grid import Grid, GridMeasure, tensor_points
from meanfield.measures.laws import Mixture, PointMasses, ProbabilityLaw, Product, Uniform
from meanfield.measures.weighted_rules import cell_rules
from particles.checks import Array
from particles.errors import InvalidInput, NotSupported
from particles.measure import EmpiricalMeasure

SPARE = 3
"""Samples of a density along each axis of a cell beyond the nodes that are found from them."""

MAX_MISSED = 1e-3
"""The largest difference of the mass that a mesh finds in a density from the mass of its law."""


class Chart(Protocol):
    """Coordinates of a part of R^d in which its mesh is a tensor mesh."""

    def points(self, reference: Array) -> Array:
        """The points of R^d at reference coordinates (m, d)."""

    def jacobian(self, reference: Array) -> Array:
        """The volume of R^d in a unit of reference volume, (m,)."""


@dataclass(frozen=True)
class Cartesian:
    """The coordinates of R^d themselves."""

    def points(self, reference: Array) -> Array:
        """The reference coordinates."""
        return reference

    def jacobian(self, reference: Array) -> Array:
        """1."""
        return np.ones(len(reference))


@dataclass(frozen=True)
class Polar:
    """Radius and angle about a centre of the plane, in which discs and rings have no staircase."""

    centre: tuple[float, float]

    def points(self, reference: Array) -> Array:
        """centre + r (cos θ, sin θ)."""
        r, angle = reference[:, 0], reference[:, 1]
        return np.stack([self.centre[0] + r * np.cos(angle), self.centre[1] + r * np.sin(angle)], axis=1)

    def jacobian(self, reference: Array) -> Array:
        """r."""
        return reference[:, 0]


@dataclass(frozen=True, eq=False)
class Part:
    """A piece of a law before it is cut: its share of the mass, its reference box in a chart, its density in R^d."""

    share: float
    bounds: tuple[tuple[float, float], ...]
    density: Callable[[Array], Array]
    chart: Chart = Cartesian()


@dataclass(frozen=True, eq=False)
class Patch:
    """A tensor mesh that carries a part of a law.

    edges along each reference axis; density, mass in a unit of reference volume at reference coordinates (m, d), up to
    a factor in each cell; cell_mass (n_1, …, n_d).
    """

    edges: Edges
    chart: Chart
    density: Callable[[Array], Array]
    cell_mass: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return self.cell_mass.shape

    @property
    def scale(self) -> Array:
        """What the density is multiplied by in each cell so that its integral is the mass of the cell."""
        volumes = outer([np.diff(e) for e in self.edges])
        whole = _means(self) * volumes
        return np.asarray(np.where(whole > 0, self.cell_mass / np.where(whole > 0, whole, 1.0), 0.0))

    @property
    def vertices(self) -> Array:
        """The vertices in R^d, shape (n_1 + 1, …, n_d + 1, d)."""
        points = self.chart.points(tensor_points(self.edges))
        return points.reshape(*(n + 1 for n in self.shape), len(self.shape))

    def rule(self, places: Array, weights: Array) -> tuple[Array, Array]:
        """A rule on (0, 1), repeated along each axis of each cell.

        Returns reference coordinates (N, q^d, d) and masses (N, q^d), N cells; those of a cell add to its mass.
        """
        q, d = len(places), len(self.edges)
        axes = tuple((e[:-1, None] + np.diff(e)[:, None] * places).ravel() for e in self.edges)
        split = tuple(itertools.chain.from_iterable((n, q) for n in self.shape))
        order = (*range(0, 2 * d, 2), *range(1, 2 * d, 2), 2 * d)
        reference = tensor_points(axes).reshape(*split, d).transpose(order).reshape(-1, q**d, d)
        even = outer([weights] * d).ravel()
        values = self.density(reference.reshape(-1, d)).reshape(-1, q**d) * even
        total = values.sum(axis=1, keepdims=True)
        share = np.where(total > 0, values / np.where(total > 0, total, 1.0), even)
        return reference, share * self.cell_mass.reshape(-1, 1)

    def gauss(self, count: int) -> tuple[Array, Array]:
        """Gauss nodes of the density in each of N cells: places (N, count^d, d) in (0, 1)^d, masses (N, count^d).

        In cells where those would have weights below zero: the nodes of Gauss and Legendre, weighted by the density.
        """
        d = len(self.edges)
        rule, samples = _gauss(count), _gauss(count + SPARE)
        masses = self.rule(*rule)[1]
        sampled = self.rule(*samples)[1].reshape(-1, *[len(samples[0])] * d)
        along, shares = cell_rules(*samples, sampled, count)
        flat = shares.reshape(len(shares), -1)
        serves = (flat >= 0).all(axis=1)
        masses[serves] = (flat * self.cell_mass.reshape(-1, 1))[serves]
        along[~serves] = rule[0][:, None]
        index = np.indices([count] * d).reshape(d, -1)
        return np.stack([along[:, index[k], k] for k in range(d)], axis=-1), masses

    def at(self, places: Array) -> Array:
        """The points of R^d at places (N, m, d) of the N cells, in the same shape."""
        starts = tensor_points(tuple(e[:-1] for e in self.edges))
        widths = tensor_points(tuple(np.diff(e) for e in self.edges))
        reference = starts[:, None] + widths[:, None] * places
        return self.chart.points(reference.reshape(-1, places.shape[-1])).reshape(places.shape)

    def nodes(self, count: int) -> tuple[Array, Array]:
        """The Gauss nodes of all cells (m, d) in R^d, `count` along each axis of each, and their masses (m,)."""
        places, masses = self.gauss(count)
        return self.at(places).reshape(-1, places.shape[-1]), masses.ravel()

    def shares(self, parts: int) -> Array:
        """The masses of parts^d equal parts of every cell, shape (N, parts^d), the cells in 'ij' order."""
        _, masses = self.rule((np.arange(parts) + 0.5) / parts, np.full(parts, 1 / parts))
        return masses


@dataclass(frozen=True, eq=False)
class Material:
    """A measure as patches and atoms; `by_law` tells whether the edges of its support are those of its law."""

    patches: tuple[Patch, ...]
    atoms: Array
    atom_masses: Array
    by_law: bool

    def nodes(self, count: int) -> tuple[Array, Array]:
        """All points with mass (m, d), the nodes and then the atoms, and their masses (m,), total 1."""
        parts = [*(patch.nodes(count) for patch in self.patches), (self.atoms, self.atom_masses)]
        points, masses = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        full = masses > 0
        return points[full], masses[full] / masses.sum()

    @property
    def vertices(self) -> Array:
        """The vertices of all patches, one patch after another, shape (v, d)."""
        d = self.atoms.shape[1]
        return np.concatenate([np.empty((0, d)), *(patch.vertices.reshape(-1, d) for patch in self.patches)])

    @property
    def size(self) -> float:
        """Half the widest side of the box about all vertices and atoms."""
        points = np.concatenate([self.vertices, self.atoms])
        return float(np.ptp(points, axis=0).max()) / 2


def material(measure: GridMeasure, nodes: int, cells: Sequence[int] | None = None, *, coarser: int = 1) -> Material:
    """The material mesh of a measure on a grid: from its law where it has one, else from its cells.

    cells along each axis of a patch, even; None for as many as place about one node in a cell of the grid across the
    support. `coarser` divides their number.
    """
    law, grid = measure.source, measure.grid
    if isinstance(law, EmpiricalMeasure):
        full = law.weights > 0
        return Material((), law.points[full], law.weights[full], True)
    if not isinstance(law, ProbabilityLaw):
        patch = _of_cells(measure, coarser)
        return Material((patch,), np.empty((0, grid.dim)), np.empty(0), False)
    parts, atoms, masses = [], [np.empty((0, grid.dim))], [np.empty(0)]
    for share, piece in _pieces(law):
        if isinstance(piece, PointMasses):
            full = piece.weights > 0
            atoms.append(piece.points[full])
            masses.append(share * piece.weights[full])
        else:
            parts.append(_part(piece, grid, share))
    counts = _counts(parts, grid, nodes) if cells is None else tuple(cells)
    if any(n % (2 * coarser) for n in counts) and cells is not None and coarser == 1:
        raise InvalidInput(f"cells must be even along each axis, got {counts}: the error is told from half as many")
    patches = [_cut(part, tuple(n // coarser for n in counts)) for part in parts]
    total = sum(float(p.cell_mass.sum()) for p in patches) + float(np.concatenate(masses).sum())
    if coarser == 1 and abs(total - measure.captured) > MAX_MISSED:
        raise InvalidInput(
            f"a mesh of {counts} cells finds the mass {total:.6g} of {measure.captured:.6g} of {law!r}, whose density "
            "is too narrow for it: use a finer grid, more `cells`, PointMasses in its place, or FiniteVolume()"
        )
    return Material(
        tuple(replace(p, cell_mass=p.cell_mass / total) for p in patches),
        np.concatenate(atoms),
        np.concatenate(masses) / total,
        True,
    )


@singledispatch
def _pieces(law: ProbabilityLaw) -> list[tuple[float, ProbabilityLaw]]:
    """The parts of which a law is made, with their shares, each on a box of some chart."""
    return [(1.0, law)]


@_pieces.register
def _(law: Mixture) -> list[tuple[float, ProbabilityLaw]]:
    return [(float(a) * b, piece) for a, part in zip(law.weights, law.laws, strict=True) for b, piece in _pieces(part)]


@_pieces.register
def _(law: Product) -> list[tuple[float, ProbabilityLaw]]:
    combined = itertools.product(*(_pieces(factor) for factor in law.factors))
    return [(float(np.prod([a for a, _ in row])), Product([piece for _, piece in row])) for row in combined]


@singledispatch
def _part(law: ProbabilityLaw, grid: Grid, share: float) -> Part:
    """A part on the box of the grid, by the density of its law."""
    return Part(share, grid.bounds, law.density)


@_part.register
def _(law: Uniform, grid: Grid, share: float) -> Part:
    return Part(share, _within(law.bounds, grid), law.density)


@_part.register
def _(law: Ring, grid: Grid, share: float) -> Part:
    centre = (float(law.centre[0]), float(law.centre[1]))
    reach = np.stack([law.centre - law.outer, law.centre + law.outer], axis=1)
    if _within(reach, grid) != tuple(map(tuple, reach.tolist())):
        raise NotSupported(f"the box {list(grid.bounds)} must hold all of {law!r}: widen it")
    density = 1.0 / law.area
    return Part(share, ((law.inner, law.outer), (0.0, 2 * np.pi)), lambda x: np.full(len(x), density), Polar(centre))


@_part.register
def _(law: Product, grid: Grid, share: float) -> Part:
    bounds, first = [], 0
    for factor in law.factors:
        if isinstance(factor, Ring | PointMasses):
            raise NotSupported(f"{factor!r} as a factor of a product has no mesh: give the density as a function")
        axes = range(first, first + factor.dim)
        own = factor.bounds if isinstance(factor, Uniform) else [grid.bounds[k] for k in axes]
        bounds += [
            (max(low, grid.bounds[k][0]), min(high, grid.bounds[k][1]))
            for k, (low, high) in zip(axes, own, strict=True)
        ]
        first += factor.dim
    return Part(share, tuple(bounds), law.density)


def _within(bounds: Array, grid: Grid) -> tuple[tuple[float, float], ...]:
    return tuple(
        (max(float(a), low), min(float(b), high)) for (a, b), (low, high) in zip(bounds, grid.bounds, strict=True)
    )


def _counts(parts: Sequence[Part], grid: Grid, nodes: int) -> tuple[int, ...]:
    """Cells along each axis, the same for all parts, as patches of one shape are stored in one array."""
    spacing = [float(np.mean(w)) for w in grid.widths]
    wanted = np.ones(grid.dim)
    for part in parts:
        lengths = np.diff(part.bounds)[:, 0]
        if isinstance(part.chart, Polar):
            lengths = lengths * [1.0, part.bounds[0][1]]
        wanted = np.maximum(wanted, lengths / spacing / nodes)
    # Four at least and a multiple of four, so that half as many are even and still make a mesh.
    return tuple(4 * max(1, int(np.ceil(n / 4 - 1e-9))) for n in wanted)


def _cut(part: Part, counts: tuple[int, ...]) -> Patch:
    edges = tuple(np.linspace(low, high, n + 1) for (low, high), n in zip(part.bounds, counts, strict=True))
    chart = part.chart

    def density(reference: Array) -> Array:
        return np.asarray(part.density(chart.points(reference)) * chart.jacobian(reference))

    patch = Patch(edges, chart, density, np.ones(counts))
    volumes = outer([np.diff(e) for e in edges])
    return replace(patch, cell_mass=part.share * _means(patch) * volumes)


def _gauss(count: int) -> tuple[Array, Array]:
    """The nodes and weights of Gauss and Legendre on (0, 1)."""
    places, weights = gauss_legendre(count)
    return (places + 1) / 2, weights / 2


def _means(patch: Patch) -> Array:
    """Mean reference densities of the cells by five Gauss nodes an axis."""
    places, weights = _gauss(5)
    d = len(patch.edges)
    reference, _ = patch.rule(places, weights)
    values = patch.density(reference.reshape(-1, d)).reshape(-1, 5**d) @ outer([weights] * d).ravel()
    return np.asarray(values.reshape(patch.shape))


def _of_cells(measure: GridMeasure, coarser: int) -> Patch:
    """The cells of the grid as the mesh, each of constant density, cut to the box of those with mass."""
    masses, edges = measure.masses, list(measure.grid.edges)
    for k in range(masses.ndim):
        full = np.flatnonzero(masses.any(axis=tuple(j for j in range(masses.ndim) if j != k)))
        first, last = int(full[0]), int(full[-1]) + 1
        starts = np.arange(0, last - first, coarser)
        masses = np.add.reduceat(np.take(masses, range(first, last), axis=k), starts, axis=k)
        edges[k] = edges[k][np.append(first + starts, last)]
    return Patch(tuple(edges), Cartesian(), lambda x: np.ones(len(x)), np.asarray(masses))
