"""Splitting methods: the terms of a sum moved in turn, as a transformer does with its two kinds of layer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from particles.checks import Array
from particles.errors import NotSupported
from particles.fields.field import VelocityField
from particles.steppers.fixed_step import FixedStep
from particles.steppers.method import Model
from particles.steppers.runge_kutta import RK4
from particles.steppers.state import Particles


@dataclass(frozen=True)
class Splitting(FixedStep):
    """Composes the flows of the terms of a sum, each by one step of RK4, whose error is of higher order.

    Refused: a field of one term, and a sum in a moving frame, whose terms share one drift.
    """

    def check(self, model: Model, times: Array) -> None:
        """As for every method; and refuse what does not split."""
        super().check(model, times)
        terms = getattr(model, "terms", ())
        if len(terms) < 2:
            raise NotSupported(f"{type(self).__name__} splits a sum of fields, got one: add fields with +, or use RK4")
        if model.frame is not None:
            raise NotSupported(f"{type(self).__name__} splits sums in the original frame: leave in_frame(A) out")

    @abstractmethod
    def schedule(
        self, terms: tuple[VelocityField, ...], t: float, h: float
    ) -> Iterator[tuple[VelocityField, float, float]]:
        """The terms in the order in which they move, each with the time at which it starts and how long it moves."""

    def step(self, field: VelocityField, t: float, h: float, state: Particles) -> Array:
        """The flows of the schedule, one after another."""
        for term, start, length in self.schedule(field.terms, t, h):
            flow = RK4(length)
            state = replace(state, x=term.space.project(flow.step(term, start, length, state)))
        return state.x


@dataclass(frozen=True)
class LieTrotter(Splitting):
    """Lie–Trotter splitting, order 1: each term in turn for the whole step, in the order of the sum.

    Parameters
    ----------
    dt : float
        The step, positive.

    Raises
    ------
    InvalidInput
        For a step that is not positive.
    """

    order: ClassVar[int] = 1

    def schedule(
        self, terms: tuple[VelocityField, ...], t: float, h: float
    ) -> Iterator[tuple[VelocityField, float, float]]:
        """(X₁, h), (X₂, h), …"""
        for term in terms:
            yield term, t, h


@dataclass(frozen=True)
class StrangMarchuk(Splitting):
    """Strang–Marchuk splitting, order 2: half steps forward through the terms, then back; the last moves in one piece.

    Lu et al. (reference [17] of the source) use it to put a feed-forward layer on either side of attention.

    Parameters
    ----------
    dt : float
        The step, positive.

    Raises
    ------
    InvalidInput
        For a step that is not positive.
    """

    order: ClassVar[int] = 2

    def schedule(
        self, terms: tuple[VelocityField, ...], t: float, h: float
    ) -> Iterator[tuple[VelocityField, float, float]]:
        """(X₁, h/2), …, (X_k, h), …, (X₁, h/2)."""
        for term in terms[:-1]:
            yield term, t, h / 2
        yield terms[-1], t, h
        for term in reversed(terms[:-1]):
            yield term, t + h / 2, h / 2
