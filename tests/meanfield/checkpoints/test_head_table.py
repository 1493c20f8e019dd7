import numpy as np
import pytest
from oracles.transformers import Bert

from meanfield import checkpoints, limits
from meanfield.checkpoints.head_table import EIGENVALUES, HYPOTHESES, head_table
from meanfield.checkpoints.heads import Head
from particles import SelfAttention


def random_head(k, d, seed):
    rng = np.random.default_rng(seed)
    shapes = {"Q": (k, d), "K": (k, d), "output": (d, k), "value": (k, d)}
    return Head(**{name: rng.normal(size=shape) for name, shape in shapes.items()}, layer=0, head=seed, source="random")


@pytest.mark.parametrize("d", [4, 9])
def test_the_numbers_are_those_of_the_matrices(d):
    heads = [random_head(3, d, seed) for seed in range(12)]
    table = head_table([heads], "random")
    for row, head in enumerate(heads):
        V, S = head.V, head.Q.T @ head.K
        values = sorted(np.linalg.eigvals(V), key=lambda v: (-round(abs(v), 9), -v.real, -v.imag))[:3]
        found = table.eigenvalue_real.values[0, row] + 1j * table.eigenvalue_imag.values[0, row]
        np.testing.assert_allclose(found, values, rtol=0, atol=1e-9)
        scale = np.linalg.norm(S)
        mean = np.trace(V) / d
        expected = {
            "scalar_margin": -np.linalg.norm(V - mean * np.eye(d)) / np.linalg.norm(V),
            "symmetric_margin": -np.linalg.norm(S - S.T) / (2 * scale),
            "definite_margin": np.linalg.eigvalsh(0.5 * (S + S.T))[0] / scale,
            "simple_margin": 1 - abs(values[1]) / abs(values[0]),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(float(table[name][0, row]), value, rtol=0, atol=1e-9, err_msg=name)


def test_verdicts_are_those_of_the_library():
    heads = [random_head(3, 6, seed) for seed in range(40)]
    table = head_table([heads], "random")
    for row, head in enumerate(heads):
        found = limits.hypotheses(SelfAttention(head.Q, head.K, head.V))
        assert str(table.theorem.values[0, row]) == (found.theorem or "")
        assert bool(table.fails.values[0, row]) == (found.theorem != "4.2")
    assert set(table.theorem.values[0]) == {"", "4.2"}


def test_a_head_of_full_rank_is_decided_by_all_theorems():
    eye = np.eye(3)
    table = head_table([[Head(eye, eye, eye, 2 * eye, 0, 0, "I"), Head(eye, eye, eye, -eye, 0, 1, "−I")]], "scalar")
    assert table.theorem.values.tolist() == [["3.1", "8.5"]]
    np.testing.assert_allclose(table.scalar_margin, 0, atol=1e-7)
    assert not table.rank_deficient.any()


def test_the_shipped_heads():
    table = head_table([[head] for head in checkpoints.trained_heads()], "MiniLM")
    assert table.theorem.values.ravel().tolist() == ["", "4.2"]
    assert table.fails.values.ravel().tolist() == ["⟨Qφ₁, Kφ₁⟩ > 0", ""]
    assert table.sizes["eigenvalue"] == EIGENVALUES
    assert (table["size"] == 32).all()
    assert table.attrs["d"] == 384
    assert table.rank_deficient.all()
    assert table.layer.values.tolist() == [0, 2]


def test_every_head_of_a_model_has_a_row(tmp_path):
    table = checkpoints.open(Bert().save(tmp_path / "m")).heads()
    assert table.theorem.dims == ("layer", "head")
    assert table.theorem.shape == (3, 3)
    assert all(table[name].attrs["long_name"] == text for name, text in HYPOTHESES.items())


def test_a_head_that_does_nothing_has_no_theorem():
    zero = np.zeros((2, 4))
    table = head_table([[Head(zero, zero, zero.T, zero, 0, 0, "0")]], "0")
    assert table.theorem.values.item() in ("", "undecided")
    assert np.isfinite(table.simple_margin)


def test_a_thin_value_beside_full_queries_is_decided_by_all_theorems():
    """V = diag(1, 1, 0) is of rank two, its leading eigenvalue is double: Theorem 5.2, not 4.2."""
    eye, two = np.eye(3), np.eye(3)[:2]
    table = head_table([[Head(eye, eye, two.T, two, 0, 0, "a plane")]], "thin")
    assert table.theorem.values.tolist() == [["5.2"]]
