"""What a scheme checks before it starts: walls, periods, noise; options come back from the arguments of a call."""

import numpy as np
import pytest

from meanfield import Grid, IgnoreTails, SemiLagrangian, StopAtTails, Upwind
from meanfield.schemes.base import Options
from meanfield.schemes.steps import TimeControl
from particles import Diffusion, SelfAttention
from particles.errors import InvalidInput, NotSupported

I2 = np.eye(2)
ON_CIRCLE = SelfAttention(I2, I2, I2).on_circle()


def uniform(low, high):
    return Grid([(low, high)], (16,)).measure(np.full(16, 1 / 16))


def test_an_axis_with_a_period_needs_a_scheme_that_closes_it_and_the_right_bounds():
    Upwind().check_problem(ON_CIRCLE, uniform(-np.pi, np.pi))
    with pytest.raises(NotSupported, match=r"knows walls only, and axis x1 .* 6\.28319"):
        SemiLagrangian().check_problem(ON_CIRCLE, uniform(-np.pi, np.pi))
    with pytest.raises(InvalidInput, match=r"2π.*got \(0, 6\)"):
        Upwind().check_problem(ON_CIRCLE, uniform(0, 6))


def test_noise_needs_a_scheme_that_diffuses():
    noisy = SelfAttention(1.0, 1.0, 1.0) + Diffusion(0.1)
    Upwind().check_problem(noisy, uniform(0, 1))
    with pytest.raises(NotSupported, match="without noise"):
        SemiLagrangian().check_problem(noisy, uniform(0, 1))


@pytest.mark.parametrize("tails", [None, StopAtTails(), IgnoreTails()])
def test_options_come_back_from_the_arguments_of_a_call(tails):
    options = Options(1e-3, tails, TimeControl(1e-5, 0.25))
    assert Options.of_call(options.call()) == options


def test_a_scheme_shows_its_options_in_a_notebook():
    shown = Upwind(cfl=0.25)._repr_html_()
    assert "<strong>Upwind</strong>" in shown
    assert ">cfl</th>" in shown
    assert ">0.25</td>" in shown
