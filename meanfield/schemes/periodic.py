"""Finite volumes on periodic axes by a name of their own."""

from __future__ import annotations

from dataclasses import dataclass

from meanfield.measures.grid import GridMeasure
from meanfield.schemes.finite_volume import FiniteVolume
from particles.errors import NotSupported
from particles.fields.field import VelocityField


@dataclass(frozen=True)
class PeriodicFiniteVolume(FiniteVolume):
    """FiniteVolume, refused where the field declares no period: for those who want to be told.

    Upwind, FiniteVolume and WENO all follow the space that the field declares, Circle() or Torus(periods).

    Parameters
    ----------
    limiter, cfl
        As for FiniteVolume.

    Raises
    ------
    InvalidInput
        As for FiniteVolume.
    NotSupported
        For a field without a period, when a run starts.
    """

    def check_problem(self, model: VelocityField, initial: GridMeasure) -> None:
        """Refuse a field without a periodic axis, beside what FiniteVolume refuses."""
        super().check_problem(model, initial)
        if not any(model.space.axis_periods(initial.dim)):
            raise NotSupported(
                "PeriodicFiniteVolume serves fields on a circle or a torus: model.on_circle(), or a field that "
                "declares space = Circle() or space = Torus(periods); use FiniteVolume for a box with walls"
            )
