"""Radial pair potentials W(z) = w(|z|) as data: powers and the logarithm, Morse's, the cosine, bounded confidence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from particles.checks import Array, Frozen, as_finite, hold, not_negative, number, positive
from particles.errors import InvalidInput
from particles.kernels.exact.exponential import LOG2_E, exp2
from particles.kernels.user_functions import loop_block, profile_block
from particles.models.opinion import TIE


class Profile(Frozen, ABC):
    """A radial potential W(z) = w(|z|): attraction where w increases, repulsion where it decreases."""

    collides: bool = False
    """Whether two tokens that attract one another by it collide in a finite time."""

    @abstractmethod
    def value(self, r: Array) -> Array:
        """w at distances r (m,)."""

    @abstractmethod
    def slope(self, r: Array) -> Array:
        """w' at distances r (m,)."""

    @abstractmethod
    def code(self) -> Any:
        """Machine code of w' with its parameters (user_functions.py), None where there is none."""

    @property
    def numbers(self) -> Array:
        """The parameters of w and w', (k,)."""
        return np.empty(0)

    @property
    def reach(self) -> float | None:
        """A distance beyond which w' vanishes, None where there is none."""
        return None

    @property
    def kinks(self) -> tuple[float, ...]:
        """Distances at which w' jumps."""
        return ()


class Formula(Profile):
    """A profile of numbers: a frozen dataclass that gives `numbers`, and `w` and `dw` = w' as static methods of (r, p).

    r is an array of distances, or one distance where Numba compiles the formula; p are the numbers. Such a profile is
    data: a file holds its numbers and its name.
    """

    @staticmethod
    @abstractmethod
    def w(r: Any, p: Any) -> Any:
        """w at distances r."""

    @staticmethod
    @abstractmethod
    def dw(r: Any, p: Any) -> Any:
        """w' at distances r."""

    def value(self, r: Array) -> Array:
        """w at distances r (m,)."""
        return np.asarray(self.w(r, self.numbers))

    def slope(self, r: Array) -> Array:
        """w' at distances r (m,)."""
        return np.asarray(self.dw(r, self.numbers))

    def code(self) -> Any:
        """Machine code of w'."""
        return profile_block(self.dw, True)


@dataclass(frozen=True, eq=False)
class Radial(Profile):
    """A profile of two functions of the user's: w and its derivative. No file can hold it.

    Parameters
    ----------
    potential, derivative : function
        w and w' of an array of distances r ≥ 0, of its shape.
    radius : float, optional
        A distance beyond which w' vanishes, where it may jump: tokens then look for neighbours only.

    Raises
    ------
    InvalidInput
        For what is no function, a radius that is not positive.
    """

    potential: Callable[[Any], Any]
    derivative: Callable[[Any], Any]
    radius: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no function."""
        for name in ("potential", "derivative"):
            if not callable(getattr(self, name)):
                raise InvalidInput(f"{name} must be a function of distances, got {getattr(self, name)!r}")
        if self.radius is not None:
            hold(self, radius=positive(self.radius, "radius"))

    def value(self, r: Array) -> Array:
        """w at distances r (m,)."""
        return called(self.potential, "potential", r, r.shape)

    def slope(self, r: Array) -> Array:
        """w' at distances r (m,)."""
        return called(self.derivative, "derivative", r, r.shape)

    def code(self) -> Any:
        """Machine code of the derivative, None where Numba compiles none."""
        return profile_block(self.derivative, False)

    @property
    def reach(self) -> float | None:
        """The radius."""
        return self.radius

    @property
    def kinks(self) -> tuple[float, ...]:
        """The radius."""
        return () if self.radius is None else (self.radius,)


@dataclass(frozen=True, eq=False)
class Powers(Formula):
    """w(r) = Σ_k c_k r^{p_k}/p_k, c_k log r where p_k = 0: Powers((1, -1), (2, 0)) is r²/2 − log r.

    Parameters
    ----------
    strengths : float or tuple of float
        c_k, positive for attraction, negative for repulsion.
    exponents : float or tuple of float
        p_k, as many.

    Raises
    ------
    InvalidInput
        For counts that differ, numbers that are not finite.
    """

    strengths: tuple[float, ...]
    exponents: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse counts that differ."""
        c, p = _row(self.strengths, "strengths"), _row(self.exponents, "exponents")
        if len(c) != len(p):
            raise InvalidInput(f"strengths and exponents must be as many, got {len(c)} and {len(p)}")
        hold(self, strengths=c, exponents=p)

    @property
    def numbers(self) -> Array:
        """Strengths and exponents in turn."""
        return np.ravel(np.column_stack([self.strengths, self.exponents]))

    @property
    def collides(self) -> bool:  # type: ignore[override]
        """Where the least exponent is below 2, and what has it attracts in all."""
        least = min(self.exponents)
        return least < 2 and sum(c for c, p in zip(self.strengths, self.exponents, strict=True) if p == least) > 0

    @staticmethod
    def w(r: Any, p: Any) -> Any:
        """Σ_k c_k r^{p_k}/p_k."""
        total = 0.0 * r
        for k in range(0, len(p), 2):
            total = total + (p[k] * np.log(r) if p[k + 1] == 0 else p[k] / p[k + 1] * r ** p[k + 1])
        return total

    @staticmethod
    def dw(r: Any, p: Any) -> Any:
        """Σ_k c_k r^{p_k − 1}."""
        total = 0.0 * r
        for k in range(0, len(p), 2):
            if p[k + 1] == 2:
                total = total + p[k] * r
            elif p[k + 1] == 0:
                total = total + p[k] / r
            else:
                total = total + p[k] * r ** (p[k + 1] - 1)
        return total

    def code(self) -> Any:
        """Machine code of w', term by term: a loop of one operation is done eight distances at a time."""
        return loop_block(_power_slopes)


def _power_slopes(r, p, out):  # type: ignore[no-untyped-def]
    out[:] = 0.0
    for k in range(0, len(p), 2):
        if p[k + 1] == 2:
            for i in range(len(r)):
                out[i] += p[k] * r[i]
        elif p[k + 1] == 0:
            for i in range(len(r)):
                out[i] += p[k] / r[i]
        else:
            for i in range(len(r)):
                out[i] += p[k] * r[i] ** (p[k + 1] - 1)


@dataclass(frozen=True, eq=False)
class Morse(Formula):
    """w(r) = repulsion · e^{−r/repulsion_length} − attraction · e^{−r/attraction_length}: swarms, rings and mills.

    D'Orsogna, Chuang, Bertozzi, Chayes (2006).

    Parameters
    ----------
    attraction, attraction_length, repulsion, repulsion_length : float
        Strengths ≥ 0 and positive lengths.

    Raises
    ------
    InvalidInput
        For numbers out of range.
    """

    attraction: float
    attraction_length: float
    repulsion: float
    repulsion_length: float

    def __post_init__(self) -> None:
        """Refuse negative strengths, lengths that are not positive."""
        for name in ("attraction", "repulsion"):
            hold(self, **{name: not_negative(getattr(self, name), name)})
            length = f"{name}_length"
            hold(self, **{length: positive(getattr(self, length), length)})

    @property
    def numbers(self) -> Array:
        """The four in order."""
        return np.array([self.attraction, self.attraction_length, self.repulsion, self.repulsion_length])

    @property
    def collides(self) -> bool:  # type: ignore[override]
        """Where attraction outweighs repulsion at 0."""
        return self.attraction / self.attraction_length > self.repulsion / self.repulsion_length

    @staticmethod
    def w(r: Any, p: Any) -> Any:
        """p_2 e^{−r/p_3} − p_0 e^{−r/p_1}."""
        return p[2] * np.exp(-r / p[3]) - p[0] * np.exp(-r / p[1])

    @staticmethod
    def dw(r: Any, p: Any) -> Any:
        """p_0/p_1 e^{−r/p_1} − p_2/p_3 e^{−r/p_3}."""
        return p[0] / p[1] * np.exp(-r / p[1]) - p[2] / p[3] * np.exp(-r / p[3])

    def code(self) -> Any:
        """Machine code of w', by an exponential that is computed eight at a time."""
        return loop_block(_morse_slopes)


def _morse_slopes(r, p, out):  # type: ignore[no-untyped-def]
    a, s, b, t = p[0] / p[1], LOG2_E / p[1], p[2] / p[3], LOG2_E / p[3]
    for i in range(len(r)):
        out[i] = a * exp2(-r[i] * s) - b * exp2(-r[i] * t)


@dataclass(frozen=True, eq=False)
class Cosine(Formula):
    """w(r) = −strength · cos r: on the circle, Kuramoto's θ_i' = −strength Σ_j w_j sin(θ_i − θ_j).

    Parameters
    ----------
    strength : float
        The coupling K, negative for repulsion.

    Raises
    ------
    InvalidInput
        For what is no finite number.
    """

    strength: float

    def __post_init__(self) -> None:
        """Refuse what is no number."""
        hold(self, strength=number(self.strength, "strength"))

    @property
    def numbers(self) -> Array:
        """The strength."""
        return np.array([self.strength])

    @staticmethod
    def w(r: Any, p: Any) -> Any:
        """−p_0 cos r."""
        return -p[0] * np.cos(r)

    @staticmethod
    def dw(r: Any, p: Any) -> Any:
        """p_0 sin r."""
        return p[0] * np.sin(r)


@dataclass(frozen=True, eq=False)
class BoundedConfidence(Formula):
    """w(r) = min(r, radius)²/2: x_i' = Σ_j w_j (x_j − x_i) over the tokens within the radius, not averaged.

    Parameters
    ----------
    radius : float
        The confidence, positive; a distance equal to it counts as within, also after rounding (relative 1e-12).

    Raises
    ------
    InvalidInput
        For a radius that is not positive.
    """

    radius: float

    def __post_init__(self) -> None:
        """Refuse a radius that is not positive."""
        hold(self, radius=positive(self.radius, "radius"))

    @property
    def numbers(self) -> Array:
        """The radius."""
        return np.array([self.radius * (1 + TIE)])

    @property
    def reach(self) -> float:
        """The radius, and what rounding adds."""
        return self.radius * (1 + 2 * TIE)

    @property
    def kinks(self) -> tuple[float, ...]:
        """The radius."""
        return (self.radius,)

    @staticmethod
    def w(r: Any, p: Any) -> Any:
        """min(r, p_0)²/2."""
        return np.minimum(r, p[0]) ** 2 / 2

    @staticmethod
    def dw(r: Any, p: Any) -> Any:
        """r up to p_0."""
        return r * (r <= p[0])


def _row(value: npt.ArrayLike, name: str) -> tuple[float, ...]:
    row = np.atleast_1d(as_finite(value, name))
    if row.ndim != 1 or not row.size:
        raise InvalidInput(f"{name} must be a number or a row of numbers, got shape {row.shape}")
    return tuple(map(float, row))


def called(function: Callable[[Any], Any], name: str, x: Array, shape: tuple[int, ...]) -> Array:
    """What a user's function makes of an array, as float64 of the shape that it must have."""
    with np.errstate(all="ignore"):
        try:
            values = np.asarray(function(x), dtype=float)
        # The function is the user's, and may raise what it likes.
        except Exception as error:
            raise InvalidInput(f"{name} fails on an array of shape {x.shape}: {error}") from error
    if values.shape != shape:
        raise InvalidInput(f"{name} must map an array of shape {x.shape} to one of shape {shape}, got {values.shape}")
    return values
