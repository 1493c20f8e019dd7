"""Fields restricted to a submanifold of R^d."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from particles.fields.field import VelocityField, as_field

if TYPE_CHECKING:
    from particles.steppers.method import Method


@dataclass(frozen=True, eq=False)
class OnManifold(VelocityField):
    """A field of R^d seen on a submanifold: what the manifold does not change is as for the field."""

    field: VelocityField

    def __post_init__(self) -> None:
        """Refuse what is no field."""
        as_field(self.field, "field")

    @property
    def exchangeable(self) -> bool:  # type: ignore[override]
        """As for the field."""
        return self.field.exchangeable

    @property
    def noisy(self) -> bool:
        """As for the field."""
        return self.field.noisy

    @property
    def terms(self) -> tuple[VelocityField, ...]:
        """The terms of the field, each on the manifold."""
        inner = self.field.terms
        return (self,) if len(inner) == 1 else tuple(replace(self, field=term) for term in inner)

    @property
    def default_method(self) -> Method | None:
        """As for the field."""
        return self.field.default_method
