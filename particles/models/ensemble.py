"""One field a run: a sweep over parameters as a single ensemble."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from particles.checks import Array, whole
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import VelocityField, as_field
from particles.fields.questions import for_run
from particles.fields.spaces import Space
from particles.measure import Measure


@dataclass(frozen=True, eq=False)
class Ensemble(VelocityField):
    """Several fields, each moving `repeat` runs of one ensemble: runs 0 … repeat − 1 along the first, and so on.

    For a sweep over a parameter in one call of `simulate`, x0 of shape (len(fields) · repeat, n, d). Particles only: a
    measure moves along one field.

    Parameters
    ----------
    fields : tuple of VelocityField
        The fields, of one dimension, frame and space.
    repeat : int
        Runs of each field.

    Raises
    ------
    InvalidInput, NotSupported
        For fields of different dimensions, frames or state spaces, events and noise.
    """

    fields: tuple[VelocityField, ...]
    repeat: int = 1

    def __post_init__(self) -> None:
        """Refuse fields that have not one dimension, frame and space."""
        if not isinstance(self.fields, tuple | list) or not self.fields:
            raise InvalidInput(f"fields must be one or more velocity fields in a tuple, got {self.fields!r}")
        object.__setattr__(self, "fields", tuple(as_field(field, "a field of the ensemble") for field in self.fields))
        object.__setattr__(self, "repeat", whole(self.repeat, "repeat"))
        if any(field.runs is not None for field in self.fields):
            raise NotSupported("an Ensemble of ensembles has no runs of its own: list all their fields in one")
        # A sum asks its terms the same questions.
        sum(self.fields[1:], start=self.fields[0])
        if any(field.events or field.noisy for field in self.fields):
            raise NotSupported("fields with events or noise are simulated one by one, not in an Ensemble of fields")

    @property
    def dim(self) -> int | None:
        """The dimension of the fields."""
        return self.fields[0].dim

    def in_dimension(self, d: int) -> Ensemble:
        """The fields on R^d."""
        return Ensemble(tuple(field.in_dimension(d) for field in self.fields), self.repeat)

    @property
    def frame(self) -> Array | None:
        """The frame of the fields."""
        return self.fields[0].frame

    @property
    def space(self) -> Space:  # type: ignore[override]
        """The space of the fields."""
        return self.fields[0].space

    @property
    def exchangeable(self) -> bool:  # type: ignore[override]
        """True where every field is."""
        return all(field.exchangeable for field in self.fields)

    @property
    def breakpoints(self) -> tuple[float, ...]:  # type: ignore[override]
        """Those of all fields, in order."""
        return tuple(sorted({time for field in self.fields for time in field.breakpoints}))

    @property
    def runs(self) -> int:  # type: ignore[override]
        """`repeat` for each field."""
        return len(self.fields) * self.repeat

    def in_frame(self, A: npt.ArrayLike) -> Ensemble:
        """The fields in the frame x = e^{tA} z."""
        return Ensemble(tuple(field.in_frame(A) for field in self.fields), self.repeat)

    def summation(self, n: int) -> str:
        """The methods of the fields, each once."""
        return ", ".join(dict.fromkeys(filter(None, (field.summation(n) for field in self.fields))))

    def of_run(self, run: int) -> VelocityField:
        """The field of a run."""
        return self.fields[run // self.repeat]

    def velocity(self, t: float, x: Array, mu: Measure) -> Array:
        """Refused: see the class."""
        raise NotSupported("an Ensemble of fields moves particles, run by run: take one of its `fields` for a measure")

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """Each field at its own runs, x (run, n, d)."""
        parts = x.reshape(len(self.fields), self.repeat, *x.shape[1:])
        return np.concatenate([f.particle_velocity(t, part, w) for f, part in zip(self.fields, parts, strict=True)])


@for_run.register
def _(field: Ensemble, n: int, tolerance: float) -> VelocityField:
    inner = tuple(for_run(one, n, tolerance) for one in field.fields)
    return field if all(a is b for a, b in zip(inner, field.fields, strict=True)) else replace(field, fields=inner)
