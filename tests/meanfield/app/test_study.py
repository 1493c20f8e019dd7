"""A study run twice, and one that was killed on its way."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from small_study import SMALL, run

from meanfield import Uniform, limits
from meanfield.app.config import read_study
from meanfield.app.parts.setting import Setting
from meanfield.app.study import _TERMS, _model, hypotheses_told, run_study
from meanfield.pages import mathml
from particles import LogAttraction, SelfAttention
from particles.errors import StoreError


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


@pytest.mark.parametrize(
    ("model", "formulas"),
    [
        (SelfAttention(1.0, 1.0, 1.0), [mathml.CONTINUITY, mathml.ATTENTION]),
        (SelfAttention(1.0, 1.0, 1.0).rescaled(), [mathml.CONTINUITY, mathml.ATTENTION, mathml.RESCALED]),
        (LogAttraction(1.0), [mathml.CONTINUITY]),
    ],
)
def test_the_model_is_told_by_its_formulas_and_the_words_that_it_uses(model, formulas):
    section = _model(SimpleNamespace(setting=Setting(model, Uniform((0, 1)), None, 0)))
    assert (section.title, section.formulas) == ("Model", formulas)
    assert section.verbatim == hypotheses_told(limits.hypotheses(model))
    assert "arXiv:2305.05465" in section.text
    for word, text in _TERMS.items():
        used = any(part in section.verbatim for part in word.split(", "))
        assert "{" not in text
        assert section.terms.get(word) == (text if used else None)
    assert section.table is None


def test_the_theorem_that_applies_stands_first_and_of_others_only_what_is_in_their_way():
    found = limits.hypotheses(SelfAttention(np.eye(2), np.eye(2), np.diag([1.0, 0.5])))
    lines = hypotheses_told(found).splitlines()
    assert lines[0].startswith("Theorem 4.2 applies: ")
    assert lines[1:5] == [f"  {check}" for check in found.checks["4.2"]]
    rest = lines[5:-1]
    named = [line.partition(":")[0] for line in rest if line.startswith("T")]
    assert named == [f"Theorem {name} does not apply" for name in ("3.1", "8.5", "5.2")]
    assert all(line.endswith(" no") for line in rest if not line.startswith("T"))
    assert lines[-1].startswith("eigenvalues of V: 1, 0.5")
    near = limits.hypotheses(SelfAttention(np.eye(2), np.eye(2), np.diag([1.0, 1.0 + 1e-10])))
    told = hypotheses_told(near)
    assert told.startswith("No theorem applies.")
    assert all(f"Theorem {name} is undecided: " in told for name in near.undecided)
    assert " UNDECIDED" in told


def test_a_disk_that_refuses_in_the_middle_is_one_error_and_what_is_done_is_kept(small, tmp_path, monkeypatch):
    config = read_study(small)

    def refuses(part, study):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(config.parts[0]), "run", refuses)
    with pytest.raises(
        StoreError, match=r"the study in .* stopped: .*No space left on device; what is done is kept there"
    ):
        run_study(config, tmp_path / "out")
    assert "No space left on device" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")

    def gone(part, study):
        raise BrokenPipeError

    monkeypatch.setattr(type(config.parts[0]), "run", gone)
    with pytest.raises(BrokenPipeError):
        run_study(config, tmp_path / "other")
