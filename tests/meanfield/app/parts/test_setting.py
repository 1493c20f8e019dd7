"""The setting of a study: every public scheme by its name, tokens of a law or all of them."""

import numpy as np
import pytest

import meanfield
from meanfield.app.parts.setting import Setting, read_setting, schemes
from meanfield.app.table import Table
from meanfield.checkpoints import load_head, trained_heads
from meanfield.data import data_folder
from meanfield.studies import AtomicLaw
from particles import SelfAttention
from particles.errors import InvalidInput

BASE = {
    "model": {"name": "SelfAttention", "Q": 1.0, "K": 1.0, "V": -1.0},
    "initial": {"law": "normal", "mean": [0.0], "covariance": [[0.1]]},
}
NEEDED = {"FrozenFlow": {"tau": 0.1}}


def test_the_names_of_shipped_heads_stand_where_they_are_looked_for():
    template = (data_folder() / "template.toml").read_text(encoding="utf-8")
    for head in trained_heads():
        name = f'"layer{head.layer}_head{head.head}"'
        assert all(name in text for text in (template, load_head.__doc__, trained_heads.__doc__))


def test_how_tokens_were_drawn_is_told_so_that_they_can_be_drawn_again():
    setting = read_setting(Table(BASE, ""), 7)
    rng = np.random.default_rng(np.random.SeedSequence(7, spawn_key=(6,)))
    np.testing.assert_array_equal(setting.tokens(3, 6), setting.law.sample(3, rng))
    assert setting.drawn(3, 6) == f"{setting.law!r}.sample(3, default_rng(SeedSequence(7, spawn_key=(6,))))"
    atoms = Setting(SelfAttention(1.0, 1.0, 1.0), AtomicLaw(np.zeros((4, 1))), None, 7)
    assert atoms.drawn(3, 6).startswith("the 4 atoms of ")


@pytest.mark.parametrize("name", sorted(schemes()))
def test_every_public_scheme_is_named_with_its_parameters(name):
    grid = {"bounds": [[-3.0, 3.0]], "shape": [20], "scheme": {"name": name, **NEEDED.get(name, {})}}
    scheme = read_setting(Table({**BASE, "grid": grid}, ""), 0).grid.scheme
    assert type(scheme) is getattr(meanfield, name)
    assert all(getattr(scheme, key) == value for key, value in NEEDED.get(name, {}).items())


def test_no_scheme_is_the_choice_of_solve():
    assert read_setting(Table({**BASE, "grid": {"bounds": [[-3, 3]], "shape": [20]}}, ""), 0).grid.scheme is None


def test_tokens_are_all_atoms_or_a_draw_of_the_seed():
    model, points = SelfAttention(1.0, 1.0, 1.0), np.arange(3.0)[:, None]
    np.testing.assert_array_equal(Setting(model, AtomicLaw(points), None, 0).tokens(50, 6), points)
    setting = read_setting(Table(BASE, ""), 4)
    assert setting.tokens(5, 6).shape == (5, 1)
    np.testing.assert_array_equal(setting.tokens(5, 6), setting.tokens(5, 6))
    assert not np.array_equal(setting.tokens(5, 6), setting.tokens(5, 7))


def test_a_grid_of_another_dimension_than_the_law_is_refused_by_their_tables():
    grid = {"bounds": [[-3.0, 3.0]] * 2, "shape": [8, 8]}
    with pytest.raises(InvalidInput, match=r"the grid of \[grid\] has dimension 2, the law of \[initial\] 1"):
        read_setting(Table({**BASE, "grid": grid}, ""), 0)


def test_the_factors_of_a_trained_head_come_with_it():
    trained = {"model": {"name": "SelfAttention", "head": "layer2_head0"}, "initial": {"law": "sentence"}}
    setting = read_setting(Table(trained, ""), 0)
    left, right = setting.factors
    assert left.shape[1] == right.shape[0] == 32
    np.testing.assert_allclose(left @ right, setting.model.V, atol=1e-15)
    assert read_setting(Table(BASE, ""), 0).factors is None


def test_a_value_that_changes_the_dimension_is_refused():
    setting = read_setting(Table(BASE, ""), 0)
    assert setting.varied("Q", 2.0).dim == 1
    eye = np.eye(2).tolist()
    plane = {"model": {"name": "SelfAttention", "Q": eye, "K": eye, "V": eye}, "initial": BASE["initial"]}
    with pytest.raises(InvalidInput, match=r"R\^2"):
        read_setting(Table(plane, ""), 0).varied("Q", [[2.0, 0.0], [0.0, 2.0]])
