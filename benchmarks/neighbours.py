"""Does compact support pay? Hegselmann–Krause by neighbour search against all pairs, d = 2, uniform tokens on a square.

The radius is chosen for about 20 neighbours a token at every n. Prints seconds for
one evaluation at the particles and their ratio; both give the same velocity to rounding.
"""

from time import perf_counter

import numpy as np

from particles import HegselmannKrause, Krause


def seconds(model, x, w):
    best = np.inf
    for _ in range(3):
        start = perf_counter()
        velocity = model.particle_velocity(0.0, x, w)
        best = min(best, perf_counter() - start)
    return best, velocity


def main():
    print("     n  neighbours [s]  all pairs [s]   ratio  largest difference")
    for n in (250, 1000, 4000, 16000):
        x = np.random.default_rng(n).uniform(0, 1, (n, 2))
        w = np.full(n, 1 / n)
        radius = np.sqrt(20 / (np.pi * n))
        near = HegselmannKrause(radius)
        every = Krause(near.influence)
        (fast, a), (slow, b) = seconds(near, x, w), seconds(every, x, w)
        print(f"{n:6d}  {fast:14.4f}  {slow:13.4f}  {slow / fast:6.1f}  {np.abs(a - b).max():.1e}")


if __name__ == "__main__":
    main()
