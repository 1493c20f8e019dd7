"""Sums Σ_j w_j ∇W(x_i − y_j) of a user's gradient over all pairs, or over pairs within a reach, on straight or periodic
axes: compiled where Numba compiles the function, else by NumPy in blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from particles.checks import Array
from particles.kernels.compiling import SUMS, compiled, kernel_part, merged
from particles.kernels.exact.exponential import wide_vectors
from particles.kernels.neighbour_boxes import boxes, places
from particles.kernels.pairwise import require_range
from particles.kernels.threads import spread, thread_count

BLOCK = 256
"""Pairs that are handed to the user's function at a time by compiled code."""

PAIRS = 2**18
"""Pairs held in memory at a time where NumPy sums."""

CHUNK = 64
"""Targets that a thread takes at a time."""

ALONE = 20_000
"""Pairs up to which a second thread costs more than it gains."""


class Gradient(NamedTuple):
    """∇W at displacements z (m, d).

    `code`: its machine code from user_functions.py, where `radial` that of w' with ∇W(z) = w'(|z|) z/|z| and `numbers`
    its parameters, else that of ∇W. `python`: ∇W for arrays. `origin` (d,): ∇W(0).
    """

    code: Any
    radial: bool
    numbers: Array
    python: Callable[[Array], Array]
    origin: Array


class Sources(NamedTuple):
    """Points y (d, n) box by box with their weights, and the boxes as in neighbour_boxes.py.

    The period of each axis and one over it, 0 for a straight one; the reach, squared.
    """

    y: Array
    w: Array
    begin: npt.NDArray[np.int64]
    shape: npt.NDArray[np.int64]
    period: Array
    inverse: Array
    squared: float


class Targets(NamedTuple):
    """Points x (m, d) and their boxes (m, axes)."""

    x: Array
    place: npt.NDArray[np.int64]


def gradient_sums(gradient: Gradient, x: Array, y: Array, w: Array, period: Array, reach: float | None = None) -> Array:
    """Σ_j w_j ∇W(x_i − y_j), (m, d), at x (m, d) over y (n, d) of weights w (n,).

    `period` (d,), 0 along a straight axis; displacements are taken to the nearest image along a periodic one. ∇W
    counts as 0 beyond `reach`, so that only near boxes are looked into, where there is one. Each sum has an order that
    depends on y only. Raises OutOfRange for points whose squared distance overflows.
    """
    require_range(x, y)
    if gradient.code is None:
        return _blockwise(gradient, x, y, w, period, np.inf if reach is None else reach)
    made = boxes(y, reach, period)
    inverse = np.divide(1.0, period, out=np.zeros_like(period), where=period > 0)
    squared = np.inf if reach is None else reach**2
    points = np.ascontiguousarray(y[made.order].T)
    sources = Sources(points, w[made.order], made.start, made.shape, period, inverse, squared)
    targets = Targets(x, places(made, x))
    out = np.zeros_like(x)

    def work(start: int, stop: int) -> None:
        add_gradients(
            gradient.code, gradient.radial, gradient.numbers, gradient.origin, targets, sources, start, stop, out
        )

    spread(work, len(x), 1 if len(x) * len(y) < ALONE else thread_count(None), CHUNK)
    return out


def _blockwise(gradient: Gradient, x: Array, y: Array, w: Array, period: Array, reach: float) -> Array:
    out = np.empty_like(x)
    rows = max(1, PAIRS // len(y))
    lengths = np.where(period > 0, period, 1.0)
    for a in range(0, len(x), rows):
        z = x[a : a + rows, None, :] - y
        z -= np.where(period > 0, lengths * np.round(z / lengths), 0.0)
        flat = z.reshape(-1, x.shape[1])
        with np.errstate(divide="ignore", invalid="ignore"):
            values = gradient.python(flat)
        squared = np.sum(np.square(flat), axis=1)[:, None]
        values = np.where(squared > reach**2, 0.0, np.where(squared > 0, values, gradient.origin))
        out[a : a + rows] = np.einsum("ijk,j->ik", values.reshape(z.shape), w)
    return out


@kernel_part(flags=SUMS)
def _add(f, radial, numbers, origin, z, r, mass, count, flat, values, out, i):  # type: ignore[no-untyped-def]
    """Add to row i of out the gradients of the `count` sources in the buffers."""
    merged()
    d = len(z)
    if radial:
        f(r.ctypes, numbers.ctypes, count, len(numbers), values.ctypes)
        at_zero = 0.0
        for j in range(count):
            if r[j] > 0.0:
                values[j] = mass[j] * values[j] / r[j]
            else:
                values[j] = 0.0
                at_zero += mass[j]
        for c in range(d):
            total = at_zero * origin[c]
            for j in range(count):
                total += values[j] * z[c, j]
            out[i, c] += total
        return
    for j in range(count):
        for c in range(d):
            flat[d * j + c] = z[c, j]
    f(flat.ctypes, numbers.ctypes, count, d, values.ctypes)
    for c in range(d):
        total = 0.0
        for j in range(count):
            total += mass[j] * (values[d * j + c] if r[j] > 0.0 else origin[c])
        out[i, c] += total


@kernel_part()
def _box(b, place, i, shape, period):  # type: ignore[no-untyped-def]
    """The number of the b-th of the 3^axes boxes about the target i; −1 outside."""
    merged()
    number, rest = 0, b
    for k in range(len(shape)):
        at = 0
        if shape[k] > 1:
            at = place[i, k] + rest % 3 - 1
            rest //= 3
            if period[k] > 0.0:
                at = (at + shape[k]) % shape[k]
        if at < 0 or at >= shape[k]:
            return -1
        number = number * shape[k] + at
    return number


@kernel_part(flags=SUMS)
def _gather(x, i, sources, first, room, z, r, mass, count):  # type: ignore[no-untyped-def]
    """Put the sources first to first + room into the buffers behind `count`; returns how many are in them then."""
    merged()
    # Slices, since loops over places that might be negative are not vectorised.
    mass[count : count + room] = sources.w[first : first + room]
    squared = r[count : count + room]
    squared[:] = 0.0
    for c in range(len(z)):
        at, period, inverse = x[i, c], sources.period[c], sources.inverse[c]
        y, gaps = sources.y[c, first : first + room], z[c, count : count + room]
        if period > 0.0:
            for j in range(room):
                gap = at - y[j]
                gaps[j] = gap = gap - period * np.rint(gap * inverse)
                squared[j] += gap * gap
        else:
            for j in range(room):
                gaps[j] = gap = at - y[j]
                squared[j] += gap * gap
    kept = count + room
    if sources.squared < np.inf:
        kept = count
        for j in range(count, count + room):
            if r[j] <= sources.squared:
                r[kept], mass[kept] = r[j], mass[j]
                for c in range(len(z)):
                    z[c, kept] = z[c, j]
                kept += 1
    distances = r[count:kept]
    for j in range(len(distances)):
        distances[j] = np.sqrt(distances[j])
    return kept


@compiled(flags=SUMS)
def add_gradients(f, radial, numbers, origin, targets, sources, start, stop, out):  # type: ignore[no-untyped-def]
    """Add Σ_j w_j ∇W(x_i − y_j) to out, rows start to stop."""
    wide_vectors()
    x, shape = targets.x, sources.shape
    d = x.shape[1]
    z, r, mass = np.empty((d, BLOCK)), np.empty(BLOCK), np.empty(BLOCK)
    flat, values = np.empty(BLOCK * d), np.empty(BLOCK * d)
    boxes = 1
    for k in range(len(shape)):
        boxes *= 3 if shape[k] > 1 else 1
    for i in range(start, stop):
        count = 0
        for b in range(boxes):
            number = _box(b, targets.place, i, shape, sources.period)
            if number < 0:
                continue
            first, last = sources.begin[number], sources.begin[number + 1]
            while first < last:
                room = min(BLOCK - count, last - first)
                count = _gather(x, i, sources, first, room, z, r, mass, count)
                first += room
                if count == BLOCK:
                    _add(f, radial, numbers, origin, z, r, mass, count, flat, values, out, i)
                    count = 0
        if count > 0:
            _add(f, radial, numbers, origin, z, r, mass, count, flat, values, out, i)
