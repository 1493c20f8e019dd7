"""Masses, centroids, second moments and face integrals of power cells under a density of convex pieces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from meanfield.distances.semidiscrete.envelope import DEPTH
from meanfield.distances.semidiscrete.pieces import PieceTree, with_edge
from meanfield.distances.semidiscrete.power_diagram import Diagram, clip, set_box
from particles.checks import Array
from particles.kernels.compiling import compiled, kernel_part, merged
from particles.kernels.threads import spread, thread_count

_CHUNK = 256


class Cells(NamedTuple):
    """Of each cell: mass (n,), centroid (n, 2), ∫ xx, xy, yy about the centroid (n, 3); of each neighbour: ∫ ρ dl."""

    mass: Array
    centroid: Array
    second: Array
    face: Array


def measure_cells(
    diagram: Diagram, y: Array, high: Array, low: Array, pieces: PieceTree, box: Array, background: float
) -> Cells:
    """Integrals over the cells of a diagram, of (1 − background) times the density plus `background` over the box.

    A piece is cut by the bisectors themselves, whose signed values at its corners are exact opposites for the two
    cells that share one: what one cell loses the other gains, and the masses sum to 1 up to rounding.
    """
    n = len(diagram.which)
    out = Cells(np.zeros(n), np.zeros((n, 2)), np.zeros((n, 3)), np.zeros(len(diagram.neighbour)))
    most = int(np.diff(pieces.corner_start).max()) + int(np.diff(diagram.start).max(initial=0)) + 8

    def work(start: int, stop: int) -> None:
        _measure(start, stop, most, *diagram, y, high, low, box, background, *pieces, *out)

    spread(work, n, thread_count(None), _CHUNK)
    return out


@kernel_part()
def _add(mass, x, y, xx, xy, yy, i, out_mass, out_centroid, out_second):  # type: ignore[no-untyped-def]
    """Put a part with its central moments to those of cell i."""
    merged()
    if mass <= 0.0:
        return
    total = out_mass[i] + mass
    share = mass / total
    dx, dy = x - out_centroid[i, 0], y - out_centroid[i, 1]
    apart = out_mass[i] * share
    out_second[i, 0] += xx + apart * dx * dx
    out_second[i, 1] += xy + apart * dx * dy
    out_second[i, 2] += yy + apart * dy * dy
    out_centroid[i, 0] += share * dx
    out_centroid[i, 1] += share * dy
    out_mass[i] = total


@kernel_part()
def _add_polygon(px, py, label, n, density, i, out_mass, out_centroid, out_second, out_face):  # type: ignore[no-untyped-def]
    merged()
    ox, oy = px[0], py[0]
    a, sx, sy, xx, xy, yy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(n):
        k1 = k + 1 if k + 1 < n else 0
        x0, y0, x1, y1 = px[k] - ox, py[k] - oy, px[k1] - ox, py[k1] - oy
        a, sx, sy, xx, xy, yy = with_edge(a, sx, sy, xx, xy, yy, x0, y0, x1, y1)
        if label[k] >= 0:
            out_face[label[k]] += density * np.sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0))
    if a > 0.0:
        mass = 0.5 * density * a
        gx, gy = sx / (3 * a), sy / (3 * a)
        xx, yy = max(xx / (6 * a) - gx * gx, 0.0), max(yy / (6 * a) - gy * gy, 0.0)
        xy = xy / (12 * a) - gx * gy
        _add(mass, ox + gx, oy + gy, mass * xx, mass * xy, mass * yy, i, out_mass, out_centroid, out_second)


@kernel_part()
def set_lines(line, neighbour, i, b_high, b_low, y, high, low):  # type: ignore[no-untyped-def]
    """The edges of cell i as lines, d0 x + d1 y + c ≤ 0 inside: rows (d0, d1, c), one a neighbour."""
    merged()
    for k in range(len(neighbour)):
        j = neighbour[k]
        line[k, 0], line[k, 1] = y[j, 0] - y[i, 0], y[j, 1] - y[i, 1]
        line[k, 2] = (high[j] - b_high) + (low[j] - b_low)


@kernel_part()
def side_of_box(line, edges, centre, half, b):  # type: ignore[no-untyped-def]
    """Where the box of node b lies: 1 inside all edges of the cell, −1 outside one of them, 0 else."""
    merged()
    side = 1
    for k in range(edges):
        at = line[k, 0] * centre[b, 0] + line[k, 1] * centre[b, 1] + line[k, 2]
        reach = abs(line[k, 0]) * half[b, 0] + abs(line[k, 1]) * half[b, 1]
        if at > reach:
            return -1
        if at + reach >= 0.0:
            side = 0
    return side


@kernel_part()
def _clipped_box(line, edges, first_label, box, ax, ay, al, bx, by, bl):  # type: ignore[no-untyped-def]
    """The box cut by all edges of a cell; returns the number of its corners."""
    merged()
    n = set_box(box, ax, ay, al)
    for k in range(edges):
        n = clip(ax, ay, al, n, line[k, 0], line[k, 1], line[k, 2], first_label + k, bx, by, bl)
        if n == 0:
            break
    return n


@kernel_part()
def clipped_piece(line, edges, first_label, corners, first, n, ax, ay, al, bx, by, bl):  # type: ignore[no-untyped-def]
    """A piece with n corners cut by the edges of a cell that reach it; returns the number of its corners."""
    merged()
    for k in range(n):
        ax[k], ay[k], al[k] = corners[first + k, 0], corners[first + k, 1], -1
    for k in range(edges):
        most_value, zeros = -np.inf, 0
        for r in range(n):
            value = line[k, 0] * ax[r] + line[k, 1] * ay[r] + line[k, 2]
            most_value = max(most_value, value)
            if value == 0.0:
                zeros += 1
        if most_value < 0.0 or (most_value == 0.0 and zeros < 2):
            continue
        n = clip(ax, ay, al, n, line[k, 0], line[k, 1], line[k, 2], first_label + k, bx, by, bl)
        if n == 0:
            break
    return n


@compiled()
def _measure(  # type: ignore[no-untyped-def]
    first, last, most, which, own_high, own_low, diagram_start, neighbour, empty, y, high, low, box, background,
    start, stop, centre, half, moments, corners, corner_start, density, out_mass, out_centroid, out_second, out_face,
):  # fmt: skip
    ax, ay, al = np.empty(most), np.empty(most), np.empty(most, np.intp)
    bx, by, bl = np.empty(most), np.empty(most), np.empty(most, np.intp)
    stack = np.empty(DEPTH, np.intp)
    line = np.empty((most, 3))
    nodes = len(start)
    f = 1.0 - background
    for cell in range(first, last):
        if empty[cell]:
            continue
        s = diagram_start[cell]
        edges = diagram_start[cell + 1] - s
        set_lines(line, neighbour[s : s + edges], which[cell], own_high[cell], own_low[cell], y, high, low)
        if background > 0.0:
            n = _clipped_box(line, edges, s, box, ax, ay, al, bx, by, bl)
            if n > 0:
                level = background / ((box[2] - box[0]) * (box[3] - box[1]))
                _add_polygon(ax, ay, al, n, level, cell, out_mass, out_centroid, out_second, out_face)
        stack[0], depth = 0, 1
        while depth > 0:
            depth -= 1
            b = stack[depth]
            side = -1 if stop[b] == start[b] else side_of_box(line, edges, centre, half, b)
            if side < 0:
                continue
            if side > 0:
                m = moments[b]
                _add(f * m[0], m[1], m[2], f * m[3], f * m[4], f * m[5], cell, out_mass, out_centroid, out_second)
                continue
            if 2 * b + 2 < nodes:
                stack[depth], stack[depth + 1] = 2 * b + 2, 2 * b + 1
                depth += 2
                continue
            for p in range(start[b], stop[b]):
                c, n = corner_start[p], corner_start[p + 1] - corner_start[p]
                n = clipped_piece(line, edges, s, corners, c, n, ax, ay, al, bx, by, bl)
                if n > 0:
                    _add_polygon(ax, ay, al, n, f * density[p], cell, out_mass, out_centroid, out_second, out_face)
