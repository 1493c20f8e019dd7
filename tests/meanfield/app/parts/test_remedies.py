"""A study whose solution stops is told in keys of its file what to change, and its report what it lacks."""

import re
from contextlib import nullcontext

import numpy as np
import pytest
import xarray as xr
from small_study import SMALL, run

from meanfield.app.config import read_study
from meanfield.app.parts import remedies
from meanfield.app.parts.remedies import check_box, in_keys
from particles import simulate
from particles.errors import LeftTheBox, RunStopped

GROWING = SMALL.replace('frame = "rescaled"', 'frame = "original"').replace("times = [0.0, 0.25]", "times = [0.0, 1.0]")


def keys_for(text, tmp_path, cause):
    path = tmp_path / "own.toml"
    path.write_text(text)
    error = RunStopped("stopped between t = 0 and t = 1: so", time=1.0)
    error.__cause__ = cause
    return str(in_keys(error, read_study(path).setting))


def test_tokens_that_run_away_stop_a_study_with_its_keys_and_the_report_says_so(tmp_path, capsys):
    path, out = tmp_path / "growing.toml", tmp_path / "out"
    path.write_text(GROWING)
    assert run(path, "--out", out, "--executor", "threads", "--workers", 1) == 2
    told = capsys.readouterr().err
    assert re.search(
        r"\d+% of 400 tokens drawn from the law have left the box \[\(-1\.5, 1\.5\)\] by t = 1; in the", told
    )
    assert 'set `frame = "rescaled"` in [model]' in told
    assert "widen `bounds` of [grid]" in told
    assert "`may_leave = true` in [grid.scheme]" in told
    assert "Lagrangian(" not in told
    page = (out / "report.html").read_text(encoding="utf-8")
    head = page[: page.index("<main>")]
    assert "<strong>Not finished.</strong> [convergence] stopped and is not complete" in head
    assert "not begun: [stability], [limit]. The reason: " in head


def test_mass_that_leaves_where_no_token_tells_is_told_in_keys_too(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(remedies, "FEW", 1.0)
    path, out = tmp_path / "growing.toml", tmp_path / "out"
    path.write_text(GROWING)
    assert run(path, "--out", out, "--executor", "threads", "--workers", 1) == 2
    told = capsys.readouterr().err
    assert re.search(r"error: mass 0\.\d+ has left the box \[\(-1\.5, 1\.5\)\] by t = 1; in the study file, ", told)
    assert "Lagrangian(" not in told


def test_a_box_whose_mass_may_leave_is_not_checked(tmp_path):
    leaving = GROWING.replace("[40]", '[40]\n[grid.scheme]\nname = "Lagrangian"\nmay_leave = true')
    path = tmp_path / "own.toml"
    for text, stops in ((GROWING, True), (leaving, False)):
        path.write_text(text)
        setting = read_study(path).setting
        far = simulate(setting.model, np.linspace(-1, 1, 50), [0.0, 1.0])
        with pytest.raises(RunStopped, match="% of 50 tokens") if stops else nullcontext():
            check_box(far, setting)
        check_box(far.isel(time=[0]), setting)


def test_no_other_frame_is_named_where_tokens_do_not_run_away(tmp_path):
    left = LeftTheBox("mass 1 has left", "widen it", time=1.0)
    assert "rescaled" not in keys_for(GROWING.replace("V = 1.0", "V = -1.0"), tmp_path, left)
    fixed = keys_for(GROWING.replace("[40]", '[40]\n[grid.scheme]\nname = "FiniteVolume"'), tmp_path, left)
    assert "rescaled" in fixed
    assert "may_leave" not in fixed
    other = keys_for(GROWING, tmp_path, None)
    assert other.startswith("stopped between t = 0 and t = 1: so; in the study file, end `times`")


def test_tokens_on_the_wall_itself_are_inside_and_a_hundredth_may_be_outside(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(GROWING)
    setting = read_study(path).setting
    x = np.zeros((2, 200, 1))
    x[1, :50] = 1.5
    x[1, 50:100] = -1.5
    x[1, 100:102] = 2.0
    cloud = xr.Dataset({"position": (("time", "particle", "component"), x)}, {"time": [0.0, 0.25]})
    check_box(cloud, setting)
    x[1, 102] = -1.5001
    with pytest.raises(RunStopped, match=r"2% of 200 tokens .* have left the box .* by t = 0\.25") as stopped:
        check_box(cloud, setting)
    assert stopped.value.time == 0.25
