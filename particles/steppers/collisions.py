"""Tokens that meet stay together: they keep their rows and weights, and share a position and a velocity."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from particles.checks import Array
from particles.fields.events import Event
from particles.fields.field import VelocityField
from particles.measure import Measure

Labels = npt.NDArray[Any]
"""Whole numbers."""


@dataclass(frozen=True, eq=False)
class Groups:
    """Who is together: `label` (run, n), the smallest index in a token's group, and `since` (run, n), the time at
    which the group last grew, NaN for a token alone."""

    label: Labels
    since: Array

    @classmethod
    def alone(cls, shape: tuple[int, int]) -> Groups:
        """Every token by itself, in each of `shape[0]` runs of `shape[1]` tokens."""
        return cls(np.broadcast_to(np.arange(shape[1]), shape), np.full(shape, np.nan))

    def of_run(self, run: int) -> Groups:
        """The groups of one run, as an ensemble of one."""
        return Groups(self.label[run : run + 1], self.since[run : run + 1])

    @classmethod
    def stack(cls, runs: list[Groups]) -> Groups:
        """The groups of an ensemble from those of its runs."""
        return cls(np.concatenate([g.label for g in runs]), np.concatenate([g.since for g in runs]))


def meet(
    events: tuple[Event, ...], t: float, path: tuple[Array, ...], w: Array, groups: Groups
) -> tuple[Array, Groups]:
    """Positions and groups after a step that ended at t in path[-1]; path[0] is where it began, all (run, n, d).

    An event is asked about the way from the beginning to each other point of the path. A group that grows moves to its
    centre of mass, so that the mean stays; where none does, `groups` itself comes back.
    """
    x, label, since = share(path[-1], groups.label), groups.label.copy(), groups.since.copy()
    grown = False
    for run in range(len(x)):
        new = groups.label[run]
        for event, end in product(events, path[1:]):
            new = event.regroup(path[0][run], end[run], new)
        if np.array_equal(new, groups.label[run]):
            continue
        grown = True
        changed = np.isin(new, new[new != groups.label[run]])
        x[run][changed] = _centres(x[run], w, new)[changed]
        label[run], since[run][changed] = new, t
    return x, Groups(label, since) if grown else groups


def share(x: Array, label: Labels) -> Array:
    """x (run, n, d) with the position of each group's first token given to all of it."""
    return np.take_along_axis(x, label[..., None], axis=-2)


def _centres(x: Array, w: Array, label: Labels) -> Array:
    # Masses of groups without any mass are counted by heads.
    mass = np.bincount(label, w, minlength=len(x))
    heads = np.where(mass[label] > 0, w, 1.0)
    total = np.bincount(label, heads, minlength=len(x))
    sums = np.stack([np.bincount(label, heads * column, minlength=len(x)) for column in x.T], axis=1)
    out: Array = (sums[label].T / total[label]).T
    return out


@dataclass(frozen=True, eq=False)
class Together(VelocityField):
    """A field as groups feel it: all tokens of a group are taken to the position of its first before it is asked.

    Stages of a step may part a group by rounding, where a singular field would tear it up.
    """

    field: VelocityField
    label: Labels

    @property
    def dim(self) -> int | None:
        """The dimension of the field."""
        return self.field.dim

    @property
    def terms(self) -> tuple[VelocityField, ...]:
        """The terms of the field, as groups feel them."""
        inner = self.field.terms
        return (self,) if len(inner) == 1 else tuple(Together(term, self.label) for term in inner)

    def velocity(self, t: float, x: Array, mu: Measure) -> Array:
        """That of the field: a measure has no groups."""
        return self.field.velocity(t, x, mu)

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """That of the field at the shared positions."""
        return self.field.particle_velocity(t, share(x, self.label), w)
