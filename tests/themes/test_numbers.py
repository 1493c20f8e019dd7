"""Parameters of public classes: numbers of any kind are held as floats and ints, so that a run can be made again."""

import dataclasses
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import meanfield
import particles
from particles import (
    CuckerSmale,
    Diffusion,
    HegselmannKrause,
    Krause,
    LogAttraction,
    PowerAttraction,
    RescaledTransformer,
    SelfAttention,
    Vicsek,
)
from particles.models.normalization import SinkhornAttention

ONE = np.eye(1)
OBJECTS = [
    CuckerSmale(0.5, 1.0, dim=2),
    Diffusion(0.5, dim=2),
    HegselmannKrause(0.5, dim=2),
    Krause(np.exp, 0.5, dim=2),
    LogAttraction(0.5, 0.25, meeting_distance=0.5, dim=2),
    PowerAttraction(0.5, meeting_distance=0.5, dim=2),
    RescaledTransformer(ONE, ONE, ONE, 0.5),
    SelfAttention(ONE, ONE, ONE, tolerance=0.5),
    SinkhornAttention(ONE, ONE, ONE, tolerance=0.5, max_iterations=8),
    Vicsek(0.5, 0.5, 0.5, 0.5),
]


def with_steps():
    """Methods and schemes: those whose fields without a default are steps."""
    for name in [*particles.__all__, *meanfield.__all__]:
        cls = getattr(particles, name, None) or getattr(meanfield, name)
        roots = (particles.steppers.method.Method, meanfield.schemes.base.Scheme)
        if isinstance(cls, type) and issubclass(cls, roots) and cls not in roots:
            needed = [f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]
            yield cls(**dict.fromkeys(needed, 0.5))


@pytest.mark.parametrize("kind", [lambda value: Decimal(str(value)), Fraction, np.float64, np.array])
@pytest.mark.parametrize("plain", [*OBJECTS, *with_steps()], ids=lambda value: type(value).__name__)
def test_numbers_of_any_kind_are_held_as_plain_ones(plain, kind):
    given = {f.name: getattr(plain, f.name) for f in dataclasses.fields(plain) if f.init}
    numbers = {name: value for name, value in given.items() if type(value) in (int, float)}
    held = type(plain)(**given | {name: kind(value) for name, value in numbers.items()})
    for name, value in numbers.items():
        assert type(getattr(held, name)) is type(value), name
        assert getattr(held, name) == value
