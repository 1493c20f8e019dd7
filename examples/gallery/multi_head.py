"""Several heads
================

Two heads, one attracting along each axis: a sum of attention fields, rescaled by the sum of their values."""

import numpy as np
from pictures import paths as draw

from particles import SelfAttention, simulate


def run():
    across, along = np.diag([1.0, 0.2]), np.diag([0.2, 1.0])
    heads = SelfAttention(across, across, 0.5 * np.eye(2)) + SelfAttention(along, along, 0.5 * np.eye(2))
    x0 = np.random.default_rng(2).uniform(-1, 1, (40, 2))
    return simulate(heads.in_frame(np.eye(2)), x0, np.linspace(0, 8, 81))


def number(ds):
    """How many places the tokens end in, to 0.01."""
    return len(np.unique(np.round(ds.position[-1].values, 2), axis=0))


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
