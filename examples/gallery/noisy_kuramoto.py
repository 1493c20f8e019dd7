"""Noisy Kuramoto oscillators
=============================

Noisy Kuramoto oscillators on a periodic grid: the order parameter is r = I₁(Kr/D)/I₀(Kr/D), 0.8315 for K/D = 4."""

import numpy as np
from pictures import against_time_and_place as draw

from meanfield import Grid, solve
from particles import Circle, Cosine, Diffusion, PairInteraction


def run():
    model = PairInteraction(Cosine(1.0), space=Circle()) + Diffusion(0.25, space=Circle())
    start = Grid([(0, 2 * np.pi)], 32).measure(lambda x: 1 + 0.5 * np.cos(x[:, 0] - 2))
    return solve(model, start, np.linspace(0, 15, 31))


def number(ds):
    """|∫ e^{iθ} dμ| at the end."""
    return float(abs(np.exp(1j * ds.x1.values) @ ds.density[-1].values) * 2 * np.pi / 32)


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
