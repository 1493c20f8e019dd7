"""Fields whose formula holds in any dimension."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from particles.checks import hold, whole
from particles.fields.field import VelocityField
from particles.fields.query import checked_dimension


@dataclass(frozen=True, eq=False)
class AnyDimension(VelocityField):
    """A field whose formula holds in any dimension; the initial points, sums and frames settle which one it is."""

    dim: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse a dimension that is none."""
        if self.dim is not None:
            hold(self, dim=whole(self.dim, "dim"))

    def in_dimension(self, d: int) -> Self:
        """The field on R^d."""
        return replace(checked_dimension(self, d), dim=d)
