"""A bound on the largest eigenvalue: never below it, hardly above it, and dense where nothing is proved."""

import numpy as np
import pytest

from meanfield.studies import top_eigenvalue
from meanfield.studies.top_eigenvalue import DENSE, MARGIN, upper_eigenvalue

N = 120

KINDS = ("alone", "cluster", "close", "repeated", "negative", "small", "tiny unit", "large unit")


def with_eigenvalues(values, seed=0):
    """A full symmetric matrix with these eigenvalues."""
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))[0]
    S = (basis * values) @ basis.T
    return 0.5 * (S + S.T)


def size(S):
    return np.abs(np.linalg.eigvalsh(S)[-1]) + np.linalg.norm(S) / np.sqrt(len(S))


def tops(kind):
    """Eigenvalues with the largest alone, in a cluster, repeated, negative, small beside the rest, or in units."""
    values = np.sort(np.random.default_rng(1).uniform(-1, 0.5, N))
    return {
        "alone": np.append(values[1:], 2.0),
        "cluster": np.append(values[8:], 1.0 + 1e-9 * np.arange(8)),
        "close": np.append(values[3:], [1.0, 1.0 + 1e-5, 1.0 + 2e-5]),
        "repeated": np.append(values[5:], [1.0] * 5),
        "negative": values - 1.0,
        "small": np.append(1e6 * (values[1:] - 1.0), 1e-3),
        "tiny unit": 1e-100 * values,
        "large unit": 1e100 * values,
    }[kind]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_the_bound_lies_above_the_largest_eigenvalue_by_the_margin_at_most(kind, seed):
    S = with_eigenvalues(tops(kind), seed)
    largest, bound = np.linalg.eigvalsh(S)[-1], upper_eigenvalue(S)
    assert 0.0 <= bound - largest <= 1.01 * MARGIN * size(S)


@pytest.mark.parametrize("kind", ["alone", "close", "repeated", "negative", "small"])
def test_no_dense_eigenvalues_are_needed(kind, monkeypatch):
    S = with_eigenvalues(tops(kind))
    largest = np.linalg.eigvalsh(S)[-1]
    monkeypatch.setattr(np.linalg, "eigvalsh", lambda S: pytest.fail("all eigenvalues were computed"))
    assert upper_eigenvalue(S) > largest


@pytest.mark.parametrize(("short", "proved"), [(0.0, True), (0.45, True), (0.55, False), (1.0, False), (1e8, False)])
def test_a_lanczos_value_that_falls_short_proves_nothing_false(short, proved, monkeypatch):
    """The factorisation stands between θ + half the margin and what is returned, whatever Lanczos has found."""
    S = with_eigenvalues(tops("alone"))
    largest = np.linalg.eigvalsh(S)[-1]
    theta = largest - short * MARGIN * size(S)
    monkeypatch.setattr(top_eigenvalue, "eigsh", lambda *args, **options: np.array([theta]))
    found = top_eigenvalue._proved(S)
    assert (found is not None) == proved
    assert found is None or found >= largest
    assert upper_eigenvalue(S) == (found if proved else largest)


def test_all_eigenvalues_stand_in_where_lanczos_or_the_margin_fails(monkeypatch):
    zero, one = np.zeros((N, N)), np.eye(N)
    assert upper_eigenvalue(zero) == 0.0
    assert 1.0 <= upper_eigenvalue(one) <= 1.0 + 3 * MARGIN
    assert upper_eigenvalue(-one) == pytest.approx(-1.0, abs=3 * MARGIN)
    S = with_eigenvalues(tops("alone"))
    largest = np.linalg.eigvalsh(S)[-1]
    # A margin of the size of the rounding of the factorisation is no proof.
    monkeypatch.setattr(top_eigenvalue, "MARGIN", 1e-12)
    assert top_eigenvalue._proved(S) is None
    assert upper_eigenvalue(S) == largest
    monkeypatch.undo()

    def not_converged(*args, **options):
        raise top_eigenvalue.ArpackError(-1)

    monkeypatch.setattr(top_eigenvalue, "eigsh", not_converged)
    assert upper_eigenvalue(S) == largest


def test_small_matrices_are_dense_and_the_matrix_is_left_as_it_is():
    S = with_eigenvalues(np.arange(DENSE, dtype=float))
    assert upper_eigenvalue(S) == np.linalg.eigvalsh(S)[-1]
    S = with_eigenvalues(tops("alone"))
    before = S.copy()
    assert upper_eigenvalue(S) == upper_eigenvalue(S)
    np.testing.assert_array_equal(S, before)
