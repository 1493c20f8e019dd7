"""Attention on the sphere, SA
==============================

SA: softmax attention on the unit sphere, β = 9: clusters form at once and then look permanent."""

import numpy as np
from pictures import paths as draw

from particles import SelfAttention, simulate


def run():
    x0 = np.random.default_rng(3).normal(size=(24, 3))
    x0 /= np.linalg.norm(x0, axis=1, keepdims=True)
    return simulate(SelfAttention(9 * np.eye(3), np.eye(3), np.eye(3)).on_sphere(), x0, np.linspace(0, 15, 61))


def number(ds):
    """How many clusters stand at t = 15, to 0.05."""
    return len(np.unique(np.round(ds.position[-1].values / 0.05), axis=0))


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
