"""Fields whose formula holds in any dimension."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from particles.models.base import VelocityField, checked_dimension


@dataclass(frozen=True, eq=False)
class AnyDimension(VelocityField):
    """A field whose formula holds in any dimension; the doors, sums and frames settle which one it is."""

    dim: int | None = field(default=None, kw_only=True)

    def in_dimension(self, d: int) -> Self:
        """The field on R^d."""
        return replace(checked_dimension(self, d), dim=d)
