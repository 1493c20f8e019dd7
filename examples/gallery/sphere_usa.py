"""Attention on the sphere, USA
===============================

USA: attention without its denominator on the circle, the gradient flow of E_β, here β = 1."""

import numpy as np
from pictures import paths as draw

from meanfield.analysis.energies import attention_energy
from particles import SelfAttention, simulate


def run():
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 20)
    x0 = np.column_stack([np.cos(angles), np.sin(angles)])
    model = SelfAttention(np.eye(2), np.eye(2), np.eye(2), normalization="none").on_sphere()
    return simulate(model, x0, np.linspace(0, 6, 61))


def number(ds):
    """By how much the energy E_β rose."""
    energy = attention_energy(ds.position.values, ds.weight.values)
    return float(energy[-1] - energy[0])


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
