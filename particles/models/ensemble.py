"""One field a run: a sweep over parameters as a single ensemble."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from particles.checks import Array, whole
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import VelocityField, as_field
from particles.measure import Measure


@dataclass(frozen=True, eq=False)
class Ensemble(VelocityField):
    """Several fields, each moving `repeat` runs of one ensemble: runs 0 … repeat − 1 along the first, and so on.

    For a sweep over a parameter in one call of `simulate`, x0 of shape (len(fields) · repeat, n, d). Particles only: a
    measure moves along one field. Refused: fields of different dimensions, frames or state spaces, events and noise.
    """

    fields: tuple[VelocityField, ...]
    repeat: int = 1

    def __post_init__(self) -> None:
        """Refuse fields that do not go together."""
        if not isinstance(self.fields, tuple | list) or not self.fields:
            raise InvalidInput(f"fields must be one or more velocity fields in a tuple, got {self.fields!r}")
        object.__setattr__(self, "fields", tuple(as_field(field, "a field of the ensemble") for field in self.fields))
        object.__setattr__(self, "repeat", whole(self.repeat, "repeat"))
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
    def state_space(self) -> str | None:
        """The state space of the fields."""
        return self.fields[0].state_space

    def of_run(self, run: int) -> VelocityField:
        """The field of a run."""
        return self.fields[run // self.repeat]

    def check_state(self, x: Array) -> None:
        """Refuse another number of runs, and points that are not states of the fields."""
        runs = len(self.fields) * self.repeat
        if x.ndim != 3 or len(x) != runs:
            raise InvalidInput(f"x0 must have shape ({runs}, n, d), {self.repeat} runs a field, got shape {x.shape}")
        self.fields[0].check_state(x)

    def velocity(self, t: float, x: Array, mu: Measure) -> Array:
        """Refused: see the class."""
        raise NotSupported("an Ensemble of fields moves particles, run by run: take one of its `fields` for a measure")

    def particle_velocity(self, t: float, x: Array, w: Array) -> Array:
        """Each field at its own runs, x (run, n, d)."""
        parts = x.reshape(len(self.fields), self.repeat, *x.shape[1:])
        return np.concatenate([f.particle_velocity(t, part, w) for f, part in zip(self.fields, parts, strict=True)])

    def project(self, x: Array) -> Array:
        """Onto the state space of the fields."""
        return self.fields[0].project(x)
