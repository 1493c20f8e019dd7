"""[sweep]: a study that sweeps a parameter of its model."""

import numpy as np
import pytest
import xarray as xr
from run_of_part import kept, run_part
from small_study import run

from meanfield import Uniform, studies
from meanfield.analysis.clusters import cluster_count
from meanfield.app.config import read_study
from particles import SelfAttention, simulate
from particles.errors import InvalidInput

STUDY = """
title = "A sweep"
seed = 7
[model]
name = "SelfAttention"
Q = 1.0
K = 1.0
V = -1.0
[initial]
law = "uniform"
bounds = [[-1.0, 1.0]]
[sweep]
parameter = "model.Q"
values = [0.5, 2.0, 4.0]
particles = 12
times = [0.0, 1.0]
seeds = 3
distance = 0.1
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text(STUDY)
    return path


def test_a_study_sweeps_a_parameter(file, tmp_path, capsys):
    assert run(file, "--out", tmp_path / "out", "--executor", "threads", "--workers", 1) == 0
    assert "Sweep over Q" in capsys.readouterr().out
    with xr.open_dataset(tmp_path / "out" / "sweep.nc") as ds:
        assert ds["cluster_count"].dims == ("Q", "seed", "time")
        assert ds["Q"].values.tolist() == [0.5, 2.0, 4.0]
        # One point by hand: the rule of streams is public.
        rng = studies.stream(7, [1], 2)
        x0 = Uniform([[-1.0, 1.0]]).sample(12, rng)
        alone = simulate(SelfAttention(2.0, 1.0, -1.0), x0, [0.0, 1.0])
        np.testing.assert_array_equal(ds["cluster_count"][1, 2], cluster_count(alone, distance=0.1))
    assert (tmp_path / "out" / "sweep.png").stat().st_size > 1000


def test_factors_scale_what_stands_in_the_file(file):
    file.write_text(
        STUDY.replace("Q = 1.0", "Q = 3.0").replace("values = [0.5, 2.0, 4.0]", "factors = [1, 2.0]"), encoding="utf-8"
    )
    config = read_study(file)
    models = config.parts[0]._models(config.setting)
    assert [(value, model.Q.item()) for value, model in models] == [(1, 3.0), (2.0, 6.0)]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"model.Q"', '"model.beta"', r"must be a parameter in \[model\] \(K, Q, V\), got 'beta'"),
        ('"model.Q"', '"model.name"', "must be a parameter in"),
        ('"model.Q"', '"Q"', 'must name a key of \\[model\\], as "model.Q"'),
        ("values = [0.5, 2.0, 4.0]", "", "one of `values`, of the parameter, or `factors`"),
        ("values = [0.5, 2.0, 4.0]", "values = [1.0]\nfactors = [2.0]", "one of `values`"),
        ("values = [0.5, 2.0, 4.0]", "values = [1.0, 1.0]", "each value once"),
        ("values = [0.5, 2.0, 4.0]", "values = [nan]", "must be finite"),
        ("values = [0.5, 2.0, 4.0]", "values = 3", "must be a list"),
        ("values = [0.5, 2.0, 4.0]", 'values = ["a"]', "Q"),
        ("seeds = 3", "seeds = 0", "seeds"),
        ("distance = 0.1", "distance = -1.0", "sweep.distance"),
        ("distance = 0.1", "distance = 0.1\nspeed = 1", "unknown key 'speed'"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_before_anything_runs(file, old, new, words):
    file.write_text(STUDY.replace(old, new), encoding="utf-8")
    with pytest.raises(InvalidInput, match=words):
        read_study(file)


@pytest.mark.filterwarnings("ignore")
def test_a_live_dask_scheduler_runs_a_study_bitwise(file, tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address.removeprefix("tcp://")
        assert run(file, "--out", tmp_path / "dask", "--executor", f"dask://{address}") == 0
        # The client of the study has gone, the scheduler is there for others.
        with distributed.Client(cluster) as client:
            assert len(client.scheduler_info()["workers"]) == 1
    assert run(file, "--out", tmp_path / "here", "--executor", "threads", "--workers", 1) == 0
    with xr.open_dataset(tmp_path / "dask" / "sweep.nc") as ds, xr.open_dataset(tmp_path / "here" / "sweep.nc") as here:
        assert ds.drop_attrs().identical(here.drop_attrs())


def test_no_scheduler_is_an_error_of_one_line(file, tmp_path, capsys, monkeypatch):
    distributed = pytest.importorskip("distributed")

    def refuses(address, timeout):
        raise OSError("refused")

    monkeypatch.setattr(distributed, "Client", refuses)
    assert run(file, "--out", tmp_path / "out", "--executor", "dask://localhost:1") == 2
    assert "no Dask scheduler answers at localhost:1 (refused)" in capsys.readouterr().err


def test_the_section_tells_what_was_swept_and_every_row(file, tmp_path):
    config = read_study(file)
    study, pictures = run_part(config.parts[0], config.setting, tmp_path)
    (section,) = study.sections
    ds = kept(study, "sweep")
    assert section.title == "Sweep over Q"
    assert section.text.startswith(
        "Runs of 12 particles at 3 values of Q, 3 seeds at each: the number of clusters at dist"
    )
    assert "at distance 0.1 and the root mean square distance from the mean, at t = 1, mean" in section.text
    assert "in the original frame" in section.text
    assert section.table.header == ["Q", "clusters", "spread"]
    assert [row[0] for row in section.table.rows] == ["0.5", "2.0", "4.0"]
    for row, value in zip(section.table.rows, ds["Q"].values, strict=True):
        for cell, name in zip(row[1:], ("cluster_count", "spread"), strict=True):
            last = ds[name].sel(Q=value).isel(time=-1).values
            mean, deviation = map(float, cell.split(" ± "))
            assert mean == pytest.approx(last.mean(), rel=0.01)
            assert deviation == pytest.approx(last.std(), rel=0.01, abs=0.01 * last.mean())
    ax = pictures["sweep"].axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Q", "clusters at distance 0.1, t = 1")
    assert ax.get_ylim()[0] >= 0.0
    assert set(section.terms) == {"cluster", "spread", "±"}
    # The spread of one point by hand.
    x0 = Uniform([[-1.0, 1.0]]).sample(12, studies.stream(7, [1], 2))
    end = simulate(SelfAttention(2.0, 1.0, -1.0), x0, [0.0, 1.0])["position"].values[-1]
    assert float(ds["spread"][1, 2, -1]) == pytest.approx(end.std())


def test_factors_are_told_as_factors(file, tmp_path):
    file.write_text(STUDY.replace("values = [0.5, 2.0, 4.0]", "factors = [1, 2.0]").replace("seeds = 3", "seeds = 1"))
    config = read_study(file)
    study, pictures = run_part(config.parts[0], config.setting, tmp_path)
    assert "at 2 factors of Q, 1 seeds" in study.sections[0].text
    assert study.sections[0].table.header[0] == "factor of Q"
    assert pictures["sweep"].axes[0].get_xlabel() == "factor of Q"
