"""The table of what runs with what: some rows of it on every run, all of it among the slow tests."""

import importlib.util
import json

import pytest
from source_tree import ROOT

from meanfield import Grid, Lagrangian, Normal, solve
from particles import Ensemble, SelfAttention
from particles.catalogue import catalogue
from particles.errors import NotSupported

spec = importlib.util.spec_from_file_location("what_runs", ROOT / "docs" / "what_runs.py")
what_runs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(what_runs)
STORED = json.loads(what_runs.STORED.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("form", "name"),
    [("original frame", "Ensemble"), ("with noise", "your own field"), ("on the sphere", "L2Attention")],
)
def test_a_row_of_the_table(form, name):
    assert what_runs.tried(name, form) == STORED[form][name]


def test_every_model_of_the_catalogue_is_tried():
    wrappers = {"Diffusion", "OnCircle", "OnSphere"}
    assert set(catalogue()) - wrappers <= set(what_runs.MODELS)
    assert set(STORED) == set(what_runs.FORMS)
    assert all(set(rows) == set(what_runs.MODELS) for rows in STORED.values())


def test_an_ensemble_is_no_equation_for_a_measure():
    """A moving mesh took it, and moved by its first field."""
    ensemble = Ensemble((SelfAttention(1.0, 1.0, -1.0), SelfAttention(2.0, 1.0, -1.0)))
    with pytest.raises(NotSupported, match="one of its `fields`"):
        solve(ensemble, Grid([(-3, 3)], 16).measure(Normal(0.0, 0.2)), [0.0, 0.1], Lagrangian())


@pytest.mark.slow
@pytest.mark.parametrize("form", what_runs.FORMS)
def test_the_whole_table(form):
    assert {name: what_runs.tried(name, form) for name in what_runs.MODELS} == STORED[form]
