"""Attention on the circle
==========================

SA on the circle as an equation on a grid of angles: a density with three bumps climbs into three clusters, β = 9."""

import numpy as np

from meanfield import Grid, PeriodicFiniteVolume, solve
from meanfield.measures.grid import grid_of
from particles import SelfAttention


def run():
    model = SelfAttention(9 * np.eye(2), np.eye(2), np.eye(2)).on_circle()
    start = Grid([(0.0, 2 * np.pi)], (240,)).measure(lambda x: 1 + 0.3 * np.cos(3 * x[:, 0]))
    return solve(model, start, np.linspace(0, 8, 9), PeriodicFiniteVolume())


def number(ds):
    """The mass within 0.2 of the three tops at t = 8."""
    from_top = np.abs(np.mod(ds["x1"].values + np.pi / 3, 2 * np.pi / 3) - np.pi / 3)
    return float((ds["density"][-1] * grid_of(ds).cell_volumes).values[from_top < 0.2].sum())


def draw(ds, ax=None):
    """The density at the saved times, later ones darker."""
    import matplotlib.pyplot as plt

    ax = plt.subplots()[1] if ax is None else ax
    ax.set(xlabel="θ", ylabel="density", yscale="log", ylim=(1e-3, 20))
    shades = np.linspace(0.2, 1.0, ds.sizes["time"])
    return [ax.plot(ds["x1"], ds["density"][k], color="#0072B2", alpha=a)[0] for k, a in enumerate(shades)]


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
