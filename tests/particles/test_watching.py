"""Observers of a run: what they are given, that they change no number, and where a condition ends a run."""

import numpy as np
import pytest
import xarray as xr

from meanfield import FiniteVolume, Grid, Normal, solve
from meanfield.analysis.diagnostics import mean
from particles import (
    RK4,
    Adaptive,
    Circle,
    ClusterCount,
    Cosine,
    Diffusion,
    EulerMaruyama,
    PairInteraction,
    SelfAttention,
    SteadyState,
    Torus,
    open_store,
    resume,
    simulate,
)
from particles.dataset import status_of
from particles.errors import InvalidInput, RunStopped
from particles.watching import snapshot

X = np.random.default_rng(0).standard_normal((6, 2))
DECAY = SelfAttention(np.zeros((2, 2)), np.zeros((2, 2)), -np.eye(2))
"""Every token moves by minus the mean of all."""

SHRINK = SelfAttention(np.zeros((1, 1)), np.zeros((1, 1)), [[-1.0]])
TIMES = np.linspace(0.0, 2.0, 5)


def spoil(t, ds):
    for name in ds.variables:
        if name != "time" and ds[name].dtype.kind == "f" and name not in ds.indexes:
            ds[name].values[...] = 7.0
    np.random.default_rng(0).standard_normal(3)


def spread(ds):
    x = ds["position"].values
    ds["position"].values[...] = np.nan
    return float(x.max() - x.min())


def test_observers_change_no_number_on_particles_and_grids():
    plain = simulate(DECAY, X, TIMES)
    watched = simulate(DECAY, X, TIMES, observables={"spread": spread}, callback=spoil, stop=lambda t, ds: False)
    assert watched.drop_vars("spread").drop_attrs().identical(plain.drop_attrs())
    noisy = simulate(DECAY + Diffusion(0.1, dim=2), X, TIMES, EulerMaruyama(0.1), rng=3)
    seen = simulate(DECAY + Diffusion(0.1, dim=2), X, TIMES, EulerMaruyama(0.1), rng=3, callback=spoil)
    np.testing.assert_array_equal(noisy["position"], seen["position"])
    start = Grid([(-2, 2)], 20).measure(Normal(0.5, 0.1))
    plain = solve(SHRINK, start, [0.0, 0.1, 0.2], FiniteVolume())
    seen = solve(SHRINK, start, [0.0, 0.1, 0.2], FiniteVolume(), callback=spoil)
    assert seen.drop_attrs().identical(plain.drop_attrs())


def test_observables_are_numbers_arrays_and_diagnostics_of_the_library():
    ds = simulate(DECAY, X, TIMES, observables={"m": mean, "first": lambda ds: ds["position"].values[0, 0], "n": len})
    np.testing.assert_allclose(ds["m"], mean(ds), rtol=1e-15)
    assert ds["m"].dims == mean(ds).dims
    np.testing.assert_array_equal(ds["first"], ds["position"][:, 0])
    assert ds["first"].dims == ("time", "first_index1")
    assert ds["n"].dims == ("time",)
    start = Grid([(-2, 2)], 20).measure(Normal(0.5, 0.1))
    grid = solve(SHRINK, start, [0.0, 0.1, 0.2], FiniteVolume(), observables={"m": mean})
    np.testing.assert_allclose(grid["m"], mean(grid), rtol=1e-15)


def test_a_callback_is_called_after_each_save_with_its_time():
    calls = []
    simulate(
        DECAY, X, TIMES, callback=lambda t, ds: calls.append((t, float(ds["time"].item()), dict(ds.sizes)["time"]))
    )
    assert calls == [(t, t, 1) for t in TIMES]


def test_a_condition_ends_a_run_and_is_located():
    # The mean decays as e^{-t}: it passes the half of its start at log 2.
    start = np.abs(X).mean() * np.ones((3, 1))
    half = 0.5 * start[0, 0]
    ds = simulate(SHRINK, start, TIMES, stop=lambda t, ds: float(ds["position"].mean()) < half)
    assert ds["time"].values.tolist() == [0.0, 0.5, 1.0]
    status = ds.attrs["status"]
    assert status.startswith("stopped at t = 1:")
    low, high = (float(part.split(" ")[0]) for part in status.split("t = ")[2:])
    assert low <= np.log(2.0) <= high
    assert high - low == pytest.approx(0.5 / 1024)


def test_a_condition_that_holds_at_the_start_leaves_one_save():
    ds = simulate(DECAY, X, TIMES, stop=lambda t, ds: True)
    assert ds.sizes["time"] == 1
    assert ds.attrs["status"].endswith("holds first at t = 0")


def test_a_condition_that_never_holds_is_named_by_the_status(tmp_path):
    never = SteadyState(1e-9)
    for store in (None, tmp_path / "run.zarr"):
        ds = simulate(SHRINK, np.ones((2, 1)), [0.0, 1.0], store=store, stop=never)
        assert ds.attrs["status"] == "completed at t = 1: SteadyState(speed=1e-09) held at no save"
        assert status_of(ds) == "completed"
    assert open_store(tmp_path / "run.zarr").attrs["status"] == ds.attrs["status"]
    assert resume(tmp_path / "run.zarr").attrs["status"] == ds.attrs["status"]
    assert resume(tmp_path / "run.zarr", times=[2.0]).attrs["status"] == "completed"


def test_a_steady_state_and_few_clusters_are_conditions():
    ds = simulate(SHRINK, np.ones((2, 1)), np.arange(20.0), stop=SteadyState(1e-3))
    # The speed is e^{-t}.
    assert ds["time"].values[-1] == np.ceil(np.log(1e3))
    assert "SteadyState(speed=0.001)" in ds.attrs["status"]
    runs = np.array([[[0.0], [1.0], [5.0]], [[0.0], [3.0], [3.1]]])
    model = SelfAttention(0.0, 0.0, -1.0)
    assert simulate(model, runs, [0.0, 0.1], stop=ClusterCount(2, 1.5)).sizes["time"] == 1
    assert simulate(model, runs, [0.0, 0.1], stop=ClusterCount(1, 1.5)).sizes["time"] == 2


@pytest.mark.parametrize("turn", [0.0, 1.0, np.pi])
def test_clusters_go_round_a_circle(turn):
    """Kuramoto's equation does not know where the angles begin to be counted: no answer may."""
    kuramoto = PairInteraction(Cosine(1.0), space=Circle())
    x0 = np.mod(np.array([[0.3], [-0.3]]) + turn, 2 * np.pi)
    ds = simulate(kuramoto, x0, np.linspace(0, 4, 9), RK4(0.1), stop=ClusterCount(1, 0.1))
    # tan(θ/2) falls like e^{−t} for the angle θ = 0.6 between two: 0.1 at t = 1.82.
    assert ds.time[-1] == 2.0
    torus = PairInteraction(Cosine(0.0), space=Torus((2 * np.pi, 5.0)))
    pair = np.column_stack([x0, [4.99, 0.01]])
    assert simulate(torus, pair, [0.0, 1.0], RK4(1.0), stop=ClusterCount(1, 0.61)).sizes["time"] == 1
    assert simulate(torus, pair, [0.0, 1.0], RK4(1.0), stop=ClusterCount(1, 0.6)).sizes["time"] == 2


def test_a_steady_state_of_a_model_that_no_config_holds_is_refused_by_name():
    spring = PairInteraction(lambda z: (z**2).sum(axis=1) / 2, lambda z: z, dim=2)
    with pytest.raises(RunStopped, match="SteadyState asks the config for the model, and none can hold model_W"):
        simulate(spring, X, TIMES, stop=SteadyState(1e-3))


def test_what_an_observer_raises_ends_the_run_with_what_it_had():
    def fails(t, ds):
        if t > 0.6:
            raise ZeroDivisionError("mine")

    with pytest.raises(
        RunStopped, match=r"stopped at t = 1: the callback failed at t = 1: ZeroDivisionError: mine"
    ) as e:
        simulate(DECAY, X, TIMES, callback=fails)
    assert e.value.dataset.sizes["time"] == 3


@pytest.mark.parametrize(
    ("observers", "message"),
    [
        ({"observables": [mean]}, "observables must be a dict"),
        ({"observables": {"m": 1.0}}, "must name functions"),
        ({"observables": {"position": mean}}, "as a variable of the run is"),
        ({"observables": {"m": lambda ds: "text"}}, "must be a number or an array"),
        ({"stop": 3.0}, r"stop must be a function of \(t, ds\)"),
        ({"callback": "x"}, "callback must be a function"),
    ],
)
def test_what_is_no_observer_is_refused(observers, message):
    with pytest.raises(InvalidInput, match=message):
        simulate(DECAY, X, TIMES, **observers)


def test_a_snapshot_has_the_time_of_its_save():
    caught = []
    simulate(DECAY, X, TIMES, RK4(0.1), callback=lambda t, ds: caught.append(ds))
    whole = simulate(DECAY, X, TIMES, RK4(0.1))
    joined = xr.concat(caught, "time", data_vars="minimal", coords="minimal", compat="override", join="exact")
    np.testing.assert_array_equal(joined["position"], whole["position"])
    assert callable(snapshot)


def test_observables_stand_in_the_store_and_a_resumed_run_asks_for_them(tmp_path):
    store = tmp_path / "run.zarr"
    given = {"observables": {"m": mean}}
    whole = simulate(DECAY, X, TIMES, Adaptive(), **given)
    simulate(DECAY, X, TIMES, Adaptive(), **given, store=store, stop=lambda t, ds: t >= 1.0)
    with pytest.raises(InvalidInput, match=r"the store holds the observables \['m'\], given are \[\]"):
        resume(store)
    assert resume(store, **given).drop_attrs().identical(whole.drop_attrs())


def growing(ds):
    """One number more at each save."""
    return np.ones(1 + round(2 * float(ds.time[0])))


@pytest.mark.parametrize("stored", [False, True])
def test_an_observable_that_no_dataset_can_hold_ends_the_run_and_not_what_it_had(tmp_path, stored):
    def place(name):
        return tmp_path / name if stored else None

    unfit = {
        "fewer": (
            lambda ds: ds.position.mean("component").isel(particle=slice(3)),
            "3 entries along 'particle'.* has 6",
        ),
        "other": (lambda ds: xr.DataArray(np.ones(4), dims="component"), "4 entries along 'component'.* has 2"),
        "empty": (lambda ds: np.zeros(0), "no entries"),
    }
    for name, (function, message) in unfit.items():
        with pytest.raises(InvalidInput, match=message):
            simulate(DECAY, X, TIMES, RK4(0.5), observables={name: function}, store=place(name))
        assert not (tmp_path / name).exists()
    with pytest.raises(RunStopped, match=r"'growing' has 2 entries along 'growing_index1' at t = 0\.5") as caught:
        simulate(DECAY, X, TIMES, RK4(0.5), observables={"growing": growing}, store=place("growing"))
    assert caught.value.dataset.growing.shape == (1, 1)
    # Two that share a dim share its size.
    shared = {"a": lambda ds: xr.DataArray(np.ones(3), dims="k"), "b": lambda ds: xr.DataArray(np.ones(4), dims="k")}
    with pytest.raises(InvalidInput, match="'b' has 4 entries along 'k'"):
        simulate(DECAY, X, TIMES, RK4(0.5), observables=shared, store=place("shared"))


def test_an_observable_has_its_size_also_when_the_run_goes_on(tmp_path):
    simulate(DECAY, X, TIMES, RK4(0.5), observables={"some": lambda ds: np.ones(3)}, store=tmp_path / "run")
    with pytest.raises(RunStopped, match="'some' has 2 entries along 'some_index1' at t = 3"):
        resume(tmp_path / "run", times=[3.0], observables={"some": lambda ds: np.ones(2)})
    assert resume(tmp_path / "run", observables={"some": lambda ds: np.ones(3)}).some.shape == (6, 3)
