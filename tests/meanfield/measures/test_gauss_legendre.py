import numpy as np
import pytest

from meanfield.measures.gauss_legendre import gauss_legendre


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_polynomials_up_to_its_degree_are_integrated(count):
    nodes, weights = gauss_legendre(count)
    powers = np.arange(2 * count)
    integrals = (1 - (-1.0) ** (powers + 1)) / (powers + 1)
    np.testing.assert_allclose(weights @ nodes[:, None] ** powers, integrals, rtol=0, atol=1e-14)


def test_a_rule_that_all_share_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        gauss_legendre(3)[0][0] = 0.0
