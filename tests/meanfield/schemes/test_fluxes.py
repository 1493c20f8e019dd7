"""Fluxes keep the mass exactly and no cell negative, in slabs as in one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from user_fields import Prescribed

from meanfield import WENO, FiniteVolume, Grid, Upwind
from meanfield.schemes import finite_volume
from meanfield.schemes.fluxes import keep_positive
from meanfield.schemes.reconstruction import LIMITERS
from meanfield.schemes.steps import Span

SCHEMES = [Upwind(), Upwind(cfl=1.0), *(FiniteVolume(limiter=name) for name in LIMITERS), FiniteVolume(cfl=1.0), WENO()]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SCHEMES), st.integers(1, 3), st.booleans())
def test_mass_is_exact_and_no_cell_is_negative(seed, scheme, dim, noisy):
    rng = np.random.default_rng(seed)
    grid = Grid.from_edges([np.cumsum(rng.uniform(0.2, 1.0, rng.integers(4, 9))) for _ in range(dim)])
    masses = rng.random(grid.shape) ** 8 * (rng.random(grid.shape) < 0.6)
    masses.flat[0] += 1e-3
    masses /= masses.sum()
    M, b = rng.normal(size=(dim, dim)), rng.normal(size=dim)
    root = rng.normal(size=(dim, dim))
    model = Prescribed(dim, lambda t, x: np.sin(x @ M + b + t), root @ root.T if noisy else None)
    t, wanted = 0.0, np.inf
    for _ in range(5):
        moved = scheme.attempt(model, Span(t, wanted, 2.0 - t, 2.0), grid, masses)
        wanted = moved.courant if moved.h > moved.courant else np.inf
        assert (moved.masses >= 0).all()
        assert (moved.walls >= 0).all()
        t, masses = (t, masses) if moved.h > moved.courant else (t + moved.h, moved.masses)
        assert masses.sum() == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize("scheme", [Upwind(), FiniteVolume(limiter="mc"), WENO()], ids=["upwind", "muscl", "weno"])
@pytest.mark.parametrize("dim", [2, 3])
def test_fluxes_by_slabs_are_those_of_the_whole(scheme, dim, monkeypatch):
    rng = np.random.default_rng(0)
    grid = Grid.from_edges([np.cumsum(rng.uniform(0.5, 1.0, 12 + k)) for k in range(dim)])
    masses = rng.dirichlet(np.ones(int(np.prod(grid.shape)))).reshape(grid.shape)
    model = Prescribed(dim, lambda t, x: np.sin(x + x[:, ::-1]))
    span = Span(0.0, np.inf, 0.3, 0.3)
    whole = scheme.attempt(model, span, grid, masses)
    monkeypatch.setattr(finite_volume, "SLAB", 2 * masses.size // min(grid.shape))
    slabs = scheme.attempt(model, span, grid, masses)
    assert slabs.h == whole.h
    np.testing.assert_allclose(slabs.masses, whole.masses, atol=1e-15)


def test_a_mass_below_zero_by_rounding_loses_nothing_more():
    """It was divided by the flux of no mass, 0: a warning, and the flux 0 · ∞."""
    masses, fluxes = np.array([0.5, -1e-30, 0.5, -1e-30, 0.0]), [np.array([0.0, 0.0, 0.2, 0.0, 0.3, 0.0])]
    with np.errstate(all="raise"):
        keep_positive(fluxes, masses, 1.0, (None,))
    np.testing.assert_array_equal(fluxes[0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
