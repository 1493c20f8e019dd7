"""Cucker–Smale flocking
========================

Cucker–Smale in the plane, β = 0.4 < 1/2: the flock forms whatever the start."""

import numpy as np
from pictures import paths as draw

from meanfield.analysis.energies import kinetic_energy
from particles import CuckerSmale, simulate


def run():
    state = np.random.default_rng(12).normal(size=(30, 4))
    return simulate(CuckerSmale(beta=0.4, strength=1.0), state, np.linspace(0, 10, 51))


def number(ds):
    """The kinetic energy about the mean at the end over that at the start."""
    energy = kinetic_energy(ds.position.values, ds.weight.values)
    return float(energy[-1] / energy[0])


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
