"""The discrete rescaled transformer
====================================

The discrete transformer and its rescaled recursion, Remark 3.3: conjugate to rounding."""

from functools import partial

import numpy as np
from pictures import paths

from particles import Euler, RescaledTransformer, SelfAttention, simulate

draw = partial(paths, letter="z")


def run():
    x0 = np.random.default_rng(9).uniform(-1, 1, (30, 2))
    return simulate(RescaledTransformer(np.eye(2), np.eye(2), np.eye(2), 0.1), x0, np.arange(41))


def number(ds):
    """The largest deviation of R^k z[k] from Euler's x[k], relative to the size of x."""
    model = RescaledTransformer(np.eye(2), np.eye(2), np.eye(2), 0.1)
    x = simulate(
        SelfAttention(np.eye(2), np.eye(2), np.eye(2)), ds.position[0], 0.1 * np.arange(41), Euler(0.1)
    ).position
    return float(np.abs(model.original(40, ds.position[-1]) - x[-1].values).max() / np.abs(x[-1].values).max())


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
