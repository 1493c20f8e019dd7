"""Fields on the circle: angles against the sphere of R², the grid against closed forms and against particles."""

import numpy as np
import pytest

from meanfield import WENO, FiniteVolume, Grid, PeriodicFiniteVolume, SemiLagrangian, Upwind, solve, wasserstein
from meanfield.measures.grid import grid_of
from meanfield.schemes import finite_volume
from meanfield.schemes.steps import Span
from meanfield.solve import saved_measure
from particles import (
    Circle,
    Diffusion,
    EmpiricalMeasure,
    EulerMaruyama,
    SelfAttention,
    Torus,
    VelocityField,
    resume,
    simulate,
)
from particles.errors import InvalidInput, NotSupported

PERIOD = [(0.0, 2 * np.pi)]


def attention(beta, normalization="softmax"):
    return SelfAttention(beta * np.eye(2), np.eye(2), np.eye(2), normalization=normalization)


@pytest.mark.parametrize("normalization", ["softmax", "none"])
def test_angles_move_as_the_points_of_the_sphere(normalization):
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 9)
    model = attention(2.0, normalization)
    times = np.linspace(0, 1.5, 4)
    turned = simulate(model.on_circle(), angles, times).position.values[..., 0]
    points = simulate(model.on_sphere(), Circle().embed(angles[..., None]), times).position.values
    np.testing.assert_allclose(Circle().embed(turned[..., None]), points, atol=1e-8)
    assert ((turned >= 0) & (turned < 2 * np.pi)).all()


def test_heat_on_the_circle_damps_each_mode_at_its_rate():
    D, T = 0.3, 1.0
    errors = []
    for n in (32, 64):
        grid = Grid(PERIOD, (n,))
        edges = grid.edges[0]
        masses = np.diff(edges + 0.5 * np.sin(edges) - 0.2 * np.cos(2 * edges)) / (2 * np.pi)
        ds = solve(Diffusion(D).on_circle(), grid.measure(masses), [0.0, T], PeriodicFiniteVolume())
        one, two = np.exp(-D * T), np.exp(-4 * D * T)
        exact = np.diff(edges + 0.5 * one * np.sin(edges) - 0.2 * two * np.cos(2 * edges)) / (2 * np.pi)
        found = saved_measure(ds, 1).masses
        assert abs(found.sum() - 1) < 1e-14
        errors.append(np.abs(found - exact).sum())
    assert abs(np.log2(errors[0] / errors[1]) - 2) < 0.1


@pytest.mark.parametrize(("normalization", "beta"), [("softmax", 1.0), ("softmax", 4.0), ("none", 1.0)])
def test_grid_and_particles_agree_in_wasserstein_distance_at_second_order(normalization, beta):
    """A bump about π: cut at 0, where there is no mass, the distance on the line is that on the circle."""
    model, T = attention(beta, normalization).on_circle(), 0.5

    def density(x):
        return np.where(np.abs(x[:, 0] - np.pi) < 1.5, np.cos((x[:, 0] - np.pi) * np.pi / 3) ** 4, 0.0)

    nodes = (np.arange(1000) + 0.5) / 1000 * 3 - 1.5 + np.pi
    weights = density(nodes[:, None])
    cloud = simulate(model, nodes, [0.0, T], weights=weights / weights.sum())
    particles = EmpiricalMeasure(cloud.position[-1].values, cloud.weight.values)
    distances = []
    for n in (64, 128):
        ds = solve(model, Grid(PERIOD, (n,)).measure(density), [0.0, T], PeriodicFiniteVolume())
        assert float(ds.density.min()) >= 0
        np.testing.assert_allclose(float((ds.density[-1] * grid_of(ds).cell_volumes).sum()), 1.0, rtol=1e-14)
        distances.append(wasserstein(saved_measure(ds, 1), particles))
    # Measured: 0.0019, 0.0017 and 0.0035, orders 1.87, 1.83 and 1.93; the nodes themselves are off by 0.0006.
    assert distances[1] < 4e-3
    assert np.log2(distances[0] / distances[1]) > 1.75


def test_a_symmetric_start_turns_with_the_grid():
    """Nothing marks the point where the period is cut: a start shifted by cells gives a shifted end."""
    grid = Grid(PERIOD, (48,))
    masses = np.random.default_rng(1).dirichlet(np.ones(48))
    model = attention(2.0).on_circle()
    one = solve(model, grid.measure(masses), [0.0, 0.4], PeriodicFiniteVolume())
    two = solve(model, grid.measure(np.roll(masses, 17)), [0.0, 0.4], PeriodicFiniteVolume())
    np.testing.assert_allclose(np.roll(one.density[-1], 17), two.density[-1], rtol=1e-11)


def test_fokker_planck_on_the_circle_is_the_law_of_many_tokens():
    model = (attention(2.0) + Diffusion(0.2)).on_circle()
    grid = Grid(PERIOD, (128,))

    def density(x):
        return 1 + 0.8 * np.cos(x[:, 0] - np.pi)

    ds = solve(model, grid.measure(density), [0.0, 1.0], PeriodicFiniteVolume())
    rng = np.random.default_rng(2)
    start = rng.uniform(0, 2 * np.pi, 40_000)
    start = start[rng.uniform(0, 1.8, len(start)) < density(start[:, None])][:4000]
    angles = simulate(model, start, [0.0, 1.0], EulerMaruyama(dt=0.02), rng=3).position[-1, :, 0].values
    mean = np.array([np.cos(grid.centres[0]), np.sin(grid.centres[0])]) @ saved_measure(ds, 1).masses
    # Monte Carlo error 4000^{−1/2}/2 = 0.008 a component.
    np.testing.assert_allclose(Circle().embed(angles[..., None]).mean(axis=0), mean, atol=0.03)


class Drift(VelocityField):
    """A constant velocity on a flat torus of given periods, with noise if asked."""

    def __init__(self, speed, periods, D=None):
        self.speed, self.space, self.D = np.asarray(speed, dtype=float), Torus(periods), D
        self.noisy = D is not None

    @property
    def dim(self):
        return len(self.speed)

    def velocity(self, t, x, mu):
        return np.tile(self.speed, (len(x), 1))

    def diffusion(self, t):
        return self.D


@pytest.mark.parametrize("scheme", [Upwind(), FiniteVolume(), WENO()], ids=["upwind", "muscl", "weno"])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_every_scheme_sees_across_the_ends_of_any_period(scheme, dim):
    """A start shifted by cells along every axis gives a shifted end, and nothing presses."""
    shape = (12, 9, 7)[:dim]
    periods = (1.0, 2.5, 0.7)[:dim]
    grid = Grid([(0.3, 0.3 + p) for p in periods], shape)
    masses = np.random.default_rng(0).dirichlet(np.ones(int(np.prod(shape)))).reshape(shape)
    root = np.random.default_rng(1).normal(size=(dim, dim)) / 30
    model = Drift([0.4, -0.5, 0.3][:dim], periods, root @ root.T)
    shift = (5, 4, 3)[:dim]
    one = solve(model, grid.measure(masses), [0.0, 0.3], scheme)
    two = solve(model, grid.measure(np.roll(masses, shift, range(dim))), [0.0, 0.3], scheme)
    np.testing.assert_allclose(np.roll(one.density[-1], shift, range(dim)), two.density[-1], rtol=1e-9, atol=1e-12)
    assert float(one.wall_mass.sum()) == 0
    np.testing.assert_allclose((one.density[-1] * grid_of(one).cell_volumes).sum(), 1.0, atol=1e-13)


@pytest.mark.parametrize(
    ("scheme", "order", "sizes"), [(FiniteVolume(), 1.6, (24, 48)), (WENO(), 3.0, (12, 24))], ids=["muscl", "weno"]
)
def test_a_wave_once_around_a_torus_of_the_plane_comes_back(scheme, order, sizes):
    # Limiters cut the crests, which costs MUSCL part of its order.
    errors = []
    for n in sizes:
        grid = Grid([(0, 1), (0, 2)], (n, n))
        x, y = np.meshgrid(*grid.edges, indexing="ij")
        primitive = x * y + 0.5 * np.cos(2 * np.pi * x) / (2 * np.pi) * np.sin(np.pi * y) / np.pi
        masses = np.diff(np.diff(primitive, axis=0), axis=1) / 2
        model = Drift([1.0, 2.0], (1.0, 2.0))
        ds = solve(model, grid.measure(masses), [0.0, 1.0], scheme, time_tolerance=1e-5)
        errors.append(np.abs(saved_measure(ds, -1).masses - masses).sum())
    assert np.log2(errors[0] / errors[1]) > order


def test_fluxes_by_slabs_cross_the_ends_of_a_period(monkeypatch):
    grid = Grid([(0, 1), (0, 1)], (12, 11))
    masses = np.random.default_rng(0).dirichlet(np.ones(132)).reshape(12, 11)
    model, span = Drift([0.3, 0.2], (1.0, 1.0)), Span(0.0, np.inf, 0.1, 0.1)
    whole = WENO().attempt(model, span, grid, masses)
    monkeypatch.setattr(finite_volume, "SLAB", 24)
    np.testing.assert_allclose(WENO().attempt(model, span, grid, masses).masses, whole.masses, atol=1e-15)


def test_a_hand_written_kuramoto_field_needs_no_walls():
    class Kuramoto(VelocityField):
        dim = 1
        space = Circle()

        def velocity(self, t, x, mu):
            return np.sin(mu.points[:, 0] - x) @ mu.weights[:, None]

    grid = Grid(PERIOD, (64,))
    mu = grid.measure(lambda x: 1 + 0.3 * np.cos(x[:, 0]))
    ds = solve(Kuramoto(), mu, [0.0, 4.0])
    order = np.abs(np.exp(1j * grid.centres[0]) @ saved_measure(ds, -1).masses)
    # Ott–Antonsen: identical oscillators from a Poisson-like start, R' = R (1 − R²)/2, up to the shape of the start.
    start = 0.15
    exact = start * np.exp(2.0) / np.sqrt(1 + start**2 * (np.exp(4.0) - 1))
    assert order == pytest.approx(exact, abs=0.05)


def test_refusals_and_stores(tmp_path):
    grid = Grid(PERIOD, (16,))
    start = grid.measure(np.full(16, 1 / 16))
    model = attention(1.0).on_circle()
    with pytest.raises(NotSupported, match="knows walls only"):
        solve(model, start, [0.0, 1.0], SemiLagrangian())
    with pytest.raises(NotSupported, match="on_circle"):
        solve(SelfAttention(1.0, 1.0, 1.0), start, [0.0, 1.0], PeriodicFiniteVolume())
    with pytest.raises(InvalidInput, match="2π"):
        solve(model, Grid([(0, 6)], (16,)).measure(np.full(16, 1 / 16)), [0.0, 1.0], PeriodicFiniteVolume())
    with pytest.raises(InvalidInput, match="d = 2"):
        SelfAttention(np.eye(3), np.eye(3), np.eye(3)).on_circle()
    ds = solve(model, start, [0.0, 1.0], PeriodicFiniteVolume(), store=tmp_path / "c.zarr")
    np.testing.assert_array_equal(resume(tmp_path / "c.zarr").density, ds.density)
    # The uniform law is at rest.
    np.testing.assert_allclose(ds.density[-1], 1 / (2 * np.pi), rtol=1e-12)
