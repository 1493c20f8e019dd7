"""Power-law attraction
=======================

Attraction by the potential W(r) = r on a line: sticky tokens that merge when they collide."""

import numpy as np
from pictures import against_time as draw

from particles import PowerAttraction, simulate


def run():
    x0 = np.random.default_rng(14).normal(size=20)
    return simulate(PowerAttraction(exponent=1), x0, np.linspace(0, 3, 61))


def number(ds):
    """The collapse time: when the last tokens met."""
    return float(ds.meeting_time[-1].max())


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
