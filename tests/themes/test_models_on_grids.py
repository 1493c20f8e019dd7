"""Every model that acts on measures: a grid run against a particle run in W₂; refusals of those that do not."""

import numpy as np
import pytest

from meanfield import Disc, FiniteVolume, Grid, IgnoreTails, Lagrangian, Normal, Uniform, solve, wasserstein
from meanfield.measures.quadrature import quantile_points
from meanfield.solve import saved_measure
from particles import (
    CausalAttention,
    CuckerSmale,
    Diffusion,
    EulerMaruyama,
    FeedForward,
    HardmaxAttention,
    Krause,
    L2Attention,
    LinearAttention,
    LogAttraction,
    PairInteraction,
    PowerAttraction,
    Powers,
    SelfAttention,
    Vicsek,
    simulate,
)
from particles.errors import NotSupported
from particles.measure import EmpiricalMeasure

LAW = Normal([0.3], [[0.25]])
T = 0.4
MODELS = {
    "none": SelfAttention(1.0, 1.0, -1.0, normalization="none"),
    "sinkhorn": SelfAttention(1.0, 1.0, -1.0, normalization="sinkhorn", tolerance=1e-9),
    "linear": LinearAttention(1.0, 1.0, -1.0),
    "distance": L2Attention(1.0, 1.0, -0.5),
    "layer": FeedForward(1.0, 1.0, 0.2, "tanh"),
    "attention and layer": SelfAttention(1.0, 1.0, -1.0) + FeedForward(1.0, 1.0, 0.2, "tanh"),
    "krause": Krause(lambda s: np.exp(-s)),
    "power 2": PowerAttraction(2.0),
    "power 3": PowerAttraction(3.0),
    "power 1": PowerAttraction(1.0),
}


@pytest.mark.parametrize("name", MODELS)
def test_grid_against_particles(name):
    model = MODELS[name]
    points = quantile_points(LAW, 400)
    run = simulate(model, points, [0.0, T])
    particles = EmpiricalMeasure(run.position[-1].values, run.weight.values)
    distances = []
    for n in (60, 120):
        ds = solve(model, Grid([(-3.2, 3.8)], (n,)).measure(LAW), [0.0, T], FiniteVolume(), wall_tolerance=1e-4)
        distances.append(wasserstein(saved_measure(ds, 1), particles))
    floor = wasserstein(Grid([(-3.2, 3.8)], (4000,)).measure(LAW), points)
    assert distances[1] < 0.01 + 2 * floor
    assert distances[1] < 0.5 * distances[0] + 2 * floor


def test_fokker_planck_of_log_attraction_against_many_tokens():
    """With a core wider than cells and steps; without it (1/n)Σ|x − x̄|² grows at (1 − 1/n)(2D − χ)."""
    model = LogAttraction(0.2, core=0.1) + Diffusion(0.4)
    ds = solve(model, Grid([(-4.0, 4.6)], (172,)).measure(LAW), [0.0, T], FiniteVolume(), wall_tolerance=1e-4)
    end = saved_measure(ds, 1)
    x0 = quantile_points(LAW, 300).points
    with pytest.raises(NotSupported, match="core"):
        simulate(LogAttraction(0.2) + Diffusion(0.4), x0, [0.0, T], EulerMaruyama(dt=0.01), rng=4)
    runs = simulate(model, np.broadcast_to(x0, (20, 300, 1)), [0.0, T], EulerMaruyama(dt=0.01), rng=4).position[:, -1]
    variance = float(np.var(runs.values, axis=1).mean())
    on_grid = float(end.weights @ (end.points[:, 0] - 0.3) ** 2)
    # 20 · 300 tokens: Monte Carlo error of the variance 0.5 √(2/6000) = 0.009.
    assert abs(variance - on_grid) < 0.03
    # 0.25 + 0.4 · 0.6 = 0.49 without the core, which weakens the attraction.
    assert 0.49 < on_grid < 0.51


def test_models_that_are_no_fields_of_measures_say_why():
    grid = Grid([(-3.0, 3.0)], (40,))
    with pytest.raises(NotSupported, match="order of the tokens"):
        solve(CausalAttention(1.0, 1.0, 1.0), grid.measure(LAW), [0.0, 1.0])
    cube = Grid([(0, 1)] * 3, (4, 4, 4)).measure(np.full((4, 4, 4), 1 / 64))
    with pytest.raises(NotSupported, match="discrete time"):
        solve(Vicsek(0.1, 0.1, 0.1), cube, [0.0, 1.0])


def test_cucker_smale_in_phase_space_keeps_its_momentum_on_a_grid():
    model = CuckerSmale(0.5, 1.0)
    law = Normal([0.0, 0.2], [[0.2, 0.0], [0.0, 0.1]])
    ds = solve(model, Grid([(-2.5, 2.5), (-1.5, 1.9)], (28, 28)).measure(law), [0.0, 0.5], wall_tolerance=1e-3)
    start, end = saved_measure(ds, 0), saved_measure(ds, 1)
    np.testing.assert_allclose((end.weights @ end.points)[1], (start.weights @ start.points)[1], atol=1e-4)
    spread = [float(m.weights @ (m.points[:, 1] - 0.2) ** 2) for m in (start, end)]
    assert spread[1] < 0.75 * spread[0]


def test_hardmax_on_a_grid_moves_all_to_their_side():
    ds = solve(HardmaxAttention(1.0, 1.0, 1.0).rescaled(), Grid([(-1, 1)], (64,)).measure(lambda x: 1 + 0 * x[:, 0]),
               [0.0, 1.0], FiniteVolume(), tails=IgnoreTails())  # fmt: skip
    end = saved_measure(ds, 1)
    left, right = (
        float(end.weights[side] @ end.points[side, 0]) for side in (end.points[:, 0] < 0, end.points[:, 0] > 0)
    )
    # Each half moves towards ±1: its mean ±1/4 goes to ±(1/2 − e^{−1}/4).
    np.testing.assert_allclose([left, right], [-0.5 + 0.25 * np.exp(-1), 0.5 - 0.25 * np.exp(-1)], atol=0.01)


def test_fokker_planck_in_a_moving_frame_is_that_of_the_original():
    """V = −1, B = 1: S' = −2S² + 2κ from S₀; in z = e^{−tA}x the variance is e^{−2tA}S and the tensor e^{−2tA}κ."""
    kappa, A, S0 = 0.3, -0.4, 0.25
    model = (SelfAttention(1.0, 1.0, -1.0) + Diffusion(kappa)).in_frame(A)
    law = Normal([0.0], [[S0]])
    ds = solve(model, Grid([(-4.5, 4.5)], (180,)).measure(law), [0.0, T], FiniteVolume(), tails=IgnoreTails())
    end = saved_measure(ds, 1)
    root = np.sqrt(kappa)
    # The solution of the Riccati equation: S = √κ tanh(2√κ t + artanh(S₀/√κ)).
    S = root * np.tanh(2 * root * T + np.arctanh(S0 / root))
    np.testing.assert_allclose(end.weights @ end.points[:, 0] ** 2, np.exp(-2 * T * A) * S, rtol=2e-3)
    runs = simulate(model, quantile_points(law, 1000).points, [0.0, T], EulerMaruyama(0.01), rng=1)
    # Monte Carlo error √(2/1000) = 4.5 %.
    np.testing.assert_allclose(runs.position[-1].values.var(), np.exp(-2 * T * A) * S, rtol=0.12)


def semicircle(x):
    return np.sqrt(np.maximum(1 - x[:, 0] ** 2, 0))


# W, the law, the end of its support at t = 1, radius²/second moment, cells, bounds of the relative error of the radius
# on the grid, on the mesh and as particles. R' = 1 − R; (R²)' = 4 − 2R², the Barenblatt profile of a fractional porous
# medium; (R²)' = 2 − 2R².
LOG = ((1, -1), (2, 0))
REPULSION = {
    "interval": (((1, -1), (2, 1)), Uniform([(-0.5, 0.5)]), 1 - 0.5 * np.exp(-1), 3, 96, (7e-3, 2e-3, 2e-3)),
    "semicircle": (LOG, semicircle, np.sqrt(2 - np.exp(-2)), 4, 96, (3e-3, 1.5e-2, 2e-2)),
    "disc": (LOG, Disc([0, 0], 1.5), np.sqrt(1 + 1.25 * np.exp(-2)), 2, 16, (5e-2, 3e-3, 3e-3)),
}


@pytest.mark.parametrize("name", ["interval", "semicircle", pytest.param("disc", marks=pytest.mark.slow)])
def test_repulsive_laws_of_known_radius_on_a_grid_a_mesh_and_as_particles(name):
    (strengths, exponents), law, radius, factor, n, bounds = REPULSION[name]
    model = PairInteraction(Powers(strengths, exponents), at_origin=0.0)
    d = 2 if isinstance(law, Disc) else 1
    mu = Grid([(-2, 2)] * d, (n,) * d).measure(law)
    end = saved_measure(solve(model, mu, [0, 1], FiniteVolume()), 1)
    moments = [end.weights @ np.sum(end.points**2, axis=1) + d * (4 / n) ** 2 / 12]
    mesh = solve(model, mu, [0, 1], Lagrangian(nodes=1))
    moments.append(mesh.node_weight.values @ np.sum(mesh.node[-1].values ** 2, axis=1))
    full = mu.masses.ravel() > 0
    x = simulate(model, mu.grid.points[full], [0, 1], weights=mu.masses.ravel()[full]).position[-1].values
    moments.append(mu.masses.ravel()[full] @ np.sum(x**2, axis=1))
    errors = np.sqrt(factor * np.array(moments)) / radius - 1
    assert (np.abs(errors) < bounds).all()
