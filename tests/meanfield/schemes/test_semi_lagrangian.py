"""Semi-Lagrangian push-forward: convergence in W1, exact mass, positivity, any Courant number, walls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meanfield import Grid, Normal, SemiLagrangian, solve
from meanfield.schemes import semi_lagrangian
from meanfield.schemes.steps import Span
from meanfield.solve import saved_measure
from particles import SelfAttention, VelocityField
from particles.errors import InvalidInput, NotSupported, RunStopped


class Shift(VelocityField):
    """A constant velocity."""

    def __init__(self, speed):
        self.speed = np.asarray(speed, dtype=float)

    @property
    def dim(self):
        return len(self.speed)

    def velocity(self, t, x, mu):
        return np.tile(self.speed, (len(x), 1))


class NoisyShift(Shift):
    def diffusion(self, t):
        return np.eye(self.dim)


@pytest.mark.parametrize("cfl", [1.0, 4.0])
def test_first_order_in_w1_on_the_gaussian(cfl):
    """V = −1: S(t) = (1/S0 + 2t)^(−1), m(t) = e^(−t)(1 + 2t S0)^(−1/2) m0."""
    S0, m0, T = 0.5, 0.2, 1.0
    errors = []
    for n in (200, 400):
        grid = Grid([(-7, 7)], n)
        ds = solve(SelfAttention(1, 1, -1), grid.measure(Normal(m0, S0)), [0, T], SemiLagrangian(cfl))
        exact = grid.measure(Normal(np.exp(-T) / np.sqrt(1 + 2 * T * S0) * m0, 1 / (1 / S0 + 2 * T)))
        errors.append(np.abs(np.cumsum(saved_measure(ds, -1).masses - exact.masses)).sum() * grid.cell_volume)
    assert np.log2(errors[0] / errors[1]) > 0.9
    assert errors[-1] < 0.005


def test_a_shift_by_whole_cells_is_exact_and_by_half_a_cell_is_the_overlap():
    grid = Grid([(0, 8)], 8)
    mu = grid.measure([0, 1, 0, 0, 0, 0, 0, 0])
    whole = solve(Shift([1.0]), mu, [0, 4.0], SemiLagrangian(cfl=100))
    np.testing.assert_allclose(saved_measure(whole, -1).masses, [0, 0, 0, 0, 0, 1, 0, 0], atol=1e-15)
    half = solve(Shift([1.0]), mu, [0, 1.5], SemiLagrangian(cfl=100))
    np.testing.assert_allclose(saved_measure(half, -1).masses, [0, 0, 0.5, 0.5, 0, 0, 0, 0], atol=1e-15)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.floats(0.2, 20.0))
def test_mass_is_exact_and_no_cell_is_negative(seed, dim, cfl):
    rng = np.random.default_rng(seed)
    grid = Grid.from_edges([np.cumsum(rng.uniform(0.2, 1.0, rng.integers(4, 9))) for _ in range(dim)])
    masses = rng.dirichlet(np.full(int(np.prod(grid.shape)), 0.2)).reshape(grid.shape)
    t, speed = 0.0, rng.normal(size=dim)
    for _ in range(3):
        moved = SemiLagrangian(cfl).attempt(Shift(speed), Span(t, np.inf, 1.0 - t, 1.0), grid, masses)
        t, masses = t + moved.h, moved.masses
        assert (masses >= 0).all()
        assert (moved.walls >= 0).all()
        assert masses.sum() == pytest.approx(1.0, abs=1e-14)
        if t >= 1.0 - 1e-12:
            break


def test_mass_moves_with_its_mean_while_no_wall_is_near():
    grid = Grid.from_edges([np.array([-3, -2, -1.2, -0.5, 0, 0.3, 1, 2, 3.5, 4, 6])])
    mu = grid.measure([0, 0, 0.2, 0.5, 0.3, 0, 0, 0, 0, 0])
    ds = solve(Shift([0.7]), mu, [0, 1.0], SemiLagrangian(0.7))
    np.testing.assert_allclose(saved_measure(ds, -1).mean(), mu.mean() + 0.7, atol=1e-14)


def test_walls_hold_the_mass_and_stop_the_run():
    grid = Grid([(0, 1), (0, 1)], (8, 8))
    with pytest.raises(RunStopped, match="lower wall of x2"):
        solve(Shift([0.0, -1.0]), grid.measure(np.full((8, 8), 1 / 64)), [0, 0.5], SemiLagrangian())


def test_refusals():
    with pytest.raises(InvalidInput, match="positive"):
        SemiLagrangian(cfl=0)
    grid = Grid([(-1, 1)], 8)
    with pytest.raises(NotSupported, match="without noise"):
        solve(NoisyShift([1.0]), grid.measure(np.full(8, 1 / 8)), [0, 0.1], SemiLagrangian())


class Decay(VelocityField):
    """x' = −x."""

    dim = 1

    def velocity(self, t, x, mu):
        return -x


def test_one_large_step_is_the_midpoint_rule():
    """From x = 2 a midpoint step of length h leads to 2(1 − h + h²/2)."""
    grid = Grid([(-4, 4)], 8)
    moved = SemiLagrangian(cfl=100).attempt(Decay(), Span(0.0, np.inf, 0.5, 0.5), grid, np.eye(8)[6])
    assert moved.h == 0.5
    assert moved.masses @ grid.centres[0] == pytest.approx(2.5 * (1 - 0.5 + 0.125))


class Rising(Shift):
    """A velocity that grows with time, from rest."""

    def velocity(self, t, x, mu):
        return t * super().velocity(t, x, mu)


def test_a_field_that_starts_from_rest_is_crossed_in_one_step_and_no_more_than_it_moves():
    """x' = t moves by h²/2: the midpoint rule is exact, and nothing faster hides between the ends of the step."""
    grid = Grid([(-4, 4)], 8)
    moved = SemiLagrangian(cfl=2).attempt(Rising([1.0]), Span(0.0, np.inf, 1.0, 1.0), grid, np.eye(8)[3])
    assert (moved.h, moved.bend) == (1.0, pytest.approx(0.0, abs=1e-15))
    assert moved.masses @ grid.centres[0] == pytest.approx(-0.5 + 0.5)
    assert moved.error < 1e-15


def test_cells_pushed_by_slabs_are_those_of_the_whole(monkeypatch):
    grid = Grid([(-3, 3), (-2, 2)], (9, 7))
    masses = np.random.default_rng(0).dirichlet(np.ones(63)).reshape(9, 7)
    model = SelfAttention(np.eye(2), np.eye(2), -np.eye(2))
    span = Span(0.0, np.inf, 0.2, 0.2)
    whole = SemiLagrangian().attempt(model, span, grid, masses)
    monkeypatch.setattr(semi_lagrangian, "SLAB", 10)
    np.testing.assert_allclose(SemiLagrangian().attempt(model, span, grid, masses).masses, whole.masses, atol=1e-16)
