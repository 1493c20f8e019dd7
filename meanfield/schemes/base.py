"""What a scheme is: it checks a problem, and starts a run of its own kind, which the time loop moves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Protocol

import xarray as xr

from meanfield.measures.grid import Grid, GridMeasure
from meanfield.schemes.steps import TimeControl
from meanfield.schemes.tails import Tails
from particles.checks import hold, positive
from particles.dataset import Series
from particles.display import html_table, short
from particles.errors import InvalidInput, NotSupported
from particles.evolution import State
from particles.fields.field import VelocityField

DEFAULT_CONTROL = TimeControl()


@dataclass(frozen=True)
class Options:
    """What `solve` was asked for beside model, measure, times and scheme; see there."""

    wall_tolerance: float = 1e-6
    tails: Tails | None = None
    time: TimeControl = DEFAULT_CONTROL

    def __post_init__(self) -> None:
        """Refuse a tolerance that is not positive, and what is no rule for tails."""
        if not isinstance(self.tails, Tails | None):
            raise InvalidInput(f"tails must be StopAtTails() or IgnoreTails(), or None, got {self.tails!r}")
        hold(self, wall_tolerance=positive(self.wall_tolerance, "wall_tolerance"))

    def call(self) -> Mapping[str, Any]:
        """The arguments of solve that they came from."""
        return {
            "wall_tolerance": self.wall_tolerance,
            "tails": self.tails,
            "time_tolerance": self.time.tolerance,
            "max_step": self.time.max_step,
        }

    @classmethod
    def of_call(cls, call: Mapping[str, Any]) -> Options:
        """The options in the arguments of a call of solve."""
        return cls(call["wall_tolerance"], call["tails"], TimeControl(call["time_tolerance"], call["max_step"]))


class Run(State, Protocol):
    """The state of a scheme: a State of the time loop that tells what it records and what it is restored from.

    Its record holds `density` (x1, …, xd), cell averages on the fixed grid, whatever else it moves.
    """

    @property
    def model(self) -> VelocityField:
        """The field."""

    @property
    def grid(self) -> Grid:
        """The fixed grid of `density`."""

    def series(self) -> Mapping[str, Series]:
        """What it records at every save time, by variable name, `density` among them."""

    def static(self) -> Mapping[str, xr.Variable]:
        """Variables and coordinates that do not change in time, beside those of the grid."""

    def call(self) -> Mapping[str, Any]:
        """The arguments, beside model and times, from which `restore` makes the state again: scheme, options."""


class Scheme(ABC):
    """A way to solve (6.1) from a measure on a grid. Stateless: what a run computes is kept in its Run."""

    order: ClassVar[int]
    periodic: ClassVar[bool] = False
    """Whether the scheme serves fields on a circle or a torus, whose axes close on themselves."""

    diffuses: ClassVar[bool] = True
    """Whether the scheme serves equations with noise."""

    def check_problem(self, model: VelocityField, initial: GridMeasure) -> None:
        """Refuse a model or a measure that the scheme cannot serve."""
        if model.noisy and not self.diffuses:
            raise NotSupported(
                f"{type(self).__name__} moves mass along a field, without noise: use Upwind, FiniteVolume or WENO"
            )
        for axis, period in enumerate(model.space.axis_periods(initial.dim)):
            if period is None:
                continue
            if not self.periodic:
                raise NotSupported(
                    f"{type(self).__name__} knows walls only, and axis x{axis + 1} of the field has the period "
                    f"{period:g}: use FiniteVolume, Upwind or WENO"
                )
            low, high = initial.grid.bounds[axis]
            if abs(high - low - period) > 1e-9 * period:
                raise InvalidInput(
                    f"axis x{axis + 1} of the field has the period {period:g} (2π for an angle): the grid needs bounds "
                    f"(a, a + {period:g}) there, got ({low:g}, {high:g})"
                )

    def _repr_html_(self) -> str:
        names: list[str] = [option.name for option in fields(self)] if is_dataclass(self) else []
        return html_table(type(self).__name__, {name: short(getattr(self, name)) for name in names})

    @abstractmethod
    def start(self, model: VelocityField, initial: GridMeasure, t: float, options: Options) -> Run:
        """The state at the first time."""
