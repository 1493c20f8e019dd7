"""Hardmax attention
====================

Hardmax attention in the frame z = e^{−t} x: every token heads straight for its leader."""

import numpy as np
from pictures import paths as draw

from particles import RK4, HardmaxAttention, simulate


def run():
    x0 = np.random.default_rng(5).uniform(-1, 1, (40, 2))
    model = HardmaxAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled()
    return simulate(model, x0, np.linspace(0, 8, 81), RK4(dt=0.02))


def number(ds):
    """How many leaders there are at the end."""
    P = HardmaxAttention(np.eye(2), np.eye(2), np.eye(2)).attention_matrix(0.0, ds.position[-1].values)
    return int(np.sum(P.sum(axis=0) > 0.5))


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
