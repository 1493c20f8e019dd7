"""Datasets: names, attributes, provenance; netCDF and Zarr there and back; what is never overwritten or deleted."""

import json
import os
import pickle
import stat
import sys

import numpy as np
import pytest
import xarray as xr
from stores import cut
from user_fields import Burst, NoisyPull, Shuffle

from particles import (
    RK4,
    Adaptive,
    CausalAttention,
    Diffusion,
    Ensemble,
    EulerMaruyama,
    HegselmannKrause,
    LogAttraction,
    SelfAttention,
    SoftmaxField,
    model_of,
    open_store,
    simulate,
    write_netcdf,
)
from particles.dataset import config_of, frame_name, status_of, unwritten
from particles.errors import InvalidInput, RunStopped, StoreError
from particles.kernels.softmax import softmax_average
from particles.store import read_commit

I2 = np.eye(2)
V2 = np.array([[1.0, 0.3], [-0.2, 0.5]])
X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
HEAD = SelfAttention(np.array([[1.0, 0.5]]), np.array([[0.3, -1.0]]), V2)
MODELS = {
    "head": HEAD,
    "rescaled": HEAD.rescaled(),
    "frame": HEAD.in_frame(np.array([[0.1, 1.0], [0.0, 0.1]])),
    "field": SoftmaxField(I2, I2, V2, tolerance=1e-9),
    "heads": HEAD + SelfAttention(I2, 2 * I2, I2) + SelfAttention(I2, I2, -I2),
    "heads rescaled": (HEAD + SelfAttention(I2, I2, I2)).in_frame(V2 + I2),
    "unnormalised": SelfAttention(0.1 * I2, I2, -V2, normalization="none"),
    "sinkhorn": SelfAttention(I2, I2, -V2, normalization="sinkhorn"),
    "causal": CausalAttention(I2, I2, V2),
    "opinion": HegselmannKrause(1.5),
    "sum across kinds": HEAD + Diffusion(0.1),
    "noisy": HEAD + NoisyPull(),
    "noisy in a frame": (HEAD + NoisyPull()).in_frame(0.1 * I2),
}


@pytest.fixture(params=["single", "ensemble"])
def run(request):
    x0 = X if request.param == "single" else np.stack([X, 2 * X])
    return simulate(HEAD, x0, [0, 0.5, 2], weights=[0.2, 0.3, 0.5])


def test_names_and_dims(run):
    single = "run" not in run.dims
    assert run.position.dims == (() if single else ("run",)) + ("time", "particle", "component")
    assert run.weight.dims == ("particle",)
    assert set(run.coords) == {"time", "particle", "component"} | (set() if single else {"run"})
    assert run.time.dtype == np.float64
    assert run.particle.values.tolist() == [0, 1, 2]
    assert run.position.sel(time=0.5).shape == (3, 2) if single else (2, 3, 2)


def test_every_variable_says_what_it_is(run):
    for name in run.variables:
        assert run[name].attrs["units"] == "1", name
        assert len(run[name].attrs["long_name"]) > 3, name


def test_attributes_are_complete_and_plain(run):
    expected = {"config", "format", "frame", "status", "seed_entropy", "source", "history", "references", "summation"}
    assert set(run.attrs) == expected
    assert run.attrs["format"] == 1
    assert all(isinstance(run.attrs[name], str) for name in expected - {"format"})
    assert run.attrs["status"] == "completed"
    assert run.attrs["source"].startswith("attention-meanfield ")
    assert "2305.05465" in run.attrs["references"]
    config = json.loads(run.attrs["config"])
    assert set(config) == {"format", "function", "state", "model", "method", "reproducible"}
    assert (config["format"], config["function"], config["reproducible"]) == (1, "simulate", True)
    assert config["method"]["name"] == "Adaptive"
    assert config["method"]["fields"].items() >= {"rtol": 1e-8, "atol": 1e-10, "max_steps": 100_000}.items()


def test_a_dataset_is_enough_to_run_it_again(run):
    call = config_of(run)
    again = simulate(
        call["model"], run.position.isel(time=0).values, run.time.values, call["method"], weights=run.weight.values
    )
    assert again.identical(run.assign_attrs(history=again.attrs["history"]))


def many_heads():
    rng = np.random.default_rng(5)
    return Ensemble(tuple(SelfAttention(*rng.normal(size=(3, 12, 12)) / 9) for _ in range(30)))


def run_of_many():
    return simulate(many_heads(), np.random.default_rng(6).normal(size=(30, 4, 12)), [0, 0.1, 0.2], RK4(0.1))


def test_a_dataset_shows_what_was_asked_for_and_nothing_of_the_call(run):
    runs = {"run"} if "run" in run.dims else set()
    assert set(run.dims) == {"time", "particle", "component"} | runs
    assert set(run.variables) == {"time", "particle", "component", "position", "weight"} | runs
    many = run_of_many()
    assert set(many.variables) == {"time", "particle", "component", "run", "position", "weight", "config_data"}
    assert many["config_data"].dtype == np.uint8


def test_a_dataset_fits_one_screen(run):
    collisions = simulate(LogAttraction(1.0), X, [0, 0.1])
    rescaled = simulate(HEAD.rescaled(), X, np.linspace(0, 1, 50))
    for ds in (run, run_of_many(), collisions, rescaled):
        lines = repr(ds).splitlines()
        assert len(lines) <= 24, ds
        assert max(map(len, lines)) <= 80, ds


def test_the_model_survives_slices_joins_and_copies(tmp_path):
    ds = run_of_many()
    split = [ds.isel(run=slice(0, 7)), ds.isel(run=slice(7, 30))]
    later = ds.isel(time=[2]).assign_coords(time=[3.0])
    cases = {
        "isel": ds.isel(run=0, time=-1, particle=[1, 2]),
        "concat of runs": xr.concat(split, "run", data_vars="minimal"),
        "concat of times": xr.concat([ds, later], "time", data_vars="minimal"),
        "concat of all": xr.concat([ds, later], "time", data_vars="all"),
        "a new dimension": xr.concat([ds, ds], "copy", data_vars="all"),
        "pickle": pickle.loads(pickle.dumps(ds)),
        "deep copy": ds.copy(deep=True),
        "netCDF": xr.load_dataset(write_netcdf(ds, tmp_path / "run.nc"), engine="h5netcdf"),
    }
    for name, made in cases.items():
        for field, expected in zip(model_of(made).fields, many_heads().fields, strict=True):
            assert [m.tobytes() for m in (field.Q, field.K, field.V)] == [
                m.tobytes() for m in (expected.Q, expected.K, expected.V)
            ], name
        assert isinstance(config_of(made)["method"], RK4), name


def test_matrices_that_were_left_behind_are_asked_for():
    with pytest.raises(StoreError, match=r"`config_data`, which is gone: keep it where you pick variables"):
        model_of(run_of_many()[["position"]])


@pytest.mark.parametrize("found", [0, 2, "1", None, -1, True, 1.0])
def test_another_format_is_refused(found, run):
    config = json.loads(run.attrs["config"]) | {"format": found}
    with pytest.raises(StoreError, match=r"written in format .* reads format 1 only: take the version"):
        model_of(run.assign_attrs(config=json.dumps(config)))


@pytest.mark.parametrize("config", ["{broken", "[]", "1", "{}", "[" * 100_000, b"\xff", 7])
def test_a_config_that_is_none_is_refused(config, run):
    with pytest.raises(InvalidInput, match=r"config.*not made by simulate or solve"):
        model_of(run.assign_attrs(config=config))


def test_a_doctored_dataset_runs_nothing(run, tmp_path):
    sentinel = tmp_path / "ran"
    for evil in (
        {"class": "subprocess:Popen", "fields": {"args": ["touch", str(sentinel)]}},
        {"class": "os:system", "fields": {"command": f"touch {sentinel}"}},
        {"name": "RK4", "fields": {"dt": 0.1}},
        f"touch {sentinel}",
    ):
        config = json.loads(run.attrs["config"]) | {"model": evil}
        with pytest.raises(StoreError):
            model_of(run.assign_attrs(config=json.dumps(config)))
    assert not sentinel.exists()


def test_a_status_is_one_of_four(run):
    assert status_of(run) == "completed"
    assert status_of(run.assign_attrs(status="stopped between t = 0 and t = 1: no luck")) == "stopped"
    for status in ("done", "", None):
        with pytest.raises(InvalidInput, match="running, completed, stopped, interrupted"):
            status_of(run.assign_attrs(status=status))


def assert_same_model(a, b):
    assert type(a) is type(b)
    assert (a.frame is None) == (b.frame is None)
    np.testing.assert_array_equal(a.frame if a.frame is not None else 0, b.frame if b.frame is not None else 0)
    x, w = np.random.default_rng(0).standard_normal((1, 5, 2)), np.full(5, 0.2)
    for t in (0.0, 0.7):
        np.testing.assert_array_equal(a.particle_velocity(t, x, w), b.particle_velocity(t, x, w))
        np.testing.assert_array_equal(a.diffusion(t), b.diffusion(t))
    assert len(a.terms) == len(b.terms)
    assert [type(term) for term in a.terms] == [type(term) for term in b.terms]


@pytest.mark.parametrize("name", MODELS)
def test_netcdf_there_and_back_with_its_model(name, tmp_path):
    model = MODELS[name]
    method = EulerMaruyama(0.1) if model.diffusion(0.0) is not None else Adaptive()
    ds = simulate(model, X, [0, 0.5, 1], method, rng=3)
    path = write_netcdf(ds, tmp_path / "new" / "run.nc")
    with xr.open_dataset(path, engine="h5netcdf") as back:
        assert back.load().identical(ds)
        assert_same_model(model_of(back), model)
        assert config_of(back)["method"] == method
    assert_same_model(model_of(ds), model)
    assert [p.name for p in path.parent.iterdir()] == ["run.nc"]


def test_a_store_opens_with_xarray_and_goes_to_any_format(tmp_path):
    ds = simulate(HEAD, np.stack([X, 2 * X]), [0, 1, 2], store=tmp_path / "run.zarr")
    raw = xr.open_zarr(tmp_path / "run.zarr", consolidated=False)
    np.testing.assert_array_equal(raw.position, ds.position)
    ds.to_netcdf(tmp_path / "by_xarray.nc", engine="h5netcdf")
    write_netcdf(ds, tmp_path / "by_us.nc")
    for name in ("by_xarray.nc", "by_us.nc"):
        with xr.open_dataset(tmp_path / name, engine="h5netcdf") as back:
            assert back.load().identical(ds.load())
    ds.to_zarr(tmp_path / "by_xarray.zarr", zarr_format=2)
    assert xr.open_zarr(tmp_path / "by_xarray.zarr").load().identical(ds.load())


def test_frames_have_names():
    assert frame_name(HEAD) == "original"
    assert frame_name(HEAD.rescaled()) == "rescaled"
    assert frame_name(MODELS["heads rescaled"]) == "rescaled"
    assert frame_name(MODELS["frame"]) == "moving"
    assert frame_name(NoisyPull().in_frame(I2)) == "moving"
    assert frame_name(Shuffle()) == "original"


def test_a_dataset_of_somebody_else_has_no_model():
    with pytest.raises(InvalidInput, match=r"config.*not made by simulate or solve"):
        model_of(xr.Dataset({"a": 1}))
    with pytest.raises(InvalidInput, match="config"):
        config_of(xr.Dataset(attrs={"config": "{broken"}))


def test_a_user_s_function_is_named_and_not_rebuilt(tmp_path):
    def falling(t):
        return np.exp(-t) * I2

    ds = simulate(SelfAttention(falling, I2, I2), X, [0, 1])
    config = json.loads(ds.attrs["config"])
    assert config["reproducible"] is False
    assert config["functions"] == [f"model_Q = {__name__}.{falling.__qualname__}"]
    assert unwritten(ds) == config["functions"]
    write_netcdf(ds, tmp_path / "run.nc")
    with pytest.raises(StoreError, match=r"falling.*no file can hold"):
        model_of(ds)


# What is never overwritten -----------------------------------------------------------------------------------------


def test_a_file_that_exists_is_kept_unless_told(tmp_path):
    path = tmp_path / "run.nc"
    write_netcdf(simulate(HEAD, X, [0, 1]), path)
    before = path.read_bytes()
    longer = simulate(HEAD, X, [0, 1, 2])
    with pytest.raises(StoreError, match=r"run\.nc exists: choose another name, or pass overwrite=True"):
        write_netcdf(longer, path)
    assert path.read_bytes() == before
    write_netcdf(longer, path, overwrite=True)
    with xr.open_dataset(path, engine="h5netcdf") as back:
        assert back.sizes["time"] == 3


def test_a_netcdf_file_appears_whole_or_not_at_all(tmp_path):
    bad = simulate(HEAD, X, [0, 1]).assign_attrs(nested={"a": 1})
    with pytest.raises(InvalidInput, match="netCDF cannot hold"):
        write_netcdf(bad, tmp_path / "run.nc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_is_no_file(overwrite, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="folder"):
        write_netcdf(simulate(HEAD, X, [0, 1]), tmp_path / "folder", overwrite=overwrite)


def test_a_store_that_exists_is_kept_unless_told(tmp_path):
    store = tmp_path / "run.zarr"
    first = simulate(HEAD, X, [0, 1, 2, 3], store=store).load()
    with pytest.raises(StoreError, match=r"run\.zarr exists: choose another name, resume.* or pass overwrite=True"):
        simulate(HEAD, X, [0, 1], store=store)
    assert open_store(store).load().identical(first)
    second = simulate(HEAD, 2 * X, [0, 1], store=store, overwrite=True).load()
    assert open_store(store).load().identical(second)
    assert second.sizes["time"] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["run.zarr"]


@pytest.mark.parametrize("name", ["thesis", "letter.txt"])
def test_what_is_no_store_is_never_deleted(name, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    (tmp_path / "thesis" / "zarr.json").write_text('{"attributes": {"mine": 1}}')
    (tmp_path / "letter.txt").write_text("dear reader")
    for overwrite in (False, True):
        with pytest.raises(StoreError, match=name):
            simulate(HEAD, X, [0, 1], store=tmp_path / name, overwrite=overwrite)
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"
    assert (tmp_path / "letter.txt").read_text() == "dear reader"
    assert sorted(os.listdir(tmp_path)) == ["letter.txt", "thesis"]


def test_a_refused_call_leaves_the_old_store(tmp_path):
    store = tmp_path / "run.zarr"
    old = simulate(HEAD, X, [0, 1], store=store).load()
    with pytest.raises(InvalidInput):
        simulate(HEAD, X * np.nan, [0, 1], store=store, overwrite=True)
    assert open_store(store).load().identical(old)


def test_a_store_that_stopped_opens_with_its_reason(tmp_path):
    with pytest.raises(RunStopped) as caught:
        simulate(Burst(), [1.0], [0, 0.5, 2], RK4(0.01), store=tmp_path / "run.zarr")
    ds = open_store(tmp_path / "run.zarr")
    assert ds.attrs["status"] == str(caught.value)
    assert ds.sizes["time"] == 2
    assert np.isfinite(ds.position.values).all()
    assert read_commit(tmp_path / "run.zarr").saved == 2


def test_rows_past_the_counter_do_not_count(tmp_path):
    """A kill between the write of a row and its commit leaves a row that nobody sees."""
    store = tmp_path / "run.zarr"
    whole = simulate(HEAD, X, [0, 1, 2], store=store).load()
    cut(store, 2)
    np.testing.assert_array_equal(open_store(store).position, whole.position[:2])


@pytest.mark.skipif(sys.platform == "win32", reason="no such rights there")
def test_others_may_read_what_is_written(tmp_path):
    """Temporary files are the owner's alone; results follow the umask."""
    old = os.umask(0o022)
    try:
        write_netcdf(simulate(HEAD, X, [0, 1], store=tmp_path / "run.zarr"), tmp_path / "run.nc")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "run.nc").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "run.zarr").stat().st_mode) == 0o755


def test_a_store_in_a_folder_to_be_made_and_as_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    simulate(HEAD, X, [0, 1], store="a/b/run.zarr")
    assert open_store("a/b/run.zarr").sizes["time"] == 2


def test_the_kernel_that_was_chosen_is_on_record():
    rng = np.random.default_rng(0)
    short, long = SelfAttention(np.eye(2), np.eye(2), np.eye(2)), SelfAttention(*np.eye(40)[None].repeat(3, 0))
    allowed = SelfAttention(np.eye(2), np.eye(2), np.eye(2), tolerance=1e-6)
    for model, n, expected in ((short, 5, "compiled"), (long, 5, "tiles"), (short + short, 600, "direct")):
        ds = simulate(model, rng.normal(size=(n, model.dim)), [0.0, 0.1], RK4(dt=0.1))
        assert ds.attrs["summation"] == expected
    assert allowed.summation(100) == "direct"
    assert allowed.summation(100_000) == "tree"
    x = rng.normal(size=(7000, 2))
    assert softmax_average(x, x, tolerance=1e-6).method == allowed.summation(7000) == "tree"


@pytest.mark.parametrize("changed", [lambda block: block.astype(float), lambda block: block.reshape(1, -1)])
def test_the_large_arrays_of_a_call_are_a_row_of_bytes(changed):
    """A mask, an interpolation or an expansion of a whole Dataset turns it into something else."""
    wide = np.random.default_rng(0).normal(size=(3, 70, 70)) / 70
    ds = simulate(SelfAttention(*wide), np.ones((2, 70)), [0.0, 0.1])
    block = changed(ds["config_data"].values)
    broken = ds.drop_vars("config_data").assign(config_data=(("a", "b")[: block.ndim], block))
    with pytest.raises(StoreError, match="must be a row of bytes"):
        model_of(broken)
