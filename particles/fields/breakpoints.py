"""Fields that jump at known times: a time interval cut at their breakpoints, and the field of each part of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from particles.checks import Array, as_finite
from particles.errors import InvalidInput
from particles.fields.field import Derived, VelocityField
from particles.measure import Measure


class Piece(NamedTuple):
    """A part [start, end] of a time interval without a jump inside, its field, and whether that jumps at the end."""

    start: float
    end: float
    field: VelocityField
    jumps: bool


def pieces(field: VelocityField, t0: float, t1: float) -> Iterator[Piece]:
    """The interval [t0, t1] cut at the breakpoints of a field, in order.

    The field of a piece that ends in a breakpoint is the one before it there too, so that the stages of a method at the
    end of its step, and its error estimate, do not see the jump.
    """
    times = breakpoints(field)
    ends = [*times[(times > t0) & (times < t1)].tolist(), t1]
    for start, end in zip([t0, *ends[:-1]], ends, strict=True):
        jumps = bool(np.isin(end, times))
        yield Piece(start, end, Before(field, float(np.nextafter(end, -np.inf))) if jumps else field, jumps)


def landing_times(field: VelocityField, times: Array) -> Array:
    """Save times (k,) and the breakpoints between them, in order: all times on which a method lands."""
    jumps = breakpoints(field)
    return np.union1d(times, jumps[(jumps > times[0]) & (jumps < times[-1])])


def breakpoints(field: VelocityField) -> Array:
    """The breakpoints of a field, checked, in order, each once; (k,)."""
    times = as_finite(field.breakpoints, f"breakpoints of {type(field).__name__}")
    if times.ndim != 1:
        raise InvalidInput(f"breakpoints of {type(field).__name__} must be a tuple of times, got {field.breakpoints!r}")
    return np.unique(times)


@dataclass(frozen=True, eq=False)
class Before(Derived):
    """A field before it jumps: at times after `last`, the last one before the jump, it is what it is there."""

    last: float

    def velocity(self, t: float, x: Array, mu: Measure) -> Array:
        """X_t[mu](x) for t up to `last`."""
        return self.field.velocity(min(t, self.last), x, mu)

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """The same at the particles."""
        return self.field.particle_velocity(min(t, self.last), x, w)

    def divergence(self, t: float, x: Array, mu: Measure) -> Array:
        """That of the field at the same time."""
        return self.field.divergence(min(t, self.last), x, mu)

    def diffusion(self, t: float) -> Array | None:
        """That of the field at the same time."""
        return self.field.diffusion(min(t, self.last))
