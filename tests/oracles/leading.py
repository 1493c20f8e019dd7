"""The leading eigenvalue of a matrix and the projection onto its eigenspace in many digits, by the sign function."""

import mpmath
import numpy as np


def leading(V, cut, digits=40):
    """λ and π (d, d), of the eigenvalues of V with real parts above `cut`, in numbers of mpmath."""
    mpmath.mp.dps = digits
    d = len(V)
    sign = mpmath.matrix(V.tolist()) - mpmath.mpf(float(cut)) * mpmath.eye(d)
    for _ in range(80):
        sign = (sign + sign**-1) / 2
    projection = (mpmath.eye(d) + sign) / 2
    image = mpmath.matrix(V.tolist()) * projection
    trace = sum(projection[i, i] for i in range(d))
    return sum(image[i, i] for i in range(d)) / trace, np.array(projection.tolist(), dtype=object).reshape(d, d)
