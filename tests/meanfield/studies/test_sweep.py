"""Sweeps: one Dataset with dims in order, streams by a public rule, arguments checked before anything runs."""

import sys
import threading
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr
from user_measures import draw, ragged, series, tiny

from meanfield.studies import perform, stream, sweep
from meanfield.studies.results import OPEN
from particles import RK4, SelfAttention, simulate, write_netcdf
from particles.errors import Interrupted, InvalidInput


def test_dims_coordinates_and_values_are_those_of_a_loop():
    betas, sizes = np.linspace(0.0, 2.0, 3), [4, 2]
    ds = sweep(draw, over={"beta": betas, "n": sizes}, seeds=2, seed=9)
    assert ds["mean"].dims == ("beta", "n", "seed")
    assert ds["largest"].dims == ("beta", "n", "seed", "largest_index")
    assert list(ds.sizes)[:3] == ["beta", "n", "seed"]
    np.testing.assert_array_equal(ds["n"], sizes)
    for i, beta in enumerate(betas):
        for j, n in enumerate(sizes):
            for s in range(2):
                rng = np.random.default_rng(np.random.SeedSequence(9, spawn_key=(i, j, s)))
                expected = draw(beta=float(beta), n=n, rng=rng)
                assert float(ds["mean"][i, j, s]) == expected["mean"]
                np.testing.assert_array_equal(ds["largest"][i, j, s], expected["largest"])
    assert ds["n_squared"].dtype == np.int64
    assert (ds["status"] == "done").all()
    assert ds.attrs["status"] == "completed"
    assert ds.attrs["seed_entropy"] == "9"


def test_streams_follow_the_public_rule_and_can_be_common():
    assert (
        stream(3, (1, 0), 2).random() == np.random.default_rng(np.random.SeedSequence(3, spawn_key=(1, 0, 2))).random()
    )
    call = {"over": {"beta": [1.0, 1.5], "n": [3]}, "seeds": 2, "seed": 1}
    own, common = sweep(draw, **call), sweep(draw, **call, common_random_numbers=True)
    np.testing.assert_allclose(common["mean"][1], 1.5 * common["mean"][0], rtol=1e-14)
    assert not np.isclose(own["mean"][1], 1.5 * own["mean"][0]).any()
    assert len(np.unique(own["mean"])) == 4


def test_values_added_at_the_end_of_an_axis_change_no_number():
    short = sweep(draw, {"beta": [1.0], "n": [3]}, seeds=2)
    long = sweep(draw, {"beta": [1.0, 2.0], "n": [3, 4]}, seeds=3)
    np.testing.assert_array_equal(long["mean"][:1, :1, :2], short["mean"])


def test_a_dataset_is_a_result_with_dims_of_its_own():
    ds = sweep(series, {"beta": [0.0, 1.0]}, seeds=1)
    assert ds["y"].dims == ("beta", "seed", "time")
    np.testing.assert_array_equal(ds["y"].sel(beta=1.0, seed=0), np.exp(-ds["time"]))


def test_a_run_of_the_library_is_a_result():
    def run(*, beta, rng):
        return simulate(SelfAttention(beta, 1.0, 1.0), rng.standard_normal((5, 1)), [0.0, 0.1], RK4(0.1))

    ds = sweep(run, {"beta": [0.5, 1.0]}, seeds=2)
    assert ds["position"].dims == ("beta", "seed", "time", "particle", "component")
    rng = stream(0, (1,), 0)
    expected = simulate(SelfAttention(1.0, 1.0, 1.0), rng.standard_normal((5, 1)), [0.0, 0.1], RK4(0.1))
    np.testing.assert_array_equal(ds["position"][1, 0], expected["position"])


def test_ragged_results_are_padded_and_the_dataset_goes_into_a_file(tmp_path):
    ds = sweep(ragged, {"n": [1, 3]}, seeds=1)
    np.testing.assert_array_equal(ds["x"][:, 0], [[1.5, np.nan, np.nan], [1.5, 2.5, 3.5]])
    assert ds["x_count"].values.tolist() == [[1], [3]]
    assert write_netcdf(ds, tmp_path / "s.nc").exists()


def test_text_and_objects_are_parameters():
    def kind(*, name, model, rng):
        return {"length": len(name), "V": float(model.V[0, 0])}

    models = [SelfAttention(1.0, 1.0, 2.0), SelfAttention(1.0, 1.0, 3.0)]
    ds = sweep(kind, {"name": ["a", "bcd"], "model": models}, seeds=1)
    assert ds["length"].sel(name="bcd").values.tolist() == [[3], [3]]
    assert ds["V"][0, :, 0].values.tolist() == [2.0, 3.0]


def test_no_seed_axis_values_are_given_to_the_function_and_progress_is_reported():
    calls = []
    sweep(lambda rng: {"x": 1.0}, {}, seeds=3, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_an_interruption_carries_what_is_done():
    def until_two(*, k, rng):
        if k == 2:
            raise KeyboardInterrupt
        return {"x": float(k)}

    with pytest.raises(Interrupted) as caught:
        sweep(until_two, {"k": [0, 1, 2, 3]}, seeds=1)
    ds = caught.value.dataset
    np.testing.assert_array_equal(ds["x"][:, 0], [0.0, 1.0, np.nan, np.nan])
    assert ds["status"].values[2:, 0].tolist() == [OPEN, OPEN]
    assert ds.attrs["status"].startswith("interrupted")


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ([1, 2], "over must be a dict"),
        ({"rng": [1]}, "none of rng, seed"),
        ({"not a name": [1]}, "over must name parameters"),
        ({"beta": "abc", "n": [1]}, "must be a list of values"),
        ({"beta": 1.0, "n": [1]}, "must be a list of values"),
        ({"beta": [], "n": [1]}, "at least one value"),
        ({"beta": [np.nan], "n": [1]}, "holds NaN"),
        ({"beta": [1.0, 1.0], "n": [1]}, "a value twice"),
        ({"beta": [np.eye(2), np.eye(2)], "n": [1]}, "look the array up in measure"),
        ({"beta": [[1.0, 2.0], [3.0]], "n": [1]}, "look the array up in measure"),
        ({"gamma": [1.0]}, r"measure must take the arguments \(gamma=..., rng=...\)"),
    ],
)
def test_wrong_points_are_refused_before_anything_runs(over, message):
    with pytest.raises(InvalidInput, match=message):
        sweep(draw, over)


def misshapen(*, n, rng):
    return {"x": np.ones(n) if n < 3 else np.ones((n, 2)), "y": n}


def exits(*, n, rng):
    if n == 2:
        sys.exit("enough")
    return {"x": n}


def test_one_result_of_another_kind_loses_no_other(tmp_path):
    for store in (None, tmp_path / "s.zarr", tmp_path / "s.zarr"):
        ds = sweep(misshapen, {"n": [1, 2, 3]}, seeds=1, store=store)
        assert ds["status"][:, 0].values.tolist() == ["done", "done", "failed"]
        assert ds["y"][:2, 0].values.tolist() == [1, 2]
        assert ds.attrs["status"].startswith("stopped: 1 of 3 tasks failed")


def test_a_task_that_ends_its_process_has_failed():
    with ThreadPoolExecutor(1) as pool:
        for executor in (None, pool):
            ds = sweep(exits, {"n": [1, 2, 3]}, seeds=1, executor=executor)
            assert ds["message"][:, 0].values.tolist() == ["", "SystemExit: enough", ""]
            assert ds["x"][::2, 0].values.tolist() == [1, 3]


def test_axes_are_lists_arrays_ranges_and_dataarrays():
    for values in ([0, 1], np.array([0, 1]), range(2), xr.DataArray([0, 1], dims="q"), (i for i in (0, 1))):
        ds = sweep(tiny, {"k": values}, seeds=1)
        assert ds["x"].values.tolist() == [[0.0], [1.0]]
        assert ds["k"].dtype == np.int64


class Counting(Executor):
    """Runs a task when its future is asked for the next one, and counts how many are open."""

    def __init__(self):
        self.open, self.most, self.lock = 0, 0, threading.Lock()
        self.pool = ThreadPoolExecutor(1)

    def submit(self, fn, /, *args, **kwargs):
        with self.lock:
            self.open += 1
            self.most = max(self.most, self.open)
        future = self.pool.submit(fn, *args, **kwargs)
        future.add_done_callback(self.ended)
        return future

    def ended(self, future):
        with self.lock:
            self.open -= 1


def test_a_huge_sweep_gives_the_executor_a_bounded_number_of_futures(monkeypatch):
    monkeypatch.setattr(perform, "IN_FLIGHT", 50)
    executor = Counting()
    ds = sweep(tiny, {"k": range(1000)}, seeds=1, executor=executor)
    assert ds.attrs["status"] == "completed"
    assert executor.most <= 50
