"""A study whose solution stops is told in keys of its file what to change, and its report what it lacks."""

import re

from small_study import SMALL, run

from meanfield.app.config import read_study
from meanfield.app.parts.remedies import in_keys
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
    assert re.search(r"mass 0\.\d+ has left the box \[\(-1\.5, 1\.5\)\] by t = 1; in the study file, ", told)
    assert 'set `frame = "rescaled"` in [model]' in told
    assert "widen `bounds` of [grid]" in told
    assert "`may_leave = true` in [grid.scheme]" in told
    assert "Lagrangian(" not in told
    page = (out / "report.html").read_text(encoding="utf-8")
    head = page[: page.index("<main>")]
    assert "<strong>Not finished.</strong> [convergence] stopped and is not complete" in head
    assert "not begun: [stability], [limit]. The reason: mass 0." in head


def test_no_other_frame_is_named_where_tokens_do_not_run_away(tmp_path):
    left = LeftTheBox("mass 1 has left", "widen it", time=1.0)
    assert "rescaled" not in keys_for(GROWING.replace("V = 1.0", "V = -1.0"), tmp_path, left)
    fixed = keys_for(GROWING.replace("[40]", '[40]\n[grid.scheme]\nname = "FiniteVolume"'), tmp_path, left)
    assert "rescaled" in fixed
    assert "may_leave" not in fixed
    other = keys_for(GROWING, tmp_path, None)
    assert other.startswith("stopped between t = 0 and t = 1: so; in the study file, end `times`")
