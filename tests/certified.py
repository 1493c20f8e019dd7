"""A run and its certificate."""

import numpy as np

from meanfield import limits
from particles import simulate

TIMES = np.linspace(0.0, 12.0, 49)
SHEAR = np.array([[1.0, 3.0, 0.0], [0.0, 0.4, -1.0], [0.0, 0.0, -0.3]])
"""A matrix that is not normal, with the simple leading eigenvalue 1 and one negative."""


def random_points(seed, n, d, half=1.0):
    """n points uniform on [−half, half]^d."""
    return np.random.default_rng(seed).uniform(-half, half, size=(n, d))


def certificate(model, x0, times=TIMES, **options):
    """The certificate of a run of `model` from x0."""
    return limits.certify(simulate(model, x0, times, **options))
