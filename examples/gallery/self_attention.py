"""Self-attention, rescaled
===========================

Self-attention with Q = K = V = I, rescaled: tokens go to the vertices of a polytope (Theorem 3.1)."""

import numpy as np
from pictures import paths as draw

from particles import SelfAttention, simulate


def run():
    x0 = np.random.default_rng(1).uniform(-1, 1, (40, 2))
    return simulate(SelfAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled(), x0, np.linspace(0, 8, 81))


def number(ds):
    """How many places the tokens end in, to 0.01."""
    return len(np.unique(np.round(ds.position[-1].values, 2), axis=0))


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
