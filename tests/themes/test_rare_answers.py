"""Calls that are refused in places which few reach: the message has the value, what is allowed, and what to do."""

import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from oracles import transformers

from meanfield import (
    Grid,
    Lagrangian,
    Normal,
    PointMasses,
    Product,
    Ring,
    Uniform,
    Upwind,
    analysis,
    checkpoints,
    limits,
    measure_at,
    solve,
    wasserstein,
)
from meanfield.distances.plans import transport
from meanfield.measures import quadrature
from meanfield.measures.discs import Disc
from meanfield.solve import saved_measure
from meanfield.studies.constants import constants
from particles import (
    CausalAttention,
    ClusterCount,
    Diffusion,
    EmpiricalMeasure,
    SelfAttention,
    Sphere,
    SteadyState,
    Torus,
    Vicsek,
    simulate,
)
from particles.errors import DistanceTooLarge, InvalidInput, NotSupported, StoreError

I2 = np.eye(2)
NOISY = SelfAttention(1.0, 1.0, 1.0) + Diffusion(0.1)
SHEARED = SelfAttention(I2, I2, [[1.0, 1.0], [0.0, 2.0]])
GRID = Grid([(-2, 2)], (8,))
CLOUD = EmpiricalMeasure([[0.0], [1.0]])
RUN = simulate(SelfAttention(1.0, 1.0, -1.0), [[0.0], [1.0]], [0.0, 0.5])
LINE = solve(SelfAttention(1.0, 1.0, -1.0), GRID.measure(Uniform((-1, 1))), [0.0, 0.1], Upwind())
PLANE = Grid([(-1, 1)] * 2, (4, 4)).measure(Uniform([(-1, 1)] * 2))
ON_TORUS = EmpiricalMeasure(np.array([[0.1, 0.2], [0.3, 0.9]]))

REFUSED = {
    "clusters of a grid": (
        lambda: analysis.clusters.clusters(LINE, distance=0.1),
        InvalidInput,
        "no `position`: it holds density, .*; `simulate` moves tokens",
    ),
    "clusters of a moving mesh": (
        lambda: analysis.clusters.clusters(xr.Dataset({"node": ("x", [0.0])}), distance=0.1),
        InvalidInput,
        re.escape('; the nodes of a moving mesh stand for tokens in ds.rename(node="position", point="particle")'),
    ),
    "a short weak form": (
        lambda: analysis.diagnostics.weak_residual(RUN),
        InvalidInput,
        "at least 4 saved times, got 2: save more of them",
    ),
    "moments of a study": (
        lambda: analysis.diagnostics.mean(xr.Dataset({"x": ("time", [1.0])}, {"time": [0.0]})),
        InvalidInput,
        "neither `position` nor `density`",
    ),
    "a space too large": (
        lambda: wasserstein(ON_TORUS, ON_TORUS, ground=Torus((1.0, 1.0)), max_bytes=10.0),
        DistanceTooLarge,
        "an exact W_2 between 2 and 2 points on .* needs .* bytes, 10 are allowed: raise max_bytes",
    ),
    "a plan too large": (
        lambda: transport(ON_TORUS, ON_TORUS, max_bytes=10.0),
        DistanceTooLarge,
        r"an exact plan between 2 and 2 points needs .* bytes, 10 are allowed: use wasserstein_bracket",
    ),
    "a plan of densities on a torus": (
        lambda: transport(PLANE, ON_TORUS, ground=Torus((2.0, 2.0))),
        NotSupported,
        r"plans of densities are straight, not on .*: there is one of clouds, .* wasserstein\(mu, nu, ground=\.\.\.\)",
    ),
    "a measure of another grid": (
        lambda: Grid([(-2, 2)], (9,)).measure(GRID.measure(Uniform((-1, 1)))),
        InvalidInput,
        "lives on another grid: build it on this one",
    ),
    "a Dataset cut in space": (
        lambda: measure_at(LINE.isel(x1=slice(3)), 0.0),
        InvalidInput,
        "x1 has 3 cells and 9 edges: take the grid of the whole Dataset of solve",
    ),
    "bounds that are turned": (
        lambda: Uniform((1, 0)),
        InvalidInput,
        r"low < high along each axis, got \[\[1\.0, 0\.0\]\]",
    ),
    "the density of points": (
        lambda: PointMasses([[0.0]]).density([[0.0]]),
        NotSupported,
        "point masses have no density",
    ),
    "a covariance": (
        lambda: Normal([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]),
        InvalidInput,
        "covariance must be symmetric positive definite, got",
    ),
    "odd cells of a mesh": (
        lambda: solve(SelfAttention(1.0, 1.0, -1.0), GRID.measure(Uniform((-1, 1))), [0.0], Lagrangian(cells=[5])),
        InvalidInput,
        "cells",
    ),
    "a mesh of four axes": (
        lambda: solve(
            SelfAttention(*[np.eye(4)] * 3),
            Grid([(-1, 1)] * 4, (2,) * 4).measure(Uniform([(-1, 1)] * 4)),
            [0.0],
            Lagrangian(),
        ),
        NotSupported,
        "a material mesh has at most three axes, got 4: use simulate",
    ),
    "a ring in a product": (
        lambda: solve(
            SelfAttention(*[np.eye(3)] * 3),
            Grid([(-1, 1)] * 3, (4,) * 3).measure(Product([Ring([0.0, 0.0], 0.3, 0.9), Uniform((-1, 1))])),
            [0.0],
            Lagrangian(),
        ),
        NotSupported,
        "as a factor of a product has no mesh: give the density as a function",
    ),
    "parts of two dimensions": (
        lambda: quadrature.mixture_measure([CLOUD, ON_TORUS]),
        InvalidInput,
        r"parts that mix must have one dimension, got \[1, 2\]",
    ),
    "characteristics with noise": (
        lambda: quadrature.characteristics(
            SelfAttention(1.0, 1.0, 1.0) + Diffusion(0.1), Uniform((0, 1)), [0.0, 1.0], 4
        ),
        NotSupported,
        "with noise the density does not follow the characteristics: use solve on a grid",
    ),
    "a V of time in a frame": (
        lambda: SelfAttention(1.0, 1.0, lambda t: np.eye(1), A=np.eye(1)),
        NotSupported,
        "a moving frame needs a constant V, got a function of t",
    ),
    "much noise of angles": (
        lambda: replace(Vicsek(0.1, 0.1, 0.1), noise=7.0),
        InvalidInput,
        r"noise must lie in \[0, 2π\], the width of the angles that are added, got 7\.0",
    ),
    "a field of causal attention": (
        lambda: CausalAttention(1.0, 1.0, 1.0).divergence(0.0, [[0.0]], CLOUD),
        NotSupported,
        "what a token feels depends on its place in the sequence",
    ),
    "clusters of a solution": (
        lambda: ClusterCount(1, 0.1)(0.0, LINE.isel(time=[0])),
        InvalidInput,
        r"ClusterCount counts tokens, and the run has no `position`: give a function of \(t, ds\)",
    ),
    "a steady solution": (
        lambda: SteadyState(0.1)(0.0, LINE.isel(time=[0])),
        InvalidInput,
        "SteadyState asks for tokens, and the run has no `position`",
    ),
    "a steady map": (
        lambda: SteadyState(0.1)(0.0, simulate(Vicsek(0.1, 0.1, 0.1), [[0.1, 0.2, 0.0]], [0, 1], rng=0).isel(time=[0])),
        InvalidInput,
        "SteadyState asks for velocities, and Vicsek is a map: give a function",
    ),
    "the measure of a study": (
        lambda: saved_measure(xr.Dataset({"x": ("time", [1.0])}), 0),
        InvalidInput,
        "no `density` over `time`: it was not made by solve",
    ),
    "a frame that does not commute": (
        lambda: constants(SHEARED.in_frame(np.diag([0.0, 1.0])), 0.0, 1.0),
        NotSupported,
        "constants in a moving frame need a matrix A that commutes with V",
    ),
    "a row of asterisks": (
        lambda: limits.free_row_values([1.0, 2.0, 3.0], 0, [1 / 3] * 3, 1.0),
        InvalidInput,
        "needs other tokens with limits of both signs: `gamma` has one only",
    ),
    "a phase that is none": (
        lambda: limits.certify(RUN).continued([1.0]),
        InvalidInput,
        r"no leader phase is proved for this run \(.*\): integrate it instead",
    ),
    "a text that is not there": (lambda: checkpoints.tiny_reference(99), InvalidInput, "text must be in 0 … 3, got 99"),
    "the sphere of a line": (lambda: SelfAttention(1.0, 1.0, 1.0).on_sphere(), NotSupported, "on_sphere.* needs d ≥ 2"),
    "points off the sphere": (
        lambda: Sphere().check(np.array([[1.0, 0.1]])),
        InvalidInput,
        r"got \|x\[0\]\| = 1\.00498.*: divide each point by its norm",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_and_why(name):
    call, kind, words = REFUSED[name]
    with pytest.raises(kind, match=words):
        call()


def test_rare_answers_of_laws_and_measures():
    law = PointMasses([[0.0], [2.0]], [0.25, 0.75])
    assert repr(law) == "PointMasses([[0.0], [2.0]], [0.25, 0.75])"
    drawn = law.sample(4000, 0)
    assert set(drawn.ravel()) == {0.0, 2.0}
    assert (drawn == 2.0).mean() == pytest.approx(0.75, abs=0.03)
    assert repr(Ring([0.0, 1.0], 0.25, 0.5)) == "Ring([0.0, 1.0], 0.25, 0.5)"
    assert "0.5" in repr(Disc([0.0, 1.0], 0.5))
    assert (GRID == 3) is False
    np.testing.assert_array_equal(analysis.diagnostics.mass(LINE), [1.0, 1.0])
    ends = analysis.diagnostics.convex_hull(simulate(SelfAttention(1.0, 1.0, 1.0), [[0.5], [-1.0], [0.25]], [0.0]), 0)
    assert ends.tolist() == [[-1.0], [0.5]]


def test_theta_is_found_however_far_it_is():
    """One heavy token on one side: θ solves Σ w γ e^{θ γ} = 0 with |θ| beyond the first bracket."""
    w = np.array([0.2, 1e-9, 0.8 - 1e-9])
    theta, row = limits.free_row_values([0.0, 1.0, -1.0], 0, w, 2.0)
    assert theta == pytest.approx(np.log((0.8 - 1e-9) / 1e-9) / 4.0)
    assert row.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(row @ [0.0, 1.0, -1.0], 0.0, atol=1e-12)


def test_checkpoints_of_networks_and_null_heads(tmp_path):
    opened = checkpoints.open(transformers.Bert().save(tmp_path / "m"))
    with pytest.raises(InvalidInput, match=r"layer must be in 0 … 2, got 3|layer\.3"):
        opened.layer(3)
    network = opened.network()
    with pytest.raises(InvalidInput, match=r"must have one width, got \[12, 64\]|one width"):
        checkpoints.Network((network.layers[0], checkpoints.tiny_network().layer(0)))
    nulls = opened.null_heads(0)
    own = opened.heads()
    assert nulls.sizes == own.sizes
    for name in ("eigenvalue_real", "eigenvalue_imag"):
        np.testing.assert_allclose(np.sort(nulls[name]), np.sort(own[name]), atol=1e-9)
    assert not np.array_equal(nulls["attracting_margin"], own["attracting_margin"])


def test_two_arrays_of_one_name_are_a_damaged_file(tmp_path):
    np.savez(tmp_path / "m.npz", x=np.ones(2))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "m.npz", "a") as archive:
        archive.writestr("x.npy", archive.read("x.npy"))
    with pytest.raises(StoreError, match="damaged: it holds two arrays of the same name"):
        checkpoints.open(tmp_path / "m.npz")
