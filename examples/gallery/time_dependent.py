"""Layers that change in time
=============================

Matrices that turn with time: V(t) a rotation generator whose sign flips, so that the tokens swing back."""

import numpy as np
from pictures import paths as draw

from particles import SelfAttention, simulate


def run():
    J = np.array([[0.0, -1.0], [1.0, 0.0]])
    model = SelfAttention(np.eye(2), np.eye(2), lambda t: np.cos(t) * J)
    return simulate(model, np.random.default_rng(3).normal(size=(20, 2)), np.linspace(0, 2 * np.pi, 61))


def number(ds):
    """How far the tokens are from their start after a whole period: in the time s = sin t the field is constant."""
    return float(np.abs(ds.position[-1].values - ds.position[0].values).max())


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
