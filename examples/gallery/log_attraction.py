"""Logarithmic attraction
=========================

Patlak–Keller–Segel without noise: a regular pentagon collapses at R² n/(χ(n − 1)) = 1.25."""

import numpy as np
from pictures import paths as draw

from particles import LogAttraction, simulate


def run():
    angles = 2 * np.pi * np.arange(5) / 5
    return simulate(LogAttraction(chi=1.0), np.column_stack([np.cos(angles), np.sin(angles)]), np.linspace(0, 1.5, 61))


def number(ds):
    """The collapse time."""
    return float(ds.meeting_time[-1].max())


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
