"""Cell masses: integrals of a density over tensor cells, and the deposit of point masses on cell centres."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from meanfield.measures.gauss_legendre import gauss_legendre
from particles.checks import Array, as_finite
from particles.errors import InvalidInput, TooLarge

Edges = tuple[Array, ...]
"""Cell edges along each axis: d increasing arrays, of N_k + 1 entries for N_k cells."""

Density = Callable[[Array], Array]

Indices = npt.NDArray[np.intp]

MAX_EVALUATIONS = 4 * 10**8
BATCH = 2**17

WITNESSES = 2**18
"""Points, beside the nodes of the rules, at which a density is looked at for narrow peaks."""

FAR = 8.0
"""How far above all nodes of a box a value must be to be taken for a peak between them."""


def outer(factors: list[Array]) -> Array:
    """The tensor product of d vectors, shape (N_1, …, N_d)."""
    product = factors[0]
    for factor in factors[1:]:
        product = np.multiply.outer(product, factor)
    return product


def cell_integrals(density: Density, edges: Edges, *, tolerance: float = 1e-10) -> tuple[Array, float]:
    """Integrals of a density over every cell, and an estimate of the sum of their absolute errors.

    Adaptive: a box is halved along every axis while two rules of 5 nodes an axis, Gauss–Legendre and one that looks
    into the corners, disagree by more than its share of `tolerance` times the integral; at most ten times, where a
    jump of the density leaves a small error, which the estimate counts. A peak between all nodes of its cell is looked
    for at 2^18 more points, spread evenly over the cells: where one of them is far above every node of its box, the box
    is halved too. A peak that is narrower than these points lie apart stays unseen. Refused: values that are negative
    or not finite, a zero integral.
    """
    boxes = _Boxes.of(edges)
    integrals = np.zeros(len(boxes.cell))
    error, spent, total = 0.0, 0, 0.0
    cost = 2 * 5 ** len(edges)
    witnesses = _Witnesses.of(density, edges)
    for level in range(11):
        spent += cost * len(boxes.cell)
        if spent > MAX_EVALUATIONS:
            raise TooLarge(
                f"the density needs more than {MAX_EVALUATIONS:g} evaluations: smooth it or coarsen the grid"
            )
        coarse, fine, highest = _rules(density, boxes.low, boxes.size)
        total = max(total, float(integrals.sum() + fine.sum()))
        if total <= 0:
            raise InvalidInput("the density integrates to zero over the box: choose a box that contains its mass")
        gap = np.abs(fine - coarse)
        unseen = witnesses.above(boxes, highest, tolerance * total / len(integrals))
        gap = np.maximum(gap, unseen)
        split = gap > tolerance * total / len(integrals) if level < 10 else np.zeros(len(gap), bool)
        np.add.at(integrals, boxes.cell[~split], fine[~split])
        error += float(gap[~split].sum())
        if not split.any():
            break
        boxes = boxes.halves(split)
    return integrals.reshape([len(e) - 1 for e in edges]), error / total


class _Boxes(NamedTuple):
    """Parts of cells, all cut as often: the cell of each, its low corner and size, (m, d), its place among the `parts`
    along each axis of the cell."""

    cell: Indices
    low: Array
    size: Array
    place: Indices
    parts: int

    @classmethod
    def of(cls, edges: Edges) -> _Boxes:
        """The cells themselves."""
        shape = tuple(len(e) - 1 for e in edges)
        cell: Indices = np.arange(math.prod(shape))
        where = np.unravel_index(cell, shape)
        low = np.stack([e[i] for e, i in zip(edges, where, strict=True)], axis=1)
        size = np.stack([e[i + 1] for e, i in zip(edges, where, strict=True)], axis=1) - low
        return cls(cell, low, size, np.zeros(low.shape, dtype=np.intp), 1)

    def halves(self, split: npt.NDArray[np.bool_]) -> _Boxes:
        """The chosen boxes, each halved along every axis."""
        dim = self.low.shape[1]
        corners = np.stack(np.meshgrid(*[[0, 1]] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
        low = self.low[split][:, None] + 0.5 * corners * self.size[split][:, None]
        place = 2 * self.place[split][:, None] + corners
        size = np.repeat(self.size[split] / 2, 2**dim, axis=0)
        cell = np.repeat(self.cell[split], 2**dim)
        return _Boxes(cell, low.reshape(-1, dim), size, place.reshape(-1, dim), 2 * self.parts)


def _corner_rule() -> tuple[Array, Array]:
    # Close to the corners, so that a jump that cuts one off is seen, but not on them, where it may run along the cells.
    nodes = np.array([-0.999, -0.65, 0.0, 0.65, 0.999])
    moments = np.array([2.0, 0.0, 2 / 3, 0.0, 2 / 5])
    return nodes, np.linalg.solve(np.vander(nodes, increasing=True).T, moments)


CORNERS = _corner_rule()


def _rules(density: Density, low: Array, size: Array) -> tuple[Array, Array, Array]:
    """Integrals over boxes by the two rules, and the highest value at a node of either."""
    out, highest = np.empty((2, len(low))), np.zeros(len(low))
    dim = low.shape[1]
    for row, (nodes, weights) in enumerate((CORNERS, gauss_legendre(5))):
        points = np.stack(np.meshgrid(*[(nodes + 1) / 2] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
        weight = outer([weights / 2] * dim).ravel()
        batch = max(1, BATCH // (len(points) * dim))
        for a in range(0, len(low), batch):
            some = slice(a, a + batch)
            # Component by component, node by node: every loop, here and in most densities, runs along the boxes.
            x = np.empty((dim, len(points), len(low[some])))
            for k in range(dim):
                np.multiply.outer(points[:, k], size[some, k], out=x[k])
                x[k] += low[some, k]
            values = _values(density, x.reshape(dim, -1).T).reshape(len(points), -1)
            out[row, some] = weight @ values
            np.maximum(highest[some], values.max(axis=0), out=highest[some])
        out[row] *= size.prod(axis=1)
    return out[0], out[1], highest


class _Witnesses(NamedTuple):
    """Points at which a density is looked at beside the nodes: where in their cells they lie, (m, d) in [0, 1), the
    values there, and the cells."""

    places: Array
    values: Array
    cells: Indices

    @classmethod
    def of(cls, density: Density, edges: Edges) -> _Witnesses:
        """Those of additive recurrence (Roberts 2018), as many a cell everywhere."""
        d = len(edges)
        root = np.roots([1.0, *[0.0] * (d - 1), -1.0, -1.0])
        ratio = float(root[np.isreal(root) & (root.real > 1)].real[0])
        steps = np.arange(1, WITNESSES + 1)
        x, places, where = np.empty((d, WITNESSES)), np.empty((WITNESSES, d)), []
        for k, e in enumerate(edges):
            place = (0.5 + steps * ratio ** -(k + 1)) % 1.0 * (len(e) - 1)
            cell = np.minimum(place.astype(np.intp), len(e) - 2)
            places[:, k] = place - cell
            x[k] = e[cell] + places[:, k] * (e[cell + 1] - e[cell])
            where.append(cell)
        return cls(places, _values(density, x.T), np.ravel_multi_index(where, tuple(len(e) - 1 for e in edges)))

    def above(self, boxes: _Boxes, highest: Array, share: float) -> Array:
        """For each box the mass that a witness far above its nodes stands for, 0 without one."""
        found, volume = np.zeros(len(highest)), boxes.size.prod(axis=1)
        # Only cells in which some witness is far above: few.
        peak = np.zeros(int(max(self.cells.max(), boxes.cell.max())) + 1)
        np.maximum.at(peak, self.cells, self.values)
        some = np.flatnonzero((peak[boxes.cell] > FAR * highest) & (peak[boxes.cell] * volume > share))
        if not some.size:
            return found
        wanted_cells = np.zeros(len(peak), bool)
        wanted_cells[boxes.cell[some]] = True
        near = np.flatnonzero(wanted_cells[self.cells])
        places = np.minimum((self.places[near] * boxes.parts).astype(np.intp), boxes.parts - 1)
        known = _keys(self.cells[near], places, boxes.parts)
        order = np.argsort(known)
        known = known[order]
        first = np.flatnonzero(np.diff(known, prepend=-1))
        largest, known = np.maximum.reduceat(self.values[near][order], first), known[first]
        wanted = _keys(boxes.cell[some], boxes.place[some], boxes.parts)
        at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        value = np.where(known[at] == wanted, largest[at], 0.0)
        seen = value > FAR * highest[some]
        found[some[seen]] = (value * volume[some])[seen]
        return found


def _keys(cells: Indices, places: Indices, parts: int) -> Indices:
    """One number for each box of a cell cut into `parts` along each axis, from its place (m, d) in the cell."""
    keys = cells
    for k in range(places.shape[1]):
        keys = keys * parts + places[:, k]
    return keys


def _values(density: Density, x: Array) -> Array:
    values = np.asarray(density(x))
    if values.shape != (len(x),):
        raise InvalidInput(f"a density maps points (m, d) to values (m,): got shape {values.shape} for m = {len(x)}")
    values = as_finite(values, "density(x)")
    if (values < 0).any():
        worst = int(np.argmin(values))
        raise InvalidInput(f"the density must be non-negative, got {values[worst]:g} at x = {x[worst].tolist()}")
    return values


def hat_weights(position: Array, centres: Array) -> tuple[Indices, Array]:
    """Along one axis: the cell i below each position and the share of cell i + 1 (linear, cloud-in-cell)."""
    i = np.clip(np.searchsorted(centres, position, side="right") - 1, 0, len(centres) - 2)
    return i, (position - centres[i]) / (centres[i + 1] - centres[i])


def deposit(points: Array, weights: Array, centres: tuple[Array, ...]) -> Array:
    """Point masses shared linearly among the 2^d nearest cell centres: keeps mass, mean and positivity.

    points (n, d) within the outermost centres, weights (n,); returns masses (N_1, …, N_d).
    """
    masses = np.zeros(tuple(map(len, centres)))
    add_deposit(masses, points, weights, centres)
    return masses


def add_deposit(masses: Array, points: Array, weights: Array, centres: tuple[Array, ...]) -> None:
    """Add the deposit of point masses to contiguous cell masses, in place."""
    lower, share = zip(*(hat_weights(points[:, k], c) for k, c in enumerate(centres)), strict=True)
    flat = masses.reshape(-1)
    for corner in np.ndindex(*[2] * len(centres)):
        part, cell = weights, []
        for k, up in enumerate(corner):
            part = part * (share[k] if up else 1.0 - share[k])
            cell.append(lower[k] + up)
        np.add.at(flat, np.ravel_multi_index(cell, masses.shape), part)
