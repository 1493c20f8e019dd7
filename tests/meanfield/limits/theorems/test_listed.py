"""The theorems as a list: names, statements, examples."""

import numpy as np
import pytest

from meanfield import limits
from meanfield.limits.theorems.listed import FIELD_THEOREMS, theorem
from particles import HardmaxAttention, SelfAttention


def test_names_and_statements_are_different():
    names = [each.name for each in limits.THEOREMS]
    assert names == ["2.1", "3.1", "8.5", "4.2", "5.2"]
    assert len({each.statement for each in limits.THEOREMS}) == len(names)
    assert [theorem(name) for name in names] == list(limits.THEOREMS)


def test_names_of_all_theorems_are_different():
    every = [*limits.THEOREMS, *FIELD_THEOREMS]
    assert len({each.name for each in every}) == len({each.statement for each in every}) == len(every)
    assert all("arXiv" in each.statement for each in FIELD_THEOREMS)


def test_every_example_is_an_example_of_its_theorem():
    for each in limits.THEOREMS:
        if each.example is not None:
            model = SelfAttention(each.example.Q, np.eye(len(each.example.V)), each.example.V)
            assert limits.hypotheses(model).theorem == each.name


def test_examples_are_what_their_labels_say():
    """Table 1 prints the label; what is run is the matrix."""
    for each in limits.THEOREMS:
        if each.example is not None:
            d = len(each.example.V)
            names = {"I": np.eye(d), "diag": lambda *entries: np.diag(np.array(entries, float))}
            label = each.example.V_is.replace("−", "-")
            np.testing.assert_array_equal(each.example.V, eval(label, {"__builtins__": {}}, names))


@pytest.mark.parametrize("d", [2, 3])
def test_every_theorem_finds_the_multiple_of_the_identity(d):
    """Where V = λI, or V_h = λ_h I, the number that has to be positive is λ, or the sum of all λ_h."""
    one, scale = np.eye(d), 0.7 * np.eye(d)
    field = SelfAttention(one, one, scale)
    cases = [
        (field.on_sphere(), 0.7),
        (field, 0.7),
        (HardmaxAttention(one, one, scale), 0.7),
        (field + SelfAttention(one, 2.0 * one, 0.4 * one), 1.1),
    ]
    head = limits.hypotheses(field).head
    stated = [(each, each.checks(head), 0.7) for each in limits.THEOREMS]
    stated += [(each, each.checks(model), rate) for each in FIELD_THEOREMS for model, rate in cases]
    found = [(each.name, c, rate) for each, checks, rate in stated for c in checks if "where V = λI" in c.needs]
    assert len(found) >= 5
    for name, check, rate in found:
        assert check.value == pytest.approx(rate, rel=1e-14), (name, check.needs)
        assert check.holds
