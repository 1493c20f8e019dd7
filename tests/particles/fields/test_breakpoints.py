"""Fields that jump at known times: every method lands on the jumps and keeps its order across them."""

from dataclasses import dataclass

import numpy as np
import pytest

from particles import RK4, Adaptive, Ensemble, Euler, LieTrotter, VelocityField, resume, simulate
from particles.errors import InvalidInput, RunStopped
from particles.fields.breakpoints import Before, landing_times, pieces
from particles.measure import Atoms

RATES = (-1.0, 0.5, -2.0)


@dataclass(frozen=True)
class Layers(VelocityField):
    """x' = a(t) x with a different from layer to layer; times of velocities are recorded."""

    ends: tuple[float, ...] = (1 / 3, np.sqrt(2) / 2)
    declared: bool = True
    dim: int = 2

    @property
    def breakpoints(self):
        return self.ends if self.declared else ()

    def velocity(self, t, x, mu):
        return RATES[int(np.searchsorted(self.ends, t, side="right"))] * x

    def exact(self, x, t):
        edges = np.clip([0, *self.ends, np.inf], 0, t)
        return x * np.exp(np.dot(RATES, np.diff(edges)))


X = np.array([[1.0, -0.5], [0.3, 2.0]])


def error(model, method, times=(0, 1)):
    ds = simulate(model, X, times, method)
    return max(np.abs(x - Layers().exact(X, t)).max() for x, t in zip(ds.position.values, times, strict=True))


def test_a_fixed_step_keeps_its_order_across_jumps():
    errors = [error(Layers(), RK4(dt)) for dt in (0.05, 0.025, 0.0125)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders == pytest.approx(4, abs=0.3)
    # Across a jump that is not declared the same method is of order 1.
    assert error(Layers(declared=False), RK4(0.0125)) > 1e5 * errors[-1]


def test_adaptive_is_right_to_rounding_across_jumps():
    assert error(Layers(), Adaptive(2.3e-14, 1e-16)) < 5e-15
    assert error(Layers(), Adaptive(2.3e-14, 1e-16), (0, 0.2, 1 / 3, 0.5, 1)) < 5e-15


def test_a_jump_costs_a_start_and_no_search():
    calls = []

    class Counting(Layers):
        def velocity(self, t, x, mu):
            calls.append(t)
            return super().velocity(t, x, mu)

    simulate(Counting(), X, [0, 1], Adaptive())
    landed = len(calls)
    calls.clear()
    simulate(Counting(declared=False), X, [0, 1], Adaptive())
    assert landed < len(calls) / 2


def test_no_velocity_is_asked_on_the_wrong_side_of_a_jump():
    """The ends of all steps are exact here, and one taken for the next layer would give another number."""
    model = Layers(ends=(0.25, 0.5))
    x = simulate(model, X, [0, 1], Euler(0.125)).position.values[-1]
    np.testing.assert_allclose(x, X * 0.875**2 * 1.0625**2 * 0.75**4, rtol=4e-16)
    # Stages of RK4 stand at the end of each step.
    rk4 = [np.polyval([1 / 24, 1 / 6, 1 / 2, 1, 1], 0.125 * a) for a in RATES]
    x = simulate(model, X, [0, 1], RK4(0.125)).position.values[-1]
    np.testing.assert_allclose(x, X * rk4[0] ** 2 * rk4[1] ** 2 * rk4[2] ** 4, rtol=1e-15)


def test_euler_refuses_a_jump_within_a_step():
    with pytest.raises(InvalidInput, match="breakpoints between them, must be whole numbers"):
        simulate(Layers(), X, [0, 1], Euler(0.125))


def test_saving_at_a_jump_changes_nothing():
    ends = Layers().ends
    whole = simulate(Layers(), X, [0, 1], Adaptive(1e-6, 1e-8)).position.values[-1]
    saved = simulate(Layers(), X, [0, *ends, 1], Adaptive(1e-6, 1e-8)).position.values[-1]
    np.testing.assert_array_equal(saved, whole)


def test_sums_frames_ensembles_and_splitting_land_on_the_jumps_of_their_parts():
    a, b = Layers(ends=(0.25, 0.5)), Layers(ends=(0.3, 0.6))
    exact = X * a.exact(1.0, 1.0) * b.exact(1.0, 1.0)
    for method, rtol in ((Adaptive(1e-13, 1e-15), 1e-12), (LieTrotter(0.05), 1e-5)):
        np.testing.assert_allclose(simulate(a + b, X, [0, 1], method).position.values[-1], exact, rtol=rtol)
    framed = simulate(a.in_frame(np.eye(2)), X, [0, 1], Adaptive(1e-13, 1e-15)).position.values[-1]
    np.testing.assert_allclose(framed, np.exp(-1) * a.exact(X, 1.0), rtol=1e-13)
    both = simulate(Ensemble((a, b)), np.stack([X, X]), [0, 1], Adaptive(1e-13, 1e-15)).position.values[:, -1]
    np.testing.assert_allclose(both, [a.exact(X, 1.0), b.exact(X, 1.0)], rtol=1e-13)


def test_a_run_that_stopped_between_jumps_goes_on_bitwise(tmp_path, monkeypatch):
    from particles.simulate import ParticleState

    times = np.linspace(0, 1, 6)
    whole = simulate(Layers(), X, times, Adaptive(1e-5, 1e-7))
    advance = ParticleState.advance

    def interrupted(self, t0, t1):
        if t0 >= 0.6:
            raise RunStopped("the machine went down", time=t0)
        return advance(self, t0, t1)

    monkeypatch.setattr(ParticleState, "advance", interrupted)
    with pytest.raises(RunStopped):
        simulate(Layers(), X, times, Adaptive(1e-5, 1e-7), store=tmp_path / "run.zarr")
    monkeypatch.undo()
    np.testing.assert_array_equal(resume(tmp_path / "run.zarr").position, whole.position)


def test_an_interval_is_cut_at_the_jumps_inside_it_and_knows_one_at_its_end():
    model = Layers(ends=(0.25, 0.5))
    assert [piece[:2] for piece in pieces(model, 0.0, 1.0)] == [(0.0, 0.25), (0.25, 0.5), (0.5, 1.0)]
    assert [piece.jumps for piece in pieces(model, 0.0, 1.0)] == [True, True, False]
    assert [piece.jumps for piece in pieces(model, 0.25, 0.5)] == [True]
    (whole,) = pieces(model, 0.5, 0.7)
    assert whole.field is model
    assert landing_times(model, np.array([0.25, 1.0])).tolist() == [0.25, 0.5, 1.0]


@pytest.mark.parametrize("ends", [(np.nan,), ("soon",), 0.5, ((0.1, 0.2),)])
def test_breakpoints_that_are_no_times(ends):
    class Wrong(Layers):
        breakpoints = ends

    with pytest.raises(InvalidInput, match="breakpoints of Wrong"):
        simulate(Wrong(), X, [0, 1])


@dataclass(frozen=True)
class Jumping(VelocityField):
    """Velocity, divergence and noise are 1 before t = 1 and 2 from then on."""

    dim: int = 1

    def velocity(self, t, x, mu):
        return np.full_like(x, 1.0 if t < 1.0 else 2.0)

    def divergence(self, t, x, mu):
        return self.velocity(t, x, mu)[:, 0]

    def diffusion(self, t):
        return np.eye(1) * (1.0 if t < 1.0 else 2.0)


def test_before_its_jump_a_field_never_answers_as_after_it():
    """Asked early it is the field itself; asked at the jump or later it is what it was just before."""
    before = Before(Jumping(), np.nextafter(1.0, 0.0))
    x, w = np.zeros((2, 1)), np.full(2, 0.5)
    for t in (0.0, 0.5, 1.0, 7.0):
        np.testing.assert_array_equal(before.velocity(t, x, Atoms(x, w)), 1.0)
        np.testing.assert_array_equal(before.particle_velocity(t, x, w), 1.0)
        np.testing.assert_array_equal(before.divergence(t, x, Atoms(x, w)), 1.0)
        np.testing.assert_array_equal(before.diffusion(t), 1.0)
    assert Jumping().velocity(1.0, x, Atoms(x, w)).max() == 2.0
