"""Sinkhorn attention
=====================

The Sinkformer: attention with a doubly stochastic matrix, V = −I, spreads no mass and contracts slowly."""

import numpy as np
from pictures import paths as draw

from particles import SelfAttention, simulate


def run():
    x0 = np.random.default_rng(4).normal(size=(30, 2))
    model = SelfAttention(np.eye(2), np.eye(2), -np.eye(2), normalization="sinkhorn")
    return simulate(model, x0, np.linspace(0, 2, 21))


def number(ds):
    """The largest deviation of the mean from e^{−t} times the first: columns that sum to 1 make m' = −m."""
    mean = ds.position.values.mean(axis=1)
    return float(np.abs(mean - np.exp(-ds.time.values)[:, None] * mean[0]).max())


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
