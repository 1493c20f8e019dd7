"""How the points of a moving mesh are moved: by a method of the particles, in the field of those that have mass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np

from particles.checks import Array
from particles.errors import NotSupported
from particles.fields.field import Derived
from particles.measure import Atoms, Measure
from particles.steppers.error_control import ErrorControlled
from particles.steppers.fixed_step import FixedStep
from particles.steppers.method import Method


@singledispatch
def limited(method: Method, max_step: float | None) -> Method:
    """The method with steps of at most `max_step`."""
    if max_step is not None:
        raise NotSupported(f"{type(method).__name__} knows no longest step: give it one of its own, leave out max_step")
    return method


@limited.register
def _(method: ErrorControlled, max_step: float | None) -> Method:
    if max_step is None:
        return method
    shorter: Method = replace(method, max_step=min(max_step, method.max_step or np.inf))
    return shorter


@limited.register
def _(method: FixedStep, max_step: float | None) -> Method:
    return method if max_step is None else replace(method, dt=min(method.dt, max_step))


@singledispatch
def scaled(method: Method, size: float) -> Method:
    """The method with an absolute tolerance of a hundredth of the relative one of a length `size`, that of a law.

    A smaller law would not be followed by a larger one; in a larger law a point at 0, where the relative tolerance is
    nothing, would ask for less than rounding.
    """
    return method


@scaled.register
def _(method: ErrorControlled, size: float) -> Method:
    fitting: Method = replace(method, atol=max(method.rtol * size * 0.01, np.finfo(float).tiny))
    return fitting if size > 0 else method


@singledispatch
def finer(method: Method, size: float) -> Method | None:
    """The same method with a hundredth of the tolerance, or half the step; None where neither is known.

    An absolute tolerance beyond the `size` of the law controls nothing, which the finer method must show.
    """
    return None


@finer.register
def _(method: ErrorControlled, size: float) -> Method:
    tight: Method = replace(method, rtol=max(method.rtol / 100, 2.3e-14), atol=method.atol / 100)
    fitting = scaled(tight, size)
    assert isinstance(tight, ErrorControlled)
    assert isinstance(fitting, ErrorControlled)
    return tight if tight.atol <= fitting.atol else fitting


@finer.register
def _(method: FixedStep, size: float) -> Method:
    return replace(method, dt=method.dt / 2)


@dataclass(frozen=True, eq=False)
class Carried(Derived):
    """A field on particles of which the first `sources` alone have mass: the others are queries, no terms of a sum."""

    sources: int

    def velocity(self, t: float, x: Array, mu: Measure) -> Array:
        """That of the field."""
        return self.field.velocity(t, x, mu)

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """That of the field of the sources, x (..., n, d); NaN where x is not finite."""
        if x.ndim > 2:
            return np.stack([self.particle_velocity(t, run, w) for run in x])
        if not np.isfinite(x).all():
            return np.full_like(x, np.nan)
        return self.field.velocity(t, x, Atoms(x[: self.sources], w[: self.sources]))
