"""Every Dataset of a run, printed, fits a terminal of 24 lines and 80 columns; those of moving meshes one of 30."""

import textwrap
from dataclasses import dataclass

import numpy as np
import pytest
from user_fields import ToMean

from meanfield import (
    FiniteVolume,
    FrozenFlow,
    Grid,
    IgnoreTails,
    Lagrangian,
    Mixture,
    Normal,
    PeriodicFiniteVolume,
    SemiLagrangian,
    Uniform,
    solve,
)
from meanfield.analysis.frames import to_original
from particles import (
    Diffusion,
    Euler,
    EulerMaruyama,
    PowerAttraction,
    SelfAttention,
    Torus,
    VelocityField,
    open_store,
    simulate,
)

LINES, MESH_LINES, COLUMNS = 24, 30, 80


def printed(ds):
    # xarray writes a line of 81 at times, which takes two lines of the terminal.
    lines = [row for line in repr(ds).splitlines() for row in textwrap.wrap(line, COLUMNS) or [""]]
    most = MESH_LINES if "node" in ds else LINES
    assert len(lines) <= most, "\n".join(lines)
    assert {"config", "format", "frame", "status", "seed_entropy", "source", "history", "references"} <= set(ds.attrs)


def head(d):
    return SelfAttention(np.eye(d), np.eye(d), np.eye(d))


def cloud(*shape):
    return np.random.default_rng(0).normal(size=shape)


def box(d, n=8):
    return Grid([(-4, 4)] * d, (n,) * d)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize(
    "scheme", [FiniteVolume(), SemiLagrangian(), FrozenFlow(0.05)], ids=lambda scheme: type(scheme).__name__
)
def test_grids(scheme, d):
    mu = box(d).measure(Normal(np.zeros(d), 0.2 * np.eye(d)))
    printed(solve(head(d), mu, np.linspace(0, 0.01, 3), scheme, wall_tolerance=1.0, tails=IgnoreTails()))


@pytest.mark.parametrize("d", [1, 2, 3])
def test_moving_meshes(d, tmp_path):
    mu = box(d).measure(Uniform([(-1, 1)] * d))
    ds = solve(head(d).rescaled(), mu, [0, 0.1], Lagrangian(), store=tmp_path / "run.zarr")
    printed(ds)
    printed(open_store(tmp_path / "run.zarr"))
    printed(to_original(ds))


@pytest.mark.parametrize("d", [1, 2, 3])
def test_moving_meshes_of_several_pieces_and_of_cells(d):
    pieces = Mixture([Uniform([(-2, -1)] * d), Uniform([(1, 2)] * d)], [0.5, 0.5])
    for source in (pieces, lambda x: np.exp(-8 * (x**2).sum(axis=1))):
        printed(solve(head(d), box(d, 12 if d < 3 else 6).measure(source), [0, 0.1], Lagrangian()))


@dataclass(frozen=True)
class Drift(VelocityField):
    """x' = 1 on a torus."""

    dim: int = 1

    @property
    def space(self):
        return Torus((1.0,) * self.dim)

    def velocity(self, t, x, mu):
        return np.ones_like(x)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("scheme", [PeriodicFiniteVolume(), Lagrangian()], ids=["cells", "mesh"])
def test_periodic_grids(scheme, d):
    law = Uniform([(0.2, 0.6)] * d)
    printed(solve(Drift(d), Grid([(0, 1)] * d, (8,) * d).measure(law), [0, 0.1], scheme))


@pytest.mark.parametrize("d", [1, 2, 3, 20])
def test_tokens(d, tmp_path):
    times = np.linspace(0, 1, 3)
    printed(simulate(head(d), cloud(5, d), times, Euler(0.5)))
    printed(simulate(ToMean(1.0, dim=d) + Diffusion(0.1), cloud(5, d), times, EulerMaruyama(0.5), rng=0))
    printed(simulate(head(d), cloud(3, 5, d), times, Euler(0.5), store=tmp_path / "run.zarr"))
    printed(open_store(tmp_path / "run.zarr"))


def test_tokens_that_merge_and_those_that_are_watched():
    printed(simulate(PowerAttraction(1.0, dim=2), cloud(5, 2), [0, 1, 4]))
    wide = 0.1 * cloud(70, 70)
    printed(simulate(SelfAttention(wide, wide, wide), cloud(5, 70), [0, 1]))
