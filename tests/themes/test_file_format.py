"""Format 1 is frozen: files of it that were written once are read bit by bit, and what is written today is of it.

`PYTHONPATH=. python tests/themes/test_file_format.py` wrote the files, which is done once for a format.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from meanfield import Grid, Lagrangian, Uniform, measure_at, solve
from particles import RK4, SelfAttention, model_of, open_store, resume, simulate, write_netcdf
from particles.encoding import FORMAT

FOLDER = Path(__file__).resolve().parent.parent / "files" / "format_1"
X = np.array([[1.0, 0.25], [0.5, -1.0], [-1.0, 0.125]])
MODEL = SelfAttention(np.array([[1.0, 0.5]]), np.array([[0.3, -1.0]]), np.array([[1.0, 0.3], [-0.2, 0.5]]))
TIMES = [0.0, 0.25, 0.5]


def make_run(store=None):
    return simulate(MODEL.rescaled(), X, TIMES, RK4(0.125), weights=[0.5, 0.25, 0.25], store=store)


def make_solution():
    start = Grid([(-2, 2)], 8).measure(Uniform([(-1, 1)]))
    return solve(SelfAttention(1.0, 1.0, 1.0).rescaled(), start, [0.0, 0.25], Lagrangian())


def write(folder):
    """Write the three files into a new folder."""
    folder.mkdir(parents=True)
    write_netcdf(make_run(folder / "run.zarr"), folder / "run.nc")
    write_netcdf(make_solution(), folder / "solution.nc")


def opened(name):
    if name.endswith(".zarr"):
        return open_store(FOLDER / name)
    return xr.open_dataset(FOLDER / name, engine="h5netcdf")


def test_the_format_is_the_one_that_is_frozen():
    assert FORMAT == 1
    assert FOLDER.name == f"format_{FORMAT}"


@pytest.mark.parametrize("name", ["run.nc", "run.zarr"])
def test_a_run_is_read_with_its_model_bit_by_bit(name):
    with opened(name) as ds:
        assert ds.attrs["format"] == 1
        model = model_of(ds)
        for found, wanted in ((model.Q, MODEL.Q), (model.K, MODEL.K), (model.V, MODEL.V), (model.A, MODEL.V)):
            assert found.tobytes() == wanted.tobytes()
        np.testing.assert_array_equal(ds.position[0], X)
        np.testing.assert_array_equal(ds.weight, [0.5, 0.25, 0.25])
        np.testing.assert_allclose(ds.position, make_run().position, rtol=1e-13)


def test_a_store_is_continued(tmp_path):
    shutil.copytree(FOLDER / "run.zarr", tmp_path / "run.zarr")
    longer = resume(tmp_path / "run.zarr", times=[0.75])
    assert longer.time.values.tolist() == [*TIMES, 0.75]
    np.testing.assert_array_equal(longer.position[:3], opened("run.zarr").position)


def test_a_solution_is_read():
    with opened("solution.nc") as ds:
        assert measure_at(ds, 0.25).masses.sum() == pytest.approx(1.0, abs=1e-12)
        np.testing.assert_allclose(ds.density, make_solution().density, rtol=1e-9, atol=1e-12)


def holds(new, old):
    """Whether a config has every key of another, with values of the same kind."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(key in new and holds(new[key], item) for key, item in old.items())
    return type(new) is type(old)


@pytest.mark.parametrize(("name", "make"), [("run.nc", make_run), ("solution.nc", make_solution)])
def test_what_is_written_today_has_every_name_of_the_format(name, make):
    ds = make()
    with opened(name) as old:
        # Names may be added, none is renamed or removed.
        assert all(ds[name].dims == variable.dims for name, variable in old.variables.items())
        assert set(old.attrs) <= set(ds.attrs)
        assert holds(json.loads(ds.attrs["config"]), json.loads(old.attrs["config"]))


if __name__ == "__main__":
    sys.exit(write(FOLDER))
