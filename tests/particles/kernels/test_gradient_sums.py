import numpy as np
import pytest
from samples import tokens

from particles import threads
from particles.errors import OutOfRange
from particles.kernels import gradient_sums as module
from particles.kernels.gradient_sums import Gradient, gradient_sums
from particles.kernels.user_functions import profile_block


def slope(r):
    return r * np.exp(-r)


CODE = profile_block(slope, False)


def of_arrays(z):
    r = np.linalg.norm(z, axis=1, keepdims=True)
    return slope(r) * z / r


def gradient(d, code=CODE, origin=0.0):
    return Gradient(code, True, np.empty(0), of_arrays, np.full(d, origin))


def double_loop(x, y, w, period, reach):
    out = np.zeros_like(x)
    for i in range(len(x)):
        for j in range(len(y)):
            z = x[i] - y[j]
            for k in range(len(z)):
                if period[k] > 0:
                    z[k] -= period[k] * round(z[k] / period[k])
            r = float(np.sqrt(z @ z))
            if 0 < r <= reach:
                out[i] += w[j] * slope(r) * z / r
    return out


@pytest.mark.parametrize("code", [CODE, None], ids=["compiled", "numpy"])
@pytest.mark.parametrize("reach", [None, 0.4])
@pytest.mark.parametrize("period", [(0.0,), (0.0, 0.0), (2.0, 0.0), (2.0, 3.0), (2.5, 0.0, 2.0)])
def test_the_sum_is_the_double_loop(code, reach, period):
    d = len(period)
    y, w = tokens(270, d, seed=2)
    x = np.concatenate([y[:9], tokens(6, d, seed=3)[0], np.full((1, d), 50.0)])
    lengths = np.array(period)
    expected = double_loop(x, y, w, lengths, np.inf if reach is None else reach)
    got = gradient_sums(gradient(d, code), x, y, w, lengths, reach)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-14 * np.abs(expected).max())


def test_the_number_of_threads_changes_nothing(monkeypatch):
    monkeypatch.setattr(module, "ALONE", 0)
    y, w = tokens(300, 2, seed=2)
    with threads(1):
        one = gradient_sums(gradient(2), y, y, w, np.zeros(2))
    with threads(3):
        np.testing.assert_array_equal(gradient_sums(gradient(2), y, y, w, np.zeros(2)), one)


def test_a_token_sees_itself_by_the_declared_gradient():
    y, w = np.array([[1.0, 2.0]]), np.ones(1)
    for code in (CODE, None):
        plain = gradient(2, code, 3.0)._replace(radial=False) if code is None else gradient(2, code)
        expected = [[3.0, 3.0]] if code is None else [[0.0, 0.0]]
        np.testing.assert_array_equal(gradient_sums(plain, y, y, w, np.zeros(2)), expected)


def test_a_run_is_not_blocked_by_points_that_overflow():
    y = np.array([[0.0], [1e200]])
    with pytest.raises(OutOfRange, match="1e154"):
        gradient_sums(gradient(1), y, y, np.full(2, 0.5), np.zeros(1))
