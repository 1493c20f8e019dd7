"""Linear attention
===================

Linear attention, V = −I: closed for every n, x(t) = (I + 2tM)^{−1/2} x(0)."""

import numpy as np
from pictures import paths as draw

from particles import LinearAttention, simulate


def run():
    x0 = np.random.default_rng(6).normal(size=(30, 2))
    return simulate(LinearAttention(np.eye(2), np.eye(2), -np.eye(2)), x0, np.linspace(0, 5, 51))


def number(ds):
    """The largest second moment at t = 5: 1/(1/λ + 10) for the largest λ of M."""
    x = ds.position[-1].values
    return float(np.linalg.eigvalsh(x.T @ x / len(x)).max())


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
