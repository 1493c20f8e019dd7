"""The sum in tiles against the double loop."""

import pytest
from exact_sums import assert_the_double_loop

from particles.kernels.exact.tiles import tiled_average


@pytest.mark.parametrize("k", [1, 3, 6, 20])
def test_any_dimension(k):
    assert_the_double_loop(tiled_average, k)
