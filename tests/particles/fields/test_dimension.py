"""Fields of any dimension: the initial points, sums and frames settle it."""

import numpy as np
import pytest

from particles import (
    Adaptive,
    Diffusion,
    HegselmannKrause,
    Krause,
    LogAttraction,
    SelfAttention,
    model_of,
    simulate,
)
from particles.errors import InvalidInput, NotSupported


def test_dimension_free_models_take_their_dimension_at_the_start_and_in_sums():
    assert Krause(np.exp).dim is None
    ds = simulate(HegselmannKrause(1.0), np.random.default_rng(0).normal(size=(5, 3)), [0.0, 0.1])
    assert model_of(ds).dim == 3
    total = SelfAttention(np.eye(2), np.eye(2), np.eye(2)) + Diffusion(0.3)
    np.testing.assert_array_equal(total.diffusion(0.0), 0.3 * np.eye(2))
    assert {term.dim for term in total.terms} == {2}
    free = LogAttraction(1.0) + Diffusion(0.3)
    assert free.dim is None
    np.testing.assert_array_equal(free.in_dimension(4).diffusion(0.0), 0.3 * np.eye(4))
    with pytest.raises(InvalidInput, match="one dimension"):
        Diffusion(np.eye(3)) + SelfAttention(1.0, 1.0, 1.0)
    with pytest.raises(InvalidInput, match="positive semi-definite"):
        Diffusion(np.array([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(NotSupported, match="EulerMaruyama"):
        simulate(total, np.zeros((3, 2)), [0.0, 1.0], Adaptive())


@pytest.mark.parametrize("dim", [0, -1, 2.5, "2"])
@pytest.mark.parametrize("field", [HegselmannKrause, LogAttraction, Diffusion])
def test_a_dimension_that_is_no_positive_whole_number_is_refused(field, dim):
    with pytest.raises(InvalidInput, match="dim must be"):
        field(1.0, dim=dim)
