"""Causal attention
===================

Causal attention, rescaled: the first token never moves, later ones gather at those before them."""

import numpy as np
from pictures import paths as draw

from particles import CausalAttention, simulate


def run():
    x0 = np.random.default_rng(7).uniform(-1, 1, (30, 2))
    return simulate(CausalAttention(np.eye(2), np.eye(2), np.eye(2)).rescaled(), x0, np.linspace(0, 8, 81))


def number(ds):
    """How many places the tokens end in, to 0.05."""
    return len(np.unique(np.round(ds.position[-1].values / 0.05), axis=0))


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
