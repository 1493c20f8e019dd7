"""Trajectories of (1.1) in arithmetic of more digits, by Taylor series: written apart from the library's own."""

import mpmath
import numpy as np


class LongDouble:
    """64 bits, where the machine has them."""

    degree, last, negligible = 26, np.longdouble(1e-22), -50.0

    @staticmethod
    def array(x):
        return np.asarray(x, dtype=np.longdouble)

    exp = staticmethod(np.exp)


class Digits:
    """Decimal digits of mpmath, in arrays of objects."""

    def __init__(self, digits):
        mpmath.mp.dps = digits
        self.degree, self.last, self.negligible = int(1.2 * digits), mpmath.mpf(10) ** -(digits - 5), -2.5 * digits

    @staticmethod
    def array(x):
        return np.vectorize(lambda v: mpmath.mpf(float(v)), otypes=[object])(np.asarray(x))

    @staticmethod
    def exp(x):
        return np.vectorize(mpmath.exp, otypes=[object])(x)


def taylor(x, V, B, w, numbers):
    """Coefficients of t^k of the solution through x (n, d), and of the logarithms of the weights that were left out."""
    n, d = x.shape
    X, image = (np.zeros((numbers.degree + 1, n, d), dtype=x.dtype) for _ in range(2))
    S, E = (np.zeros((numbers.degree, n, n), dtype=x.dtype) for _ in range(2))
    Z, M = np.zeros((numbers.degree, n, 1), dtype=x.dtype), np.zeros((numbers.degree, n, d), dtype=x.dtype)
    orders = numbers.array(np.arange(float(numbers.degree)))
    with np.errstate(divide="ignore"):
        log_w = numbers.array(np.log(w.astype(float)))
    X[0] = x
    for k in range(numbers.degree):
        image[k] = X[k] @ B.T
        S[k] = np.einsum("aic,ajc->ij", image[: k + 1], X[k::-1])
        if k == 0:
            weighted = S[0] + log_w
            leaders = weighted.argmax(axis=1)
            kept = weighted - weighted.max(axis=1, keepdims=True) > 1.5 * numbers.negligible
        S[k] = S[k] - S[k][np.arange(n), leaders][:, None]
        if k == 0:
            E[0] = numbers.exp(S[0]) * kept
        else:
            E[k] = np.einsum("a,aij,aij->ij", orders[1 : k + 1], S[1 : k + 1], E[k - 1 :: -1]) / k
        Z[k] = (E[k] @ w)[:, None]
        above = np.einsum("aij,ajc->ic", E[: k + 1] * w, X[k::-1])
        M[k] = (above - (Z[1 : k + 1] * M[k - 1 :: -1]).sum(axis=0) if k else above) / Z[0]
        X[k + 1] = M[k] @ V.T / (k + 1)
    S[0] = S[0] + log_w - log_w[leaders][:, None]
    return X, S[:, ~kept & (w > 0)]


def flow(x0, V, B, w, times, numbers):
    """The tokens at one time after the other, from x0 (n, d) at time 0; V, B (d, d) and w (n,) as they are stored."""
    x, V, B, w = (numbers.array(a) for a in (x0, V, B, w))
    now = numbers.array(0.0)[()]
    for end in (numbers.array(t)[()] for t in times):
        while now < end:
            X, dropped = taylor(x, V, B, w, numbers)
            size, last = abs(x).max(), max(abs(X[-1]).max(), abs(X[-2]).max())
            # The last terms are the room that the series leaves; half of it, as the terms need not fall in order.
            step = (numbers.last * size / last) ** (numbers.array(1.0)[()] / (numbers.degree - 1)) / 2 if last else end
            step = min(step, end - now)
            while dropped.size and largest(dropped, step) > numbers.negligible:
                step = step / 2
            x = sum(c * step**k for k, c in reversed(list(enumerate(X))))
            now = now + step
        yield x


def largest(scores, step):
    """The largest value of polynomials over a step."""
    return (scores[0] + sum(abs(c) * step**k for k, c in enumerate(scores[1:], start=1))).max()
