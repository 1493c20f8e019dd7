"""Products of rows in tiles are those of NumPy."""

import numpy as np
import pytest

from particles.kernels.exact.products import add_products


@pytest.mark.parametrize("count", [0, 1, 7, 256])
def test_sixteen_products_are_added_where_they_belong(count):
    rng = np.random.default_rng(count)
    a, b, out = rng.normal(size=(9, 256)), rng.normal(size=(10, 256)), rng.normal(size=(12, 12))
    expected = out.copy()
    expected[5:9, 3:7] += a[2:6, :count] @ b[4:8, :count].T
    add_products(a, 2, b, 4, count, out, 5, 3)
    np.testing.assert_allclose(out, expected, atol=1e-13)
