"""Averages over cells of the gradient of a pair potential W, exact where W is singular at the origin or has a kink.

The average of ∂_k W over a box is the difference of the averages of W over its two faces across axis k, divided by its
width: no derivative is integrated. In d = 1 a face is a point. In d ≥ 2 a face far from the origin is integrated by
Gauss's rule, one near it or cut by a kink piece by piece, by the double exponential rule (Takahasi, Mori 1974) towards
the origin. Where W is integrable over no face through the origin (the logarithm on a line, 1/r in the plane), the cells
beside that face are taken as atoms, ∇W at their displacement.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import reduce

import numpy as np
import numpy.typing as npt

from meanfield.measures.gauss_legendre import gauss_legendre
from meanfield.measures.grid import along, tensor_points
from particles.checks import Array
from particles.models.potentials import Potential

NEAR, MIDDLE = 3.0, 8.0
"""Distances from the origin, in widths of a cell, up to which faces are integrated piece by piece, and by MIDDLE_NODES
instead of FAR_NODES Gauss nodes in each half of a face along each axis: for the logarithm within 1e-13 of the largest
average."""

MIDDLE_NODES, FAR_NODES, PIECE_NODES = 6, 4, 24

SMALLEST, SMALL = 1e-140, 1e-70
"""How near the origin the double exponential rule goes; what lies nearer than the second shows whether W is integrable
there: DIVERGES is the relative change by it above which it is not."""

DIVERGES = 1e-8

SLAB = 2**21
"""Displacements at which W is called at a time."""


def averaged_gradient(
    potential: Potential, centres: Sequence[Array], widths: Sequence[float], k: int, periods: Sequence[float | None]
) -> Array:
    """Averages of ∂_k W over boxes of the given widths about displacements on a tensor grid, its axes equally spaced.

    `centres`: an axis of displacements for each dimension, spaced by the width; W is that of the nearest image along a
    periodic axis. Shape (len(centres[0]), …, len(centres[d − 1])).
    """
    edges = np.append(centres[k] - widths[k] / 2, centres[k][-1] + widths[k] / 2)
    axes = [
        _image(edges if j == k else centre, widths[j], period)
        for j, (centre, period) in enumerate(zip(centres, periods, strict=True))
    ]
    faces = _Faces(potential, k, widths, periods)
    if potential.radial:
        halves = [np.unique(np.abs(axis), return_inverse=True) for axis in axes]
        means = faces.means([half for half, _ in halves])[np.ix_(*(place for _, place in halves))]
    else:
        means = faces.means(axes)
    with np.errstate(invalid="ignore"):
        out: Array = np.diff(means, axis=k) / widths[k]
    atoms = ~np.isfinite(out)
    if atoms.any():
        at = [np.broadcast_to(along(c, j, len(centres)), out.shape)[atoms] for j, c in enumerate(centres)]
        out[atoms] = potential.gradient(_nearest(np.column_stack(at), periods))[:, k]
    return out


class _Faces:
    """Averages of W over faces across axis k; NaN where W is not integrable."""

    def __init__(self, potential: Potential, k: int, widths: Sequence[float], periods: Sequence[float | None]) -> None:
        self.potential, self.k, self.widths, self.periods = potential, k, widths, periods
        self.across = [j for j in range(len(widths)) if j != k]

    def means(self, axes: Sequence[Array]) -> Array:
        """On the tensor grid of the centres of the faces."""
        shape = tuple(map(len, axes))
        if not self.across:
            return self._values(axes[0][:, None])
        scaled = [np.abs(axis) / self.widths[j] for j, axis in enumerate(axes)]
        size = np.sqrt(sum(along(s**2, j, len(axes)) for j, s in enumerate(scaled)))
        out = np.empty(shape)
        near = (size <= NEAR) | self._cut(axes)
        for chosen, nodes in ((size > MIDDLE, FAR_NODES), ((size <= MIDDLE) & ~near, MIDDLE_NODES)):
            places = np.nonzero(chosen & ~near)
            out[places] = self._by_gauss(
                np.column_stack([axis[i] for axis, i in zip(axes, places, strict=True)]), nodes
            )
        for place in np.argwhere(near):
            out[tuple(place)] = self._by_pieces(np.array([axis[i] for axis, i in zip(axes, place, strict=True)]))
        return out

    def _values(self, z: Array) -> Array:
        return self.potential.value(_nearest(z, self.periods))

    def _cut(self, axes: Sequence[Array]) -> npt.NDArray[np.bool_]:
        """Whether a kink passes through a face."""
        d = len(axes)
        half = [0.0 if j == self.k else self.widths[j] / 2 for j in range(d)]
        inner = sum(along(np.maximum(np.abs(axis) - half[j], 0.0) ** 2, j, d) for j, axis in enumerate(axes))
        outer = sum(along((np.abs(axis) + half[j]) ** 2, j, d) for j, axis in enumerate(axes))
        cut = np.zeros(np.shape(inner), dtype=bool)
        for radius in self.potential.kinks:
            cut |= (np.asarray(inner) < radius**2) & (radius**2 < np.asarray(outer))
        return cut

    def _by_gauss(self, z: Array, nodes: int) -> Array:
        """Averages over the faces about z (m, d), each cut in halves along its axes: a kink at half a period is on the
        cut."""
        x, weights = gauss_legendre(nodes)
        points = np.concatenate([x - 1, x + 1]) / 4
        total = np.zeros(len(z))
        for chosen in itertools.product(range(2 * nodes), repeat=len(self.across)):
            shift = np.zeros(z.shape[1])
            shift[self.across] = [points[i] * self.widths[j] for i, j in zip(chosen, self.across, strict=True)]
            weight = np.prod([weights[i % nodes] / 4 for i in chosen])
            for a in range(0, len(z), SLAB):
                total[a : a + SLAB] += weight * self._values(z[a : a + SLAB] + shift)
        return total

    def _by_pieces(self, z: Array) -> float:
        """The average over the face about z (d,)."""
        rules = [self._rule(z, j) for j in self.across]
        points = tensor_points(tuple(x for x, _ in rules))
        weights = np.ravel(reduce(np.multiply.outer, [w for _, w in rules]))
        at = np.empty((len(points), len(z)))
        at[:, self.k] = z[self.k]
        at[:, self.across] = points
        terms = weights * self._values(at)
        whole = float(terms.sum())
        kept = float(terms[(np.abs(at).max(axis=1) >= SMALL * min(self.widths))].sum())
        return whole if abs(whole - kept) <= DIVERGES * np.abs(terms).sum() else np.nan

    def _rule(self, z: Array, j: int) -> tuple[Array, Array]:
        """Nodes and weights, of sum 1, on the side j of the face about z: in pieces that end at 0 and at kinks."""
        low, high = z[j] - self.widths[j] / 2, z[j] + self.widths[j] / 2
        left = [radius**2 - z[self.k] ** 2 for radius in self.potential.kinks] if len(self.across) == 1 else []
        breaks = [0.0] + [sign * np.sqrt(square) for square in left if square > 0 for sign in (-1, 1)]
        if len(self.across) > 1 and self.potential.kinks:
            breaks += list(np.linspace(low, high, 5)[1:-1])
        ends = [
            low,
            *sorted({b for b in breaks if low + 1e-9 * self.widths[j] < b < high - 1e-9 * self.widths[j]}),
            high,
        ]
        ends = [0.0 if abs(end) < 1e-9 * self.widths[j] else end for end in ends]
        pieces = [_piece(a, b) for a, b in itertools.pairwise(ends)]
        x, w = (np.concatenate(part) for part in zip(*pieces, strict=True))
        return x, w / self.widths[j]


def _piece(a: float, b: float) -> tuple[Array, Array]:
    """A rule on [a, b]: double exponential towards an end at 0, else Gauss's."""
    if a == 0.0 or b == 0.0:
        x, w = _towards_zero()
        return x * (a + b), w * (b - a)
    x, w = gauss_legendre(PIECE_NODES)
    return (a + b) / 2 + (b - a) / 2 * x, (b - a) / 2 * w


def _towards_zero() -> tuple[Array, Array]:
    """x = 1/(1 + e^{−π sinh t}) on [0, 1], by the trapezoidal rule in t."""
    t = np.arange(-np.arcsinh(-np.log(SMALLEST) / np.pi), 3.3, 0.1)
    tail = np.exp(-np.pi * np.sinh(t))
    x = 1 / (1 + tail)
    return x, 0.1 * np.pi * np.cosh(t) * x * (tail / (1 + tail))


def _image(axis: Array, width: float, period: float | None) -> Array:
    """Displacements along one axis, taken to their nearest images; 0 is there exactly, whatever widths add up to."""
    out = axis if period is None else axis - period * np.round(axis / period)
    return np.where(np.abs(out) < 1e-9 * width, 0.0, out)


def _nearest(z: Array, periods: Sequence[float | None]) -> Array:
    """Displacements (m, d) taken to their nearest images."""
    out = z.copy()
    for j, period in enumerate(periods):
        if period is not None:
            out[:, j] -= period * np.round(out[:, j] / period)
    return out
