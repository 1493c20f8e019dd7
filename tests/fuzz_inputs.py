"""Generated arguments for the public functions: mostly right ones of any scale, some wrong ones; see test_fuzz.py."""

from dataclasses import dataclass

import numpy as np

import meanfield as mf
import particles as ps

WRONG = (np.nan, np.inf, 10**400, -1.0, 0.0, 1j, "x", None, [], {}, [[1, 2], [3]], np.zeros((0, 2)), 1e308, -0.5, True)
"""What an argument now and then is."""

RARELY = 0.04
"""How often an argument is one of these."""


@dataclass(frozen=True)
class Swing(ps.VelocityField):
    """x' = a cos(ωt) − b x: a field that depends on time, with a formula for its flow."""

    a: float
    omega: float
    b: float
    dim: int = 1

    def velocity(self, t, x, mu):
        return self.a * np.cos(self.omega * t) - self.b * x


class Draw:
    """Arguments from one generator."""

    def __init__(self, rng):
        self.rng, self.spoiled = rng, False

    def chance(self, share):
        return self.rng.uniform() < share

    def one(self, *options):
        return options[self.rng.integers(len(options))]

    def number(self, low, high):
        """A whole number in low … high."""
        return int(self.rng.integers(low, high + 1))

    def scale(self, decades):
        return 10.0 ** self.rng.uniform(-decades, decades)

    def maybe(self, right, share=RARELY):
        """The right value, or now and then a wrong one, which is remembered as `spoiled`."""
        if not self.chance(share):
            return right
        self.spoiled = True
        return self.one(*WRONG)

    def points(self, n, d, decades=1.0):
        """Points (n, d): of any scale, about any centre, some of them twice or on one line."""
        x = self.rng.normal(size=(n, d))
        match self.number(0, 7):
            case 0:
                x = np.round(2 * x)
            case 1:
                x[:] = x[0] if self.chance(0.5) else np.outer(x[:, 0], x[0])
            case 2:
                x += 10.0 * self.rng.normal(size=d)
            case 3:
                x[self.rng.integers(n)] *= 100.0
        return x * self.scale(decades)

    def weights(self, n):
        """Masses of n points, or None; some of them 0 or tiny."""
        if self.chance(0.4):
            return None
        w = self.rng.dirichlet(np.full(n, self.one(0.05, 1.0, 30.0)))
        if n > 1 and self.chance(0.3):
            w[self.rng.integers(n)] = 0.0
        return w / w.sum() if w.sum() > 0 else np.full(n, 1 / n)

    def measure(self, d, decades=1.0, largest=12):
        n = self.number(1, largest)
        return ps.EmpiricalMeasure(self.maybe(self.points(n, d, decades)), self.weights(n))

    def matrix(self, rows, columns, size=1.0):
        kind = self.number(0, 5)
        if kind == 0:
            return self.rng.integers(-2, 3, (rows, columns)).astype(float)
        if kind == 1:
            return np.eye(rows, columns) * self.one(1.0, -1.0, 0.5)
        if kind == 2:
            return np.diag(self.rng.normal(size=max(rows, columns)))[:rows, :columns]
        return self.rng.normal(size=(rows, columns)) * size

    def attention(self, d):
        k = self.number(1, 3)
        return tuple(self.maybe(self.matrix(*shape), 0.01) for shape in ((k, d), (k, d), (d, d)))

    def field(self, d):
        """A velocity field without noise."""
        kind = self.number(0, 13)
        if kind < 5:
            field = ps.SelfAttention(*self.attention(d))
            return field.in_frame(self.matrix(d, d, 0.5)) if self.chance(0.2) else field
        kinds = (ps.LinearAttention, ps.L2Attention, ps.UnnormalizedAttention, ps.CausalAttention, ps.SinkhornAttention)
        if kind < 10:
            return kinds[kind - 5](*self.attention(d))
        if kind == 10:
            return ps.PowerAttraction(self.maybe(self.one(1.0, 1.5, 2.0, 4.0)), dim=d)
        if kind == 11:
            return ps.LogAttraction(self.maybe(self.scale(1)), core=0.1, dim=d)
        if kind == 12:
            return ps.HegselmannKrause(self.maybe(self.scale(1)), dim=d)
        W = self.matrix(d, d)
        return ps.SelfAttention(*self.attention(d)) + ps.FeedForward(W, self.matrix(d, d), self.rng.normal(size=d))

    def times(self, last, saves):
        times = np.sort(self.rng.uniform(0.0, last, saves))
        times[0], times[-1] = 0.0, last
        return self.maybe(times, 0.02)

    def law(self, d):
        """A law on R^d that a box about 0 of half width 3 holds mostly."""
        kind = self.number(0, 5)
        centre = self.rng.uniform(-1, 1, d)
        if kind == 0:
            return mf.Uniform(self.maybe(np.stack([centre - self.scale(0.5), centre + self.scale(0.5)], axis=1), 0.02))
        if kind == 1 and (d == 1 or (d == 2 and self.chance(0.3))):
            # In d = 3 the masses of correlated cells take half a minute.
            root = self.rng.normal(size=(d, d)) * 0.3
            return mf.Normal(self.maybe(centre, 0.02), self.maybe(root @ root.T + 0.05 * np.eye(d), 0.02))
        if kind == 2 and d > 1:
            return mf.Product([self.law(1) for _ in range(d)])
        if kind == 3:
            return mf.Mixture([self.law(d), self.law(d)], self.weights(2))
        if kind == 4 and d == 2:
            return self.one(mf.Disc(centre, self.scale(0.3)), mf.Ring(centre, 0.4, 0.4 + self.scale(0.3)))
        return mf.Normal(centre, 0.1 * np.eye(d))

    def grid(self, d, cells=None):
        n = cells or (self.number(8, 40) if d == 1 else self.number(5, 8))
        half = self.one(3.0, 4.0, 6.0)
        if self.chance(0.2):
            edges = np.cumsum(np.concatenate([[0.0], self.rng.uniform(0.5, 1.0, n)]))
            return mf.Grid.from_edges([-4 + 8 * edges / edges[-1]] * d)
        return mf.Grid(self.maybe([(-half, half)] * d, 0.02), self.maybe((n,) * d, 0.02))


MOST_CELLS = 10_000
"""Cells that the fastest point of a grid may cross: explicit steps are as many, however little mass is there."""


def crossed(field, start, last):
    """How many cells the fastest point of a grid crosses at its first velocity in the time `last`."""
    with np.errstate(all="ignore"):
        fastest = np.abs(field.velocity(0.0, start.points, start)).max()
    return last * fastest / min(float(width.min()) for width in start.grid.widths)
