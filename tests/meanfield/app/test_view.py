"""`meanfield view`: a page for any Dataset, from netCDF and Zarr; no text of it is markup; nothing is written over."""

import numpy as np
import pytest
import xarray as xr
from hostile import EVIL, hostile_run, is_inert

from meanfield import Grid, Normal, Upwind, limits, solve
from meanfield.app import view
from meanfield.app.cli import main
from meanfield.app.view import opened, view_of
from meanfield.studies import sweep
from particles import RK4, SelfAttention, simulate, write_netcdf
from particles.errors import StoreError

I2 = np.eye(2)
MODEL = SelfAttention(I2, I2, -I2)
X = np.random.default_rng(0).uniform(-1, 1, size=(5, 2))


def test_a_run_from_netcdf_and_from_a_store(tmp_path, capsys):
    ds = simulate(MODEL, X, np.linspace(0, 1, 4), RK4(0.5), store=tmp_path / "run.zarr")
    write_netcdf(ds, tmp_path / "run.nc")
    for place in ("run.nc", "run.zarr"):
        out = tmp_path / f"{place}.html"
        assert main(["view", str(tmp_path / place), "--out", str(out)]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == str(out)
        page = is_inert(out.read_text(encoding="utf-8"))
        assert page.tags.count("canvas") == 1
        assert "SelfAttention(Q=[[1, 0], [0, 1]]" in page.words
        assert "time 4 × particle 5 × component 2" in page.words
    assert main(["view", str(tmp_path / "run.nc"), "--out", str(out)]) == 2
    assert "exists: name another" in capsys.readouterr().err


def test_solutions_and_studies():
    start = Grid([(-3, 3)] * 2, (12, 12)).measure(Normal([0, 0], 0.3 * I2))
    assert "<canvas" in view_of(solve(MODEL, start, [0, 0.1], Upwind()), "solution")
    certificate = limits.certify(simulate(MODEL, X, np.linspace(0, 1, 4))).to_dataset()
    page = view_of(certificate, "certificate")
    assert is_inert(page).tags.count("img") == 1
    assert "not known: the Dataset has no readable `config`" in page
    swept = sweep(lambda a, rng: {"size": a}, {"a": [1, 2]}, seeds=2)
    assert "not known" not in view_of(swept, "sweep")
    assert "There is no picture" in view_of(xr.Dataset({"word": "x"}), "nothing")


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_a_dataset_whose_every_text_is_markup_is_inert(d, tmp_path):
    page = is_inert(view_of(hostile_run(d), EVIL))
    assert page.words.count(EVIL) > 10
    study = hostile_run(d).drop_vars("position").rename({EVIL: f"${EVIL}$"})
    assert is_inert(view_of(study, EVIL)).tags.count("img") == 1


@pytest.mark.parametrize("content", [b"", b"CDF\x01", b"\x89HDF\r\n\x1a\n" + bytes(100), b"<html>"])
def test_a_file_of_something_else_is_one_error(content, tmp_path, capsys):
    (tmp_path / "file.nc").write_bytes(content)
    assert main(["view", str(tmp_path / "file.nc"), "--out", str(tmp_path / "out.html")]) == 2
    hdf5 = content.startswith(b"\x89HDF")
    told = (
        "cannot be read as netCDF, it is damaged"
        if hdf5
        else "is no netCDF file, it " + ("begins" if content else "is empty")
    )
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out.html").exists()
    with pytest.raises(StoreError, match="there is no file"):
        opened(str(tmp_path / "none.nc"))


def test_every_variable_has_its_size_its_range_and_its_meaning():
    ds = xr.Dataset(
        {"one": 2.5, "many": (("x", "y"), np.arange(6.0).reshape(2, 3) / 3, {"long_name": "what it is"}), "word": "w"},
        {"x": [1, 2]},
    )
    rows = {row[0]: row[1:] for row in view._variables(ds).rows}
    assert rows["one"] == ["one value", "2.5", ""]
    assert rows["many"] == ["x 2 × y 3", "0 … 1.66667", "what it is"]
    assert rows["word"] == ["one value", "", ""]
    assert rows["x"] == ["x 2", "1 … 2", ""]
    assert view._range(xr.Variable("x", [])) == ""
    assert view._range(xr.Variable("x", np.ones(view.READ, np.int8))) == "1"
    assert view._range(xr.Variable("x", np.ones(view.READ + 1, np.int8))) == ""
