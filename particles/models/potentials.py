"""Potentials of displacements, from a profile or from two functions of the user's, the gradient checked against W."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt

from particles.checks import Array, as_finite
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import VelocityField
from particles.kernels.user_functions import field_block
from particles.models.profiles import Profile, called

RADII = 1e-4 * 1.578 ** np.arange(24)
"""Distances from the origin, 1e-4 to 3.6, at which a gradient is compared with differences of its potential."""

STEPS = (1e-3, 1e-5, 1e-7)
"""Steps of the differences, relative to the distance: the best of them counts, as the function's own scale is not
known."""

AGREES = 1e-4
"""The relative deviation of a gradient from the best difference above which it is refused."""

Function = Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Potential:
    """W and ∇W at displacements z (m, d); `origin` (d,) is ∇W(0). Beyond a `reach` a profile is constant."""

    W: Profile | Function
    grad: Function | None
    origin: Array
    reach: float | None = None

    @property
    def radial(self) -> bool:
        """Whether W is a profile."""
        return isinstance(self.W, Profile)

    @property
    def kinks(self) -> tuple[float, ...]:
        """Distances from the origin at which ∇W jumps, as far as they are known."""
        kinks = self.W.kinks if isinstance(self.W, Profile) else ()
        if self.reach is None or any(np.isclose(self.reach, kink, rtol=1e-9, atol=0.0) for kink in kinks):
            return kinks
        return (*kinks, self.reach)

    def value(self, z: Array) -> Array:
        """W, (m,)."""
        if isinstance(self.W, Profile):
            with np.errstate(all="ignore"):
                r = np.linalg.norm(z, axis=1)
                return self.W.value(r if self.reach is None else np.minimum(r, self.reach))
        return called(self.W, "W", z, (len(z),))

    def gradient(self, z: Array) -> Array:
        """∇W, (m, d); `origin` at 0."""
        r = np.linalg.norm(z, axis=1)
        if isinstance(self.W, Profile):
            with np.errstate(all="ignore"):
                raw = self.W.slope(r)[:, None] * z / r[:, None]
            if self.reach is not None:
                raw[r > self.reach] = 0.0
        else:
            raw = called(self.grad, "grad", z, z.shape)  # type: ignore[arg-type]
        return np.where(r[:, None] > 0, raw, self.origin)

    def code(self) -> Any:
        """Machine code of w' or of ∇W, None where Numba compiles none."""
        return self.W.code() if isinstance(self.W, Profile) else field_block(self.grad)


@singledispatch
def pair_potential(field: VelocityField) -> Potential:
    """W of a field −∫ ∇W(x − y) dμ(y) on R^d, d known, for the types whose velocity is nothing else.

    Raises NotSupported for every other.
    """
    raise NotSupported(f"{type(field).__name__} is not known to be −∫ ∇W(x − y) dμ(y) with a pair potential W")


def potential(
    W: Profile | Function, grad: Function | None, at_origin: npt.ArrayLike | None, d: int, names: tuple[str, str]
) -> Potential:
    """A potential on R^d, checked: see the Raises of PairInteraction; `names` are those of W and its gradient."""
    check_functions(W, grad, names)
    made = Potential(W, grad, _origin(W, grad, at_origin, d, names[1]))
    _compare(made, d, names)
    return made


def check_functions(W: Profile | Function, grad: Function | None, names: tuple[str, str]) -> None:
    """Refuse what is neither a profile alone nor two functions."""
    if isinstance(W, Profile):
        if grad is not None:
            raise InvalidInput(f"a profile has its derivative: leave {names[1]} out beside {W!r}")
        return
    for name, function in zip(names, (W, grad), strict=True):
        if not callable(function):
            raise InvalidInput(
                f"{name} must be a function of points (m, d), or {names[0]} alone a profile such as "
                f"Powers((1, -1), (2, 0)), got {function!r}"
            )


def _origin(W: Profile | Function, grad: Function | None, at_origin: npt.ArrayLike | None, d: int, name: str) -> Array:
    """∇W(0), (d,): what was declared, else 0 for a profile of finite slope there, else what the function gives."""
    if at_origin is not None:
        given = as_finite(at_origin, "at_origin")
        if given.shape not in ((), (d,)):
            raise InvalidInput(f"at_origin must be a number, or one for each of {d} components, got {given.shape}")
        return np.broadcast_to(given, (d,)).copy()
    if isinstance(W, Profile):
        with np.errstate(all="ignore"):
            found = np.full(d, W.slope(np.zeros(1))[0])
    else:
        found = called(grad, name, np.zeros((1, d)), (1, d))[0]  # type: ignore[arg-type]
    if not np.isfinite(found).all():
        raise InvalidInput(
            f"the gradient of {W!r} is {found[0]} at the origin, where a token sees itself: declare the value to take "
            "there, at_origin=0.0 where a token does not act on itself"
        )
    return np.zeros(d) if isinstance(W, Profile) else found


def _compare(made: Potential, d: int, names: tuple[str, str]) -> None:
    """Refuse a gradient that differs from central differences of W at the displacements where both are finite."""
    turns = np.random.default_rng(1).standard_normal((len(RADII), d))
    z = RADII[:, None] * turns / np.linalg.norm(turns, axis=1, keepdims=True)
    stated, best = made.gradient(z), np.full(z.shape, np.inf)
    scale = np.abs(stated).max(axis=1, keepdims=True) + np.abs(made.value(z) / RADII)[:, None] * 1e-3
    for step in STEPS:
        for k in range(d):
            h = step * RADII[:, None] * np.eye(d)[k]
            slope = (made.value(z + h) - made.value(z - h)) / (2 * step * RADII)
            best[:, k] = np.fmin(best[:, k], np.abs(slope - stated[:, k]))
    known = np.isfinite(best) & np.isfinite(stated) & np.isfinite(scale)
    if not known.any():
        raise InvalidInput(f"{names[0]} and {names[1]} are both finite at no displacement from 1e-4 to 3.6")
    wrong = known & (best > AGREES * scale)
    if wrong.any():
        i, k = (int(n) for n in np.argwhere(wrong)[0])
        raise InvalidInput(
            f"{names[1]} is not the gradient of {names[0]}: at z = {z[i].tolist()} its component {k} is "
            f"{stated[i, k]:g}, and differences of {names[0]} are {best[i, k]:.3g} away from it"
        )
