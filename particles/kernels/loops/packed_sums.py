"""The velocity of a small run from packed parameters: the sums of attention and its relatives, eight targets at a time.

A field is a sum of terms. Each is of a kind below, and has its matrices in `Packed`. Positions are held component by
component, x[c · N + i] for token i of n, with N the next multiple of eight; the tokens after the last are copies of it,
so that they move with it and need no case of their own. Each softmax is shifted by its own true maximum.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from particles.checks import Array
from particles.kernels.compiling import compiled, kernel_part, merged
from particles.kernels.exact.exponential import LN_2, LOG2_E
from particles.kernels.loops.lanes import (
    WIDTH,
    at,
    each,
    exp2_of,
    larger_of,
    load,
    put,
    root,
    store,
    where_not_more,
)
from particles.kernels.loops.linear_flows import set_flow, set_product
from particles.kernels.loops.pair_terms import set_pairs

SOFTMAX, L2, CAUSAL, UNNORMALIZED, LINEAR, FEED_FORWARD, PAIRS = range(7)
"""Kinds of terms: attention normalised by its rows, the kernel of a distance, masked, without denominator; the second
moment; a layer of one token; a sum over pairs by their distance."""

IDENTITY, RELU, TANH = range(3)
"""Activations of a feed-forward layer, the first of the term's numbers."""

EUCLIDEAN, SPHERE, CIRCLE = range(3)
"""Spaces on which the run lives."""

STILL, DIAGONAL, FULL = range(3)
"""Frames: none, a diagonal matrix A, any other."""

TURN = 2 * math.pi


class Packed(NamedTuple):
    """One or more fields of one form: F fields of T terms on R^d, with scores in R^k.

    kinds (T, 4): the kind, k, whether keys are the points themselves, whether the average is less the point (A = V).
    queries, keys (F, T, k, d), values (F, T, d, h), h = max(k, d), and numbers (F, T, m) are the parameters, one after
    another: Q, K and V of attention, B for Q where keys are the points; A, W (in values) and b of a feed-forward layer.
    frame (F, d, d): A; drift (F, d, d): the matrix of −drift x.
    form (6,): the space, the kind of frame, whether values commute with it, d, the largest k, the m of numbers.
    """

    kinds: npt.NDArray[np.int64]
    queries: Array
    keys: Array
    values: Array
    numbers: Array
    frame: Array
    drift: Array
    form: npt.NDArray[np.int64]


class Room(NamedTuple):
    """Memory of one run: vectors of N numbers a component, the lane numbers 0, …, 7, and small matrices."""

    points: Array
    total: Array
    queries: Array
    keys: Array
    average: Array
    logs: Array
    scores: Array
    eight: Array
    ramp: Array
    flow: Array
    back: Array
    left: Array
    right: Array
    middle: Array
    spare: Array


@kernel_part()
def aligned(size):  # type: ignore[no-untyped-def]
    """An array of zeros (size,) that starts on a cache line."""
    merged()
    memory = np.zeros(size + WIDTH)
    offset = (-memory.ctypes.data % 64) // 8
    return memory[offset : offset + size]


@compiled()
def make_room(N, d, k):  # type: ignore[no-untyped-def]
    """Memory for runs of N tokens in R^d with scores in R^k."""
    ramp, h = aligned(WIDTH), max(k, d)
    for e in range(WIDTH):
        ramp[e] = e
    return Room(
        aligned(d * N),
        aligned(d * N),
        aligned(h * N),
        aligned(h * N),
        aligned(d * N),
        aligned(N),
        aligned(WIDTH * N),
        aligned(WIDTH),
        ramp,
        aligned(d * d),
        aligned(d * d),
        aligned(h * d),
        aligned(h * d),
        aligned(d * h),
        aligned(d * h),
    )


@kernel_part()
def set_applied(M, first, rows, columns, x, N, factor, out):  # type: ignore[no-untyped-def]
    """out = factor · M x for every token, M (rows, columns) from M[first] on."""
    merged()
    for r in range(rows):
        for i in range(0, N, WIDTH):
            total = each(0.0)
            for c in range(columns):
                total += at(M, first + r * columns + c) * load(x, c * N + i)
            store(out, r * N + i, factor * total)


@kernel_part()
def add_applied(M, first, rows, columns, x, N, sign, out):  # type: ignore[no-untyped-def]
    """out += sign · M x for every token, M (rows, columns) from M[first] on."""
    merged()
    for r in range(rows):
        for i in range(0, N, WIDTH):
            total = each(0.0)
            for c in range(columns):
                total += at(M, first + r * columns + c) * load(x, c * N + i)
            store(out, r * N + i, load(out, r * N + i) + sign * total)


@kernel_part()
def _set_scores(room, keys, N, k, i, stop, masked):  # type: ignore[no-untyped-def]
    """Scores of eight targets from i on against the sources before `stop`; return their maxima.

    Where `masked`, targets do not see the sources after them.
    """
    merged()
    q0 = load(room.queries, i)
    q1 = load(room.queries, (N if k > 1 else 0) + i)
    q2 = load(room.queries, (2 * N if k > 2 else 0) + i)
    places = load(room.ramp, 0) + float(i)
    top = nothing = each(-np.inf)
    for j in range(stop):
        s = at(room.logs, j) + q0 * at(keys, j)
        if k > 1:
            s += q1 * at(keys, N + j)
        if k > 2:
            s += q2 * at(keys, 2 * N + j)
        for c in range(3, k):
            s += load(room.queries, c * N + i) * at(keys, c * N + j)
        if masked:
            s = where_not_more(each(float(j)), places, s, nothing)
        store(room.scores, WIDTH * j, s)
        top = larger_of(s, top)
    return top


@kernel_part()
def _set_sums(x, room, N, d, i, stop):  # type: ignore[no-untyped-def]
    """Sums of the sources for eight targets, each with its weight in room.scores."""
    merged()
    for c in range(0, d, 2):
        both = c + 1 < d
        second = (c + 1 if both else c) * N
        a0 = a1 = each(0.0)
        for j in range(stop):
            p = load(room.scores, WIDTH * j)
            a0 += p * at(x, c * N + j)
            a1 += p * at(x, second + j)
        store(room.average, c * N + i, a0)
        store(room.average, second + i, a1 if both else a0)


@kernel_part()
def _set_averages(kind, x, keys, mass, room, n, N, d, k):  # type: ignore[no-untyped-def]
    """Fill room.average with the average of the tokens at each token, from queries, keys and log-weights."""
    merged()
    masked = kind == CAUSAL
    for i in range(0, N, WIDTH):
        stop = min(n, i + WIDTH) if masked else n
        top = _set_scores(room, keys, N, k, i, stop, masked)
        total = each(0.0)
        for j in range(stop):
            p = load(room.scores, WIDTH * j)
            p = at(mass, j) * p if kind == LINEAR else exp2_of(p - top)
            store(room.scores, WIDTH * j, p)
            total += p
        _set_sums(x, room, N, d, i, stop)
        size = 1.0 / total
        if kind == LINEAR:
            size = each(1.0)
        if kind == UNNORMALIZED:
            store(room.eight, 0, top)
            for e in range(WIDTH):
                put(room.eight, e, math.exp(LN_2 * at(room.eight, e)))
            size = load(room.eight, 0)
        for c in range(d):
            store(room.average, c * N + i, load(room.average, c * N + i) * size)


@kernel_part()
def _set_activations(numbers, first, k, N, hidden):  # type: ignore[no-untyped-def]
    """hidden = σ(hidden + b), row by row."""
    merged()
    rule = at(numbers, first)
    for r in range(k):
        for i in range(r * N, (r + 1) * N):
            s = at(hidden, i) + at(numbers, first + 1 + r)
            if rule == RELU:
                s = s if s > 0 or s != s else 0.0
            elif rule == TANH:
                s = math.tanh(s)
            put(hidden, i, s)


@kernel_part()
def _set_matrices(packed, base, k, plain, room):  # type: ignore[no-untyped-def]
    """The matrices of a term in the frame of its field: room.left, room.right and room.middle."""
    merged()
    d, rows, moving = packed.form[3], packed.form[4], packed.form[1] != STILL
    h = max(rows, d)
    for which in range(3):
        if which == 0:
            matrix, first, height, width, out = packed.queries, base * rows * d, k, d, room.left
        elif which == 1:
            matrix, first, height, width, out = packed.keys, base * rows * d, k, d, room.right
        else:
            matrix, first, height, width, out = packed.values, base * d * h, d, h, room.middle
        if which == 2 and (packed.form[2] or not moving):
            moving = False
        if not moving:
            for e in range(height * width):
                put(out, e, at(matrix, first + e))
            continue
        source, begin = matrix, first
        if which == 2 or (which == 0 and plain):
            # In a frame h = d, and k = d where keys are the points.
            set_product(room.back if which == 2 else room.flow, 0, which == 0, matrix, first, d, d, d, room.spare)
            source, begin = room.spare, 0
        set_product(source, begin, False, room.flow, 0, height, d, d, out)


@kernel_part()
def _add_term(packed, f, term, x, mass, bits, n, N, room):  # type: ignore[no-untyped-def]
    """Add one term to room.total."""
    merged()
    kind, k, plain = packed.kinds[term, 0], packed.kinds[term, 1], packed.kinds[term, 2] == 1
    d = packed.form[3]
    base = f * packed.kinds.shape[0] + term
    first = base * packed.form[5]
    _set_matrices(packed, base, k, plain, room)
    soft = kind < LINEAR
    source = room.average
    if kind != PAIRS:
        set_applied(room.left, 0, k, d, x, N, LOG2_E if soft else 1.0, room.queries)
    if kind == PAIRS:
        set_pairs(packed.numbers, first, x, mass, n, N, d, room.eight, room.average)
    elif kind == FEED_FORWARD:
        _set_activations(packed.numbers, first, k, N, room.queries)
        source = room.queries
    else:
        if kind == L2 or not plain:
            set_applied(room.right, 0, k, d, x, N, 1.0, room.keys)
        for i in range(0, N, WIDTH):
            weight = load(bits, i) if soft else each(0.0)
            if kind == L2:
                for c in range(k):
                    key = load(room.keys, c * N + i)
                    weight = weight - key * key * (0.5 * LOG2_E)
            store(room.logs, i, weight)
        _set_averages(kind, x, x if plain else room.keys, mass, room, n, N, d, k)
    if packed.kinds[term, 3]:
        for i in range(0, d * N, WIDTH):
            store(room.average, i, load(room.average, i) - load(x, i))
    add_applied(room.middle, 0, d, k if kind == FEED_FORWARD else d, source, N, 1.0, room.total)


@kernel_part()
def set_velocity(packed, f, t, x, mass, bits, n, N, room, out, row):  # type: ignore[no-untyped-def]
    """The velocity of field f at time t at the tokens x, from out[row] on; NaN where it overflows.

    mass (N,) are the weights, bits (N,) their logarithms to the base 2.
    """
    merged()
    space, frame, d = packed.form[0], packed.form[1], packed.form[3]
    points = x
    if space == CIRCLE:
        points = room.points
        for i in range(N):
            put(points, i, math.cos(at(x, i)))
            put(points, N + i, math.sin(at(x, i)))
    if frame != STILL:
        for sign in range(1 if packed.form[2] else 2):
            flow = room.back if sign else room.flow
            set_flow(packed.frame, f * d * d, d, -t if sign else t, frame == DIAGONAL, flow, room.spare)
    for i in range(0, d * N, WIDTH):
        store(room.total, i, each(0.0))
    for term in range(packed.kinds.shape[0]):
        _add_term(packed, f, term, points, mass, bits, n, N, room)
    if frame != STILL:
        add_applied(packed.drift, f * d * d, d, d, points, N, -1.0, room.total)
    _pull(space, points, N, d, room.total, out, row)


@kernel_part()
def _pull(space, points, N, d, v, out, row):  # type: ignore[no-untyped-def]
    """The velocity in the coordinates of the space: of its tangent part, for points on the sphere or circle."""
    merged()
    for i in range(0, N, WIDTH):
        if space == CIRCLE:
            store(out, row + i, load(points, i) * load(v, N + i) - load(points, N + i) * load(v, i))
            continue
        along = size = each(0.0)
        if space == SPHERE:
            for c in range(d):
                along += load(points, c * N + i) * load(v, c * N + i)
                size += load(points, c * N + i) * load(points, c * N + i)
            along = along / size
        for c in range(d):
            value = load(v, c * N + i)
            if space == SPHERE:
                value = value - along * load(points, c * N + i)
            store(out, row + c * N + i, value)


@kernel_part()
def set_projected(space, x, N, d):  # type: ignore[no-untyped-def]
    """Bring positions back onto the space, in place."""
    merged()
    if space == CIRCLE:
        for i in range(N):
            turned = at(x, i) % TURN
            put(x, i, 0.0 if turned >= TURN else turned)
    else:
        for i in range(0, N, WIDTH):
            size = each(0.0)
            for c in range(d):
                size += load(x, c * N + i) * load(x, c * N + i)
            for c in range(d):
                store(x, c * N + i, load(x, c * N + i) / root(size))
