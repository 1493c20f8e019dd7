"""A run that was killed, stopped or interrupted goes on bitwise as if it had not been."""

import json
import multiprocessing
import os
import signal
import socket
import sys
import time

import numpy as np
import pytest
from user_fields import Burst, LinearAttention, NoisyPull, PressedCtrlC, PressedCtrlCQuietly

from particles import RK4, Adaptive, EulerMaruyama, LogAttraction, SelfAttention, open_store, resume, simulate
from particles.errors import Interrupted, InvalidInput, RunStopped, StoreError
from particles.store import ZarrRecorder, read_commit

I2 = np.eye(2)
SAVES = np.linspace(0, 4, 501)


def start(case, store=None):
    """One of the runs that get killed."""
    rng = np.random.default_rng(1)
    turn = LinearAttention(np.array([[-0.2, -3.0], [3.0, -0.2]]), np.eye(2))
    if case == "Adaptive":
        return simulate(turn, rng.standard_normal((3, 30, 2)), SAVES, Adaptive(1e-7, 1e-9), store=store)
    if case == "RK4":
        return simulate(turn, rng.standard_normal((30, 2)), SAVES, RK4(0.004), store=store)
    if case == "EulerMaruyama":
        return simulate(NoisyPull(), rng.standard_normal((2, 30, 2)), SAVES, EulerMaruyama(0.004), rng=7, store=store)
    if case == "collisions":
        return simulate(LogAttraction(0.5), rng.uniform(-1, 1, (2, 12, 2)), SAVES, Adaptive(1e-7, 1e-9), store=store)
    heads = SelfAttention(np.ones((1, 2)), np.ones((1, 2)), I2) + SelfAttention(I2, I2, -0.5 * I2)
    return simulate(heads.in_frame(I2), rng.standard_normal((30, 2)), SAVES, Adaptive(1e-9, 1e-10), store=store)


def child(function, *arguments):
    """What runs in the process that is killed."""
    # The bars of tqdm hold a semaphore; made this way it leaves nothing behind when its process is killed.
    multiprocessing.set_start_method("fork", force=True)
    function(*arguments)


def process_of(function, *arguments):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fields", "particles"])
    return context.Process(target=child, args=(function, *arguments), daemon=True)


def wait_for(store, saved, process):
    """Until that many times are committed; false where the run ended before."""
    while process.is_alive():
        if store.exists() and read_commit(store).saved >= saved:
            return True
        time.sleep(0.0005)
    return False


def kill_again_and_again(case, store, kills, seed):
    """Start a run in a process of its own and SIGKILL it; resume it in another and kill that; the number of kills."""
    rng, done = np.random.default_rng(seed), 0
    for _ in range(kills):
        saved = read_commit(store).saved if store.exists() else 0
        process = process_of(resume, store) if store.exists() else process_of(start, case, store)
        process.start()
        if wait_for(store, saved + rng.integers(1, 10), process):
            time.sleep(rng.uniform(0, 0.005))
            process.kill()
            done += 1
        process.join()
        partial, commit = open_store(store), read_commit(store)
        assert partial.sizes["time"] == commit.saved
        assert np.isfinite(partial.position.values).all()
    return done


def check_killed_run(case, tmp_path, kills, seed):
    store = tmp_path / "run.zarr"
    assert kill_again_and_again(case, store, kills, seed) == kills
    assert read_commit(store).status == "running"
    whole = start(case)
    resumed = resume(store)
    assert resumed.position.values.tobytes() == whole.position.values.tobytes()
    assert whole.identical(resumed.load().assign_attrs(history=whole.attrs["history"]))


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
@pytest.mark.parametrize("case", ["Adaptive", "RK4", "EulerMaruyama"])
def test_a_run_killed_twice_ends_bitwise_as_if_never_killed(case, tmp_path):
    check_killed_run(case, tmp_path, kills=2, seed=len(case))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
@pytest.mark.parametrize("case", ["Adaptive", "RK4", "EulerMaruyama", "attention", "collisions"])
def test_a_run_killed_ten_times_ends_bitwise_as_if_never_killed(case, tmp_path):
    check_killed_run(case, tmp_path, kills=10, seed=len(case))


@pytest.mark.slow
def dying_at_birth(store):
    """A run that is killed when the first record is to be written."""
    ZarrRecorder.save = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
    start("RK4", store)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_the_next_run_removes_what_a_killed_one_left_and_nothing_else(tmp_path):
    store = tmp_path / "run.zarr"
    process = process_of(dying_at_birth, store)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".run.zarr.")
    living = left.with_name(f".run.zarr.{socket.gethostname()}.{os.getppid()}.0123abcd")
    elsewhere = left.with_name(left.name.replace(socket.gethostname(), "another-machine"))
    other = left.with_name(left.name.replace("run.zarr", "run2.zarr"))
    for kept in (living, elsewhere, other):
        kept.mkdir()
    simulate(SelfAttention(I2, I2, -I2), np.eye(2), [0, 0.1], store=store)
    assert sorted(tmp_path.iterdir()) == sorted([living, elsewhere, other, store])


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_run_killed_at_its_birth_leaves_a_whole_store_or_none(tmp_path):
    rng = np.random.default_rng(3)
    for i in range(20):
        store = tmp_path / f"{i}.zarr"
        process = process_of(start, "RK4", store)
        process.start()
        time.sleep(rng.uniform(0, 0.25))
        process.kill()
        process.join()
        if store.exists():
            assert read_commit(store).saved >= 1
            assert np.isfinite(open_store(store).position.values).all()
        else:
            with pytest.raises(StoreError, match="no store of a run"):
                resume(store)


X = np.random.default_rng(2).standard_normal((6, 2))


@pytest.mark.parametrize(
    ("kind", "method"),
    [(PressedCtrlC, EulerMaruyama(0.05)), (PressedCtrlCQuietly, Adaptive()), (PressedCtrlCQuietly, RK4(0.05))],
    ids=["EulerMaruyama", "Adaptive", "RK4"],
)
@pytest.mark.parametrize("stored", [False, True])
def test_ctrl_c_keeps_what_is_done(kind, method, stored, tmp_path):
    model, times = kind(at=2.6), [0, 1, 2, 3, 4]
    whole = simulate(model, X, times, method, rng=1)
    store = tmp_path / "run.zarr" if stored else None
    PressedCtrlC.armed.append(True)
    with pytest.raises(KeyboardInterrupt) as caught:
        simulate(model, X, times, method, rng=1, store=store)
    assert isinstance(caught.value, Interrupted)
    ds = caught.value.dataset
    assert ds.attrs["status"] == "interrupted between t = 2 and t = 3"
    assert ds.time.values.tolist() == [0, 1, 2]
    assert (ds.position.values == whole.position.values[:3]).all()
    if stored:
        assert open_store(store).identical(ds)
        resumed = resume(store)
        assert resumed.attrs["status"] == "completed"
        assert resumed.position.values.tobytes() == whole.position.values.tobytes()


@pytest.mark.parametrize("method", [Adaptive(1e-6, 1e-8), RK4(0.02)], ids=["Adaptive", "RK4"])
def test_tokens_that_met_before_the_interruption_stay_together_after_it(method, tmp_path):
    model, times = LogAttraction(1.0) + PressedCtrlCQuietly(at=0.45), np.linspace(0, 2, 41)
    x0 = np.random.default_rng(4).uniform(-1, 1, (8, 2))
    whole = simulate(model, x0, times, method)
    PressedCtrlC.armed.append(True)
    with pytest.raises(KeyboardInterrupt) as caught:
        simulate(model, x0, times, method, store=tmp_path / "run.zarr")
    met = len(set(caught.value.dataset.group.values[-1]))
    assert 1 < met < 8
    resumed = resume(tmp_path / "run.zarr").load()
    assert len(set(resumed.group.values[-1])) == 1
    assert whole.identical(resumed.assign_attrs(history=whole.attrs["history"]))


@pytest.mark.parametrize("bits", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_the_state_of_every_generator_survives(bits, tmp_path):
    def generator():
        return np.random.Generator(getattr(np.random, bits)(12))

    model, times = PressedCtrlC(at=1.0), np.linspace(0, 2, 9)
    whole = simulate(model, X[:3], times, EulerMaruyama(0.25), rng=generator())
    PressedCtrlC.armed.append(True)
    with pytest.raises(KeyboardInterrupt):
        simulate(model, X[:3], times, EulerMaruyama(0.25), rng=generator(), store=tmp_path / "run.zarr")
    assert resume(tmp_path / "run.zarr").position.values.tobytes() == whole.position.values.tobytes()


def cut(store, saved):
    """Make a completed store look as after a kill: fewer times committed. The memo of the cut is that of a new run."""
    head = store / "zarr.json"
    metadata = json.loads(head.read_text())
    metadata["attributes"] |= {"saved": saved, "status": "running"}
    head.write_text(json.dumps(metadata))


@pytest.mark.parametrize("saved", [1, 3, 5])
def test_fixed_steps_resume_from_any_save(saved, tmp_path):
    store = tmp_path / "run.zarr"
    model = SelfAttention(np.ones((1, 2)), np.ones((1, 2)), I2).rescaled() + SelfAttention(I2, I2, I2).rescaled()
    whole = simulate(model, X, [-1, 0, 0.3, 1, 7], RK4(0.1), store=store).load()
    cut(store, saved)
    resumed = resume(store, progress=True)
    assert resumed.attrs["status"] == "completed"
    assert resumed.load().identical(whole)


def test_a_completed_run_is_returned_as_it_is(tmp_path):
    whole = simulate(SelfAttention(I2, I2, I2), X, [0, 1], store=tmp_path / "run.zarr")
    before = (tmp_path / "run.zarr" / "zarr.json").stat().st_mtime_ns
    assert resume(tmp_path / "run.zarr").identical(whole)
    assert (tmp_path / "run.zarr" / "zarr.json").stat().st_mtime_ns == before


def test_a_run_that_stopped_stops_again_at_the_same_place(tmp_path):
    with pytest.raises(RunStopped) as first:
        simulate(Burst(), [1.0, 2.0], [0, 0.25, 1], store=tmp_path / "run.zarr")
    with pytest.raises(RunStopped) as second:
        resume(tmp_path / "run.zarr")
    assert str(first.value) == str(second.value)
    assert first.value.dataset.identical(second.value.dataset)


def test_a_run_with_a_user_s_function_is_not_resumed(tmp_path):
    def turning(t):
        return I2 * np.cos(t)

    store = tmp_path / "run.zarr"
    ds = simulate(SelfAttention(turning, I2, I2), X, [0, 1, 2], RK4(0.1), store=store)
    config = json.loads(ds.attrs["config"])
    assert config["reproducible"] is False
    assert "turning" in config["functions"][0]
    cut(store, 2)
    with pytest.raises(StoreError, match=r"turning.*no file can hold.*call simulate or solve again"):
        resume(store)
    assert open_store(store).sizes["time"] == 2


def test_a_run_with_a_class_of_a_forgotten_module_says_which_to_import(tmp_path, monkeypatch):
    store = tmp_path / "run.zarr"
    simulate(NoisyPull(), X, [0, 1, 2], EulerMaruyama(0.1), store=store)
    cut(store, 1)
    monkeypatch.delitem(sys.modules, "user_fields")
    with pytest.raises(StoreError, match=r"user_fields:NoisyPull.*import user_fields first"):
        resume(store)


def test_what_is_no_store_is_not_resumed(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("hello")
    for name in ("folder", "file", "nothing"):
        with pytest.raises(StoreError, match=rf"{name} is no store of a run: give the path"):
            resume(tmp_path / name)


def test_a_store_of_somebody_else_is_not_resumed(tmp_path):
    import zarr

    zarr.open_group(tmp_path / "other.zarr", mode="w").attrs["status"] = "running"
    with pytest.raises(StoreError, match="no store of a run"):
        resume(tmp_path / "other.zarr")


def test_bad_input_leaves_no_store(tmp_path):
    with pytest.raises(InvalidInput):
        simulate(SelfAttention(I2, I2, I2), X * np.nan, [0, 1], store=tmp_path / "run.zarr")
    assert list(tmp_path.iterdir()) == []
