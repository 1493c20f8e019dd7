"""The parts into which power cells cut the pieces of a density, as convex polygons that can be moved cell by cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meanfield.distances.semidiscrete.boxes import Index
from meanfield.distances.semidiscrete.clipping import clipped_piece, set_lines, side_of_box
from meanfield.distances.semidiscrete.envelope import DEPTH
from meanfield.distances.semidiscrete.pieces import ConvexPieces
from meanfield.distances.semidiscrete.solution import SemiDiscrete
from particles.checks import Array
from particles.kernels.compiling import compiled, kernel_part, merged


@dataclass(frozen=True, eq=False)
class Parts:
    """Convex polygons: corners (k, 2), where each begins (n + 1,), masses and cells (n,)."""

    corners: Array
    start: Index
    mass: Array
    cell: Index

    def moved(self, matrix: Array, shift: Array) -> ConvexPieces:
        """The density that has x ↦ matrix[cell] x + shift[cell] for its map; matrices (cells, 2, 2), shifts (cells, 2).

        Parts that have no area in float64 any more are left out, and the masses of the others add up to 1.
        """
        cell = np.repeat(self.cell, np.diff(self.start))
        corners = np.einsum("kij,kj->ki", matrix[cell], self.corners) + shift[cell]
        return ConvexPieces.up_to_rounding(corners, self.start, self.mass)


def parts_of(found: SemiDiscrete) -> Parts:
    """The pieces of the density of a solution, cut by its power cells; the cells are those of the solution."""
    solved = found.solved
    problem, state = solved.problem, solved.state
    diagram, tree = state.diagram, problem.pieces
    most = int(np.diff(tree.corner_start).max()) + int(np.diff(diagram.start).max(initial=0)) + 8
    corners, sizes, mass, cell = _parts(most, *diagram, problem.y, state.high, state.low, *tree)
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)
    return Parts(found.frame.origin + found.frame.unit * corners, start, mass, solved.place[cell])


@kernel_part()
def _emit(ax, ay, n, density, cell, points, sizes, mass, owner, count, parts):  # type: ignore[no-untyped-def]
    """Append a polygon with area to the parts found; returns how many corners and parts there are then."""
    merged()
    area = 0.0
    for k in range(1, n - 1):
        area += (ax[k] - ax[0]) * (ay[k + 1] - ay[0]) - (ay[k] - ay[0]) * (ax[k + 1] - ax[0])
    if n < 3 or area <= 0.0:
        return count, parts
    for k in range(n):
        points[count + k, 0], points[count + k, 1] = ax[k], ay[k]
    sizes[parts], mass[parts], owner[parts] = n, 0.5 * density * area, cell
    return count + n, parts + 1


@compiled()
def _parts(  # type: ignore[no-untyped-def]
    most, which, own_high, own_low, diagram_start, neighbour, empty, y, high, low,
    start, stop, centre, half, moments, corners, corner_start, density,
):  # fmt: skip
    ax, ay, al = np.empty(most), np.empty(most), np.empty(most, np.intp)
    bx, by, bl = np.empty(most), np.empty(most), np.empty(most, np.intp)
    stack, line = np.empty(DEPTH, np.intp), np.empty((most, 3))
    room = 2 * (len(density) + len(which))
    points, sizes = np.empty((4 * room + most, 2)), np.empty(room, np.intp)
    mass, owner = np.empty(room), np.empty(room, np.intp)
    count = parts = 0
    for cell in range(len(which)):
        if empty[cell]:
            continue
        s = diagram_start[cell]
        edges = diagram_start[cell + 1] - s
        set_lines(line, neighbour[s : s + edges], which[cell], own_high[cell], own_low[cell], y, high, low)
        stack[0], depth = 0, 1
        while depth > 0:
            depth -= 1
            b = stack[depth]
            if stop[b] == start[b] or side_of_box(line, edges, centre, half, b) < 0:
                continue
            if 2 * b + 2 < len(start):
                stack[depth], stack[depth + 1] = 2 * b + 2, 2 * b + 1
                depth += 2
                continue
            for p in range(start[b], stop[b]):
                first, n = corner_start[p], corner_start[p + 1] - corner_start[p]
                n = clipped_piece(line, edges, s, corners, first, n, ax, ay, al, bx, by, bl)
                if count + n > len(points):
                    points = np.concatenate((points, np.empty_like(points)))
                if parts == len(sizes):
                    sizes = np.concatenate((sizes, np.empty_like(sizes)))
                    mass = np.concatenate((mass, np.empty_like(mass)))
                    owner = np.concatenate((owner, np.empty_like(owner)))
                count, parts = _emit(ax, ay, n, density[p], cell, points, sizes, mass, owner, count, parts)
    return points[:count].copy(), sizes[:parts].copy(), mass[:parts].copy(), owner[:parts].copy()
