"""Attention with noise
=======================

Attention with V = −I and noise on the line: the stationary variance is √κ for the noise √(2κ) dW."""

import numpy as np
from pictures import against_time

from particles import Diffusion, EulerMaruyama, SelfAttention, simulate


def run():
    model = SelfAttention(1.0, 1.0, -1.0) + Diffusion(0.25)
    return simulate(
        model, np.random.default_rng(15).normal(size=2000), np.linspace(0, 6, 31), EulerMaruyama(dt=0.02), rng=15
    )


def number(ds):
    """The variance over the last third of the run: 0.5 for n → ∞."""
    return float(np.mean(np.var(ds.position[20:, :, 0].values, axis=1)))


def draw(ds, ax=None):
    """Every fiftieth of the 2000 tokens."""
    return against_time(ds.isel(particle=slice(None, None, 50)), ax)


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
