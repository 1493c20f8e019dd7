import ctypes

import numba
import numpy as np
import pytest

from particles.kernels.user_functions import field_block, loop_block, profile_block

POINTER = ctypes.POINTER(ctypes.c_double)


def call(code, arguments, numbers, count, size, values):
    out = np.empty(values)
    a, p, o = (array.ctypes.data_as(POINTER) for array in (arguments, numbers, out))
    code.ctypes(a, p, count, size, o)
    return out


def test_profiles_with_and_without_parameters():
    r = np.linspace(0.1, 2, 7)
    with_numbers = profile_block(lambda r, p: p[0] * np.exp(-r / p[1]), True)
    np.testing.assert_allclose(call(with_numbers, r, np.array([2.0, 0.5]), 7, 2, 7), 2 * np.exp(-r / 0.5), rtol=1e-15)
    np.testing.assert_allclose(call(profile_block(np.tanh, False), r, np.empty(0), 7, 0, 7), np.tanh(r), rtol=1e-15)


def fill(r, p, out):
    out[:] = p[0]
    for i in range(len(r)):
        out[i] += r[i] ** 2


def test_a_loop_of_its_own_fills_the_values():
    r = np.linspace(0.1, 2, 7)
    np.testing.assert_array_equal(call(loop_block(fill), r, np.array([3.0]), 7, 1, 7), 3.0 + r**2)


def test_a_function_that_is_compiled_already_is_taken_as_it_is():
    assert profile_block(numba.njit(lambda r: r + 1.0), False) is not None


@pytest.mark.slow
def test_gradients_of_displacements():
    z = np.random.default_rng(0).normal(size=(5, 2))
    out = call(field_block(lambda z: np.sin(z) * 2), z, np.empty(0), 5, 2, 10)
    np.testing.assert_allclose(out.reshape(5, 2), 2 * np.sin(z), rtol=1e-15)


def test_what_numba_does_not_know_is_none():
    class Table:
        def __call__(self, r):
            return np.interp(r, [0, 1], [0, 1])

    assert profile_block(Table(), False) is None
    assert profile_block(lambda r: sorted(vars())[0], False) is None
