"""The theorems as a list: names, statements, examples."""

import numpy as np

from meanfield import limits
from meanfield.limits.theorems.listed import FIELD_THEOREMS, theorem
from particles import SelfAttention


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
