import shutil
from pathlib import Path

import numpy as np
import pytest

from meanfield import data
from particles.errors import InvalidInput, StoreError

FIGURES = data.read_toml("paper_figures.toml")["figure"]
RUNS = [entry for entry in FIGURES if entry["kind"] == "run"]


def label(entry):
    return f"{entry['number']}{entry.get('panel', '')}"


def case_of(entry):
    return next(c for c in data.figure_cases(entry["number"]) if c.entry == entry)


def by_size(eigenvalues):
    return np.array(sorted(eigenvalues, key=lambda w: (-w.real, w.imag)))


def test_data_is_found_beside_the_source_and_in_an_installed_package(tmp_path: Path):
    source = tmp_path / "source"
    (source / "meanfield").mkdir(parents=True)
    with pytest.raises(StoreError, match="reinstall"):
        data.data_folder(source / "meanfield")
    (source / "data").mkdir()
    shutil.copy(data.data_path("paper_figures.toml"), source / "data")
    assert data.data_folder(source / "meanfield") == source / "data"
    installed = tmp_path / "site-packages" / "meanfield"
    (installed / "_data").mkdir(parents=True)
    shutil.copy(data.data_path("paper_figures.toml"), installed / "_data")
    assert data.data_folder(installed) == installed / "_data"


def test_an_unknown_file_is_refused_with_the_list():
    with pytest.raises(InvalidInput, match=r"paper_figures\.toml"):
        data.data_path("nothing.toml")


def test_every_figure_of_the_paper_has_an_entry_with_its_source():
    assert sorted({entry["number"] for entry in FIGURES}) == list(range(1, 14))
    for entry in FIGURES:
        assert entry["source"].startswith(f"Figure {entry['number']}, Section ")


@pytest.mark.parametrize("number", [2, 9, 14])
def test_a_figure_without_a_run_is_refused(number):
    with pytest.raises(InvalidInput, match="no run belongs"):
        data.figure_cases(number)


@pytest.mark.parametrize("entry", RUNS, ids=label)
def test_runs_are_consistent(entry):
    case = case_of(entry)
    assert case.Q.shape == case.K.shape == case.V.shape == (case.d, case.d)
    assert case.initial().shape == (case.n, case.d)
    assert case.low <= case.initial().min() < case.initial().max() <= case.high
    assert case.times[0] == 0.0
    assert np.all(np.diff(case.times) > 0)
    assert case.dt == 0.1
    assert case.frame in ("original", "rescaled")
    assert entry["stated"] or entry["chosen"]
    if "printed_ranks" in entry:
        assert len(entry["printed_ranks"]) == len(case.times)


@pytest.mark.parametrize("entry", [e for e in RUNS if "printed_eigenvalues" in e], ids=label)
def test_printed_eigenvalues_are_those_of_the_matrix(entry):
    printed = by_size([complex(*w) for w in entry["printed_eigenvalues"]])
    computed = by_size(np.linalg.eigvals(case_of(entry).V).astype(complex))
    np.testing.assert_allclose(computed, printed, atol=0.0101 if entry["number"] == 13 else 0.0051)


@pytest.mark.parametrize("entry", [e for e in RUNS if "eigenvalues" in e], ids=label)
def test_true_eigenvalues_of_the_misprinted_captions(entry):
    stated = by_size([complex(*w) for w in entry["eigenvalues"]])
    np.testing.assert_allclose(by_size(np.linalg.eigvals(case_of(entry).V)), stated, atol=1e-6)


@pytest.mark.parametrize("entry", [e for e in RUNS if e.get("theorem") == "4.2"], ids=label)
def test_cases_of_theorem_4_2_are_good_triples_with_the_printed_direction(entry):
    case = case_of(entry)
    w, vectors = np.linalg.eig(case.V)
    order = np.argsort(-abs(w))
    leading = w[order[0]]
    assert leading.imag == 0
    assert leading.real > abs(w[order[1]]) + 0.1
    phi = vectors[:, order[0]].real
    assert (case.Q @ phi) @ (case.K @ phi) > 0
    printed = np.array(entry["printed_phi1"])
    phi *= np.sign(phi @ printed)
    np.testing.assert_allclose(phi, printed, atol=0.033 if entry["number"] == 13 else 0.0075)


def test_the_hyperplanes_of_figure_6_are_not_perpendicular_to_phi1():
    (case,) = data.figure_cases(6)
    left = np.array(case.entry["left_eigenvector"])
    np.testing.assert_allclose(left @ case.V, 1.3479896139 * left, atol=1e-9)
    assert abs(left @ np.array(case.entry["printed_phi1"])) < 0.995
    assert not np.allclose(case.V, case.V.T, atol=0.1)


@pytest.mark.parametrize("number", [4, 11])
def test_random_matrices_are_reproducible_and_positive_definite(number):
    for first, second in zip(data.figure_cases(number), data.figure_cases(number), strict=True):
        np.testing.assert_array_equal(first.V, second.V)
        np.testing.assert_array_equal(first.V, first.V.T)
        assert np.linalg.eigvalsh(first.V).min() > 0
        assert not np.array_equal(first.Q, first.V)


def test_cluster_position_from_quadrature_points():
    reference = data.read_toml("reference.toml")["cluster_position_1d"]
    z, w = np.polynomial.legendre.leggauss(100)
    w = w / 2

    def velocity(t, z):
        score = np.exp(2 * t) * np.outer(z, z)
        p = w * np.exp(score - score.max(axis=1, keepdims=True))
        return p @ z / p.sum(axis=1) - z

    steps = 600
    h = 6.0 / steps
    for t in h * np.arange(steps):
        k1 = velocity(t, z)
        k2 = velocity(t + h / 2, z + h / 2 * k1)
        k3 = velocity(t + h / 2, z + h / 2 * k2)
        k4 = velocity(t + h, z + h * k3)
        z = z + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    assert abs(z[-1] - reference["value"]) < reference["tolerance"]


def test_the_figures_that_have_runs_are_listed_for_one_that_has_none():
    with pytest.raises(InvalidInput, match=r"Figure 9; the figures with runs are \[1, 3, 4, 5, 6, 7, 8, 10,"):
        data.figure_cases(9)
    with pytest.raises(StoreError, match="Q is random but its entry has no matrix_seed"):
        data._matrix("random W W^T", "Q", 2, None)
