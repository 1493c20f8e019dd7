"""What a model is: a velocity field X_t[μ](x), their sums, the same field in a moving frame, or a discrete map."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from particles.checks import Array, as_matrix, frozen
from particles.errors import InvalidInput, NotSupported
from particles.fields.events import Event
from particles.fields.linear_flow import linear_flow
from particles.fields.query import check_query, checked_dimension
from particles.measure import Atoms, Measure

if TYPE_CHECKING:
    from particles.steppers.method import Method


class VelocityField(ABC):
    """A velocity field X_t[μ](x) on R^d that depends on the whole measure, as in the continuity equation (6.1).

    A subclass gives `dim` and `velocity`; every other member has a default. Fields are frozen: nothing that a
    run computes is kept in them. They add with `+` (all in the same frame) and move to another frame by `in_frame`.
    """

    exchangeable: bool = True
    """False where the order of the tokens matters; such a field acts on particles only."""

    @property
    @abstractmethod
    def dim(self) -> int | None:
        """The dimension d of the state of one particle; None for a formula that holds in any (see dimension.py)."""

    def in_dimension(self, d: int) -> VelocityField:
        """The field on R^d: itself, or refused where it has another dimension. The doors call it."""
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
        steps = np.finfo(float).eps ** (1 / 3) * np.maximum(1.0, np.abs(x))
        total = np.zeros(len(x))
        for k in range(x.shape[1]):
            shift = np.zeros_like(x)
            shift[:, k] = steps[:, k]
            difference = self.velocity(t, x + shift, mu)[:, k] - self.velocity(t, x - shift, mu)[:, k]
            total += difference / (2 * steps[:, k])
        return total

    @property
    def noisy(self) -> bool:
        """Whether the field has noise: whether `diffusion` returns a tensor."""
        return type(self).diffusion is not VelocityField.diffusion

    def summation(self, n: int) -> str:
        """How the sums over n particles are computed, for the record in a Dataset; "" where nothing is chosen."""
        return ""

    def diffusion(self, t: float) -> Array | None:
        """The tensor D (d, d) of the noise √(2D) dW, so that (6.1) gains div(D∇μ); None without noise."""
        return None

    @property
    def state_space(self) -> str | None:
        """The name of the subset of R^d that the field lives on, None for all of R^d; fields add on the same one."""
        return None

    def project(self, x: Array) -> Array:
        """Points (..., n, d) brought back onto the state space after a step: the sphere, angles, a periodic box."""
        return x

    def check_state(self, x: Array) -> None:
        """Refuse initial points (..., n, d) that are not states of the model."""
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
        """What may happen between two steps (collisions, say); none by default."""
        return ()

    @property
    def default_method(self) -> Method | None:
        """The method that `simulate` takes when told none; None leaves the choice to it."""
        return None

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
        # The sphere builds on this class.
        from particles.fields.sphere import OnSphere

        return OnSphere(self)

    def on_circle(self) -> VelocityField:
        """A field of the plane on the unit circle, in the angle: `on_sphere()` in one dimension, for grids too."""
        from particles.fields.circle import OnCircle

        return OnCircle(self)

    def __add__(self, other: object) -> VelocityField:
        if not isinstance(other, VelocityField):
            return NotImplemented
        return Sum((*self.terms, *other.terms))


def check_frame(field: VelocityField, A: npt.ArrayLike) -> Array:
    """The matrix of a frame, checked: constant, (d, d), for a field that is in no other frame yet."""
    if callable(A):
        raise NotSupported("a frame x = e^{tA} z needs a constant matrix A, got a function of t")
    if field.frame is not None:
        raise NotSupported("the field is in a moving frame already: start again from the original field")
    matrix = as_matrix(A, "A", shape=(field.dim, field.dim))
    return frozen(as_matrix(matrix, "A", shape=(len(matrix),) * 2))


def as_field(value: VelocityField, name: str = "model") -> VelocityField:
    """A velocity field, and nothing else."""
    if not isinstance(value, VelocityField):
        raise InvalidInput(f"{name} must be a VelocityField, got {type(value).__name__}")
    return value


def same_frame(a: VelocityField, b: VelocityField) -> bool:
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
            if not same_frame(term, first):
                raise NotSupported("fields in different frames do not add: add them first, then call in_frame(A)")
            if term.state_space != first.state_space:
                raise NotSupported(
                    f"a field on the {term.state_space or first.state_space} adds to others on it only: "
                    "add in the whole space first, then restrict the sum"
                )
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
    def state_space(self) -> str | None:
        """The state space shared by all terms."""
        return self.summands[0].state_space

    def check_state(self, x: Array) -> None:
        """Every term's check, and with noise whether the drifts bear it."""
        for term in self.summands:
            term.check_state(x)
            if self.noisy:
                term.check_noise(x.shape[-1])

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
    def noisy(self) -> bool:
        """True where a term is."""
        return any(term.noisy for term in self.summands)

    def summation(self, n: int) -> str:
        """The methods of the terms, each once."""
        return ", ".join(dict.fromkeys(filter(None, (term.summation(n) for term in self.summands))))

    def diffusion(self, t: float) -> Array | None:
        """Σ_h D_h: independent noises add their tensors."""
        tensors = [D for term in self.summands if (D := term.diffusion(t)) is not None]
        return _total(tensors) if tensors else None

    def project(self, x: Array) -> Array:
        """The projections of the terms, one after another; terms without a state space leave x as it is."""
        for term in self.summands:
            x = term.project(x)
        return x

    @property
    def events(self) -> tuple[Event, ...]:
        """The events of all terms; none with noise, which parts again what has met."""
        if self.noisy:
            return ()
        return tuple(event for term in self.summands for event in term.events)

    @property
    def default_method(self) -> Method | None:
        """The first choice that a term makes."""
        return next((term.default_method for term in self.summands if term.default_method is not None), None)


def _total(parts: Iterable[Array]) -> Array:
    return reduce(add, parts)


@dataclass(frozen=True, eq=False)
class MovingFrame(VelocityField):
    """Any field in the frame x = e^{tA} z: Y_t[ν](z) = e^{−tA} X_t[e^{tA}#ν](e^{tA} z) − A z.

    The general form, by transporting points there and back; attention has a better one (see SoftmaxField).
    """

    field: VelocityField
    A: Array

    def __post_init__(self) -> None:
        """Refuse fields that only make sense where they are."""
        if self.field.events or self.field.state_space is not None:
            raise NotSupported(f"{self.field!r} lives on a state space of its own or has events: it moves to no frame")

    @property
    def dim(self) -> int | None:
        """The dimension of the field."""
        return self.field.dim

    @property
    def noisy(self) -> bool:
        """As for the field."""
        return self.field.noisy

    @property
    def exchangeable(self) -> bool:  # type: ignore[override]
        """As for the field."""
        return self.field.exchangeable

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

    @property
    def default_method(self) -> Method | None:
        """As for the field."""
        return self.field.default_method
