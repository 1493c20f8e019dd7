"""L² attention
===============

Attention with the kernel e^{−|x − y|²/2} in the frame z = e^{−t} x: mean shift with a window that narrows."""

import numpy as np
from pictures import paths as draw

from particles import L2Attention, simulate


def run():
    x0 = np.random.default_rng(8).normal(size=(40, 2)) * 2
    return simulate(L2Attention(np.eye(2), np.eye(2), np.eye(2)).rescaled(), x0, np.linspace(0, 4, 41))


def number(ds):
    """How many places the tokens end in, to 0.05."""
    return len(np.unique(np.round(ds.position[-1].values / 0.05), axis=0))


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
