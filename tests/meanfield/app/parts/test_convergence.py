"""The part on convergence: its sentence follows the kind of law and its space, its table what is known."""

import numpy as np
import pytest

from meanfield import Normal, Uniform
from meanfield.app.parts.convergence import _rates, _table
from meanfield.studies import AtomicLaw, convergence
from particles import SelfAttention, simulate


@pytest.mark.parametrize(
    ("law", "words"),
    [
        (Uniform((0, 1)), "on the line approach it like N^(-1/2)"),
        (Uniform([(0, 1)] * 2), "in the plane approach it like (log N / N)^(1/2)"),
        (Uniform([(0, 1)] * 3), "in space approach it like N^(-1/3)"),
        (Normal(np.zeros(5), np.eye(5)), "in R^5 approach it like N^(-1/5) at best"),
        (AtomicLaw(np.zeros((7, 384))), "The law has 7 atoms: only their masses fluctuate"),
    ],
)
def test_the_sentence_follows_the_law_and_its_space(law, words):
    assert words in _rates(law)
    assert ("in the plane" in _rates(law)) == (isinstance(law, Uniform) and law.dim == 2)


def test_the_table_of_atoms_has_the_rate_of_atoms_alone():
    points = np.eye(5)
    zero = np.zeros((5, 5))
    model = SelfAttention(zero, zero, zero)
    reference = simulate(model, points, [0.0, 1.0])
    ds = convergence(model, AtomicLaw(points), reference, times=[0.0], sizes=[4, 8], seeds=5, seed=0)
    rows = {row[0]: row[1:] for row in _table(ds).rows}
    assert rows["theory, atoms"] == ["", "-0.250"]
    assert "theory, connected" not in rows


def test_the_table_of_a_uniform_law_has_its_law_at_finite_sizes():
    """Q = K = V = 0: the sample of a uniform law on an interval stays, E W₂² = |Ω|²/6N, a slope of −1/2 exactly."""
    model = SelfAttention(0.0, 0.0, 0.0)
    points = (np.arange(2000) + 0.5) / 2000
    reference = simulate(model, points[:, None], [0.0, 1.0])
    ds = convergence(model, Uniform((0, 1)), reference, times=[0.0], sizes=[4, 8, 16], seeds=5, seed=0)
    rows = {row[0]: row[1:] for row in _table(ds).rows}
    assert float(rows["law at finite N"][1]) == pytest.approx(-0.5, abs=0.001)


def test_the_table_has_the_seeds_the_sampling_error_and_the_errors_of_the_solution():
    model = SelfAttention(0.0, 0.0, 0.0)
    reference = simulate(model, np.array([0.0, 1.0]), [0.0, 1.0])
    ds = convergence(model, Uniform((0, 1)), reference, times=[0.0, 1.0], sizes=[4, 8], seeds=[7, 5], seed=0)
    table = _table(ds)
    rows = {row[0]: row[1:] for row in table.rows}
    assert (rows["4"][0], rows["8"][0]) == ("7", "5")
    assert rows["8"][1] == f"{float(ds['rms'][0, 1]):.4f} ± {float(ds['sampling_error'][0, 1]):.4f}"
    # Of particles nothing is known unless it is stated.
    assert rows["error, space"] == ["", "not known", "not known"]
    assert rows["error, transport"] == ["", "0.0e+00", "0.0e+00"]
    assert all(len(row) == len(table.header) for row in table.rows)
