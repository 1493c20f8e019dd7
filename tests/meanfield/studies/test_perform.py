"""Tasks on executors: the same bits on each, workers that are killed, and executors that cannot go on."""

import os
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from user_measures import always_kills, draw, killed_once, slow

from meanfield.studies import processes, sweep
from meanfield.studies.perform import Job, Task, performed
from particles.errors import NotSupported

HOSTED = pytest.mark.filterwarnings("ignore")
"""Dask and loky have warnings of their own."""


def same(a, b):
    return a.drop_attrs().identical(b.drop_attrs())


def plain(**more):
    return sweep(draw, {"beta": [0.5, 2.0], "n": [2, 5]}, seeds=2, seed=3, **more)


def spawned():
    return ProcessPoolExecutor(2, get_context("spawn"))


def test_threads_and_processes_change_no_bit():
    expected = plain()
    with ThreadPoolExecutor(3) as pool:
        assert same(plain(executor=pool), expected)
    with spawned() as pool:
        assert same(plain(executor=pool), expected)


@HOSTED
def test_loky_changes_no_bit(tmp_path):
    loky = pytest.importorskip("loky", reason="loky is not installed")
    assert same(plain(executor=loky.get_reusable_executor(1), store=tmp_path / "s.zarr"), plain())


def cluster(workers):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, scheduler_port=0
    )


@HOSTED
def test_dask_changes_no_bit(tmp_path):
    with cluster(1) as workers, workers.get_client() as client:
        assert same(plain(executor=client.get_executor(), store=tmp_path / "s.zarr"), plain())


def test_a_killed_worker_is_replaced_and_its_task_done_again(tmp_path):
    call = {"over": {"k": range(6), "folder": [str(tmp_path)]}, "seeds": 1}
    ds = sweep(killed_once, **call, executor=processes(1))
    assert (tmp_path / "killed").exists()
    assert same(ds, sweep(killed_once, **call))


def test_a_task_that_always_ends_its_worker_is_a_failed_task():
    ds = sweep(always_kills, {"k": [0, 1, 2]}, seeds=1, executor=processes(1))
    assert ds["status"].values.ravel().tolist() == ["done", "failed", "done"]
    assert "its worker process ended" in str(ds["message"].values[1, 0])


def test_a_pool_of_the_callers_is_not_replaced_and_what_is_done_is_kept(tmp_path):
    call = {"over": {"k": range(6), "folder": [str(tmp_path)]}, "seeds": 1, "store": tmp_path / "s.zarr"}
    with (
        ProcessPoolExecutor(1, get_context("spawn")) as pool,
        pytest.raises(NotSupported, match=r"a worker of the executor ended.*the same call with a new executor"),
    ):
        sweep(killed_once, **call, executor=pool)
    kept = [file.name for file in (tmp_path / "s.zarr" / "tasks").iterdir() if file.name[0].isdigit()]
    assert "0-0-0" in kept
    assert same(sweep(killed_once, **call), sweep(killed_once, call["over"], seeds=1))


def test_what_cannot_be_pickled_is_one_clear_error():
    class Here:
        def __call__(self, *, k, rng):
            return {"x": k}

    expected = sweep(Here(), {"k": [1.0]}, seeds=1)
    assert expected["x"].values.tolist() == [[1.0]]
    with ThreadPoolExecutor(1) as pool:
        assert same(sweep(Here(), {"k": [1.0]}, seeds=1, executor=pool), expected)
    with spawned() as pool, pytest.raises(NotSupported, match=r"cannot run a task.*define functions and classes"):
        sweep(Here(), {"k": [1.0]}, seeds=1, executor=pool)


def test_tasks_are_made_when_the_executor_has_room(monkeypatch):
    """A study of many tasks holds few of them, whatever it sends them to."""
    monkeypatch.setattr("meanfield.studies.perform.IN_FLIGHT", 4)
    made, ahead, done = 0, [], 0

    def tasks():
        nonlocal made
        for k in range(50):
            made += 1
            yield Task((k,), {})

    with ThreadPoolExecutor(2) as pool:
        for _ in performed(Job(lambda place, given: {"x": 0.0}, frozenset(), None), tasks(), pool):
            done += 1
            ahead.append(made - done)
    assert (made, done) == (50, 50)
    assert max(ahead) <= 4


def undisturbed(tasks):
    with ThreadPoolExecutor(4) as pool:
        return sweep(slow, {"k": range(tasks)}, seeds=1, executor=pool)


@pytest.mark.slow
@HOSTED
def test_300_tasks_on_dask_with_a_worker_killed(tmp_path):
    with cluster(2) as workers, workers.get_client() as client:
        pids = list(client.run(os.getpid).values())

        def kill(done, total):
            if done == 60:
                os.kill(pids[0], signal.SIGKILL)

        call = {"seeds": 1, "store": tmp_path / "s.zarr", "executor": client.get_executor(), "progress": kill}
        ds = sweep(slow, {"k": range(300)}, **call)
    assert same(ds, undisturbed(300))


@pytest.mark.slow
@HOSTED
def test_300_tasks_on_loky_with_a_worker_killed(tmp_path):
    loky = pytest.importorskip("loky", reason="loky is not installed")
    killed = []

    def kill(done, total):
        if done == 60 and not killed:
            killed.append(next(iter(loky.get_reusable_executor(2)._processes)))
            os.kill(killed[0], signal.SIGKILL)

    def make():
        return loky.get_reusable_executor(2)

    ds = sweep(slow, {"k": range(300)}, seeds=1, executor=make, progress=kill, store=tmp_path / "s.zarr")
    assert killed
    assert same(ds, undisturbed(300))
    assert np.isfinite(ds["x"]).all()


def test_a_pool_of_the_callers_stays_open():
    with ThreadPoolExecutor(1) as pool:
        assert same(plain(executor=pool), plain())
        assert pool.submit(int).result() == 0
