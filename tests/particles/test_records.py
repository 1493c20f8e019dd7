"""Rows on disk: checked when they are read; what is missing, damaged or another run's is one error that names it."""

import collections
import json
import os
import pickle
import shutil

import numpy as np
import pytest
import xarray as xr
from stores import cut, interrupted

from particles import RK4, Adaptive, LogAttraction, SelfAttention, open_store, resume, simulate
from particles.errors import InvalidInput, StoreError
from particles.records import CHUNK, file_checksums, read_head, reading

I2 = np.eye(2)
X = np.random.default_rng(2).standard_normal((6, 2))
HEAD = SelfAttention(np.ones((1, 2)), np.ones((1, 2)), I2)


def a_run(kind, store=None):
    rng = np.random.default_rng(3)
    if kind == "collisions":
        return simulate(
            LogAttraction(0.5), rng.uniform(-1, 1, (2, 6, 2)), np.linspace(0, 1, 9), Adaptive(), store=store
        )
    if kind == "several chunks":
        return simulate(HEAD, rng.normal(size=(900, 2)), np.linspace(0, 0.1, 9), RK4(0.1), store=store)
    wide = SelfAttention(*rng.normal(size=(3, 40, 40)) / 40)
    return simulate(wide, rng.normal(size=(5, 40)), np.linspace(0, 1, 5), RK4(0.5), store=store)


KINDS = ("collisions", "several chunks", "large matrices")


def damage(store, rng):
    """Do one of the things that happen to files; what was done."""
    files = sorted(p for p in store.rglob("*") if p.is_file())
    file, other = (files[i] for i in rng.integers(len(files), size=2))
    data = file.read_bytes()
    at, done = int(rng.integers(len(data))), rng.choice(DAMAGES)
    if done == "removed":
        file.unlink()
    elif done == "folder removed":
        shutil.rmtree(file.parent if file.parent != store else files[0].parent)
    elif done == "cut":
        file.write_bytes(data[:at])
    elif done == "emptied":
        file.write_bytes(b"")
    elif done == "a bit flipped":
        file.write_bytes(data[:at] + bytes([data[at] ^ 1 << rng.integers(8)]) + data[at + 1 :])
    elif done == "overwritten":
        file.write_bytes(data[:at] + rng.bytes(min(16, len(data) - at)) + data[at + 16 :])
    elif done == "exchanged":
        os.replace(file, store / "x")
        os.replace(other, file) if other != file else None
        os.replace(store / "x", other)
    else:
        file.write_bytes(data + b"\0")
    return f"{file.relative_to(store)} {done}"


DAMAGES = ("removed", "folder removed", "cut", "emptied", "a bit flipped", "overwritten", "exchanged", "lengthened")


def outcomes(kind, count, seed, tmp_path):
    """How `count` damaged copies of a store are read and resumed, counted."""
    rng, found = np.random.default_rng(seed), collections.Counter()
    whole = a_run(kind, tmp_path / "whole.zarr")
    interrupted(lambda: a_run(kind, tmp_path / "half.zarr"), after=whole.sizes["time"] - 2)
    for i in range(count):
        store = tmp_path / "copy.zarr"
        shutil.copytree(tmp_path / ("half.zarr" if i % 2 else "whole.zarr"), store)
        done = damage(store, rng)
        try:
            read = resume(store) if i % 2 else open_store(store)
        except StoreError as error:
            found["StoreError" if "copy.zarr" in str(error) else "an error that names no file"] += 1
        else:
            same = read.identical(whole.assign_attrs(history=read.attrs["history"]))
            assert same, f"{done}: read silently wrong"
            found["harmless"] += 1
        shutil.rmtree(store)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_store_is_refused_or_harmless(kind, tmp_path):
    found = outcomes(kind, 12, 7, tmp_path)
    assert found["StoreError"] >= 6
    assert set(found) <= {"StoreError", "harmless"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_hundred_damaged_stores_are_refused_or_harmless(kind, tmp_path):
    found = outcomes(kind, 200, 8, tmp_path)
    print(kind, dict(found))
    assert found["StoreError"] >= 150
    assert set(found) <= {"StoreError", "harmless"}


@pytest.mark.parametrize(
    "lost", ["position/c/0/0/0", "position/c", "weight", "weight/c/0", "position/zarr.json", "time"]
)
@pytest.mark.parametrize("read", [open_store, resume])
def test_what_is_lost_is_named(lost, read, tmp_path):
    store = tmp_path / "run.zarr"
    simulate(HEAD, X, [0, 1, 2, 3], RK4(0.5), store=store)
    if read is resume:
        cut(store, 2)
    shutil.rmtree(store / lost) if (store / lost).is_dir() else (store / lost).unlink()
    with pytest.raises(StoreError, match=rf"run\.zarr/{lost}.*(is missing|damaged)"):
        read(store)


def test_chunks_that_change_places_are_noticed(tmp_path):
    """Each is whole in itself: only a checksum that knows the place of its row tells."""
    store = tmp_path / "run.zarr"
    simulate(HEAD, np.random.default_rng(0).normal(size=(CHUNK // 16, 2)), [0, 0.1, 0.2], RK4(0.1), store=store)
    first, second = store / "position/c/0/0/0", store / "position/c/1/0/0"
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)
    with pytest.raises(StoreError, match=r"position/c/0/0/0 is damaged"):
        open_store(store)


def test_a_chunk_of_another_run_is_noticed(tmp_path):
    for name, x in (("a.zarr", X), ("b.zarr", 2 * X)):
        simulate(HEAD, x, [0, 1], RK4(0.5), store=tmp_path / name)
    shutil.copy(tmp_path / "b.zarr/position/c/0/0/0", tmp_path / "a.zarr/position/c/0/0/0")
    shutil.copy(tmp_path / "b.zarr/checksums/rows/c/0/0", tmp_path / "a.zarr/checksums/rows/c/0/0")
    with pytest.raises(StoreError, match=r"position/c/0/0/0 is damaged"):
        open_store(tmp_path / "a.zarr")


def test_a_head_that_was_edited_is_refused(tmp_path):
    store = tmp_path / "run.zarr"
    simulate(HEAD, X, [0, 1], RK4(0.5), store=store)
    text = (store / "zarr.json").read_text()
    for old, new in (('\\"saved\\": 2', '\\"saved\\": 1'), ("original", "rescaled"), ("completed", "interrupted")):
        assert old in text
        (store / "zarr.json").write_text(text.replace(old, new))
        with pytest.raises(StoreError, match=r"zarr\.json is damaged: its checksum does not fit"):
            open_store(store)


def test_a_store_of_another_format_is_refused(tmp_path):
    store = tmp_path / "run.zarr"
    simulate(HEAD, X, [0, 1], RK4(0.5), store=store)
    head = json.loads((store / "zarr.json").read_text())
    head["attributes"]["config"] = head["attributes"]["config"].replace('"format": 1', '"format": 2')
    (store / "zarr.json").write_text(json.dumps(head))
    for read in (open_store, resume):
        with pytest.raises(StoreError, match=r"written in format 2, this version reads format 1 only"):
            read(store)


def test_files_are_few_and_chunks_useful(tmp_path):
    times = np.linspace(0, 1, 301)
    simulate(HEAD, np.random.default_rng(0).normal(size=(50, 2)), times, RK4(0.1), store=tmp_path / "run.zarr")
    files = [p for p in (tmp_path / "run.zarr").rglob("*") if p.is_file()]
    assert len(files) <= 25
    assert sum(p.stat().st_size for p in files) < 1.5 * 301 * 50 * 16
    head, _ = read_head(tmp_path / "run.zarr")
    assert head.files == file_checksums(tmp_path / "run.zarr", head.series)


# Large stores: read when they are used ------------------------------------------------------------------------------


@pytest.fixture
def lazy(monkeypatch, tmp_path):
    monkeypatch.setattr("particles.store.IN_MEMORY", 0)
    return tmp_path / "run.zarr"


PICKS = (
    {"time": 3},
    {"time": -1},
    {"time": [5, 0, 3, 3]},
    {"time": slice(None, None, -3)},
    {"particle": slice(1, 4), "component": [1]},
    {"run": 1, "time": slice(2, 7), "particle": [4, 0], "component": 0},
    {"time": slice(0, 0)},
    {"particle": slice(None, None, -1)},
    {"time": np.arange(9) % 2 == 0},
)


def test_parts_of_a_large_store_are_those_of_the_whole(lazy):
    whole, stored = a_run("collisions"), a_run("collisions", lazy)
    assert stored["position"].variable._in_memory is False
    for pick in PICKS:
        part = stored.isel(pick)
        assert part.equals(whole.isel(pick)), pick
        assert pickle.loads(pickle.dumps(stored.isel(pick))).equals(part), pick
    assert stored["position"].variable._in_memory is False


def test_a_large_store_has_a_file_for_every_chunk_and_no_more(lazy):
    rows = a_run("collisions", lazy)["position"].variable._data
    while not hasattr(rows, "blocks"):
        rows = rows.array
    assert rows.blocks > 0
    assert [rows.file(block).exists() for block in range(rows.blocks + 1)] == [True] * rows.blocks + [False]


def test_a_large_store_that_is_gone_or_another_run_s_is_an_error_when_it_is_read(lazy):
    stored = simulate(HEAD, X, [0, 1], RK4(0.5), store=lazy)
    late = simulate(HEAD, 2 * X, [0, 1], RK4(0.5), store=lazy, overwrite=True)
    with pytest.raises(StoreError, match="holds another run by now"):
        stored.load()
    shutil.rmtree(lazy)
    with pytest.raises(StoreError, match="no store of a run"):
        late.load()


def test_a_large_store_that_is_damaged_is_an_error_when_that_row_is_read(lazy):
    x = np.random.default_rng(0).normal(size=(CHUNK // 16, 2))
    stored = simulate(HEAD, x, [0, 0.1, 0.2], RK4(0.1), store=lazy)
    file = lazy / "position/c/1/0/0"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert np.isfinite(stored.position.isel(time=[0, 2]).values).all()
    with pytest.raises(StoreError, match=r"position/c/1/0/0 is damaged"):
        stored.isel(time=1).load()
    cut(lazy, 2)
    with pytest.raises(StoreError, match=r"position/c/1/0/0 is damaged"):
        resume(lazy)


def test_a_store_is_read_by_other_programs(tmp_path):
    whole = a_run("collisions", tmp_path / "run.zarr")
    raw = xr.open_zarr(tmp_path / "run.zarr", consolidated=False)
    for name in whole.variables:
        np.testing.assert_array_equal(raw[name], whole[name])
    assert (raw.attrs["status"], raw.attrs["saved"]) == ("completed", 9)


@pytest.mark.parametrize("raised", [KeyError("chunk"), ValueError("codec"), RuntimeError("zstd"), OSError("gone")])
def test_whatever_is_raised_while_a_file_is_read_is_one_error_that_names_it(raised, tmp_path):
    with pytest.raises(StoreError, match=r"a\.zarr is damaged"), reading(tmp_path / "a.zarr"):
        raise raised


@pytest.mark.parametrize("raised", [MemoryError(), KeyboardInterrupt(), InvalidInput("its own message")])
def test_what_says_nothing_about_a_file_does_not_call_it_damaged(raised, tmp_path):
    with pytest.raises(type(raised)), reading(tmp_path / "a.zarr"):
        raise raised
