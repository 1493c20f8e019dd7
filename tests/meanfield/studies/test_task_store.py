"""The store of a study: few files, a killed driver, a second call, other calls, damage, links to nowhere."""

import contextlib
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from user_measures import draw, fails_at_two, slow, tiny

from meanfield.studies import sweep, task_store
from meanfield.studies.found import Found
from meanfield.studies.results import DONE, Outcome, Piece, record
from meanfield.studies.task_store import TaskStore
from particles.dataset import provenance
from particles.errors import Interrupted, StoreError
from particles.files import Lock

ROOT = Path(__file__).parents[3]


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_store_is_one_zarr_group_of_few_files(tmp_path):
    store = tmp_path / "s.zarr"
    ds = sweep(tiny, {"k": range(20)}, seeds=5, store=store)
    assert len(files(store)) <= 12
    with xr.open_zarr(store, consolidated=False) as found:
        np.testing.assert_array_equal(found["x"], ds["x"])
        np.testing.assert_array_equal(found["k"], range(20))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.zarr"]


@pytest.mark.slow
def test_ten_thousand_scalar_tasks_leave_fifty_files_at_most(tmp_path):
    sweep(tiny, {"k": range(100)}, seeds=100, store=tmp_path / "s.zarr")
    assert len(files(tmp_path)) <= 50


def test_a_finished_study_is_read_and_no_task_runs_again(tmp_path):
    calls = []

    def counted(*, k, rng):
        calls.append(k)
        return {"x": rng.random(3)}

    first = sweep(counted, {"k": [1, 2]}, seeds=2, store=tmp_path / "s")
    again = sweep(counted, {"k": [1, 2]}, seeds=2, store=tmp_path / "s")
    assert calls == [1, 1, 2, 2]
    assert first.identical(again)


def test_failed_tasks_keep_their_message_and_stay_open(tmp_path, monkeypatch):
    store = tmp_path / "s.zarr"
    call = {"over": {"n": [1, 2, 3]}, "seeds": 2, "store": store}
    ds = sweep(fails_at_two, **call)
    assert ds.attrs["status"].startswith("stopped: 2 of 6 tasks failed, the first: ValueError: two is too many")
    assert ds["status"].sel(n=2).values.tolist() == ["failed", "failed"]
    assert ds["message"].sel(n=2).values.tolist() == ["ValueError: two is too many"] * 2
    assert ds["x"].sel(n=2).isnull().all()
    assert len(files(store)) <= 16
    monkeypatch.setenv("FIXED", str(tmp_path))
    fixed = sweep(fails_at_two, **call)
    assert fixed.attrs["status"] == "completed"
    assert not (store / "tasks").exists()
    assert fixed.drop_attrs().identical(sweep(fails_at_two, call["over"], seeds=2).drop_attrs())


DRIVER = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from user_measures import slow
from meanfield.studies import processes, sweep
if __name__ == "__main__":
    sweep(slow, {{"k": range({tasks})}}, seeds=1, store={store!r}, executor={executor})
"""


def kill_a_driver(tmp_path, tasks, after, executor):
    """Run a study in a process of its own, and kill that once `after` tasks have left their records."""
    store, script = tmp_path / "s.zarr", tmp_path / "driver.py"
    script.write_text(
        DRIVER.format(tests=str(ROOT / "tests"), root=str(ROOT), tasks=tasks, store=str(store), executor=executor)
    )
    driver = subprocess.Popen([sys.executable, str(script)])
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and driver.poll() is None:
        if (store / "tasks").exists() and len(list((store / "tasks").glob("[0-9]*"))) >= after:
            break
        time.sleep(0.01)
    driver.send_signal(signal.SIGKILL)
    assert driver.wait() == -signal.SIGKILL
    return store


DASK = '__import__("distributed").Client(n_workers=2, threads_per_worker=1, dashboard_address=None).get_executor()'
LOKY = '__import__("loky").get_reusable_executor(2)'


@pytest.mark.parametrize(
    ("tasks", "after", "executor"),
    [
        (12, 4, "None"),
        pytest.param(300, 100, "processes(2)", marks=pytest.mark.slow, id="300-processes"),
        pytest.param(300, 100, DASK, marks=pytest.mark.slow, id="300-dask"),
        pytest.param(300, 100, LOKY, marks=pytest.mark.slow, id="300-loky"),
    ],
)
def test_a_killed_driver_and_a_second_call_give_the_undisturbed_result(tmp_path, tasks, after, executor):
    store = kill_a_driver(tmp_path, tasks, after, executor)
    done = []
    ds = sweep(slow, {"k": range(tasks)}, seeds=1, store=store, progress=lambda k, total: done.append(k))
    assert len(done) <= tasks - after
    with ThreadPoolExecutor(4) as pool:
        assert ds.drop_attrs().identical(sweep(slow, {"k": range(tasks)}, seeds=1, executor=pool).drop_attrs())


@pytest.mark.parametrize("change", [{"seeds": 3}, {"seed": 1}, {"over": {"beta": [1.0], "n": [3]}}])
def test_the_store_of_another_call_is_refused_and_kept(tmp_path, change):
    call = {"over": {"beta": [1.0], "n": [2]}, "seeds": 2, "seed": 0, "store": tmp_path / "s"}
    first = sweep(draw, **call)
    with pytest.raises(StoreError, match="holds the tasks of another call"):
        sweep(draw, **(call | change))
    assert sweep(draw, **call).identical(first)


def test_a_folder_of_something_else_is_refused_and_kept(tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(StoreError, match="holds no study of tasks"):
        sweep(tiny, {"k": [1]}, seeds=1, store=tmp_path)
    assert (tmp_path / "note.txt").read_text() == "mine"


def test_a_damaged_store_is_one_error_that_names_it(tmp_path):
    store = tmp_path / "s"
    sweep(tiny, {"k": [1, 2]}, seeds=1, store=store)
    chunk = next(path for path in files(store / "x") if path.name != "zarr.json")
    chunk.unlink()
    with pytest.raises(StoreError, match="is damaged"):
        sweep(tiny, {"k": [1, 2]}, seeds=1, store=store)


def test_a_damaged_record_is_a_task_that_runs_again(tmp_path, monkeypatch):
    store = kill_a_driver(tmp_path, 12, 4, "None")
    record = next((store / "tasks").glob("[0-9]*"))
    record.write_bytes(record.read_bytes()[:-2])
    ds = sweep(slow, {"k": range(12)}, seeds=1, store=store)
    assert ds.drop_attrs().identical(sweep(slow, {"k": range(12)}, seeds=1).drop_attrs())


def test_one_driver_at_a_time(tmp_path):
    with Lock((tmp_path / "s").resolve()), pytest.raises(StoreError, match="is being written by process"):
        sweep(tiny, {"k": [1]}, seeds=1, store=tmp_path / "s")


def test_records_are_put_into_few_files_while_a_study_runs_and_a_second_call_reads_them(tmp_path, monkeypatch):
    monkeypatch.setattr("meanfield.studies.task_store.LOOSE", 8)
    monkeypatch.setattr("meanfield.studies.perform.IN_FLIGHT", 8)
    store, call = tmp_path / "s.zarr", {"over": {"k": range(50)}, "seeds": 2}
    most = 0

    def watch(done, total):
        nonlocal most
        most = max(most, len(list((store / "tasks").glob("[0-9]*"))))
        if done == 60:
            raise KeyboardInterrupt

    with ThreadPoolExecutor(4) as pool, pytest.raises(Interrupted) as caught:
        sweep(tiny, **call, store=store, executor=pool, progress=watch)
    assert most <= 16
    assert len(list((store / "tasks").glob("batch-*"))) >= 4
    assert (caught.value.dataset["status"] == "done").sum() >= 60
    left = []
    ds = sweep(tiny, **call, store=store, progress=lambda done, total: left.append(done))
    assert len(left) <= 40
    assert ds.drop_attrs().identical(sweep(tiny, **call).drop_attrs())


def test_large_records_are_read_at_the_end_only(tmp_path, monkeypatch):
    monkeypatch.setattr("meanfield.studies.task_store.LOOSE", 4)
    monkeypatch.setattr("meanfield.studies.task_store.SMALL", 10)
    ds = sweep(draw, {"beta": [1.0, 2.0], "n": [2, 3, 4]}, seeds=3, store=tmp_path / "s.zarr")
    assert ds.drop_attrs().identical(sweep(draw, {"beta": [1.0, 2.0], "n": [2, 3, 4]}, seeds=3).drop_attrs())


def test_a_record_that_is_read_before_its_worker_tells_of_it_is_not_lost(tmp_path):
    made = provenance("studies.test", {}, "0")
    with contextlib.closing(TaskStore.open(tmp_path / "s.zarr", made)) as kept:
        found, outcome = Found((2,)), Outcome((1,), DONE, "", {"x": Piece((), np.array(1.0))})
        (kept.folder / "1").write_bytes(record(outcome))
        for known in kept.outcomes():
            found.add(known)
        assert list(kept.known(replace(outcome, pieces={}))) == []
        kept.read_rest(found)
        assert (1,) in found
        list(kept.known(Outcome((0,), DONE)))
        with pytest.raises(StoreError, match="records of 1 finished tasks are not in"):
            kept.read_rest(found)


def test_records_of_an_open_study_are_written_chunk_by_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr("meanfield.studies.task_store.CHUNK", 2000)
    call = {"over": {"n": range(1, 12)}, "seeds": 2, "store": tmp_path / "s.zarr"}
    assert sweep(fails_at_two, **call).attrs["status"].startswith("stopped: 2 of 22")
    assert len(files(tmp_path / "s.zarr" / "tasks" / "records")) > 2
    monkeypatch.setenv("FIXED", str(tmp_path))
    calls = []
    ds = sweep(fails_at_two, **call, progress=lambda done, total: calls.append(done))
    assert calls == [21, 22]
    assert ds.drop_attrs().identical(sweep(fails_at_two, call["over"], seeds=2).drop_attrs())


def test_a_store_that_cannot_be_put_in_its_place_leaves_no_half_beside_it(tmp_path, monkeypatch):
    def refuses(partial, place):
        assert partial.exists()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(task_store, "replace_folder", refuses)
    with pytest.raises(StoreError, match="cannot be written"):
        sweep(tiny, {"k": [1]}, seeds=2, store=tmp_path / "s.zarr")
    assert not [path.name for path in tmp_path.iterdir() if "partial" in path.name]
