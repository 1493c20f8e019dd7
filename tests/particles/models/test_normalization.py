import numpy as np
import pytest

from particles import SelfAttention
from particles.errors import NotSupported

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
