"""Initial points that a model cannot move are refused, in any frame."""

from dataclasses import dataclass

import numpy as np
import pytest
from user_fields import ToMean

from particles import Diffusion, Euclidean, LogAttraction, simulate
from particles.errors import InvalidInput, NotSupported
from particles.fields.start import check_start


@dataclass(frozen=True)
class HalfPlane(Euclidean):
    """x₁ > 0."""

    def check(self, x):
        if (x[..., 0] <= 0).any():
            raise InvalidInput("x₁ must be positive in the half-plane")


class InHalfPlane(ToMean):
    """A field that keeps the half-plane."""

    space = HalfPlane()


def test_a_frame_keeps_the_check_of_states_and_transports_it():
    quarter = np.array([[0.0, -np.pi / 2], [np.pi / 2, 0.0]])
    field, x0 = InHalfPlane(0.7), np.array([[1.0, 5.0], [2.0, -5.0]])
    moved = field.in_frame(quarter)
    assert moved.space == HalfPlane()
    simulate(moved, x0, [0.0, 0.1])
    with pytest.raises(InvalidInput, match="half-plane"):
        simulate(moved, -x0, [0.0, 0.1])
    # At t = 1 the frame has turned by a right angle: x = e^{A} z = (−z₂, z₁).
    z0 = np.column_stack([x0[:, 1], -x0[:, 0]])
    simulate(moved, z0, [1.0, 1.1])
    with pytest.raises(InvalidInput, match="half-plane"):
        simulate(moved, x0, [1.0, 1.1])
    with pytest.raises(NotSupported, match="do not add"):
        field + ToMean(0.1)


def test_the_noise_of_an_ensemble_is_judged_by_its_components():
    noisy = LogAttraction(1.0) + Diffusion(0.1)
    for shape in ((2, 1), (3, 2, 1), (1, 5, 1)):
        with pytest.raises(NotSupported, match="on a line"):
            check_start(noisy, 0.0, np.zeros(shape))
        check_start(noisy, 0.0, np.zeros((*shape[:-1], 2)))
