"""Time on grids: the error is controlled and recorded, saves change nothing, small fields are not crossed in a step."""

import numpy as np
import pytest
from user_fields import Alignment, Wind

from meanfield import WENO, FiniteVolume, FrozenFlow, Grid, IgnoreTails, Normal, SemiLagrangian, Upwind, solve
from meanfield.schemes.eulerian import GridState
from meanfield.schemes.steps import Span
from meanfield.solve import saved_measure
from particles import SelfAttention, VelocityField, resume
from particles.errors import RunStopped

SCHEMES = [Upwind(), FiniteVolume(), WENO(), SemiLagrangian(), FrozenFlow(1 / 32)]
NAMES = [type(scheme).__name__ for scheme in SCHEMES]

LINE = Grid([(-4, 5)], 45)
BUMP = LINE.measure(Normal(0.0, 0.125))

COOLING = SelfAttention(1, 1, lambda t: np.array([[-8 * t]]))
ANGLES = Grid([(0, 2 * np.pi)], 48)

RIPPLE = ANGLES.measure(np.diff(ANGLES.edges[0] + 1e-3 * np.sin(ANGLES.edges[0])) / (2 * np.pi))
CIRCLE = SelfAttention(np.eye(2), np.eye(2), np.eye(2)).on_circle()


class Swung(VelocityField):
    """x' = f(t, x, m), m the mean: fields that turn within a step, or at which a small mean decides."""

    dim = 1

    def __init__(self, f):
        self.f = f

    def velocity(self, t, x, mu):
        return self.f(t, x, float(mu.weights @ mu.points[:, 0])) + 0 * x


NARROW = LINE.measure(Normal(0.01, 0.2))
CASES = {
    "tanh 50m": (Swung(lambda t, x, m: np.tanh(50 * m)), NARROW, 1.0),
    "tanh 50x": (Swung(lambda t, x, m: 0.5 * np.tanh(50 * x)), NARROW, 1.0),
    "tanh 50(t - 1/2)": (Swung(lambda t, x, m: np.tanh(50 * (t - 0.5))), NARROW, 1.0),
    "tanh (30 m sin 3t)": (Swung(lambda t, x, m: np.tanh(30 * m * np.sin(3 * t))), NARROW, 1.0),
    "sin 9t - tanh 5(x - m)": (Swung(lambda t, x, m: np.sin(9 * t) - np.tanh(5 * (x - m))), NARROW, 1.0),
    "V(t) = -8t": (COOLING, LINE.measure(Normal(1.0, 0.1)), 1.0),
    "3t²": (Wind(lambda t: 3 * t**2), BUMP, 1.0),
    "sin²(2πt)": (Wind(lambda t: np.sin(2 * np.pi * t) ** 2), BUMP, 1.0),
    "6 cos 6t": (Wind(lambda t: 6 * np.cos(6 * t)), BUMP, 1.0),
    "alignment": (Alignment(), LINE.measure(Normal(0.02, 0.2)), 1.0),
    "nearly uniform on the circle": (CIRCLE, RIPPLE, 12.0),
}


@pytest.mark.parametrize("scheme", SCHEMES, ids=NAMES)
@pytest.mark.parametrize("case", CASES)
def test_results_with_few_and_with_many_saves_agree_within_the_recorded_error(case, scheme):
    model, mu, T = CASES[case]
    if model is CIRCLE and not scheme.periodic:
        pytest.skip("knows walls only")
    few, many = (
        solve(model, mu, np.linspace(0, T, n), scheme, tails=IgnoreTails(), wall_tolerance=1.0) for n in (2, 21)
    )
    gap = np.abs(saved_measure(few, -1).masses - saved_measure(many, -1).masses).sum()
    error = float(few.time_error[-1])
    assert gap <= max(10 * error, 1e-15)
    assert 0 <= error <= 2
    if scheme.steps_over_saves:
        # Each step costs accuracy in space, so that no save may add one: what is saved comes from a branch.
        assert gap <= 2e-11
        assert few.steps[-1] == many.steps[-1]


def test_a_field_that_is_zero_at_first_moves_the_mean_as_it_should():
    """V(t) = −8t: m' = V (1 + S) m and S' = 2 V S², so m(1) = m₀ e^{−4} (1 + 8 S₀)^{−1/2}."""
    grid = Grid([(-0.8, 2.4)], 160)
    mu = grid.measure(Normal(1.0, 0.04))
    for scheme, allowed in ((FiniteVolume(), 2e-4), (WENO(), 2e-5), (SemiLagrangian(), 5e-4)):
        ds = solve(COOLING, mu, [0.0, 1.0], scheme, wall_tolerance=1.0)
        assert saved_measure(ds, -1).mean()[0] == pytest.approx(np.exp(-4) / np.sqrt(1.32), abs=allowed)


def test_growth_out_of_a_ripple_is_the_rate_of_the_linear_theory():
    """Alignment: the mean is 0.02 e^{3t}; one step of the length that the Courant number allows makes far less."""
    ds = solve(Alignment(), LINE.measure(Normal(0.02, 0.2)), [0.0, 1.0], WENO())
    assert saved_measure(ds, -1).mean()[0] == pytest.approx(0.02 * np.exp(3), rel=3e-3)


@pytest.mark.parametrize(("scheme", "order"), list(zip(SCHEMES[:4], (2, 2, 3, 2), strict=True)), ids=NAMES[:4])
def test_observed_order_in_time_with_a_field_that_depends_on_it(scheme, order):
    """x' = cos 2t (1 − x/2); the mean at t = 1, whose error in space is that of the shortest steps too."""

    class Field(VelocityField):
        dim = 1

        def velocity(self, t, x, mu):
            return np.cos(2 * t) * (1 - x / 2)

    mu = Grid([(-2, 4)], 24).measure(Normal(0.5, 0.2))

    def mean(step):
        ds = solve(Field(), mu, [0.0, 1.0], scheme, max_step=step, time_tolerance=1e3, wall_tolerance=1.0)
        return saved_measure(ds, -1).mean()[0]

    exact = mean(1 / 640)
    if isinstance(scheme, SemiLagrangian):
        exact = 2 - 1.5 * np.exp(-np.sin(2.0) / 4)
    errors = [abs(mean(step) - exact) for step in (1 / 20, 1 / 40)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.3)


def test_frozen_flow_is_of_first_order_in_the_interval_and_records_its_error():
    errors, recorded = [], []
    for tau in (1 / 16, 1 / 32):
        ds = solve(Wind(lambda t: 3 * t**2), BUMP, [0.0, 1.0], FrozenFlow(tau))
        errors.append(1 - saved_measure(ds, -1).mean()[0])
        recorded.append(float(ds.time_error[-1]))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.1)
    assert recorded[0] > recorded[1] > errors[1]


@pytest.mark.parametrize("scheme", SCHEMES[:3], ids=NAMES[:3])
def test_the_courant_number_is_checked_at_every_stage(scheme):
    """At rest at first, the field crosses 25 cells in the step asked for: the step is refused with one that fits."""
    trial = scheme.attempt(Wind(lambda t: 5 * t), Span(0.0, 1.0, 1.0, 1.0), LINE, BUMP.masses)
    assert trial.h > trial.courant
    assert not np.isfinite(trial.error)


@pytest.mark.parametrize("saves", [[0.0, 1.0], np.linspace(0, 1, 11), [0.0, 0.17, 0.6, 1.0]])
def test_semi_lagrangian_steps_of_whole_cells_are_exact(saves):
    grid = Grid([(0, 4)], 80)
    start = np.zeros(80)
    start[10:20] = 0.1
    ds = solve(Wind(lambda t: 2.0), grid.measure(start), saves, SemiLagrangian(cfl=4))
    np.testing.assert_allclose(saved_measure(ds, -1).masses, np.roll(start, 40), atol=1e-12)


@pytest.mark.parametrize("scheme", SCHEMES, ids=NAMES)
def test_every_scheme_resumes_bitwise(scheme, tmp_path, monkeypatch):
    times = np.linspace(0, 0.5, 8)
    mu = Grid([(-4, 4)], 40).measure(Normal(0.2, 0.3))
    model = SelfAttention(1, 1, -1)
    whole = solve(model, mu, times, scheme)
    advance, calls = GridState.advance, []

    def dying(self, t0, t1):
        calls.append(t0)
        if len(calls) == 4:
            raise KeyError("killed")
        return advance(self, t0, t1)

    with monkeypatch.context() as patch:
        patch.setattr(GridState, "advance", dying)
        with pytest.raises(KeyError):
            solve(model, mu, times, scheme, store=tmp_path / "run.zarr")
    resumed = resume(tmp_path / "run.zarr")
    for name in ("density", "time_error", "steps", "wall_mass"):
        np.testing.assert_array_equal(resumed[name], whole[name])


class Heat(VelocityField):
    """x' = √(2 · ½) dW."""

    dim = 1

    def velocity(self, t, x, mu):
        return np.zeros_like(x)

    def diffusion(self, t):
        return 0.5 * np.eye(1)


def test_diffusion_presses_against_the_walls_and_stops_the_run():
    law = Normal(0.0, 0.1)
    wide = solve(Heat(), Grid([(-12, 12)], 120).measure(law), [0.0, 2.0])
    assert saved_measure(wide, -1).covariance()[0, 0] == pytest.approx(2.1, abs=0.01)
    assert float(wide.wall_mass[-1].sum()) < 1e-6
    with pytest.raises(RunStopped, match="pressed against the walls") as caught:
        solve(Heat(), Grid([(-3, 3)], 60).measure(law), np.linspace(0, 2, 21))
    assert 0 < caught.value.time < 1
    assert caught.value.dataset.sizes["time"] >= 1


def test_a_field_pressed_against_a_wall_is_told_what_to_declare():
    with pytest.raises(RunStopped, match=r"space = Circle\(\) or space = Torus"):
        solve(Wind(lambda t: 2.0), BUMP, [0.0, 3.0])
