"""A transformer block
======================

Attention and a feed-forward layer as a sum, moved by Strang–Marchuk splitting."""

import numpy as np
from pictures import paths as draw

from particles import RK4, FeedForward, SelfAttention, StrangMarchuk, simulate

RNG = np.random.default_rng(10)
X0 = RNG.normal(size=(30, 2))
LAYER = FeedForward(RNG.normal(size=(2, 4)), RNG.normal(size=(4, 2)), RNG.normal(size=4), "tanh")
MODEL = SelfAttention(np.eye(2), np.eye(2), -np.eye(2)) + LAYER


def run():
    return simulate(MODEL, X0, np.linspace(0, 2, 21), StrangMarchuk(dt=0.05))


def number(ds):
    """The order seen between steps 0.05 and 0.025 against RK4 with a step of 0.005."""
    exact = simulate(MODEL, X0, [0.0, 2.0], RK4(dt=0.005)).position[-1].values
    fine = simulate(MODEL, X0, [0.0, 2.0], StrangMarchuk(dt=0.025)).position[-1].values
    return float(np.log2(np.abs(ds.position[-1].values - exact).max() / np.abs(fine - exact).max()))


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
