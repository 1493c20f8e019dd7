"""A run that was killed, stopped or interrupted goes on bitwise as if it had not been."""

import multiprocessing
import os
import signal
import sys
import time
from dataclasses import dataclass

import numpy as np
import pytest
from stores import cut, interrupted
from user_fields import Burst, LinearAttention, NoisyPull, PressedCtrlC, PressedCtrlCQuietly

from particles import (
    RK4,
    Adaptive,
    CausalAttention,
    DiscreteMap,
    EulerMaruyama,
    Iterate,
    LogAttraction,
    SelfAttention,
    VelocityField,
    open_store,
    resume,
    simulate,
)
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
    if case == "every third token":
        call = (NoisyPull(), rng.standard_normal((2, 30, 2)), SAVES, EulerMaruyama(0.004))
        return simulate(*call, rng=7, every=3, store=store)
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
@pytest.mark.parametrize("case", ["Adaptive", "EulerMaruyama"])
def test_a_run_killed_twice_ends_bitwise_as_if_never_killed(case, tmp_path):
    check_killed_run(case, tmp_path, kills=2, seed=len(case))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
@pytest.mark.parametrize("case", ["Adaptive", "RK4", "EulerMaruyama", "attention", "collisions", "every third token"])
def test_a_run_killed_ten_times_ends_bitwise_as_if_never_killed(case, tmp_path):
    check_killed_run(case, tmp_path, kills=10, seed=len(case))


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
    assert sorted(p.name for p in tmp_path.iterdir()) == [".run.zarr.lock", ".run.zarr.partial"]
    others = [tmp_path / ".run2.zarr.partial", tmp_path / ".run.zarr.notes", tmp_path / ".run2.zarr.lock"]
    for kept in others:
        kept.mkdir()
    simulate(SelfAttention(I2, I2, -I2), np.eye(2), [0, 0.1], store=store)
    assert sorted(tmp_path.iterdir()) == sorted([*others, store])


def dying_between_renames(store):
    """A run that is killed when the old store has left its name, and the new one has not taken it yet."""
    moved, rename = [], os.replace

    def replace(source, target):
        if moved:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target)
        if str(target).endswith(".replaced"):
            moved.append(target)

    os.replace = replace
    simulate(SelfAttention(I2, I2, I2), np.eye(2), [0, 0.1], store=store, overwrite=True)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
@pytest.mark.parametrize("then", [open_store, resume, lambda store: start("RK4", store)], ids=["open", "resume", "run"])
def test_a_store_whose_overwriting_was_killed_is_back(then, tmp_path):
    store = tmp_path / "run.zarr"
    old = simulate(SelfAttention(I2, I2, -I2), X, [0, 1, 2], store=store)
    process = process_of(dying_between_renames, store)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not store.exists()
    if then in (open_store, resume):
        assert then(store).identical(old)
    else:
        with pytest.raises(StoreError, match=r"exists: choose another name"):
            then(store)
        assert open_store(store).identical(old)
    assert [p.name for p in tmp_path.iterdir()] == ["run.zarr"]


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


def turning(t):
    return I2 * np.cos(t)


@dataclass(frozen=True, eq=False)
class Pull(VelocityField):
    """A field that is not written into files, for the sake of its function."""

    strength: object
    dim = 2

    def velocity(self, t, x, mu):
        return self.strength(t) * (mu.weights @ mu.points - x)


@dataclass(frozen=True, eq=False)
class Stir(DiscreteMap):
    size: object
    dim = 2

    def step(self, k, x, w, rng):
        return x + self.size(k) * rng.standard_normal(x.shape)


UNWRITTEN = {
    "attention": (SelfAttention(turning, I2, I2), RK4(0.1), SelfAttention(lambda t: 0.99 * turning(t), I2, I2)),
    "a key": (SelfAttention(I2, turning, I2), Adaptive(), SelfAttention(I2, turning, 2 * I2)),
    "a value": (SelfAttention(I2, I2, turning), RK4(0.1), SelfAttention(I2, I2, I2)),
    "a field": (Pull(np.cos), RK4(0.1), Pull(np.sin)),
    "an order of tokens": (CausalAttention(I2, I2, turning), RK4(0.1), CausalAttention(I2, I2, I2)),
    "a map": (Stir(np.cos), Iterate(), Stir(np.sin)),
    "another dimension": (Pull(np.cos), RK4(0.1), SelfAttention(1.0, 1.0, 1.0)),
    "another at the end only": (Pull(np.cos), RK4(0.1), Pull(lambda t: np.cos(t) + (t > 0))),
}


@pytest.mark.parametrize("case", UNWRITTEN)
def test_a_model_that_no_file_can_hold_is_given_back(case, tmp_path):
    model, method, another = UNWRITTEN[case]
    store, times = tmp_path / "run.zarr", [0, 1, 2, 3]
    whole = simulate(model, X, times, method, rng=1)
    with pytest.warns(
        UserWarning, match=r"cannot be resumed from its store alone: .*model_.*resume\(store, model=\.\.\.\)"
    ) as w:
        run = interrupted(lambda: simulate(model, X, times, method, rng=1, store=store), after=2)
    assert len(w) == 1
    assert run.sizes["time"] == 2
    with pytest.raises(StoreError, match=r"no file can hold.*resume\(store, model=\.\.\.\)"):
        resume(store)
    for wrong, error in ((another, "model"), ("attention", "must be a VelocityField or a DiscreteMap")):
        with pytest.raises(InvalidInput, match=error):
            resume(store, model=wrong)
    assert open_store(store).sizes["time"] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["run.zarr"]
    resumed = resume(store, model=model)
    assert resumed.position.values.tobytes() == whole.position.values.tobytes()
    assert resumed.attrs["status"] == "completed"


def test_a_model_may_be_given_back_to_a_store_that_holds_it(tmp_path):
    model, store = SelfAttention(I2, I2, I2), tmp_path / "run.zarr"
    whole = simulate(model, X, [0, 1, 2, 3], RK4(0.1), store=store)
    cut(store, 2)
    with pytest.raises(InvalidInput, match="not the one of this run"):
        resume(store, model=SelfAttention(I2, I2, 1.001 * I2))
    assert resume(store, model=SelfAttention(I2, I2, I2)).identical(whole)


def test_nothing_is_warned_of_without_a_store_or_without_need(tmp_path):
    simulate(Pull(np.cos), X, [0, 1], RK4(0.1))
    simulate(NoisyPull(), X, [0, 1], EulerMaruyama(0.1), store=tmp_path / "run.zarr")


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
