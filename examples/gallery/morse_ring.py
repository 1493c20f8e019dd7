"""Morse potential: a ring
==========================

Morse's potential: six tokens end on a ring whose radius R solves Σ_k w'(2R sin(πk/6)) sin(πk/6) = 0."""

import numpy as np
from pictures import paths as draw

from particles import Morse, PairInteraction, simulate


def run():
    model = PairInteraction(Morse(attraction=1.0, attraction_length=2.0, repulsion=0.5, repulsion_length=0.8))
    return simulate(model, np.random.default_rng(3).uniform(-1, 1, (6, 2)), np.linspace(0, 300, 61))


def number(ds):
    """The mean distance of the tokens from their centre at the end."""
    x = ds.position[-1].values
    return float(np.linalg.norm(x - x.mean(axis=0), axis=1).mean())


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
