"""Pair interactions: seconds a velocity field against n and against the grid, beside naive sums; closed forms.

`particles` times n tokens beside SciPy's loop over all pairs in NumPy and beside jax where it is installed; `grids`
times the face velocities of a grid beside the sum over all cells; `closed` runs r²/2 − log r and its relatives on
particles, grids and moving meshes against what is known. No argument: all three. One thread, processor time.
"""

import sys
import time

import numpy as np

from meanfield import Disc, FiniteVolume, Grid, Lagrangian, Uniform, solve
from meanfield.measures.grid import Cells
from meanfield.velocity.on_grid import PAIRS, _point_by_point, face_velocities
from particles import BoundedConfidence, Morse, PairInteraction, Powers, simulate, threads

MODELS = {
    "r²/2 − log r": (Powers((1, -1), (2, 0)), lambda r: r - 1 / r),
    "Morse": (Morse(1.0, 2.0, 0.5, 0.8), lambda r: 0.5 * np.exp(-r / 2) - 0.625 * np.exp(-r / 0.8)),
    "confidence 0.1": (BoundedConfidence(0.1), lambda r: r * (r <= 0.1)),
}


DEAREST_MESH = 1000
"""Cells of a grid up to which a mesh is moved beside it: it takes minutes beyond."""


def seconds(repeats, call, *arguments):
    call(*arguments)
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        call(*arguments)
        best = min(best, time.process_time() - start)
    return best


def naive(slope, x, w):
    """Over all pairs with NumPy, in blocks."""
    out = np.empty_like(x)
    rows = max(1, PAIRS // len(x))
    for a in range(0, len(x), rows):
        z = x[a : a + rows, None] - x
        r = np.sqrt(np.sum(z * z, axis=2))
        with np.errstate(all="ignore"):
            phi = np.where(r > 0, slope(r) / r, 0.0) * w
        out[a : a + rows] = -np.einsum("ij,ijk->ik", phi, z)
    return out


def of_jax(name):
    """The same sum compiled by jax for one device, in float64; None where it is not installed."""
    try:
        import jax
    except ImportError:
        return None
    jax.config.update("jax_enable_x64", True)
    slopes = {
        "r²/2 − log r": lambda r: r - 1 / r,
        "Morse": lambda r: 0.5 * jax.numpy.exp(-r / 2) - 0.625 * jax.numpy.exp(-r / 0.8),
        "confidence 0.1": lambda r: r * (r <= 0.1),
    }

    @jax.jit
    def field(x, w):
        def one(point):
            z = point - x
            r = jax.numpy.sqrt(jax.numpy.sum(z * z, axis=1))
            safe = jax.numpy.where(r > 0, r, 1.0)
            phi = jax.numpy.where(r > 0, slopes[name](safe) / safe, 0.0) * w
            return -phi @ z

        return jax.lax.map(one, x, batch_size=64)

    return lambda x, w: field(x, w).block_until_ready()


def particles():
    print("             field       n    ours s   naive s   ratio     jax s   ratio   error")
    for name, (profile, slope) in MODELS.items():
        model, peer = PairInteraction(profile, at_origin=0.0, dim=2), of_jax(name)
        for n in (1000, 4000, 16_000, 64_000):
            x, w = np.random.default_rng(0).normal(size=(n, 2)), np.full(n, 1 / n)
            ours = seconds(3 if n < 64_000 else 1, model.particle_velocity, 0.0, x, w)
            line = f"{name:>18} {n:7d} {ours:9.4f}"
            if n <= 16_000:
                other = seconds(1, naive, slope, x, w)
                error = np.abs(naive(slope, x, w) - model.particle_velocity(0.0, x, w)).max()
                jaxed = np.nan if peer is None else seconds(1, peer, x, w)
                line += f" {other:9.3f} {other / ours:7.1f} {jaxed:9.3f} {jaxed / ours:7.1f} {error:7.0e}"
            print(line, flush=True)


def grids():
    print("             field     grid  first s    field s   naive s    ratio")
    for name, (profile, _) in MODELS.items():
        for d, n in ((1, 1024), (2, 48), (2, 128), (2, 256), (2, 512), (3, 32), (3, 64)):
            model = PairInteraction(profile, at_origin=0.0, dim=d)
            grid = Grid([(-2, 2)] * d, (n,) * d)
            masses = np.random.default_rng(0).random((n,) * d)
            mu = Cells(grid, masses / masses.sum())
            start = time.process_time()
            face_velocities(model, 0.0, mu)
            first = time.process_time() - start
            ours = seconds(3, face_velocities, model, 0.0, mu)
            # The naive sum at one row of faces, times their number.
            axes = (grid.edges[0], *(c[:1] for c in grid.centres[1:]))
            part = seconds(1, _point_by_point, model, 0.0, axes, mu, (0,))
            other = part * d * n ** (d - 1)
            print(f"{name:>18} {n:5d}^{d} {first:9.3f} {ours:10.5f} {other:9.2f} {other / ours:8.0f}", flush=True)


def closed():
    """The radius from the second moment: of a uniform disc R² = 2M, of a semicircle R² = 4M, of an interval R² = 3M."""
    print("interval, W = r²/2 − |x|, d = 1: R = 1 + (R₀ − 1)e^{−t}, R₀ = 0.5, t = 1")
    model = PairInteraction(Powers((1, -1), (2, 1)))
    _table(model, Uniform([(-0.5, 0.5)]), 1 - 0.5 * np.exp(-1), 3.0, [(-2, 2)], (64, 128, 256))
    print("semicircle (fractional Barenblatt), W = r²/2 − log r, d = 1: R² = 2 + (R₀² − 2)e^{−2t}, R₀ = 1, t = 1")
    model = PairInteraction(Powers((1, -1), (2, 0)), at_origin=0.0)

    def semicircle(x):
        return np.sqrt(np.maximum(1 - x[:, 0] ** 2, 0))

    _table(model, semicircle, np.sqrt(2 - np.exp(-2)), 4.0, [(-2, 2)], (64, 128, 256))
    print("disc, W = r²/2 − log r, d = 2: R² = 1 + (R₀² − 1)e^{−2t}, R₀ = 1.5, t = 1: relative error of R")
    exact = np.sqrt(1 + (1.5**2 - 1) * np.exp(-2))
    model = PairInteraction(Powers((1, -1), (2, 0)), at_origin=0.0)
    _table(model, Disc([0.0, 0.0], 1.5), exact, 2.0, [(-2, 2)] * 2, (16, 32, 64, 128))


def _table(model, law, exact, factor, box, sizes):
    for n in sizes:
        mu = Grid(box, (n,) * len(box)).measure(law)
        radii = {}
        for scheme in (FiniteVolume(), Lagrangian(nodes=1), Lagrangian())[: 3 if n ** len(box) <= DEAREST_MESH else 1]:
            start = time.process_time()
            ds = solve(model, mu, [0.0, 1.0], scheme)
            if "node" in ds:
                moment = float(ds.node_weight.values @ np.sum(ds.node[-1].values ** 2, axis=1))
                name = f"mesh, {scheme.nodes} node(s)"
            else:
                density = ds.density[-1].values * mu.grid.cell_volumes
                centres = np.sum(np.square(mu.grid.points), axis=1).reshape(density.shape)
                moment = float((density * centres).sum() + len(box) * (4 / n) ** 2 / 12)
                name = "grid"
            radii[name] = np.sqrt(factor * moment) / exact - 1, time.process_time() - start
        start = time.process_time()
        full = mu.masses.ravel() > 0
        x = simulate(model, mu.grid.points[full], [0.0, 1.0], weights=mu.masses.ravel()[full])
        moment = float(x.weight.values @ np.sum(x.position[-1].values ** 2, axis=1))
        radii["particles"] = np.sqrt(factor * moment) / exact - 1, time.process_time() - start
        print(
            f"{n:5d}^{len(box)}  " + "   ".join(f"{k} {e:+.1e} ({s:.2f} s)" for k, (e, s) in radii.items()), flush=True
        )


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["particles", "grids", "closed"]
    with threads(1):
        for name in chosen:
            {"particles": particles, "grids": grids, "closed": closed}[name]()
