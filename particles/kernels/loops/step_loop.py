"""Whole runs in compiled code, by DOP853 with steps of their own or by equal steps, bitwise as if alone.

The rules are those of particles/steppers/error_control.py and adaptive.py, word for word: the same first step, the same
error estimate token by token, the same plan for the next step; and those of fixed_step.py for equal steps. One thread
carries a run. One call carries every run over a number of steps, so that Python comes to hear an interruption; what a
run needs to go on stands in `Runs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from particles.checks import Array
from particles.kernels.compiling import compiled, kernel_part, merged
from particles.kernels.exact.exponential import wide_vectors
from particles.kernels.loops.dormand_prince import E3, E5, STAGES, A, B, C
from particles.kernels.loops.lanes import (
    WIDTH,
    at,
    each,
    larger_of,
    largest_lane,
    load,
    magnitude,
    root,
    store,
    where_not_more,
)
from particles.kernels.loops.packed_sums import EUCLIDEAN, aligned, make_room, set_projected, set_velocity

SAFETY, LEAST_FACTOR, MOST_FACTOR = 0.9, 0.2, 10.0
"""As in particles/steppers/error_control.py."""

FRESH, RUNNING, ARRIVED, STUCK = range(4)
"""States of a run: nothing evaluated yet; between two steps; at the end; asked for a step below its rounding, or an
equal step led to what is not finite."""

START, PROBE, STAGE, PROJECTED = range(4)
"""Why the field is evaluated: at the start; for the first step; for a step; after a step was brought onto its space."""


class Rule(NamedTuple):
    """An explicit tableau of s stages, and the steps by which it is taken.

    places, values (row, s), counts (row,): the entries of its rows, those of the stages first, then that of the step
    and of estimates of its error; nodes (s + 1,): the times of the stages and of the end, in units of the step.
    steps (2,): the first time and the length of equal steps, 0 for a length chosen by the estimates of DOP853.
    kicks (run, step, d N): what is added to each of the equal steps that are taken in a call, (0, 0, 0) for nothing.
    """

    places: npt.NDArray[np.int64]
    values: Array
    counts: npt.NDArray[np.int64]
    nodes: Array
    steps: Array
    kicks: Array


NO_KICKS = np.zeros((0, 0, 0))


def rule(rows: Sequence[npt.ArrayLike], nodes: npt.ArrayLike) -> Rule:
    """The rule of a tableau given by its rows, each as long as it needs to be, and its s nodes."""
    nodes = np.asarray(nodes, dtype=np.float64)
    places = np.zeros((len(rows), len(nodes)), dtype=np.int64)
    values = np.zeros((len(rows), len(nodes)))
    counts = np.zeros(len(rows), dtype=np.int64)
    for r, row in enumerate(rows):
        entries = np.asarray(row, dtype=np.float64)
        found = np.flatnonzero(entries)
        counts[r] = len(found)
        places[r, : len(found)], values[r, : len(found)] = found, entries[found]
    return Rule(places, values, counts, np.concatenate([nodes, [1.0]]), np.zeros(2), NO_KICKS)


DOP853 = rule([*A, B, E5[:STAGES], E3[:STAGES]], C)
FIFTH, THIRD = STAGES + 1, STAGES + 2
"""Rows of the error estimates; row STAGES is the step itself."""


class Runs(NamedTuple):
    """Where the runs of an ensemble stand: for N tokens, counted up to a multiple of eight, in R^d.

    x, velocity (run, d N), component by component; clock (run, 2): the time and the step planned next, 0 for none;
    state (run, 2): FRESH, RUNNING, ARRIVED or STUCK, and the steps taken; field (run,): which field moves it.
    """

    x: Array
    velocity: Array
    clock: Array
    state: npt.NDArray[np.int64]
    field: npt.NDArray[np.int64]


@kernel_part()
def _set_combination(rule, x, slopes, row, h, size, out):  # type: ignore[no-untyped-def]
    """out = x + h Σ_s a_s slopes[s], a the given row of coefficients."""
    merged()
    for i in range(0, size, WIDTH):
        total = each(0.0)
        for e in range(rule.counts[row]):
            total += rule.values[row, e] * load(slopes, rule.places[row, e] * size + i)
        store(out, i, load(x, i) + h * total)


@kernel_part()
def _error(rule, x, moved, slopes, h, tolerances, N, d):  # type: ignore[no-untyped-def]
    """The largest error of a token in units of its tolerance: (10.17) of Hairer, Nørsett, Wanner II.10."""
    merged()
    rtol, atol = tolerances[0], tolerances[1]
    size = d * N
    worst = spoiled = each(0.0)
    for i in range(0, N, WIDTH):
        fifth = third = each(0.0)
        for c in range(d):
            at = c * N + i
            scale = atol + larger_of(magnitude(load(x, at)), magnitude(load(moved, at))) * rtol
            five = three = each(0.0)
            for e in range(rule.counts[FIFTH]):
                five += rule.values[FIFTH, e] * load(slopes, rule.places[FIFTH, e] * size + at)
            for e in range(rule.counts[THIRD]):
                three += rule.values[THIRD, e] * load(slopes, rule.places[THIRD, e] * size + at)
            five = five / scale
            three = three / scale
            fifth += five * five
            third += three * three
        denominator = (fifth + 0.01 * third) / float(d)
        fifth = fifth / float(d)
        quiet = each(0.0)
        error = where_not_more(denominator, quiet, quiet, fifth / root(denominator))
        worst = larger_of(worst, error)
        spoiled += error * 0.0  # NaN from where there is one on, which a maximum may forget
    return h * largest_lane(worst + spoiled)


@kernel_part()
def _size(a, b, less, first, x, n, N, d, tolerances):  # type: ignore[no-untyped-def]
    """The root mean square, over tokens and components, of (a − less · b)/(atol + rtol |x|), b from b[first] on."""
    merged()
    total = 0.0
    for c in range(d):
        for i in range(c * N, c * N + n):
            part = (at(a, i) - less * at(b, first + i)) / (tolerances[1] + tolerances[0] * abs(at(x, i)))
            total += part * part
    return (total / (n * d)) ** 0.5


@kernel_part()
def _first_step(speed, change, h, left, longest):  # type: ignore[no-untyped-def]
    """The first step of a run: Hairer, Nørsett, Wanner II.4, page 169."""
    merged()
    if speed <= 1e-15 and change <= 1e-15:
        fitting = max(1e-6, h * 1e-3)
    else:
        fitting = (0.01 / (change if change > speed else speed)) ** (1 / 8)
    return min(min(100 * h, fitting), min(left, longest))


@kernel_part()
def _factor(error):  # type: ignore[no-untyped-def]
    """By what a step is multiplied so that its error, of size h^8, comes to its tolerance with some safety."""
    merged()
    return SAFETY * error ** (-1 / 8)


@kernel_part()
def _copy(size, source, first, out):  # type: ignore[no-untyped-def]
    """out = source[first], …, source[first + size − 1], a multiple of eight numbers."""
    merged()
    for i in range(0, size, WIDTH):
        store(out, i, load(source, first + i))


@kernel_part()
def _is_finite(size, x):  # type: ignore[no-untyped-def]
    """Whether x[0], …, x[size − 1], a multiple of eight numbers, are finite."""
    merged()
    spoiled = each(0.0)
    for i in range(0, size, WIDTH):
        spoiled += load(x, i) * 0.0
    return largest_lane(spoiled) == 0.0


@compiled()
def advance_runs(runs, rule, packed, mass, bits, n, end, tolerances, budget, start, stop):  # type: ignore[no-untyped-def]
    """Carry the runs start ≤ r < stop towards the time `end`, each over at most `budget` steps, or so many equal ones.

    mass, bits (N,): weights and their logarithms to the base 2; tolerances (3,): rtol, atol and the longest step.
    """
    wide_vectors()
    N, size = mass.size, runs.x.shape[1]
    d = size // N
    room = make_room(N, packed.form[3], packed.form[4])
    last, equal = rule.nodes.size - 1, rule.steps[1] > 0
    slopes, trial, scale = aligned((last + 1) * size), aligned(size), np.zeros(2)
    for r in range(start, stop):
        if runs.state[r, 0] > RUNNING:
            continue
        x, v, t, planned = runs.x[r], runs.velocity[r], runs.clock[r, 0], runs.clock[r, 1]
        phase, row, steps, rejected = START, 0, 0, False
        h = wanted = shortest = target = speed = 0.0
        evaluate = equal or runs.state[r, 0] == FRESH
        if equal:
            phase, h = STAGE, rule.steps[1]
            t = rule.steps[0] + runs.state[r, 1] * h
        # The field is evaluated in one place, because machine code of its own would round otherwise than merged code.
        while True:
            if evaluate:
                # Row 0 has no coefficients: x itself. The Euler prediction takes the row of stage 1, which has one.
                length = 1.0 / rule.values[1, 0] * h if phase == PROBE else h
                _set_combination(rule, x, slopes, row, length, size, trial)
                if equal:
                    if row == last:
                        for i in range(0, size if len(rule.kicks) else 0, WIDTH):
                            store(trial, i, load(trial, i) + load(rule.kicks[r, steps], i))
                        if packed.form[0] != EUCLIDEAN:
                            set_projected(packed.form[0], trial, N, d)
                    if not _is_finite(size, trial):
                        runs.state[r, 0] = STUCK
                        break
                    if row == last:
                        _copy(size, trial, 0, x)
                        steps += 1
                        t = rule.steps[0] + (runs.state[r, 1] + steps) * h
                        row = 0
                        if steps == budget:
                            runs.state[r, 0] = RUNNING
                            break
                        continue
                moment = t + (1.0 if phase == PROBE else rule.nodes[row]) * h
                set_velocity(packed, runs.field[r], moment, trial, mass, bits, n, N, room, slopes, row * size)
                if phase == STAGE and row < last:
                    row += 1
                    continue
                if phase == STAGE:
                    error = _error(rule, x, trial, slopes, h, tolerances, N, d)
                    if not error < 1:
                        factor = _factor(error)
                        h *= factor if factor > LEAST_FACTOR else LEAST_FACTOR
                        rejected = True
                        if not h >= shortest:
                            runs.state[r, 0] = STUCK
                            break
                        target = min(t + h, end)
                        h = target - t
                        row = 1
                        continue
                    factor = MOST_FACTOR if error == 0 else min(MOST_FACTOR, _factor(error))
                    planned = h * (min(1.0, factor) if rejected else factor)
                    # That a step was cut short by the end is no reason against the longer one that was planned.
                    if target >= end and h < wanted:
                        planned = max(wanted, planned)
                    t = target
                    _copy(size, trial, 0, x)
                    steps += 1
                    if packed.form[0] != EUCLIDEAN:
                        set_projected(packed.form[0], x, N, d)
                        phase, row = PROJECTED, 0
                        continue
                if phase == PROBE:
                    change = _size(v, slopes, 1.0, size, x, n, N, d, tolerances) / h
                    planned = _first_step(speed, change, h, end - t, tolerances[2])
                else:
                    _copy(size, slopes, row * size, v)
                    if phase == START and planned <= 0:
                        for which in range(2):
                            scale[which] = _size(v if which else x, x, 0.0, 0, x, n, N, d, tolerances)
                        speed = scale[1]
                        h = 1e-6 if scale[0] < 1e-5 or speed < 1e-5 else 0.01 * scale[0] / speed
                        h = end - t if h > end - t else h
                        _copy(size, v, 0, slopes)
                        phase, row = PROBE, 1
                        continue
            runs.state[r, 0] = ARRIVED if t >= end else RUNNING
            if t >= end or steps == budget:
                break
            shortest = 10 * abs(np.nextafter(t, np.inf) - t)
            wanted = h = min(max(planned, shortest), tolerances[2])
            if not h >= shortest:
                runs.state[r, 0] = STUCK
                break
            target = min(t + h, end)
            h = target - t
            _copy(size, v, 0, slopes)
            phase, row, rejected, evaluate = STAGE, 1, False, True
        runs.clock[r, 0], runs.clock[r, 1] = t, planned
        runs.state[r, 1] += steps
