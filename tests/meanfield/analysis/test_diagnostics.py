"""Diagnostics of Datasets: moments, hull, entropy, energy, weak form, on particles and grids."""

from dataclasses import dataclass

import numpy as np
import pytest

from meanfield import WENO, FiniteVolume, Grid, Normal, Uniform, solve
from meanfield.analysis import diagnostics
from meanfield.measures.quadrature import characteristics
from particles import Adaptive, EmpiricalMeasure, SelfAttention, VelocityField, simulate
from particles.errors import InvalidInput, NotSupported

MODEL = SelfAttention(1, 1, -1)
TIMES = np.linspace(0, 1, 21)
SQUARE = EmpiricalMeasure([[0.0, 0.0], [1, 0], [1, 1], [0, 1], [0.5, 0.4]], [0.1, 0.2, 0.3, 0.2, 0.2])


def square_run():
    model = SelfAttention(np.eye(2), np.eye(2), -np.eye(2))
    return simulate(model, SQUARE, [0.0, 0.5, 1.0, 1.5])


def test_moments_of_particles():
    ds = square_run()
    np.testing.assert_allclose(diagnostics.mass(ds), 1.0)
    np.testing.assert_allclose(diagnostics.mean(ds)[0], SQUARE.mean())
    np.testing.assert_allclose(diagnostics.covariance(ds)[0], SQUARE.covariance(), atol=1e-15)
    assert float(diagnostics.support_radius(ds)[0]) == pytest.approx(np.sqrt(2))
    assert float(diagnostics.support_radius(ds, threshold=0.25)[0]) == pytest.approx(np.sqrt(2))
    assert diagnostics.mean(ds).attrs["units"] == "1"


def test_convex_hull():
    ds = square_run()
    hull = diagnostics.convex_hull(ds, 0)
    assert {tuple(v) for v in hull} == {(0, 0), (1, 0), (1, 1), (0, 1)}
    with pytest.raises(InvalidInput, match="hyperplane"):
        diagnostics.convex_hull(ds, 0, threshold=0.15 + 0.06)
    with pytest.raises(InvalidInput, match="lower it"):
        diagnostics.convex_hull(ds, 0, threshold=0.9)


def test_interaction_energy_is_the_double_sum_and_never_increases():
    ds = square_run()
    x, w = ds.position.values[1], ds.weight.values
    expected = sum(wi * wj * np.exp(a @ b) for wi, a in zip(w, x, strict=True) for wj, b in zip(w, x, strict=True))
    energy = diagnostics.interaction_energy(ds)
    assert float(energy[1]) == pytest.approx(expected)
    assert (np.diff(energy) <= 0).all()


def test_energy_in_a_moving_frame_is_that_of_the_original_coordinates():
    model = SelfAttention(1, 1, 0.5)
    x0, times = [-0.4, 0.1, 0.8], [0.0, 0.5, 1.0, 1.2]
    one = diagnostics.interaction_energy(simulate(model, x0, times, Adaptive(1e-11, 1e-12)))
    other = diagnostics.interaction_energy(simulate(model.rescaled(), x0, times, Adaptive(1e-11, 1e-12)))
    np.testing.assert_allclose(one, other, rtol=1e-8)
    with pytest.raises(NotSupported, match="one attention head"):
        diagnostics.interaction_energy(simulate(model + model, x0, times))


def test_entropy_of_the_gaussian_on_a_grid_and_along_characteristics():
    """∫ ρ log ρ = −½ log(2πe S), S = (1/S0 + 2t)^(−1)."""
    exact = -0.5 * np.log(2 * np.pi * np.e / (2 + 2 * TIMES[::10]))
    law = Normal(0.0, 0.5)
    grid = solve(MODEL, Grid([(-6, 6)], 150).measure(law), TIMES[::10], WENO())
    np.testing.assert_allclose(diagnostics.entropy(grid), exact, atol=2e-3)
    nodes = characteristics(MODEL, law, TIMES[::10], 24, Adaptive(1e-11, 1e-12))
    np.testing.assert_allclose(diagnostics.entropy(nodes), exact, atol=1e-6)
    with pytest.raises(NotSupported, match="characteristics"):
        diagnostics.entropy(square_run())


def test_weak_residual_of_particles_is_that_of_the_time_stepping_alone():
    ds = simulate(MODEL, np.linspace(-1, 1, 9), TIMES, Adaptive(1e-11, 1e-12))
    assert float(abs(diagnostics.weak_residual(ds)).max()) < 2e-8
    wrong = diagnostics.weak_residual(ds, model=SelfAttention(1, 1, -1.1))
    assert float(abs(wrong).max()) > 1e-3


@pytest.mark.parametrize(("scheme", "order"), [(FiniteVolume(), 1.7), (WENO(), 3.0)])
def test_weak_residual_falls_at_the_order_of_the_scheme(scheme, order):
    residuals = []
    for n in (50, 100):
        ds = solve(MODEL, Grid([(-6, 6)], n).measure(Normal(0.2, 0.5)), TIMES, scheme)
        residuals.append(float(abs(diagnostics.weak_residual(ds)).max()))
    assert np.log2(residuals[0] / residuals[1]) > order


@dataclass(frozen=True)
class Noise(VelocityField):
    dim = 1

    def velocity(self, t, x, mu):
        return np.zeros_like(x)

    def diffusion(self, t):
        return np.array([[0.1]])


def test_weak_residual_counts_diffusion():
    ds = solve(MODEL + Noise(), Grid([(-6, 6)], 100).measure(Normal(0.0, 0.5)), TIMES)
    assert float(abs(diagnostics.weak_residual(ds)).max()) < 2e-3
    assert float(abs(diagnostics.weak_residual(ds, model=MODEL)).max()) > 2e-2


def test_a_function_of_ones_own():
    class Square:
        def value(self, x):
            return (x**2).sum(axis=1)

        def gradient(self, x):
            return 2 * x

        def hessian(self, x):
            return np.tile(2 * np.eye(x.shape[1]), (len(x), 1, 1))

    residual = diagnostics.weak_residual(square_run(), tests=[Square()])
    assert residual.dims == ("time", "test")
    assert float(abs(residual).max()) < 0.05


def test_grid_and_particle_diagnostics_agree():
    law = Uniform((-1, 1))
    grid = solve(MODEL, Grid([(-1.5, 1.5)], 150).measure(law), TIMES[::10])
    nodes = characteristics(MODEL, law, TIMES[::10], 40)
    assert "node" in grid
    np.testing.assert_allclose(diagnostics.covariance(grid), diagnostics.covariance(nodes), atol=1e-7)
    fixed = solve(MODEL, Grid([(-1.5, 1.5)], 150).measure(law), TIMES[::10], FiniteVolume())
    np.testing.assert_allclose(diagnostics.covariance(fixed), diagnostics.covariance(nodes), atol=1e-3)
    np.testing.assert_allclose(diagnostics.interaction_energy(grid), diagnostics.interaction_energy(nodes), atol=1e-3)


def test_atoms_are_those_of_one_run():
    ds = simulate(MODEL, np.tile([[0.1], [0.2], [0.3]], (2, 1, 1)), [0, 1.0])
    with pytest.raises(InvalidInput, match=r"isel\(run=0\)"):
        diagnostics.atoms_at(ds, 0)
    assert diagnostics.atoms_at(ds.isel(run=1), 0).points.shape == (3, 1)


@pytest.mark.parametrize("k", [4, -5, 0.5])
@pytest.mark.parametrize("function", [diagnostics.atoms_at, diagnostics.convex_hull])
def test_a_saved_time_that_is_not_there(function, k):
    with pytest.raises(InvalidInput, match="k must"):
        function(square_run(), k)


def test_a_run_cut_to_one_time_is_told_what_to_pass():
    ds = square_run()
    with pytest.raises(InvalidInput, match=r"isel\(time=\[k\]\)"):
        diagnostics.mean(ds.isel(time=0))
    assert diagnostics.mean(ds.isel(time=[0])).shape == (1, 2)
