"""Densities from coarse to fine: a path from the uniform one to the one asked for, on which no cell loses all its mass.

Newton's method follows a density that jumps by decades within a sliver, or that leaves part of the box empty, only from
nearby. Blurred at the scale σ a density varies over lengths of σ. Each density of the path is

    μ_k = (1 − θ) S_k + θ μ_{k−1},

S_k the density blurred at 4^{−k} of the box, at last the density itself: no cell has less than θ of what it had.
θ is as small as Newton's method allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from meanfield.distances.semidiscrete.boxes import Index
from meanfield.distances.semidiscrete.pieces import PieceTree, piece_tree, polygons
from particles.checks import Array
from particles.kernels.compiling import compiled

_FINER = 0.25
_KEPT = 3
"""Blurred densities in one mixture; what is left of those before them is spread over the box."""


class Blurred(NamedTuple):
    """Convex pieces: corners (k, 2), where each begins, masses, areas, centroids (n, 2), covariances (n, 3)."""

    corners: Array
    start: Index
    mass: Array
    area: Array
    centroid: Array
    spread: Array


@dataclass(frozen=True)
class Mixture:
    """Blurred densities with their shares, the latest first; the rest of the mass is spread over the box."""

    parts: tuple[tuple[float, Blurred], ...]

    @property
    def background(self) -> float:
        """The share that is spread over the box."""
        return max(1.0 - sum(share for share, _ in self.parts), 0.0)

    def toward(self, density: Blurred, theta: float) -> Mixture:
        """(1 − θ) times the density plus θ times this one."""
        rest = [(theta * share, part) for share, part in self.parts if part is not density]
        own = sum(theta * share for share, part in self.parts if part is density)
        return Mixture(((1.0 - theta + own, density), *rest)[:_KEPT])

    def pieces(self) -> PieceTree:
        """The blurred densities without the background, total 1."""
        total = sum(share for share, _ in self.parts)
        joined = _joined([part._replace(mass=share / total * part.mass) for share, part in self.parts])
        return piece_tree(joined.corners, joined.start, joined.mass, joined.area, joined.centroid, joined.spread)


def blurred(pieces: PieceTree, box: Array) -> Iterator[Blurred]:
    """The densities S_k, from the uniform one on; the last one is the density itself, not blurred."""
    extent = box[2:] - box[:2]
    exact = _as_blurred(pieces)
    last = False
    scale = 1.0
    while not last:
        density, last = _blurred(pieces, extent * scale, exact)
        scale *= _FINER
        yield density


def _blurred(pieces: PieceTree, scale: Array, exact: Blurred) -> tuple[Blurred, bool]:
    """Each node of the tree within the scale as one rectangle, each piece at least as wide; whether nothing changed."""
    box = pieces.centre[0] - pieces.half[0], pieces.centre[0] + pieces.half[0]
    node, piece = _within(pieces.start, pieces.stop, pieces.half, 0.5 * scale)
    corners, begin = pieces.corners, pieces.corner_start
    low = np.minimum.reduceat(corners, begin[:-1])[piece]
    high = np.maximum.reduceat(corners, begin[:-1])[piece]
    wide = ((high - low) >= scale).all(axis=1)
    if not len(node) and wide.all():
        return exact, True
    centre = np.concatenate([pieces.centre[node], 0.5 * (low + high)[~wide]])
    half = np.concatenate([pieces.half[node], 0.5 * (high - low)[~wide]])
    half = np.maximum(half, 0.5 * scale)
    low, high = np.maximum(centre - half, box[0]), np.minimum(centre + half, box[1])
    mass = np.concatenate([pieces.moments[node, 0], exact.mass[piece][~wide]])
    middle, width = 0.5 * (low + high), high - low
    rectangles = np.stack(
        [low[:, 0], low[:, 1], high[:, 0], low[:, 1], high[:, 0], high[:, 1], low[:, 0], high[:, 1]], 1
    )
    spread = np.stack([width[:, 0] ** 2, np.zeros(len(width)), width[:, 1] ** 2], axis=1) / 12.0
    boxes = Blurred(
        rectangles.reshape(-1, 2), 4 * np.arange(len(mass) + 1), mass, width[:, 0] * width[:, 1], middle, spread
    )
    return _joined([boxes, _chosen(exact, piece[wide])]), False


def _as_blurred(pieces: PieceTree) -> Blurred:
    area, centroid, second, _ = polygons(pieces.corners, pieces.corner_start)
    return Blurred(pieces.corners, pieces.corner_start, pieces.density * area, area, centroid, second)


def _chosen(density: Blurred, which: Index) -> Blurred:
    size = np.diff(density.start)[which]
    start = np.concatenate([[0], np.cumsum(size)]).astype(np.intp)
    places = np.repeat(density.start[:-1][which] - start[:-1], size) + np.arange(start[-1])
    return Blurred(density.corners[places], start, *(part[which] for part in density[2:]))


def _joined(parts: list[Blurred]) -> Blurred:
    offset, starts = 0, [np.zeros(1, np.intp)]
    for part in parts:
        starts.append(part.start[1:] + offset)
        offset += int(part.start[-1])
    columns = [np.concatenate([part[k] for part in parts]) for k in (0, 2, 3, 4, 5)]
    return Blurred(columns[0], np.concatenate(starts), *columns[1:])


@compiled()
def _within(start, stop, half, scale):  # type: ignore[no-untyped-def]
    """The nodes without larger ones within the scale, and the pieces that are in none of them."""
    nodes = len(start)
    node, piece = np.empty(nodes, np.intp), np.empty(stop[0], np.intp)
    stack = np.empty(128, np.intp)
    stack[0], depth, m, k = 0, 1, 0, 0
    while depth > 0:
        depth -= 1
        b = stack[depth]
        if stop[b] == start[b]:
            continue
        if stop[b] - start[b] > 1 and half[b, 0] <= scale[0] and half[b, 1] <= scale[1]:
            node[m] = b
            m += 1
        elif 2 * b + 2 < nodes:
            stack[depth], stack[depth + 1] = 2 * b + 1, 2 * b + 2
            depth += 2
        else:
            for p in range(start[b], stop[b]):
                piece[k] = p
                k += 1
    return node[:m].copy(), piece[:k].copy()
