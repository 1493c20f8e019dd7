import numpy as np
import pytest
from samples import matrices, tokens

from particles import (
    EmpiricalMeasure,
    SelfAttention,
    simulate,
)
from particles.errors import NotConverged, NotSupported, RunStopped
from particles.models.normalization import SinkhornAttention

I2 = np.eye(2)


@pytest.mark.parametrize(
    ("normalization", "options", "words"),
    [
        ("none", {"tolerance": 1e-3}, ["UnnormalizedAttention", "tolerance", "leave tolerance out", "Q, K, V, A"]),
        ("none", {"max_iterations": 5}, ["max_iterations"]),
        ("sinkhorn", {"steps": 5}, ["SinkhornAttention", "steps", "Q, K, V, A, tolerance, max_iterations"]),
    ],
)
def test_a_normalization_has_its_own_parameters(normalization, options, words):
    with pytest.raises(NotSupported) as caught:
        SelfAttention(I2, I2, I2, normalization=normalization, **options)
    for word in (f"normalization={normalization!r}", *words):
        assert word in str(caught.value)


def test_parameters_of_a_normalization_arrive_by_place_and_by_name():
    assert SelfAttention(I2, I2, I2, None, 1e-3, normalization="sinkhorn").tolerance == 1e-3
    assert SelfAttention(I2, I2, I2, max_iterations=7, normalization="sinkhorn").max_iterations == 7
    assert SelfAttention(I2, I2, I2, tolerance=None, normalization="sinkhorn").tolerance == 1e-12
    with pytest.raises(NotSupported, match="tolerance"):
        SelfAttention(I2, I2, I2, None, 1e-3, normalization="none")


def test_sinkhorn_rows_and_columns_sum_to_the_weights():
    Q, K, V = matrices(2, 2, seed=2)
    x, w = tokens(12, 2, seed=8)
    P = SelfAttention(2 * Q, 2 * K, V, normalization="sinkhorn", tolerance=1e-9).attention_matrix(0.0, x, w)
    np.testing.assert_allclose(P.sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(w @ P, w, atol=1e-9)
    stubborn = SinkhornAttention(6 * Q, 6 * K, V, max_iterations=3)
    with pytest.raises(NotConverged, match="after 3 steps"):
        stubborn.attention_matrix(0.0, x, w)


def test_sinkhorn_on_gauss_quadrature_is_the_gaussian_closure():
    """Cross-covariance C = ((I + 4S²)^{1/2} − I)/2 for the kernel e^{xy}: X(x) = V C S^{-1} x."""
    nodes, masses = np.polynomial.hermite_e.hermegauss(60)
    for S in (0.3, 0.9):
        x = np.sqrt(S) * nodes[:, None]
        model = SelfAttention(1.0, 1.0, 1.5, normalization="sinkhorn")
        slope = 1.5 * (np.sqrt(1 + 4 * S**2) - 1) / 2 / S
        keep = np.abs(nodes) < 4
        got = model.velocity(0.0, x[keep], EmpiricalMeasure(x, masses / masses.sum()))
        np.testing.assert_allclose(got, slope * x[keep], atol=3e-10)


def test_unnormalized_overflow_stops_the_run_with_its_reason():
    model = SelfAttention(5.0, 5.0, 1.0, normalization="none")
    with pytest.raises(RunStopped):
        simulate(model, [1.0, 2.0], [0.0, 1.0, 2.0])
