"""Collisions: particles that collide keep their rows and weights, and share a position and a velocity from then on.

A method evaluates the field through `grouped` and passes every step through `after_step`; it knows nothing else of
collisions, and a model without events passes through both unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from particles.checks import Array
from particles.fields.field import Derived, VelocityField
from particles.measure import Measure
from particles.steppers.state import Groups, Labels, Particles

COLLISION_ULPS = 100.0
"""Spacings of the time in float64 within which a collision is put at the present; accepted steps are ten at least."""


def begin(model: VelocityField, t: float, state: Particles) -> Particles:
    """The ensemble at its first time, particles that start at one place in one group, for a model with events."""
    if not model.events:
        return state
    return after_step(model, replace(state, groups=Groups.alone(state.x.shape[:2])), (state.x,), t)


def grouped(field: VelocityField, state: Particles) -> VelocityField:
    """The field as a step evaluates it: groups at one place, whatever rounding has done to them within the step."""
    return field if state.groups is None else GroupedField(field, state.groups.label)


def euler_prediction(field: VelocityField, state: Particles, t: float, h: float) -> tuple[Array, ...]:
    """Where the present velocity leads in h, (run, n, d), as a first point of a path; nothing where none collide.

    A method of several stages may come to rest where its stages straddle a collision: the prediction passes it.
    """
    if state.groups is None:
        return ()
    return (state.x + h * grouped(field, state).particle_velocity(t, state.x, state.w),)


def after_step(model: VelocityField, state: Particles, path: tuple[Array, ...], t: float) -> Particles:
    """The ensemble after a step that led from `state` to path[-1] (run, n, d) at time t.

    Points of the path before the last are others that the step could have led to: what collides on the way to any of
    them has collided. A group that grows moves to its centre of mass, so that the mean stays; where no group grows,
    `state.groups` itself comes back, and where one does the field has jumped.
    """
    if state.groups is None:
        return replace(state, x=path[-1])
    x, groups = _merge(model, t, (state.x, *path), state.w, state.groups)
    return replace(state, x=x, groups=groups)


def at_standstill(model: VelocityField, state: Particles, t: float) -> Particles:
    """The ensemble where steps have become too short to be taken: collisions nearer than rounding have happened."""
    nearby = euler_prediction(model, state, t, COLLISION_ULPS * np.spacing(t))
    return after_step(model, state, (*nearby, state.x), t)


def _merge(model: VelocityField, t: float, path: tuple[Array, ...], w: Array, groups: Groups) -> tuple[Array, Groups]:
    x, label, since = _share(path[-1], groups.label), groups.label.copy(), groups.since.copy()
    grown = False
    for run in range(len(x)):
        new = groups.label[run]
        for event, end in product(model.events, path[1:]):
            new = event.regroup(path[0][run], end[run], new)
        if np.array_equal(new, groups.label[run]):
            continue
        grown = True
        changed = np.isin(new, new[new != groups.label[run]])
        near = model.space.nearest(x[run][new], x[run])
        x[run][changed] = model.space.project(_centres(near, w, new))[changed]
        label[run], since[run][changed] = new, t
    return x, Groups(label, since) if grown else groups


def _share(x: Array, label: Labels) -> Array:
    """x (run, n, d) with the position of each group's first particle given to all of it."""
    return np.take_along_axis(x, label[..., None], axis=-2)


def _centres(x: Array, w: Array, label: Labels) -> Array:
    # Masses of groups without any mass are counted by heads.
    mass = np.bincount(label, w, minlength=len(x))
    heads = np.where(mass[label] > 0, w, 1.0)
    total = np.bincount(label, heads, minlength=len(x))
    # From the first of each group, so that those at one place stay there to the last bit.
    first = x[label]
    sums = np.stack([np.bincount(label, heads * column, minlength=len(x)) for column in (x - first).T], axis=1)
    out: Array = first + (sums[label].T / total[label]).T
    return out


@dataclass(frozen=True, eq=False)
class GroupedField(Derived):
    """A field of groups: all particles of a group are taken to the position of its first before it is evaluated.

    Stages of a step may part a group by rounding, where a singular field would tear it up.
    """

    label: Labels

    def velocity(self, t: float, x: Array, mu: Measure) -> Array:
        """That of the field: a measure has no groups."""
        return self.field.velocity(t, x, mu)

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """That of the field at the shared positions."""
        return self.field.particle_velocity(t, _share(x, self.label), w)
