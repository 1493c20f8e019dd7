"""A study run twice, and one that was killed on its way."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import xarray as xr
from small_study import SMALL, run


def numbers(folder):
    out = {}
    for path in sorted(folder.glob("*.nc")):
        with xr.open_dataset(path, engine="h5netcdf") as ds:
            out |= {f"{path.stem}.{name}": ds[name].values for name in ds.variables if ds[name].dtype.kind in "fi"}
    return out


def differing(a, b):
    return [name for name in a if not np.array_equal(a[name], b[name], equal_nan=True)]


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(small, tmp_path):
    draws = tmp_path / "draws.toml"
    draws.write_text(SMALL[: SMALL.index("[stability]")])
    for name, file, seed, executor in (
        ("a", small, 5, "processes"),
        ("b", small, 5, "threads"),
        ("c", draws, 6, "threads"),
    ):
        call = (file, "--out", tmp_path / name, "--seed", seed, "--executor", executor)
        assert run(*call, "--workers", 2 if executor == "processes" else 1) == 0
    a, b, c = (numbers(tmp_path / name) for name in "abc")
    assert a.keys() == b.keys()
    assert differing(a, b) == []
    assert not np.array_equal(a["convergence.distance"], c["convergence.distance"])


def test_a_study_killed_on_its_way_is_taken_up_and_ends_with_the_same_numbers(small, tmp_path, capsys, monkeypatch):
    small.write_text(SMALL[: SMALL.index("[stability]")].replace("seeds = 5", "seeds = 40"))
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert run(small, "--out", whole, "--executor", "threads", "--workers", 1) == 0
    command = [sys.executable, "-m", "meanfield", "study", str(small), "--out", str(cut), "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    records = cut / "tasks" / "convergence.zarr" / "tasks"
    while process.poll() is None and len(list(records.glob("[0-9]*"))) <= 3:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = {file: file.stat().st_mtime_ns for file in records.glob("[0-9]*")}
    assert 0 < len(done) < 80
    # The bar, which only a terminal sees, begins with the tasks that are done.
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert run(small, "--out", cut, "--executor", "threads", "--workers", 1, "--resume") == 0
    assert f"{len(done)}/80" in capsys.readouterr().err
    assert differing(numbers(whole), numbers(cut)) == []
