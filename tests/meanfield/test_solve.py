"""The public function of the grid layer: the Dataset, refusals, stops with partial results, resume."""

import numpy as np
import pytest
import xarray as xr

from meanfield import WENO, FiniteVolume, Grid, IgnoreTails, Normal, Uniform, solve
from meanfield.measures.grid import grid_of
from meanfield.solve import saved_measure
from particles import DiscreteMap, EmpiricalMeasure, SelfAttention, Sphere, VelocityField, resume, write_netcdf
from particles.errors import InvalidInput, NotSupported, RunStopped, StoreError

MODEL = SelfAttention(1, 1, -1)
GRID = Grid([(-6, 6)], 96)
GAUSS = GRID.measure(Normal(0.1, 0.5))


def test_dataset_of_a_plane_run(tmp_path):
    grid = Grid([(-4, 4), (-3, 3)], (12, 10))
    ds = solve(
        SelfAttention(np.eye(2), np.eye(2), -np.eye(2)), grid.measure(Normal([0, 0], 0.4 * np.eye(2))), [0, 0.1, 0.3]
    )
    assert ds.density.dims == ("time", "x1", "x2")
    np.testing.assert_array_equal(ds.x1, grid.centres[0])
    np.testing.assert_allclose((ds.density * grid_of(ds).cell_volumes).sum(["x1", "x2"]), 1.0, atol=1e-14)
    assert float(ds.density.min()) >= 0
    assert ds.attrs["status"] == "completed"
    assert ds.attrs["frame"] == "original"
    assert all({"long_name", "units"} <= set(ds[v].attrs) for v in ds.data_vars)
    write_netcdf(ds, tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc") as back:
        assert grid_of(back) == grid
        np.testing.assert_array_equal(saved_measure(back, 2).density, saved_measure(ds, 2).density)


def test_gaussian_closure_through_the_door():
    """V = −1: S(t) = (1/S0 + 2t)^(−1), m(t) = e^(−t)(1 + 2t S0)^(−1/2) m0."""
    ds = solve(MODEL, GAUSS, [0.0, 0.5, 1.0], WENO())
    for k, t in enumerate(ds.time.values):
        mu = saved_measure(ds, k)
        assert mu.mean()[0] == pytest.approx(np.exp(-t) / np.sqrt(1 + t) * 0.1, abs=2e-6)
        assert mu.covariance()[0, 0] == pytest.approx(1 / (2 + 2 * t) + GRID.cell_volume**2 / 12, abs=4e-5)


def test_grid_and_particles_agree_on_a_sum_of_two_heads():
    heads = SelfAttention(1, 1, -0.5) + SelfAttention(2, 0.4, -0.3)
    one = SelfAttention(1, 1, -1)
    both = SelfAttention(1, 1, -0.5) + SelfAttention(1, 1, -0.5)
    np.testing.assert_allclose(solve(both, GAUSS, [0, 0.5]).density, solve(one, GAUSS, [0, 0.5]).density, atol=1e-13)
    ds = solve(heads, GAUSS, [0.0, 0.5])
    assert float(ds.density[-1].max()) > float(ds.density[0].max())


class Causal(VelocityField):
    dim = 1
    exchangeable = False

    def velocity(self, t, x, mu):
        return x


class OnBall(VelocityField):
    dim = 1
    space = Sphere()

    def velocity(self, t, x, mu):
        return x


class Map(DiscreteMap):
    dim = 1

    def step(self, k, x, w, rng):
        return x


class Poisoned(VelocityField):
    dim = 1

    def velocity(self, t, x, mu):
        return np.where(x > 1, np.nan if t > 0.2 else 0.0, -x)


@pytest.mark.parametrize(
    ("model", "reason"),
    [(Causal(), "order of the tokens"), (OnBall(), "no axes along the unit sphere"), (Map(), "discrete time")],
)
def test_models_without_a_continuity_equation_are_refused(model, reason):
    with pytest.raises(NotSupported, match=reason):
        solve(model, GAUSS, [0, 1])


class Flat(VelocityField):
    dim = 1

    def velocity(self, t, x, mu):
        return x[:, 0]


def test_scores_that_overflow_stop_the_run_and_say_when():
    with pytest.raises(RunStopped, match=r"overflow.* at t = ") as caught:
        solve(SelfAttention(1e150, 1e150, 1).rescaled(), GAUSS, [0, 20.0], tails=IgnoreTails())
    assert 7 < caught.value.time < 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: solve(SelfAttention(np.eye(2), np.eye(2), np.eye(2)), GAUSS, [0, 1]), "dimension 2"),
        (lambda: solve(MODEL, EmpiricalMeasure([0.0]), [0, 1]), "grid.measure"),
        (lambda: solve(MODEL, GAUSS, [0, 0]), "increasing"),
        (lambda: solve(MODEL, GAUSS, [0, 1], "muscl"), "scheme"),
        (lambda: solve(Flat(), GAUSS, [0, 1]), "shape"),
        (lambda: solve("attention", GAUSS, [0, 1]), "VelocityField"),
        (lambda: solve(MODEL, GAUSS, [0, 1], wall_tolerance=0), "wall_tolerance"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


def test_too_small_a_box_stops_with_time_side_and_partial_result():
    grid = Grid([(-2, 1.2)], 64)
    with pytest.raises(RunStopped, match=r"upper wall of x1 at 1\.2") as caught:
        solve(SelfAttention(1, 1, 1), grid.measure(Uniform((-1, 1))), np.linspace(0, 1, 11), FiniteVolume())
    ds = caught.value.dataset
    assert 0 < caught.value.time < 1
    assert 1 <= ds.sizes["time"] < 11
    assert "stopped" in ds.attrs["status"]
    np.testing.assert_allclose((ds.density * grid_of(ds).cell_volumes).sum(["x1"]), 1.0, atol=1e-14)


def test_wall_mass_below_the_tolerance_is_recorded():
    grid = Grid([(-2, 1.2)], 64)
    ds = solve(SelfAttention(1, 1, 1), grid.measure(Uniform((-1, 1))), [0.0, 0.3], FiniteVolume(), wall_tolerance=1.0)
    assert ds.wall_mass.dims == ("time", "component", "end")
    assert float(ds.wall_mass[-1, 0, 1]) > 0
    assert float(ds.wall_mass[-1, 0, 0]) < 1e-12


def test_nan_from_a_users_model_stops_with_partial_result():
    with pytest.raises(RunStopped, match=r"velocity component 0 is nan .* at t = ") as caught:
        solve(Poisoned(), GAUSS, [0, 0.1, 0.2, 0.4])
    assert caught.value.dataset.sizes["time"] == 3


def test_an_interrupted_run_resumes_bitwise(tmp_path):
    times = np.linspace(0, 0.5, 6)
    grid = Grid.from_edges([np.linspace(-6, 6, 50) + 0.05 * np.sin(np.arange(50))])
    mu = grid.measure(Normal(0.1, 0.5))
    whole = solve(MODEL, mu, times, FiniteVolume(limiter="mc"))

    class Killed(Exception):
        pass

    calls = 0
    advance = FiniteVolume.attempt

    def dying(self, *args):
        nonlocal calls
        calls += 1
        if calls > 8:
            raise Killed
        return advance(self, *args)

    FiniteVolume.attempt = dying
    try:
        with pytest.raises(Killed):
            solve(MODEL, mu, times, FiniteVolume(limiter="mc"), store=tmp_path / "run.zarr")
    finally:
        FiniteVolume.attempt = advance
    resumed = resume(tmp_path / "run.zarr")
    assert resumed.attrs["status"] == "completed"
    np.testing.assert_array_equal(resumed.density, whole.density)
    np.testing.assert_array_equal(resumed.wall_mass, whole.wall_mass)
    with pytest.raises(StoreError, match="exists"):
        solve(MODEL, mu, times, store=tmp_path / "run.zarr")


def test_an_existing_store_is_refused_before_anything_is_computed(tmp_path, monkeypatch):
    solve(MODEL, GAUSS, [0.0], store=tmp_path / "run.zarr")
    monkeypatch.setattr(WENO, "start", lambda *_: pytest.fail("computed"))
    with pytest.raises(StoreError, match="exists"):
        solve(MODEL, GAUSS, [0.0, 1.0], WENO(), store=tmp_path / "run.zarr")
