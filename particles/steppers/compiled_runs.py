"""Whole runs of small ensembles in compiled code: which models allow it, and the calls that carry the runs."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import config

from particles.checks import Array
from particles.errors import LibraryError
from particles.fields.compiled_sum import CompiledSum, compiled_sum, pack
from particles.fields.field import VelocityField
from particles.kernels.loops.lanes import WIDTH
from particles.kernels.loops.packed_sums import Packed
from particles.kernels.loops.step_loop import ARRIVED, RUNNING, STUCK, Runs, advance_runs
from particles.kernels.threads import spread, thread_count
from particles.steppers.state import Particles

MOST_TOKENS, MOST_COMPONENTS = 512, 16
"""Tokens of a run, and components of tokens, keys and layers, up to which compiled code carries whole runs: above, the
sums are worth threads of their own, and calling them from Python costs nothing beside them."""

SLICE = 0.2
"""Seconds that one call may take, roughly: an interruption is heard between two of them."""

PAIR_TIME, STAGE_TIME = 1.5e-9, 5e-7
"""Seconds of a pair and component, and of a stage beside its pairs; they decide on lengths of calls only."""

STAGES = 12


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


@lru_cache(maxsize=16)
def compiled_fields(model: VelocityField, runs: int) -> Fields | None:
    """The fields that move `runs` runs, None where one of them is no compiled sum or they differ in form."""
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


def carry(
    fields: Fields, state: Particles, t0: float, t1: float, tolerances: tuple[float, float, float], max_steps: int
) -> Ends:
    """The runs of an ensemble from t0 towards t1, each by at most `max_steps` steps; tolerances: rtol, atol, longest.

    A run that has neither arrived nor is stuck has taken its last step.
    """
    runs, n, d = state.x.shape
    places = np.minimum(np.arange(-(-n // WIDTH) * WIDTH), n - 1)
    x = np.ascontiguousarray(np.moveaxis(state.x, 1, 2)[:, :, places]).reshape(runs, -1)
    clock, status = np.zeros((runs, 2)), np.zeros((runs, 2), dtype=np.int64)
    clock[:, 0] = t0
    if state.memory is not None:
        clock[:, 1] = state.memory
    moving = Runs(x, np.zeros_like(x), clock, status, fields.of_run)
    mass = state.w[places]
    with np.errstate(divide="ignore"):
        bits = np.log2(mass)
    limits = np.array(tolerances)
    block, budget, threads = _parts(n, len(places), int(fields.packed.form[4]), runs)
    for first in range(0, runs, block):
        rows, taken = slice(first, min(first + block, runs)), 0
        while taken < max_steps and (status[rows, 0] <= RUNNING).any():
            most = min(budget, max_steps - taken)

            def work(start: int, stop: int, first: int = first, most: int = most) -> None:
                advance_runs(moving, fields.packed, mass, bits, n, t1, limits, most, first + start, first + stop)

            spread(work, rows.stop - rows.start, threads, 1)
            taken += most
    tokens = np.ascontiguousarray(np.moveaxis(x.reshape(runs, d, -1)[:, :, :n], 1, 2))
    return Ends(tokens, clock[:, 0], clock[:, 1], status[:, 0] == ARRIVED, status[:, 0] == STUCK)


def _parts(n: int, padded: int, components: int, runs: int) -> tuple[int, int, int]:
    """How many runs and how many steps go into one call, and how many threads share it."""
    step = STAGES * (n * padded * (1 + components / 4) * PAIR_TIME + STAGE_TIME)
    budget = int(np.clip(0.1 * SLICE / step, 8, 1000))
    threads = thread_count(None)
    block = max(threads, int(threads * SLICE / (step * budget)))
    return block, budget, threads if min(block, runs) * step > 1e-4 else 1
