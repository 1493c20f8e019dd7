"""Interactions as data: tokens moved by the gradient of a pair potential, and by that of a confining one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from particles.checks import Array, hold, positive
from particles.errors import InvalidInput, NotSupported
from particles.fields.dimension import AnyDimension
from particles.fields.events import Event, Meeting
from particles.fields.query import check_query
from particles.fields.remembered import remembered
from particles.fields.spaces import Euclidean, Space, Torus
from particles.kernels.gradient_sums import Gradient, gradient_sums
from particles.measure import Measure
from particles.models.potentials import Function, Potential, check_functions, pair_potential, potential
from particles.models.profiles import Profile

MEETING_DISTANCE = 1e-9
"""Closer tokens merge, where their attraction makes them collide."""

MANY, SOME = 2**20, 2**9
"""Pairs from which on the gradient of displacements (MANY) or of a profile (SOME) is compiled, which takes seconds or a
tenth of one: fewer are summed by NumPy."""


@dataclass(frozen=True, eq=False)
class PairInteraction(AnyDimension):
    """X[μ](x) = −∫ ∇W(x − y) dμ(y): aggregation, swarming and alignment by a pair potential W that is data.

    W is a profile, `Powers((1, -1), (2, 0))` for r²/2 − log r say, or a function of displacements z (m, d) with its
    gradient. Numba compiles what it can: particles cost O(n²) calls of machine code, O(n) neighbours within a reach;
    what it cannot compile is called with arrays of bounded size. On a uniform grid the field is a convolution with the
    averages of ∇W over cells, O(M log M) for M cells (meanfield/velocity/convolution.py), for functions with a reach
    a sum over pairs of cells; on a moving mesh the nodes are particles. Along a period displacements are taken to the
    nearest image.

    Parameters
    ----------
    W : Profile or function
        The potential: z (m, d) to (m,).
    grad : function, optional
        Its gradient, (m, d) to (m, d); None for a profile.
    at_origin : float or array (d,), optional
        ∇W(0) where the gradient is not finite there: 0.0 where a token does not act on itself.
    reach : float, optional
        A distance beyond which ∇W counts as 0; that of the profile, None for none.
    space : Space
        R^d, Circle() or Torus(periods).
    dim : int, optional
        d, None for any.

    Raises
    ------
    InvalidInput
        For a gradient that is not that of W by differences at two dozen displacements, 1e-4 to 3.6 long; for one that
        is not finite at the origin without a declared value; for functions of another shape.
    NotSupported
        For another space; a field of the sphere is PairInteraction(...).on_sphere().
    """

    W: Profile | Function
    grad: Function | None = None
    at_origin: float | Array | None = None
    reach: float | None = None
    space: Space = field(default=Euclidean(), kw_only=True)

    def __post_init__(self) -> None:
        """Check the gradient, in one dimension while none is known and the potential is a profile."""
        super().__post_init__()
        if not isinstance(self.space, Space):
            raise InvalidInput(f"space must be a space, as Circle(), Torus(...) or Euclidean(), got {self.space!r}")
        if not isinstance(self.space, Euclidean | Torus):
            raise NotSupported(
                f"displacements are taken on R^d, a circle or a torus, got space = {self.space!r}: for the sphere "
                "write PairInteraction(...).on_sphere()"
            )
        if isinstance(self.space, Torus):
            axes = len(self.space.periods)
            if self.dim not in (None, axes):
                raise InvalidInput(f"{self.space!r} has {axes} coordinates, the model dimension {self.dim}")
            hold(self, dim=axes)
        if self.reach is not None:
            hold(self, reach=positive(self.reach, "reach"))
        elif isinstance(self.W, Profile):
            hold(self, reach=self.W.reach)
        if self.dim is not None or isinstance(self.W, Profile):
            potential_of(self)
        else:
            check_functions(self.W, self.grad, ("W", "grad"))

    @property
    def period(self) -> Array:
        """The period along each axis, (d,), 0 along a straight one."""
        d = self.dim or 1
        return np.array([period or 0.0 for period in self.space.axis_periods(d)])

    @property
    def events(self) -> tuple[Event, ...]:
        """The meeting of tokens, where a profile attracts them so that it takes a finite time."""
        collides = isinstance(self.W, Profile) and self.W.collides
        return (Meeting(MEETING_DISTANCE, self.space),) if collides else ()

    def velocity(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """X[mu](x): x (m, d) to (m, d)."""
        points, mu = check_query(self.dim, t, x, mu)
        known = self if self.dim is not None else replace(self, dim=points.shape[1])
        many = len(points) * len(mu.weights) >= (SOME if isinstance(self.W, Profile) else MANY)
        return -gradient_sums(_gradient(known, many), points, mu.points, mu.weights, known.period, self.reach)


@remembered
def potential_of(field: PairInteraction) -> Potential:
    """W and ∇W of an interaction, checked, on R^d; on R while its dimension is open."""
    return potential(field.W, field.grad, field.at_origin, field.dim or 1, ("W", "grad"))


@remembered
def _gradient(field: PairInteraction, many: bool) -> Gradient:
    made = potential_of(field)
    numbers = field.W.numbers if isinstance(field.W, Profile) else np.empty(0)
    return Gradient(made.code() if many else None, made.radial, numbers, made.gradient, made.origin)


@pair_potential.register
def _(field: PairInteraction) -> Potential:
    if type(field) is not PairInteraction and vars(type(field)).get("same_equation") is not True:
        raise NotSupported(f"{type(field).__name__} may have changed the equation of PairInteraction")
    made = potential_of(field)
    if field.reach is not None and not made.radial:
        raise NotSupported("∇W cut off at a distance is no gradient, unless W is a profile")
    return replace(made, reach=field.reach)


@dataclass(frozen=True, eq=False)
class Confinement(AnyDimension):
    """X(x) = −∇U(x): a potential that holds tokens, added by `+` to what moves them among each other.

    Parameters
    ----------
    U : Profile or function
        The potential: a profile of the distance from 0, Powers(1, 2) for |x|²/2, or a function of x (m, d) to (m,).
    grad : function, optional
        Its gradient, (m, d) to (m, d); None for a profile.
    dim : int, optional
        d, None for any.

    Raises
    ------
    InvalidInput
        As for PairInteraction.
    """

    U: Profile | Function
    grad: Function | None = None

    def __post_init__(self) -> None:
        """Check the gradient, once the dimension is known."""
        super().__post_init__()
        if self.dim is not None or isinstance(self.U, Profile):
            _confining(self)
        else:
            check_functions(self.U, self.grad, ("U", "grad"))

    def velocity(self, t: float, x: npt.ArrayLike, mu: Measure) -> Array:
        """−∇U(x): x (m, d) to (m, d)."""
        points, mu = check_query(self.dim, t, x, mu)
        known = self if self.dim is not None else replace(self, dim=points.shape[1])
        return -_confining(known).gradient(points)


@remembered
def _confining(field: Confinement) -> Potential:
    return potential(field.U, field.grad, None, field.dim or 1, ("U", "grad"))
