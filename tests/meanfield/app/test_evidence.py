"""A report tells how its numbers were made: seed, law, grid, scheme, tolerances, matrices, versions, date, times."""

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from small_study import SMALL

import particles
from meanfield.app.config import read_study
from meanfield.app.evidence import evidence
from meanfield.studies.executors import named_executor, processes


def read(tmp_path, text=SMALL):
    (tmp_path / "study.toml").write_text(text)
    return read_study(tmp_path / "study.toml").setting


def test_what_is_told(tmp_path):
    with ThreadPoolExecutor(3) as pool:
        section = evidence(read(tmp_path), {"time of [limit]": "1.2 s: runs"}, pool)
    facts = section.facts
    assert facts["seed"] == "1"
    assert facts["model"] == "SelfAttention in R^1, in the rescaled frame"
    assert facts["initial law"] == "Uniform([[-1.0, 1.0]])"
    assert facts["grid"] == "Grid(bounds=[(-1.5, 1.5)], shape=(40,))"
    assert facts["scheme"].startswith("Lagrangian(")
    assert facts["scheme"].endswith("(the default for this law and model)")
    assert "1e-08" in facts["tokens in time"]
    assert facts["tasks ran"] == "on ThreadPoolExecutor with 3 workers"
    assert not {"parameter name", "parameter frame"} & facts.keys()
    with named_executor("threads", 3) as made:
        assert evidence(read(tmp_path), {}, made).facts["tasks ran"] == "on 3 threads"
    assert evidence(read(tmp_path), {}, processes(2)).facts["tasks ran"] == "on 2 processes"
    assert f"attention-meanfield {particles.__version__}, Python 3." in facts["versions"]
    assert f"numpy {np.__version__}" in facts["versions"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", facts["date"])
    assert facts["time of [limit]"] == "1.2 s: runs"
    assert len(section.formulas) == 3


def test_a_study_without_a_grid_and_with_a_scheme(tmp_path):
    cut = SMALL[: SMALL.index("[grid]")] + SMALL[SMALL.index("[convergence]") :]
    found = evidence(read(tmp_path, cut), {}, None)
    assert found.facts["grid"].startswith("none")
    assert found.facts["tasks ran"] == "in this process"
    fixed = SMALL.replace("shape = [40]", 'shape = [40]\n[grid.scheme]\nname = "FiniteVolume"')
    assert evidence(read(tmp_path, fixed), {}, None).facts["scheme"].startswith("FiniteVolume(")
