"""What a theorem is: what it needs of a model, what it states of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from meanfield.limits.conditions import Check
from meanfield.limits.finding import Finding
from meanfield.limits.head import Head
from meanfield.limits.run import Run
from particles.checks import Array
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField


@dataclass(frozen=True)
class Example:
    """A head of the theorem as Table 1 names it."""

    V_is: str
    product_is: str
    Q: Array
    V: Array


class Theorem(ABC):
    """One theorem: its number, what it states, its row of Table 1 if it has one."""

    name: ClassVar[str]
    statement: ClassVar[str]
    example: ClassVar[Example | None] = None

    @abstractmethod
    def checks(self, head: Head) -> tuple[Check, ...]:
        """The hypotheses as numbers; () where the theorem is about tokens of another dimension."""

    def covers(self, run: Run) -> bool:
        """Whether the initial tokens are among those that the theorem is about."""
        return True

    @abstractmethod
    def finding(
        self, run: Run, head: Head, checks: tuple[Check, ...], *, enclose: bool, reach: Callable[[int], None]
    ) -> Finding:
        """What the theorem states of a run of a head to which it applies; `checks` as above.

        With `enclose` the exact solution is enclosed where a statement about the tokens of the run needs it. `reach` is
        told how many saved times have been passed, by the enclosure first and then by the search without one.
        """


class FieldTheorem(ABC):
    """A theorem on other fields than one head of R^d, from another paper: certificates are "conditional" at most."""

    name: ClassVar[str]
    statement: ClassVar[str]

    @abstractmethod
    def checks(self, model: VelocityField | DiscreteMap) -> tuple[Check, ...]:
        """The hypotheses on the model as numbers; () where the theorem is about other models."""

    def covers(self, run: Run) -> bool:
        """Whether the initial tokens are among those that the theorem is about."""
        return True

    @abstractmethod
    def finding(self, run: Run, checks: tuple[Check, ...]) -> Finding:
        """What the theorem states of a run of a model to which it applies."""
