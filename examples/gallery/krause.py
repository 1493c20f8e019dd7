"""Krause's model with a Gaussian kernel
========================================

Krause's model with a Gaussian kernel: opinions gather in groups that then drift towards each other."""

import numpy as np
from pictures import against_time as draw

from particles import Krause, simulate


def run():
    x0 = np.random.default_rng(11).uniform(0, 10, 60)
    return simulate(Krause(lambda squared: np.exp(-2 * squared)), x0, np.linspace(0, 12, 61))


def number(ds):
    """How many groups stand at t = 12, to 0.1."""
    return len(np.unique(np.round(ds.position[-1].values / 0.1)))


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
