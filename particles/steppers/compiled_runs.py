"""Whole runs of small ensembles in compiled code: which models allow it, and the calls that carry the runs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from numba import config

from particles.checks import Array
from particles.errors import LibraryError
from particles.fields.compiled_sum import CompiledSum, compiled_sum, pack
from particles.fields.field import VelocityField
from particles.kernels.loops.dormand_prince import STAGES
from particles.kernels.loops.lanes import WIDTH
from particles.kernels.loops.packed_sums import Packed
from particles.kernels.loops.step_loop import ARRIVED, DOP853, RUNNING, STUCK, Rule, Runs, advance_runs
from particles.kernels.threads import spread, thread_count
from particles.steppers.state import Particles

MOST_TOKENS, MOST_COMPONENTS = 512, 16
"""Tokens of a run, and components of tokens, keys and layers, up to which compiled code carries whole runs: above, the
sums are worth threads of their own, and calling them from Python costs nothing beside them."""

SLICE = 0.2
"""Seconds that one call may take, roughly: an interruption is heard between two of them."""

MOST_KICKS = 2**20
"""Numbers of the vectors that a call adds to its steps."""

PAIR_TIME, STAGE_TIME = 1.5e-9, 5e-7
"""Seconds of a pair and component, and of a stage beside its pairs; they decide on lengths of calls only."""


class Fields(NamedTuple):
    """The fields of an ensemble as parameters of a kernel, and which of them moves each run, (run,)."""

    packed: Packed
    of_run: npt.NDArray[np.int64]


class Ends(NamedTuple):
    """Where runs have come to: x (run, n, d), the time (run,), the step planned next (run,); `arrived`, and
    `stuck`, asked for a step below the rounding of its time, (run,)."""

    x: Array
    time: Array
    planned: Array
    arrived: npt.NDArray[np.bool_]
    stuck: npt.NDArray[np.bool_]


def compiled_fields(model: VelocityField, n: int, runs: int) -> Fields | None:
    """The fields that move `runs` runs of n tokens in compiled code.

    None where one of them is no compiled sum or they differ in form, for collisions and for many tokens.
    """
    return None if model.events or n > MOST_TOKENS else _packed_fields(model, runs)


@lru_cache(maxsize=16)
def _packed_fields(model: VelocityField, runs: int) -> Fields | None:
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        return None
    fields, of_run, sums = dict[int, int](), np.zeros(runs, dtype=np.int64), list[CompiledSum]()
    each = [model] * runs if model.runs is None else [model.of_run(r) for r in range(runs)]
    try:
        for r, field in enumerate(each):
            if id(field) not in fields:
                fields[id(field)] = len(sums)
                sums.append(compiled_sum(field))
            of_run[r] = fields[id(field)]
        packed = pack(sums)
    except LibraryError:
        # What is wrong with a field is reported by the field itself when it is called.
        return None
    return Fields(packed, of_run) if packed.form[4] <= MOST_COMPONENTS else None


class Call(NamedTuple):
    """A call of compiled code: which runs, their steps before it, those that it may take, and its threads."""

    rows: slice
    taken: int
    steps: int
    threads: int


class Kicks(Protocol):
    """What is added to equal steps: to `count` steps of some runs, from the step `first` of the interval on."""

    def __call__(self, rows: slice, first: int, count: int) -> Array:
        """The vectors (run, step, n, d)."""


def carry(
    fields: Fields, state: Particles, t0: float, t1: float, tolerances: tuple[float, float, float], max_steps: int
) -> Ends:
    """The runs of an ensemble from t0 towards t1, each by at most `max_steps` steps; tolerances: rtol, atol, longest.

    A run that has neither arrived nor is stuck has taken its last step.
    """
    moving = _Moving(fields, state)
    moving.runs.clock[:, 0] = t0
    if state.memory is not None:
        moving.runs.clock[:, 1] = state.memory
    for call in moving.calls(STAGES, max_steps):
        moving.advance(call, DOP853, t1, np.array(tolerances))
    clock, status = moving.runs.clock, moving.runs.state[:, 0]
    return Ends(moving.tokens(), clock[:, 0], clock[:, 1], status == ARRIVED, status == STUCK)


def carry_steps(
    fields: Fields, state: Particles, rule: Rule, t0: float, h: float, parts: int, kicks: Kicks | None
) -> Array | None:
    """The tokens (run, n, d) after `parts` equal steps of length h from t0; None where something was not finite."""
    moving = _Moving(fields, state)
    rule = rule._replace(steps=np.array([t0, h]))
    for call in moving.calls(len(rule.nodes) - 1, parts, None if kicks is None else MOST_KICKS):
        if kicks is not None:
            rule = rule._replace(kicks=_by_component(kicks(call.rows, call.taken, call.steps)))
        moving.advance(call, rule, t0 + parts * h, np.ones(3))
        if (moving.runs.state[call.rows, 0] == STUCK).any():
            return None
    return moving.tokens()


def _by_component(x: Array) -> Array:
    """Vectors of tokens (..., n, d) in the order of compiled code, (..., d N): by component, the last one repeated."""
    n = x.shape[-2]
    places = np.minimum(np.arange(-(-n // WIDTH) * WIDTH), n - 1)
    return np.ascontiguousarray(np.moveaxis(x, -2, -1)[..., places]).reshape(*x.shape[:-2], -1)


class _Moving:
    """The runs of an ensemble on their way."""

    def __init__(self, fields: Fields, state: Particles) -> None:
        self.fields, self.shape = fields, state.x.shape
        x, runs = _by_component(state.x), len(state.x)
        status = np.zeros((runs, 2), dtype=np.int64)
        self.runs = Runs(x, np.zeros_like(x), np.zeros((runs, 2)), status, fields.of_run)
        self.mass = _by_component(state.w[:, None])
        with np.errstate(divide="ignore"):
            self.bits = np.log2(self.mass)

    def tokens(self) -> Array:
        """Where they are, (run, n, d)."""
        runs, n, d = self.shape
        return np.ascontiguousarray(np.moveaxis(self.runs.x.reshape(runs, d, -1)[:, :, :n], 1, 2))

    def calls(self, stages: int, steps: int, numbers: int | None = None) -> Iterator[Call]:
        """The calls over at most `steps` steps of every run; none takes vectors of more than so many numbers."""
        runs, n, _ = self.shape
        block, budget, threads = _parts(n, len(self.mass), int(self.fields.packed.form[4]), runs, stages)
        block = min(block, runs)
        if numbers is not None:
            budget = max(1, min(budget, numbers // (block * self.runs.x.shape[1])))
        for first in range(0, runs, block):
            rows, taken = slice(first, min(first + block, runs)), 0
            while taken < steps and (self.runs.state[rows, 0] <= RUNNING).any():
                yield Call(rows, taken, min(budget, steps - taken), threads)
                taken += budget

    def advance(self, call: Call, rule: Rule, end: float, tolerances: Array) -> None:
        """Carry the runs of a call, in place."""
        r, n, rows = self.runs, self.shape[1], call.rows
        some = Runs(r.x[rows], r.velocity[rows], r.clock[rows], r.state[rows], r.field[rows])

        def work(start: int, stop: int) -> None:
            advance_runs(
                some, rule, self.fields.packed, self.mass, self.bits, n, end, tolerances, call.steps, start, stop
            )

        spread(work, len(some.x), call.threads, 1)


def _parts(n: int, padded: int, components: int, runs: int, stages: int) -> tuple[int, int, int]:
    """How many runs and how many steps go into one call, and how many threads share it."""
    step = stages * (n * padded * (1 + components / 4) * PAIR_TIME + STAGE_TIME)
    budget = int(np.clip(0.1 * SLICE / step, 8, 1000))
    threads = thread_count(None)
    block = max(threads, int(threads * SLICE / (step * budget)))
    return block, budget, threads if min(block, runs) * step > 1e-4 else 1
