"""A small study in d = 1 with all its parts, which runs in seconds."""

from meanfield.app.cli import main

SMALL = """
title = "A small study"
seed = 1
[model]
name = "SelfAttention"
frame = "rescaled"
Q = 1.0
K = 1.0
V = 1.0
[initial]
law = "uniform"
bounds = [[-1.0, 1.0]]
[grid]
bounds = [[-1.5, 1.5]]
shape = [40]
[convergence]
times = [0.0, 0.25]
sizes = [8, 16]
seeds = 5
[stability]
particles = 20
shift = 0.01
seeds = 2
times = [0.0, 0.25]
[limit]
particles = 10
until = 6.0
every = 0.5
"""


def run(*arguments):
    """The exit status of `meanfield study` with these arguments."""
    return main(["study", *map(str, arguments)])
