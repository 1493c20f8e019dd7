"""A finished run that goes on: bitwise as if all times had been asked at once, whatever moves it."""

import shutil

import numpy as np
import pytest

from meanfield import FiniteVolume, FrozenFlow, Grid, Lagrangian, Normal, SemiLagrangian, Uniform, solve
from particles import (
    RK4,
    Adaptive,
    Diffusion,
    EulerMaruyama,
    PowerAttraction,
    RescaledTransformer,
    SelfAttention,
    open_store,
    resume,
    simulate,
)
from particles.errors import InvalidInput
from particles.files import Lock
from particles.store import extend

X = np.random.default_rng(0).standard_normal((6, 2))
MODEL = SelfAttention(np.eye(2), np.eye(2), -np.eye(2))
FIRST, MORE = [0.0, 0.3, 1.0], [1.2, 2.0, 2.5]
LINE = Grid([(-2, 2)], 24).measure(Normal(0.3, 0.1))
BOX = Grid([(-2, 2)], 24).measure(Uniform((-1, 1)))
SHRINK = SelfAttention(1.0, 1.0, -0.5)

RUNS = {
    "error control": lambda times, store: simulate(MODEL, X, times, Adaptive(), store=store),
    "fixed steps": lambda times, store: simulate(MODEL, X, times, RK4(0.07), store=store),
    "ensemble": lambda times, store: simulate(MODEL, np.stack([X, 2 * X]), times, store=store),
    "noise": lambda times, store: simulate(
        MODEL + Diffusion(0.1, dim=2), X, times, EulerMaruyama(0.07), rng=4, store=store
    ),
    "collisions": lambda times, store: simulate(PowerAttraction(1.0, dim=2), X, times, store=store),
    "a map": lambda times, store: simulate(
        RescaledTransformer(np.eye(2), np.eye(2), np.eye(2), 0.1), X, [round(10 * t) for t in times], store=store
    ),
    "finite volumes": lambda times, store: solve(SHRINK, LINE, times, FiniteVolume(), store=store),
    "semi-Lagrangian": lambda times, store: solve(SHRINK, LINE, times, SemiLagrangian(), store=store),
    "frozen flow": lambda times, store: solve(SHRINK, LINE, times, FrozenFlow(0.1), store=store),
    "a moving mesh": lambda times, store: solve(SHRINK, BOX, times, Lagrangian(nodes=2), store=store),
}


@pytest.mark.parametrize("run", RUNS)
def test_a_finished_run_goes_on_as_if_all_times_had_been_asked_at_once(run, tmp_path):
    store = tmp_path / "run.zarr"
    whole = RUNS[run](FIRST + MORE, None)
    RUNS[run](FIRST, store)
    more = [round(10 * t) for t in MORE] if run == "a map" else MORE
    found = resume(store, times=more)
    assert found.drop_attrs().identical(whole.drop_attrs())
    assert found.attrs["status"] == "completed"
    assert found.attrs["config"] == whole.attrs["config"]
    assert resume(store).identical(found)
    assert not [path for path in tmp_path.iterdir() if path != store]


def test_an_extended_run_that_stops_on_its_way_goes_on(tmp_path):
    store = tmp_path / "run.zarr"
    simulate(MODEL, X, FIRST, store=store)
    resume(store, times=MORE, stop=lambda t, ds: t >= 1.2)
    copy = tmp_path / "copy.zarr"
    shutil.copytree(store, copy)
    whole = simulate(MODEL, X, FIRST + MORE)
    assert resume(store).drop_attrs().identical(whole.drop_attrs())
    longer = simulate(MODEL, X, [*FIRST, *MORE, 3.0])
    assert resume(copy, times=[3.0]).drop_attrs().identical(longer.drop_attrs())


def test_a_run_killed_once_its_store_is_longer_goes_on(tmp_path):
    store = (tmp_path / "run.zarr").resolve()
    simulate(MODEL, X, FIRST, store=store)
    with Lock(store) as lock:
        extend(store, lock, np.array(MORE))
    assert open_store(store).sizes["time"] == len(FIRST)
    assert resume(store).drop_attrs().identical(simulate(MODEL, X, FIRST + MORE).drop_attrs())


@pytest.mark.parametrize(("times", "message"), [([0.5, 2.0], "later than the last"), ([2.0, 1.5], "increasing")])
def test_times_that_do_not_follow_are_refused_and_the_store_is_kept(times, message, tmp_path):
    store = tmp_path / "run.zarr"
    first = simulate(MODEL, X, FIRST, store=store)
    with pytest.raises(InvalidInput, match=message):
        resume(store, times=times)
    assert resume(store).identical(first)
