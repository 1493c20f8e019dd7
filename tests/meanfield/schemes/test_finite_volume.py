"""Finite volumes: observed orders against the Gaussian closure, exact mass, positivity, walls."""

import numpy as np
import pytest
from observed import orders
from user_fields import Prescribed

from meanfield import WENO, FiniteVolume, Grid, IgnoreTails, Normal, Upwind, solve
from meanfield.measures.grid import Cells
from meanfield.schemes.finite_volume import SSP32, SSP43
from meanfield.schemes.reconstruction import LIMITERS, limited_linear
from meanfield.solve import saved_measure
from particles import SelfAttention
from particles.errors import InvalidInput


def march(scheme, model, mu, T):
    ds = solve(model, mu, [0.0, T], scheme, wall_tolerance=1e3, tails=IgnoreTails())
    return saved_measure(ds, -1).masses, float(ds.wall_mass[-1].sum())


def gaussian_errors(scheme, shapes, edges=None):
    """Errors in L1 and W1 at t = 1 for V = −1: S(t) = (1/S0 + 2t)^(−1), m(t) = e^(−t)(1 + 2t S0)^(−1/2) m0."""
    S0, m0, T = 0.5, 0.2, 1.0
    out = []
    for n in shapes:
        grid = Grid([(-7, 7)], n) if edges is None else Grid.from_edges([edges(n)])
        masses, _ = march(scheme, SelfAttention(1, 1, -1), grid.measure(Normal(m0, S0)), T)
        exact = grid.measure(Normal(np.exp(-T) / np.sqrt(1 + 2 * T * S0) * m0, 1 / (1 / S0 + 2 * T)))
        gap = masses - exact.masses
        out.append((np.abs(gap).sum(), np.abs(np.cumsum(gap)) @ grid.widths[0]))
    return np.array(out).T


def test_upwind_is_first_order_on_the_gaussian():
    for error in gaussian_errors(Upwind(), (100, 200, 400)):
        assert orders(error)[-1] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("limiter", LIMITERS)
def test_muscl_is_second_order_on_the_gaussian(limiter):
    worst = {"van_leer": 1.9, "superbee": 1.85, "mc": 1.75, "minmod": 1.75}[limiter]
    for error in gaussian_errors(FiniteVolume(limiter=limiter), (300, 600)):
        assert orders(error)[-1] > worst


def test_weno_is_of_order_three_or_more_on_the_gaussian():
    for error in gaussian_errors(WENO(), (50, 100, 200)):
        assert (orders(error) > 3.0).all()


def stretched(n):
    s = np.linspace(-1, 1, n + 1)
    return 7 * (0.7 * s + 0.3 * s**3)


@pytest.mark.parametrize(("scheme", "order"), [(FiniteVolume(), 1.8), (FiniteVolume(limiter="mc"), 1.7), (WENO(), 3.0)])
def test_orders_hold_on_non_uniform_spacing(scheme, order):
    for error in gaussian_errors(scheme, (100, 200), stretched):
        assert orders(error)[-1] > order


@pytest.mark.parametrize(("scheme", "order"), [(FiniteVolume(), 1.9), (WENO(), 3.0)])
def test_rotating_gaussian_in_the_plane(scheme, order):
    """V = J: S rotates rigidly by the angle t tr S0; after T = π/(4 tr S0) by half a right angle."""
    S0 = np.diag([1.0, 0.5])
    model = SelfAttention(np.eye(2), np.eye(2), [[0, -1], [1, 0]])
    errors = []
    for n in (14, 28):
        grid = Grid([(-5.5, 5.5)] * 2, (n, n))
        masses, _ = march(scheme, model, grid.measure(Normal([0, 0], S0)), np.pi / 6)
        exact = grid.measure(Normal([0, 0], [[0.75, 0.25], [0.25, 0.75]]))
        errors.append(np.abs(masses - exact.masses).sum())
    assert orders(errors)[-1] > order


@pytest.mark.parametrize("scheme", [FiniteVolume(), WENO()], ids=["muscl", "weno"])
def test_diffusion_follows_the_heat_equation(scheme):
    D = np.array([[0.3, 0.1], [0.1, 0.2]])
    model = Prescribed(2, lambda t, x: np.zeros_like(x), D)
    S0, T = np.diag([0.4, 0.5]), 0.5
    errors = []
    for n in (24, 48):
        grid = Grid([(-6, 6)] * 2, (n, n))
        masses, _ = march(scheme, model, grid.measure(Normal([0, 0], S0)), T)
        errors.append(np.abs(masses - grid.measure(Normal([0, 0], S0 + 2 * T * D)).masses).sum())
    assert orders(errors)[-1] > 1.9
    assert errors[-1] < 0.02


def test_noisy_attention_reaches_its_stationary_variance():
    """V = −1 with √(2κ) dW: S' = −2S² + 2κ, stationary at √κ."""

    class Noise(Prescribed):
        pass

    kappa = 0.09
    model = SelfAttention(1, 1, -1) + Noise(1, lambda t, x: np.zeros_like(x), np.array([[kappa]]))
    grid = Grid([(-5, 5)], 100)
    masses, _ = march(FiniteVolume(), model, grid.measure(Normal(0.0, 0.5)), 6.0)
    assert masses @ grid.centres[0] ** 2 == pytest.approx(np.sqrt(kappa), rel=0.01)


@pytest.mark.parametrize("scheme", [Upwind(), FiniteVolume(), WENO()], ids=["upwind", "muscl", "weno"])
def test_closed_walls_keep_the_mass_and_count_what_pressed(scheme):
    grid = Grid([(-1, 1), (0, 1)], (20, 4))
    model = Prescribed(2, lambda t, x: np.tile([1.0, 0.0], (len(x), 1)))
    masses, walls = march(scheme, model, grid.measure(np.full((20, 4), 1 / 80)), 0.5)
    assert masses.sum() == pytest.approx(1.0, abs=1e-14)
    # At most the mass that meets the wall by t = 0.5 counts, and it goes on pressing once there.
    assert walls > 0.2
    assert masses[-1].sum() > 0.2


def test_courant_number_above_one_and_unknown_limiter_are_refused():
    with pytest.raises(InvalidInput, match="at most 1"):
        FiniteVolume(cfl=1.5)
    with pytest.raises(InvalidInput, match="positive"):
        WENO(cfl=0)
    with pytest.raises(InvalidInput, match="'van_leer'"):
        FiniteVolume(limiter="van Leer")
    assert FiniteVolume("mc").limiter == "mc"
    with pytest.raises(InvalidInput, match="limiter"):
        FiniteVolume(0.4)


def koren(a, b, left, right):
    """Koren's limiter on uniform grids: third order away from extremes, for a user to pass."""
    return np.minimum(np.minimum(2 * a, (a + 2 * b) / 3), 2 * b)


def greedy(a, b, left, right):
    """No limiter at all."""
    return 1e6 * (a + b)


def test_a_limiter_of_a_users_own_is_taken_and_cannot_break_the_bounds():
    grid = Grid([(-7, 7)], 100)
    masses, _ = march(FiniteVolume(koren), SelfAttention(1, 1, -1), grid.measure(Normal(0.2, 0.5)), 0.5)
    named, _ = march(FiniteVolume("mc"), SelfAttention(1, 1, -1), grid.measure(Normal(0.2, 0.5)), 0.5)
    assert 0 < np.abs(masses - named).sum() < 0.02
    averages = np.random.default_rng(0).random((40, 3))
    left, right = limited_linear(averages, np.linspace(0, 1, 41), greedy)
    low, high = np.minimum(averages[:-1], averages[1:]), np.maximum(averages[:-1], averages[1:])
    for side in (left[1:-1], right[1:-1]):
        assert ((side >= low - 1e-14) & (side <= high + 1e-14)).all()


def test_weno_uses_the_spread_sources():
    grid = Grid([(-3, 3)], 12)
    cells = Cells(grid, grid.measure(Normal(0.0, 0.5)).masses)
    assert FiniteVolume().sources(cells, (None,)) is cells
    assert not np.allclose(WENO().sources(cells, (None,)).masses, cells.masses)


def test_weno_flux_in_the_plane_is_the_average_over_the_face():
    """∫ u ρ over each face by Gauss quadrature; velocity times density of the face centres would err by O(h²)."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    errors = []
    for n in (40, 80):
        grid = Grid([(-4, 4)] * 2, (n, n))
        law = Normal([0.1, -0.2], 0.4 * np.eye(2))
        x, y = np.meshgrid(grid.edges[0], grid.centres[1], indexing="ij")
        flux = WENO().flux(2 + np.sin(x + 2 * y), grid, grid.measure(law).masses, 0, (None, None))
        h = grid.widths[1][0]
        exact = np.zeros_like(flux)
        for s, w in zip(nodes, weights, strict=True):
            shifted = y + s * h / 2
            rho = law.density(np.column_stack([x.ravel(), shifted.ravel()])).reshape(x.shape)
            exact += w * h / 2 * (2 + np.sin(x + 2 * shifted)) * rho
        inner = slice(3, -3)
        errors.append(np.abs(flux - exact)[inner].max() / h)
    assert orders(errors)[-1] > 3.5


def test_a_cell_may_shed_all_of_its_mass_in_a_stage_and_no_more():
    assert [kind(cfl=1).cfl for kind in (Upwind, FiniteVolume, WENO)] == [1.0] * 3
    for kind in (Upwind, FiniteVolume, WENO):
        with pytest.raises(InvalidInput, match="at most 1"):
            kind(cfl=np.nextafter(1.0, 2.0))


@pytest.mark.parametrize(("stages", "order"), [(SSP32, 2), (SSP43, 3)], ids=["SSP32", "SSP43"])
def test_stages_are_taken_at_the_time_of_their_state_and_have_their_order(stages, order):
    """Their Butcher tableau (A, b, c): Σ b = 1, Σ b c = 1/2, Σ b c² = 1/3, b A c = 1/6; one order less with b̂."""
    m = len(stages)
    tableau, weights = np.zeros((m, m)), np.zeros(m)
    for i, stage in enumerate(stages):
        tableau[i] = weights
        weights = (1.0 - stage.kept) * (weights + 0.5 * np.eye(m)[i])
    nodes = tableau.sum(axis=1)
    np.testing.assert_allclose([stage.node for stage in stages], nodes, atol=1e-15)
    embedded = weights - 0.5 * np.array([stage.error for stage in stages])

    def missed(b):
        return np.array([b.sum() - 1, b @ nodes - 1 / 2, b @ nodes**2 - 1 / 3, b @ tableau @ nodes - 1 / 6])

    held = {2: 2, 3: 4}[order]
    np.testing.assert_allclose(missed(weights)[:held], 0.0, atol=1e-15)
    np.testing.assert_allclose(missed(embedded)[:2], 0.0, atol=1e-15)
