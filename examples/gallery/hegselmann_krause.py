"""Hegselmann–Krause opinions
=============================

Hegselmann–Krause, the synchronous map: 31 opinions spaced by the radius itself, ties exact."""

import numpy as np
from pictures import against_time as draw

from particles import Euler, HegselmannKrause, simulate


def run():
    return simulate(HegselmannKrause(1.0), np.arange(31.0), np.arange(41.0), Euler(dt=1.0))


def number(ds):
    """How many clusters remain."""
    return len(np.unique(np.round(ds.position[-1].values, 9)))


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    result = run()
    print(number(result))
    draw(result)
    plt.show()
