import numpy as np
import pytest

from meanfield.studies.ranges import range_basis


@pytest.mark.parametrize(("ranks", "columns"), [((2,), 3), ((2, 3), 6), ((8,), 8), ((5, 5), 8), ((0,), 1)])
def test_the_basis_holds_all_ranges_and_one_direction_more(ranks, columns):
    rng = np.random.default_rng(1)
    matrices = [rng.normal(size=(8, r)) @ rng.normal(size=(r, 8)) for r in ranks]
    U = range_basis(matrices)
    assert U.shape == (8, columns)
    np.testing.assert_allclose(U.T @ U, np.eye(columns), atol=1e-13)
    for M in matrices:
        np.testing.assert_allclose(U @ U.T @ M, M, atol=1e-12)
    if columns < 8:
        np.testing.assert_allclose(U[:, -1] @ np.hstack(matrices), 0, atol=1e-12)
