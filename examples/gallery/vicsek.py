"""Vicsek alignment
===================

Vicsek's model in a periodic square: order out of noise."""

import numpy as np

from particles import Vicsek, simulate
from particles.models.flocking import polarisation


def run():
    rng = np.random.default_rng(13)
    state = np.column_stack([rng.random((400, 2)) * 7, rng.uniform(-np.pi, np.pi, 400)])
    return simulate(Vicsek(radius=1.0, noise=0.5, speed=0.03, box=7.0), state, np.arange(101), rng=13)


def number(ds):
    """The polarisation after 100 steps."""
    return float(polarisation(ds.position[-1, :, 2].values, ds.weight.values))


def draw(ds, ax=None):
    """Positions and headings at the end."""
    import matplotlib.pyplot as plt

    ax = plt.subplots()[1] if ax is None else ax
    x, y, angle = ds.position[-1].values.T
    ax.set(aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    return ax.quiver(x, y, np.cos(angle), np.sin(angle), color="#0072B2", scale=30, width=0.004)


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
