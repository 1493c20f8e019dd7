"""Sums Σ_j w_j / (z_i − z_j) in the complex plane, the field of the logarithm, in O((m + n) log n) by multipoles.

A cell of centre c and radius ρ acts on a point z at distance |z − c| ≥ 2ρ through its expansion in ρ/(z − c). Cut off
after p terms it errs by at most W 2^{−p} / (|z − c| − ρ), W the mass of the cell: with p = 52, by rounding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from particles.kernels.compiling import compiled
from particles.kernels.threads import spread, thread_count

Complex = npt.NDArray[np.complex128]
Whole = npt.NDArray[np.int64]

TERMS = 52
"""Terms of an expansion: 2^{−52} is the rounding of float64."""

LEAF = 48
"""Sources in a cell that is divided no further; about what an expansion costs."""

TILE = 256
"""Targets that a thread takes at a time."""


PIECE = 4096
"""Sources whose powers are held in memory at a time."""


class Cells(NamedTuple):
    """A binary tree: cell k holds sources start[k] … stop[k] − 1; child[k] is the first of its two, 0 for a leaf."""

    start: Whole
    stop: Whole
    child: Whole
    centre: Complex
    radius: npt.NDArray[np.float64]
    terms: Complex


def cauchy_sums(targets: Complex, sources: Complex, weights: npt.NDArray[np.float64]) -> Complex:
    """Σ_j w_j / (z_i − z_j) at every target over the sources elsewhere: those at the target itself do not act on it."""
    order, cells = _divide(sources, weights)
    z, w = np.ascontiguousarray(sources[order]), np.ascontiguousarray(weights[order])
    out = np.empty(len(targets), dtype=np.complex128)
    tiles = -(-len(targets) // TILE)

    def work(first: int, last: int) -> None:
        rows = slice(first * TILE, last * TILE)
        _evaluate(targets[rows], z, w, *cells, out[rows])

    spread(work, tiles, thread_count(None))
    return out


def _divide(z: Complex, w: npt.NDArray[np.float64]) -> tuple[Whole, Cells]:
    order = np.arange(len(z))
    start, stop, child, centre, radius, terms = [0], [len(z)], [0], [], [], []
    k = 0
    while k < len(start):
        a, b = start[k], stop[k]
        inside, mass = z[order[a:b]], w[order[a:b]]
        width = complex(np.ptp(inside.real), np.ptp(inside.imag))
        middle = complex(inside.real.min(), inside.imag.min()) + width / 2
        apart = inside - middle
        rho = float(np.abs(apart).max())
        centre.append(middle)
        radius.append(rho)
        unit = apart / rho if rho > 0 else apart
        terms.append(_expansion(unit, mass))
        if b - a > LEAF and rho > 0:
            half = (b - a) // 2
            along = inside.real if width.real >= width.imag else inside.imag
            order[a:b] = order[a:b][np.argpartition(along, half)]
            child[k] = len(start)
            start += [a, a + half]
            stop += [a + half, b]
            child += [0, 0]
        k += 1
    tree = Cells(np.array(start), np.array(stop), np.array(child), np.array(centre), np.array(radius), np.array(terms))
    return order, tree


def _expansion(unit: Complex, mass: npt.NDArray[np.float64]) -> Complex:
    # In pieces, so that memory stays linear in the number of sources with a small factor.
    total = np.zeros(TERMS, dtype=np.complex128)
    for i in range(0, len(unit), PIECE):
        total += mass[i : i + PIECE] @ np.vander(unit[i : i + PIECE], TERMS, increasing=True)
    return total


@compiled()
def _evaluate(
    targets: Any, z: Any, w: Any, start: Any, stop: Any, child: Any, centre: Any, radius: Any, terms: Any, out: Any
) -> None:
    stack = np.empty(128, dtype=np.int64)
    for i in range(len(targets)):
        x = targets[i]
        total = 0j
        stack[0], top = 0, 1
        while top > 0:
            top -= 1
            k = stack[top]
            gap = x - centre[k]
            if child[k] > 0 and abs(gap) < 2 * radius[k]:
                stack[top], stack[top + 1] = child[k], child[k] + 1
                top += 2
            elif child[k] > 0 or (stop[k] - start[k] > 16 and abs(gap) >= 2 * radius[k] and abs(gap) > 0):
                u = radius[k] / gap
                series = terms[k, -1]
                for p in range(terms.shape[1] - 2, -1, -1):
                    series = series * u + terms[k, p]
                total += series / gap
            else:
                for j in range(start[k], stop[k]):
                    apart = x - z[j]
                    if apart != 0:
                        total += w[j] / apart
        out[i] = total
