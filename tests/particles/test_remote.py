"""Runs in Zarr stores that are no folder: the same Dataset, resumed bitwise, damage noticed, secrets kept."""

import os
import uuid

import numpy as np
import pytest
import zarr

from meanfield import FiniteVolume, Grid, Normal, solve
from particles import Diffusion, EulerMaruyama, SelfAttention, open_store, resume, simulate
from particles.errors import InvalidInput, NotSupported, StoreError
from particles.remote import as_place

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")

X = np.random.default_rng(0).standard_normal((7, 2))
MODEL = SelfAttention(np.eye(2), np.eye(2), -np.eye(2)) + Diffusion(0.01, dim=2)
TIMES = np.linspace(0.0, 1.0, 21)
CALL = (MODEL, X, TIMES, EulerMaruyama(0.05))


@pytest.fixture(params=["url", "object"])
def place(request):
    return f"memory://{uuid.uuid4().hex}/run.zarr" if request.param == "url" else zarr.storage.MemoryStore()


class Killed(BaseException):
    pass


def killed_at(time):
    def kill(t, ds):
        if t >= time:
            raise Killed

    return kill


@pytest.mark.parametrize("every", [1, 3])
def test_a_run_in_a_remote_store_is_the_one_in_memory(place, every):
    plain = simulate(*CALL, rng=1, every=every)
    ds = simulate(*CALL, rng=1, every=every, store=place)
    assert ds.drop_attrs().identical(plain.drop_attrs())
    assert open_store(place).drop_attrs().identical(plain.drop_attrs())
    assert resume(place).drop_attrs().identical(plain.drop_attrs())


@pytest.mark.parametrize("every", [1, 3])
def test_a_killed_run_in_a_remote_store_goes_on_bitwise(place, every):
    plain = simulate(*CALL, rng=1, every=every)
    with pytest.raises(Killed):
        simulate(*CALL, rng=1, every=every, store=place, callback=killed_at(0.5))
    assert open_store(place).sizes["time"] == 11
    assert resume(place).drop_attrs().identical(plain.drop_attrs())


def test_a_grid_solution_stands_in_a_remote_store(place):
    start = Grid([(-2, 2)], 20).measure(Normal(0.5, 0.1))
    model = SelfAttention(0.0, 0.0, -1.0)
    plain = solve(model, start, [0.0, 0.1, 0.2], FiniteVolume())
    ds = solve(model, start, [0.0, 0.1, 0.2], FiniteVolume(), store=place)
    assert ds.drop_attrs().identical(plain.drop_attrs())


def test_a_remote_store_that_exists_is_refused_and_overwritten_on_demand(place):
    simulate(*CALL, rng=1, store=place)
    with pytest.raises(StoreError, match="exists"):
        simulate(*CALL, rng=2, store=place)
    ds = simulate(*CALL, rng=2, store=place, overwrite=True)
    assert open_store(place)["position"].identical(ds["position"])
    with pytest.raises(NotSupported, match="copy it into a folder first"):
        resume(place, times=[2.0])


def test_damage_is_noticed():
    store = zarr.storage.MemoryStore()
    simulate(*CALL, rng=1, store=store)
    for key in ("position/c/0/0/0", "weight/zarr.json"):
        kept = store._store_dict.pop(key)
        with pytest.raises(StoreError, match=f"{key} is missing"):
            open_store(store)
        store._store_dict[key] = kept
    data = bytearray(store._store_dict["position/c/0/0/0"].to_bytes())
    data[-3] ^= 255
    store._store_dict["position/c/0/0/0"] = zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(bytes(data))
    with pytest.raises(StoreError, match="position/c/0/0/0 is damaged"):
        open_store(store)


def test_what_is_no_store_of_a_run_is_refused():
    with pytest.raises(StoreError, match="is no store of a run"):
        open_store(f"memory://{uuid.uuid4().hex}")
    with pytest.raises(InvalidInput, match="read_only=False"):
        simulate(*CALL, rng=1, store=zarr.storage.MemoryStore(read_only=True))


def test_a_url_never_makes_a_folder_and_names_its_file_system(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url in ("s3://bucket/run.zarr", "nothing://x/run.zarr", "gs://bucket/run.zarr"):
        with pytest.raises((InvalidInput, StoreError)):
            simulate(*CALL, rng=1, store=url)
    assert os.listdir(tmp_path) == []


def test_secrets_of_a_url_are_in_no_message_and_no_file():
    url = "nothing://user:geheim@host/run.zarr?token=geheim"
    with pytest.raises(InvalidInput) as caught:
        simulate(*CALL, rng=1, store=url)
    assert "geheim" not in str(caught.value)
    place = f"memory://user:geheim@{uuid.uuid4().hex}/run.zarr"
    ds = simulate(*CALL, rng=1, store=place)
    assert "geheim" not in repr(ds.attrs)
    assert "geheim" not in str(as_place(place, "store"))
    with pytest.raises(StoreError) as found:
        simulate(*CALL, rng=1, store=place)
    assert "geheim" not in str(found.value)


def test_local_stores_and_file_urls_are_folders_with_all_promises(tmp_path):
    simulate(*CALL, rng=1, store=f"file://{tmp_path}/a.zarr")
    simulate(*CALL, rng=1, store=zarr.storage.LocalStore(tmp_path / "b.zarr"))
    assert open_store(tmp_path / "a.zarr")["position"].identical(open_store(tmp_path / "b.zarr")["position"])
