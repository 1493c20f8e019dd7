"""Steps in time: breakpoints, longest step, tolerances."""

import numpy as np
import pytest
from user_fields import Alignment, Wind

from meanfield import WENO, FiniteVolume, Grid, Normal, SemiLagrangian, Upwind, solve
from meanfield.schemes.steps import SAFETY, SHRINK, TimeControl, longer
from meanfield.solve import saved_measure
from particles.errors import InvalidInput

LINE = Grid([(-4, 5)], 45)
BUMP = LINE.measure(Normal(0.0, 0.125))


@pytest.mark.parametrize(
    "scheme", [Upwind(), FiniteVolume(), WENO(), SemiLagrangian()], ids=["upwind", "muscl", "weno", "sl"]
)
def test_no_step_crosses_a_breakpoint_or_is_longer_than_asked(scheme):
    jump = Wind(lambda t: 1.0 if t < 0.3 else -2.0, (0.3,))
    ds = solve(jump, BUMP, [0.0, 1.0], scheme, wall_tolerance=1.0)
    # Without breakpoints the jump is found by halving the step, which takes many; MUSCL's mean drifts by O(h²).
    assert saved_measure(ds, -1).mean()[0] == pytest.approx(0.3 - 2 * 0.7, abs=1e-4 if scheme.order == 1 else 4e-3)
    assert int(solve(Wind(lambda t: 0.0), BUMP, [0.0, 1.0], scheme, max_step=0.01).steps[-1]) >= 100


def test_a_pulse_is_seen_with_a_longest_step_of_its_width():
    pulse = Wind(lambda t: np.exp(-(((t - 5) / 0.1) ** 2)) / 0.1 / np.sqrt(np.pi))
    ds = solve(pulse, BUMP, [0.0, 10.0], FiniteVolume(), max_step=0.1)
    assert saved_measure(ds, -1).mean()[0] == pytest.approx(1.0, abs=5e-3)


@pytest.mark.parametrize("option", ["time_tolerance", "max_step"])
def test_tolerances_are_positive(option):
    with pytest.raises(InvalidInput, match=option):
        solve(Alignment(), BUMP, [0.0, 1.0], **{option: 0.0})


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_a_step_whose_error_or_bend_is_lost_is_infinitely_too_long(lost):
    control = TimeControl(1e-4)
    assert control.excess(lost, 0.0, 1.0) == control.excess(0.0, lost, 1.0) == np.inf
    assert control.excess(2e-4, 0.0, 1.0) == pytest.approx(2.0)
    assert longer(1.0, np.inf) == SHRINK
    # An error of the third power of the step: half the step has an eighth of it.
    assert longer(1.0, 8.0) == pytest.approx(SAFETY / 2.0)
