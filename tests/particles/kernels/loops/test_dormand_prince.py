"""The coefficients are those of SciPy, bit by bit."""

import numpy as np
import pytest
from scipy.integrate import DOP853

from particles.kernels.loops import dormand_prince


@pytest.mark.parametrize("name", ["A", "B", "C", "E3", "E5"])
def test_the_coefficients_are_those_of_scipy(name):
    ours, theirs = getattr(dormand_prince, name), getattr(DOP853, name)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)
