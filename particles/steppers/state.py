"""What a method advances: an ensemble of particles at one time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from particles.checks import Array

Labels = npt.NDArray[Any]
"""Whole numbers."""


@dataclass(frozen=True, eq=False)
class Groups:
    """Which particles have collided: `label` (run, n), the smallest index in a particle's group, and `since` (run, n),
    the time at which the group last grew, NaN for a particle alone."""

    label: Labels
    since: Array

    @classmethod
    def alone(cls, shape: tuple[int, int]) -> Groups:
        """Every particle by itself, in each of `shape[0]` runs of `shape[1]` particles."""
        return cls(np.broadcast_to(np.arange(shape[1]), shape), np.full(shape, np.nan))


@dataclass(frozen=True, eq=False)
class Particles:
    """Everything about an ensemble at one time. A method keeps nothing in itself: what it needs later stands here.

    x (run, n, d): positions.
    w (n,): weights, the same in every run.
    rngs: one generator a run, empty where nothing is random.
    memory (run, ...): what the method hands on from one save interval to the next, one row a run (an error-controlled
    method: the step that it would try next); None at the start and where the field has jumped. Saved with the run.
    groups: which particles have collided, None for a model without events.
    """

    x: Array
    w: Array
    rngs: tuple[np.random.Generator, ...] = ()
    memory: Array | None = None
    groups: Groups | None = None

    def of_run(self, r: int) -> Particles:
        """One run, as an ensemble of one."""
        row = slice(r, r + 1)
        groups = None if self.groups is None else Groups(self.groups.label[row], self.groups.since[row])
        memory = None if self.memory is None else self.memory[row]
        return Particles(self.x[row], self.w, self.rngs[row], memory, groups)

    @classmethod
    def stack(cls, runs: list[Particles]) -> Particles:
        """The ensemble of several ensembles with the same weights; all of them have memory and groups, or none has."""
        memory = [run.memory for run in runs if run.memory is not None]
        groups = [run.groups for run in runs if run.groups is not None]
        return Particles(
            np.concatenate([run.x for run in runs]),
            runs[0].w,
            tuple(rng for run in runs for rng in run.rngs),
            np.concatenate(memory) if memory else None,
            Groups(np.concatenate([g.label for g in groups]), np.concatenate([g.since for g in groups]))
            if groups
            else None,
        )
