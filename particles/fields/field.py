"""What a model is: a velocity field X_t[μ](x), fields derived from others, their sums, the same in a moving frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce, singledispatch
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt

from particles.checks import Array, Frozen, as_matrix, frozen
from particles.errors import InvalidInput, NotSupported
from particles.fields.differences import central_divergence
from particles.fields.events import Event
from particles.fields.linear_flow import linear_flow
from particles.fields.query import check_query, checked_dimension
from particles.fields.spaces import Circle, Euclidean, Space, Sphere
from particles.measure import Atoms, Measure


class VelocityField(Frozen, ABC):
    """A velocity field X_t[μ](x) that depends on the whole measure, as in the continuity equation (6.1).

    A subclass gives `dim` and `velocity`; every other member has a default. Fields are frozen: nothing that a
    run computes is kept in them. They add with `+` (all in the same frame) and move to another frame by `in_frame`.
    """

    exchangeable: bool = True
    """False where the order of the tokens matters; such a field acts on particles only."""

    space: Space = Euclidean()
    """Where tokens live, in the original frame: `space = Circle()` makes x an angle and a grid periodic."""

    noisy: bool = False
    """Whether the field has noise at any time: True by itself for a class that gives `diffusion`; a class whose
    `diffusion` may always be None can say so, `noisy = False`."""

    breakpoints: tuple[float, ...] = ()
    """Times at which the field jumps, those of piecewise constant layers say: no step goes across one. At a breakpoint
    `velocity` is that of the piece which begins there."""

    runs: int | None = None
    """How many runs of an ensemble the field moves; None for any number."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for base in cls.__mro__[: cls.__mro__.index(VelocityField)]:
            if "noisy" in vars(base):
                break
            if "diffusion" in vars(base):
                cls.noisy = True
                break

    @property
    @abstractmethod
    def dim(self) -> int | None:
        """The dimension d of the state of one particle; None for a formula that holds in any (see dimension.py)."""

    def in_dimension(self, d: int) -> VelocityField:
        """The field on R^d: itself, or refused where it has another dimension. simulate and solve call it."""
        return checked_dimension(self, d)

    @abstractmethod
    def velocity(self, t: float, x: Array, mu: Measure) -> Array:
        """X_t[mu](x): points x (m, d) to velocities (m, d)."""

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """The field at the particles that make it: x (..., n, d), w (n,); leading axes are independent runs.

        NaN for a run that is not finite, which tells an error-controlled method to try a shorter step.
        """
        if x.ndim > 2:
            return np.stack([self.particle_velocity(t, run, w) for run in x])
        if not np.isfinite(x).all():
            return np.full_like(x, np.nan)
        return self.velocity(t, x, Atoms(x, w))

    def of_run(self, run: int) -> VelocityField:
        """The field of one run of an ensemble: itself, unless each run has its own."""
        return self

    def divergence(self, t: float, x: Array, mu: Measure) -> Array:
        """div X_t[mu] at x (m, d), shape (m,); by central differences of step ε^{1/3} where no formula is given."""
        x, mu = check_query(self.dim, t, x, mu)
        return central_divergence(lambda points: self.velocity(t, points, mu), x)

    def summation(self, n: int) -> str:
        """How the sums over n particles are computed, for the record in a Dataset; "" where nothing is chosen."""
        return ""

    def diffusion(self, t: float) -> Array | None:
        """The tensor D (d, d) of the noise √(2D) dW, so that (6.1) gains div(D∇μ); None without noise at t."""
        return None

    def check_noise(self, d: int) -> None:
        """Refuse to be a drift beside noise on R^d, where particles would leave all bounds."""
        return None

    @property
    def terms(self) -> tuple[VelocityField, ...]:
        """The summands, in order: the field itself where it is not a sum. Splitting methods move them in turn."""
        return (self,)

    @property
    def events(self) -> tuple[Event, ...]:
        """What may happen between two steps; tokens may collide where there is one. None by default."""
        return ()

    @property
    def frame(self) -> Array | None:
        """The matrix A of the frame x = e^{tA} z in which the field is written; None in the original coordinates."""
        return None

    def in_frame(self, A: npt.ArrayLike) -> VelocityField:
        """The same field in the frame x = e^{tA} z: e^{−tA} X_t[e^{tA}#μ](e^{tA} z) − A z. A: (d, d), constant."""
        matrix = check_frame(self, A)
        return MovingFrame(self.in_dimension(len(matrix)), matrix)

    def on_sphere(self) -> VelocityField:
        """The field projected onto the unit sphere, P_x X_t[μ](x) with P_x = I − x xᵀ/|x|²."""
        return restricted(Sphere(), self)

    def on_circle(self) -> VelocityField:
        """A field of the plane on the unit circle, in the angle: `on_sphere()` in one dimension, for grids too."""
        return restricted(Circle(), self)

    def __add__(self, other: object) -> VelocityField:
        if not isinstance(other, VelocityField):
            return NotImplemented
        return Sum((*self.terms, *other.terms))


@singledispatch
def restricted(space: Space, field: VelocityField) -> VelocityField:
    """The field of R^k restricted to a space in it, dispatched on the space; restriction.py has the sphere and circle.

    Raises NotSupported for a space to which no restriction is known.
    """
    raise NotSupported(f"no field of R^k is restricted to {space!r}: write the field in its coordinates")


def check_frame(field: VelocityField, A: npt.ArrayLike) -> Array:
    """The matrix of a frame, checked: constant, (d, d), for a field that is in no other frame yet."""
    if callable(A):
        raise NotSupported("a frame x = e^{tA} z needs a constant matrix A, got a function of t")
    if field.frame is not None:
        raise NotSupported("the field is in a moving frame already: start again from the original field")
    if field.events or not isinstance(field.space, Euclidean):
        raise NotSupported(f"{field!r} lives on a state space of its own or has events: it moves to no frame")
    matrix = as_matrix(A, "A", shape=(field.dim, field.dim))
    return frozen(as_matrix(matrix, "A", shape=(len(matrix),) * 2))


def as_field(value: VelocityField, name: str = "model") -> VelocityField:
    """A velocity field, and nothing else."""
    if not isinstance(value, VelocityField):
        raise InvalidInput(f"{name} must be a VelocityField, got {type(value).__name__}")
    return value


def _same_frame(a: VelocityField, b: VelocityField) -> bool:
    """Whether two fields are written in the same frame."""
    return a.frame is b.frame if a.frame is None or b.frame is None else bool(np.array_equal(a.frame, b.frame))


@dataclass(frozen=True, eq=False)
class Sum(VelocityField):
    """The sum of fields in one frame: multi-head attention, attention and a feed-forward layer, a field and noise.

    In a frame x = e^{tA} z each term carries the drift −A z; the sum carries it once, so that adding fields and
    changing the frame commute.
    """

    summands: tuple[VelocityField, ...]

    def __post_init__(self) -> None:
        """Refuse summands of different dimensions, frames or state spaces; one that has a dimension settles it."""
        first = self.summands[0]
        dims = sorted({term.dim for term in self.summands if term.dim is not None})
        if len(dims) > 1:
            raise InvalidInput(f"fields that add must have one dimension, got {dims}")
        for term in self.summands[1:]:
            if not _same_frame(term, first):
                raise NotSupported("fields in different frames do not add: add them first, then call in_frame(A)")
            if term.space != first.space:
                raise NotSupported(
                    f"fields on {first.space!r} and on {term.space!r} do not add: give both one space, as "
                    "Diffusion(D, space=Circle()) has, or add in the whole space first, then restrict the sum"
                )
        sizes = {term.runs for term in self.summands if term.runs is not None}
        if len(sizes) > 1:
            raise InvalidInput(f"fields that add must move one number of runs, got {sorted(sizes)}")
        for d in dims:
            object.__setattr__(self, "summands", tuple(term.in_dimension(d) for term in self.summands))

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.summands))

    @property
    def terms(self) -> tuple[VelocityField, ...]:
        """The summands, in order."""
        return self.summands

    @property
    def dim(self) -> int | None:
        """The dimension shared by all terms."""
        return self.summands[0].dim

    def in_dimension(self, d: int) -> Sum:
        """The sum of the terms on R^d."""
        return Sum(tuple(term.in_dimension(d) for term in self.summands))

    @property
    def exchangeable(self) -> bool:  # type: ignore[override]
        """True where every term is."""
        return all(term.exchangeable for term in self.summands)

    @property
    def frame(self) -> Array | None:
        """The frame shared by all terms."""
        return self.summands[0].frame

    @property
    def space(self) -> Space:  # type: ignore[override]
        """The space shared by all terms."""
        return self.summands[0].space

    @property
    def runs(self) -> int | None:  # type: ignore[override]
        """The number of runs that a term asks for."""
        return next((term.runs for term in self.summands if term.runs is not None), None)

    @property
    def breakpoints(self) -> tuple[float, ...]:  # type: ignore[override]
        """Those of all terms, in order."""
        return tuple(sorted({time for term in self.summands for time in term.breakpoints}))

    def of_run(self, run: int) -> Sum:
        """The sum of the terms of one run."""
        inner = tuple(term.of_run(run) for term in self.summands)
        return self if all(a is b for a, b in zip(inner, self.summands, strict=True)) else Sum(inner)

    def in_frame(self, A: npt.ArrayLike) -> VelocityField:
        """The sum of the terms in the frame x = e^{tA} z."""
        return Sum(tuple(term.in_frame(A) for term in self.summands))

    def _once(self, total: Array, x: Array) -> Array:
        return total if self.frame is None else total + (len(self.summands) - 1) * (x @ self.frame.T)

    def velocity(self, t: float, x: Array, mu: Measure) -> Array:
        """Σ_h X_h[mu](x), with the drift of the frame counted once."""
        x, mu = check_query(self.dim, t, x, mu)
        return self._once(_total(term.velocity(t, x, mu) for term in self.summands), x)

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """The same at the particles, x (..., n, d)."""
        return self._once(_total(term.particle_velocity(t, x, w) for term in self.summands), x)

    def divergence(self, t: float, x: Array, mu: Measure) -> Array:
        """Σ_h div X_h[mu](x), with the drift of the frame counted once."""
        total = _total(term.divergence(t, x, mu) for term in self.summands)
        return total if self.frame is None else total + (len(self.summands) - 1) * np.trace(self.frame)

    @property
    def noisy(self) -> bool:  # type: ignore[override]
        """True where a term is."""
        return any(term.noisy for term in self.summands)

    def summation(self, n: int) -> str:
        """The methods of the terms, each once."""
        return ", ".join(dict.fromkeys(filter(None, (term.summation(n) for term in self.summands))))

    def diffusion(self, t: float) -> Array | None:
        """Σ_h D_h: independent noises add their tensors."""
        tensors = [D for term in self.summands if (D := term.diffusion(t)) is not None]
        return _total(tensors) if tensors else None

    @property
    def events(self) -> tuple[Event, ...]:
        """The events of all terms; with noise those of noisy terms only, since it parts again what others have met."""
        quiet = not self.noisy
        return tuple(event for term in self.summands if quiet or term.noisy for event in term.events)


def _total(parts: Iterable[Array]) -> Array:
    return reduce(add, parts)


def _as_for_the_field(name: str) -> Any:
    return property(lambda derived: getattr(derived.field, name), doc="As for the field.")


@dataclass(frozen=True, eq=False)
class Derived(VelocityField):
    """A field made from one other: a subclass gives `velocity`, and all else that it does not change is as for `field`.

    `particle_velocity` and `divergence` follow from `velocity` as for every field. A subclass that brings noise of its
    own gives `noisy` with `diffusion`.
    """

    field: VelocityField

    def __init_subclass__(cls) -> None:
        """Whether there is noise is asked of the field."""

    dim = _as_for_the_field("dim")
    exchangeable = _as_for_the_field("exchangeable")
    space = _as_for_the_field("space")
    noisy = _as_for_the_field("noisy")
    breakpoints = _as_for_the_field("breakpoints")
    runs = _as_for_the_field("runs")
    events = _as_for_the_field("events")
    frame = _as_for_the_field("frame")

    def in_dimension(self, d: int) -> VelocityField:
        """The same made from the field on R^d."""
        inner = self.field.in_dimension(d)
        return self if inner is self.field else replace(self, field=inner)

    def of_run(self, run: int) -> VelocityField:
        """The same made from the field of one run."""
        inner = self.field.of_run(run)
        return self if inner is self.field else replace(self, field=inner)

    @property
    def terms(self) -> tuple[VelocityField, ...]:
        """The terms of the field, each made into such a field."""
        inner = self.field.terms
        return (self,) if len(inner) == 1 else tuple(replace(self, field=term) for term in inner)

    def summation(self, n: int) -> str:
        """As for the field."""
        return self.field.summation(n)

    def diffusion(self, t: float) -> Array | None:
        """As for the field."""
        return self.field.diffusion(t)

    def check_noise(self, d: int) -> None:
        """As for the field."""
        self.field.check_noise(d)


@dataclass(frozen=True, eq=False)
class MovingFrame(Derived):
    """Any field in the frame x = e^{tA} z: Y_t[ν](z) = e^{−tA} X_t[e^{tA}#ν](e^{tA} z) − A z.

    The general form, by transporting points there and back; attention has a better one (see SoftmaxField).
    """

    A: Array

    def __post_init__(self) -> None:
        """Refuse fields that only make sense where they are."""
        check_frame(self.field, self.A)

    @property
    def terms(self) -> tuple[VelocityField, ...]:
        """The field itself: a sum moves term by term, see Sum.in_frame."""
        return (self,)

    @property
    def frame(self) -> Array | None:
        """The matrix A."""
        return self.A

    def _there(self, t: float, z: Array) -> Array:
        return z @ linear_flow(self.A, t).T

    def _back(self, t: float, velocity: Array, z: Array) -> Array:
        return velocity @ linear_flow(self.A, -t).T - z @ self.A.T

    def velocity(self, t: float, x: Array, mu: Measure) -> Array:
        """e^{−tA} X_t[e^{tA}#mu](e^{tA} x) − A x."""
        x, mu = check_query(self.dim, t, x, mu)
        moved = Atoms(self._there(t, mu.points), mu.weights)
        return self._back(t, self.field.velocity(t, self._there(t, x), moved), x)

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """The same at the particles, x (..., n, d)."""
        return self._back(t, self.field.particle_velocity(t, self._there(t, x), w), x)

    def divergence(self, t: float, x: Array, mu: Measure) -> Array:
        """div X at e^{tA} x, less tr A."""
        x, mu = check_query(self.dim, t, x, mu)
        moved = Atoms(self._there(t, mu.points), mu.weights)
        return np.asarray(self.field.divergence(t, self._there(t, x), moved) - np.trace(self.A))

    def diffusion(self, t: float) -> Array | None:
        """e^{−tA} D e^{−tAᵀ}, a full tensor in general."""
        D = self.field.diffusion(t)
        if D is None:
            return None
        back = linear_flow(self.A, -t)
        tensor: Array = back @ D @ back.T
        return tensor
