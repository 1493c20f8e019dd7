"""A mesh that moves with the mass beside fixed cells: error on the fixed grid against processor time.

    python benchmarks/moving_mesh.py [CASE …]

Cases: gaussian1 gaussian2 gaussian3 rotating box "box, original frame" clusters clusters2 time; equal (the least time
of a moving mesh at the error of WENO, on its grid and on a grid of its own), shares (what a run's own errors cost),
distances (W2 from four times the nodes), folding, memory; none means all but the last five.
Errors are L1 of the cell masses at the last time against a closed form, or where there is none against a moving mesh
of three nodes and more cells (400 on the line, 32 x 32 in the plane), its density on cells an eighth as wide. Processor
time of one process, the second run of each: trust the ratios.
"""

import resource
import sys
import time
from dataclasses import replace

import numpy as np

from meanfield import (
    WENO,
    FiniteVolume,
    Grid,
    IgnoreTails,
    Lagrangian,
    Normal,
    SemiLagrangian,
    Uniform,
    solve,
    wasserstein,
)
from meanfield.schemes.base import Options
from particles import Adaptive, EmpiricalMeasure, SelfAttention
from particles.errors import LibraryError
from particles.steppers.state import Particles

I1, I2 = 1.0, np.eye(2)
PAPER = np.array([[0.64709742, 0.81911926], [0.61210449, 0.63263484]])
TURN = np.array([[0.0, -1.0], [1.0, 0.0]])
SCHEMES = (Lagrangian(), WENO(), FiniteVolume(), SemiLagrangian())


def rotated(S, angle):
    R = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    out = R @ S @ R.T
    return Normal(np.zeros(2), (out + out.T) / 2)


def gaussian(d, counts):
    S0, box = np.diag([0.5, 0.3, 0.4][:d]), [(-4.5, 4.5)] * d
    exact = Normal(np.zeros(d), np.linalg.inv(np.linalg.inv(S0) + np.eye(d)))
    return SelfAttention(np.eye(d), np.eye(d), -np.eye(d)), Normal(np.zeros(d), S0), box, 0.5, counts, exact.cell_masses


def hump(x):
    return np.where(np.abs(x[:, 0]) < 1, 1 + 0.5 * np.sin(2 * x[:, 0]), 0.0)


CASES = {
    "gaussian1": gaussian(1, (25, 50, 100, 200)),
    "gaussian2": gaussian(2, (16, 32, 64)),
    "gaussian3": gaussian(3, (12, 24)),
    "rotating": (
        SelfAttention(I2, I2, TURN),
        Normal([0, 0], np.diag([0.5, 0.25])),
        [(-5, 5)] * 2,
        1.0,
        (16, 32, 64),
        rotated(np.diag([0.5, 0.25]), 0.75).cell_masses,
    ),
    "box": (
        SelfAttention(I2, I2, PAPER).rescaled(),
        Uniform([(-1, 1)] * 2),
        [(-1.25, 1.25)] * 2,
        0.5,
        (16, 32, 64),
        None,
    ),
    "box, original frame": (
        SelfAttention(I2, I2, PAPER),
        Uniform([(-1, 1)] * 2),
        [(-2.6, 2.6)] * 2,
        0.5,
        (16, 32, 64),
        None,
    ),
    "clusters": (SelfAttention(I1, I1, I1).rescaled(), Uniform((-1, 1)), [(-1.0, 1.0)], 6.0, (50, 100, 200), None),
    "clusters2": (SelfAttention(I2, I2, I2).rescaled(), Uniform([(-1, 1)] * 2), [(-1.2, 1.2)] * 2, 6.0, (16, 24), None),
    "time": (
        SelfAttention(I1, I1, lambda t: np.array([[-2.0 * t]])),
        Normal(0, 0.5),
        [(-4.5, 4.5)],
        1.0,
        (25, 50, 100, 200),
        # S' = 2 V(t) S²: 1/S = 1/S₀ + 4 ∫ t dt.
        Normal(0, 1 / (1 / 0.5 + 2.0)).cell_masses,
    ),
}


def reference(model, law, box, T, n):
    """Cell masses by a finer moving mesh, whose density is found on cells an eighth as wide."""
    fine = Lagrangian(3, Adaptive(1e-10, 1e-12), cells=(400,) if len(box) == 1 else (32, 32))
    grid = Grid(box, (8 * n,) * len(box))
    masses = solve(model, grid.measure(law), [0.0, T], fine).density.values[-1] * grid.cell_volumes
    for axis in range(len(box)):
        masses = np.add.reduceat(masses, np.arange(0, 8 * n, 8), axis=axis)
    return masses


def table(name):
    model, law, box, T, counts, exact = CASES[name]
    print(f"\n{name}: error, processor seconds (recorded errors of the moving mesh: space, time)")
    for n in counts:
        grid = Grid(box, (n,) * len(box))
        truth = exact(grid.edges) if exact else reference(model, law, box, T, n)
        row = [f"  N = {n:4}"]
        for scheme in SCHEMES:
            mine = isinstance(scheme, Lagrangian)
            for _ in range(2):
                start = time.process_time()
                try:
                    ds = solve(model, grid.measure(law), [0.0, T], scheme, tails=IgnoreTails(), wall_tolerance=1.0)
                except LibraryError as error:
                    row.append(f"{type(scheme).__name__}: {str(error)[:40]}")
                    break
                spent = time.process_time() - start
            else:
                off = np.abs(ds.density.values[-1] * grid.cell_volumes - truth).sum()
                told = f" ({float(ds.space_error[-1]):.0e}, {float(ds.time_error[-1]):.0e})" if mine else ""
                row.append(f"{type(scheme).__name__} {off:.1e} {spent:.2f}{told}")
        print("  ".join(row), flush=True)
    if name == "clusters":
        for n in counts:
            end = float(solve(model, Grid(box, (n,)).measure(law), [0.0, T]).vertex[-1, -1, 0])
            print(f"  right end of the support, N = {n}: {end:.6f} (truth 0.453506)")


LADDER = {
    2: [(2, 8), (3, 8), (2, 12), (2, 16), (3, 12), (3, 16), (2, 32)],
    3: [(2, 4), (3, 4), (2, 8), (3, 8), (2, 12)],
}
"""Moving meshes, nodes and cells along an axis, from the cheapest on."""

OWN = {
    2: [
        (12, 2, 4),
        (12, 3, 4),
        (12, 2, 8),
        (12, 3, 8),
        (16, 2, 8),
        (16, 3, 8),
        (20, 3, 8),
        (24, 2, 12),
        (24, 3, 12),
        (32, 2, 16),
        (32, 3, 16),
        (64, 2, 32),
    ],
    3: [(8, 2, 4), (8, 3, 4), (10, 2, 4), (10, 3, 4), (12, 2, 4), (12, 3, 4), (16, 3, 4), (12, 2, 8), (16, 2, 8)],
}
"""The same on grids of a moving mesh's own: cells of the grid, nodes, cells of the mesh."""


def timed(model, law, box, T, n, exact, scheme):
    """Error and processor seconds of the second run."""
    grid = Grid(box, (n,) * len(box))
    for _ in range(2):
        start = time.process_time()
        ds = solve(model, grid.measure(law), [0.0, T], scheme, tails=IgnoreTails(), wall_tolerance=1.0)
        spent = time.process_time() - start
    return float(np.abs(ds.density.values[-1] * grid.cell_volumes - exact(grid.edges)).sum()), spent


def equal():
    for name in ("gaussian2", "rotating", "gaussian3"):
        model, law, box, T, counts, exact = CASES[name]
        print(f"\n{name}: WENO, and the first moving mesh whose error is no larger: error, processor seconds")
        for n in counts:
            aim, spent = timed(model, law, box, T, n, exact, WENO())
            row = f"  N = {n:3}  WENO {aim:.1e} {spent:.2f}"
            d = len(box)
            same = ((n, Lagrangian(q, cells=(c,) * d)) for q, c in LADDER[d])
            own = ((m, Lagrangian(q, cells=(c,) * d)) for m, q, c in OWN[d])
            for where, tries in (("same grid", same), ("own grid", own)):
                for m, scheme in tries:
                    error, mine = timed(model, law, box, T, m, exact, scheme)
                    if error <= aim:
                        label = f"N = {m}, {scheme.nodes} nodes, {scheme.cells[0]} cells"
                        row += f"  {where} ({label}) {error:.1e} {mine:.3f}: {spent / mine:.1f} x"
                        break
            print(row, flush=True)


def spent_on(action):
    """Processor seconds of the second call."""
    for _ in range(2):
        start = time.process_time()
        action()
        spent = time.process_time() - start
    return spent


def shares():
    print("\nprocessor seconds of the motion, of the same without the two runs that tell its errors, of a record")
    one = Particles(np.zeros((1, 1, 1)), np.ones(1))
    for name in ("gaussian1", "gaussian2", "rotating", "box", "gaussian3"):
        model, law, box, T, counts, _ = CASES[name]
        for n in counts[:2] if len(box) == 3 else counts:
            state = Lagrangian().start(model, Grid(box, (n,) * len(box)).measure(law), 0.0, Options())
            nobody = replace(one, x=np.zeros((1, 1, len(box))))
            lean = replace(state, coarse=nobody, timed=nobody)
            moved = state.advance(0.0, T)
            motion, alone, record = (
                spent_on(action)
                for action in (lambda: state.advance(0.0, T), lambda: lean.advance(0.0, T), moved.record)  # noqa: B023
            )
            share = (motion - alone) / (motion + record)
            print(f"  {name} N = {n}: {motion:.3f}, {alone:.3f}, {record:.3f}: the errors take {share:.0%}", flush=True)


def distances():
    exact = Adaptive(1e-12, 1e-13)
    for d, T, counts in ((1, 1.0, (4, 8, 16, 32)), (2, 0.5, (4, 8))):
        eye = np.eye(d)
        model, grid = SelfAttention(eye, eye, eye).rescaled(), Grid([(-1.2, 1.2)] * d, (12,) * d)
        for q in (1, 2, 3)[: 3 if d == 1 else 2]:
            laws, clouds = [], []
            for n in counts:
                schemes = (Lagrangian(q, exact, cells=(m,) * d) for m in (n, 4 * n if d == 1 else 2 * n))
                own, fine = (
                    solve(model, grid.measure(Uniform([(-1, 1)] * d)), [0, T], s).isel(time=-1) for s in schemes
                )
                shared = fine.vertex.values[(slice(None, None, 4 if d == 1 else 2),) * d]
                laws.append(np.sqrt(np.mean(((own.vertex.values - shared) ** 2).sum(axis=-1))))
                clouds.append(
                    wasserstein(*(EmpiricalMeasure(r.node.values, r.node_weight.values) for r in (own, fine)))
                )
            print(f"d = {d}, {q} nodes, {counts} cells along an axis")
            for name, gaps in (("laws", np.array(laws)), ("clouds", np.array(clouds))):
                print(f"  W2 of {name}: {gaps}, orders {np.log2(gaps[:-1] / gaps[1:])}", flush=True)


def folding():
    print("\nfolded mass and recorded errors, 20 x 20 material cells")
    for V, T in (([[1, 0.5], [-0.5, 1]], 5.0), ([[1, 2], [-2, 1]], 5.0), (PAPER, 8.0)):
        model, grid = SelfAttention(I2, I2, np.array(V, float)).rescaled(), Grid([(-4, 4)] * 2, (64, 64))
        start = time.process_time()
        ds = solve(model, grid.measure(Uniform([(-1, 1)] * 2)), np.linspace(0, T, 5), Lagrangian(cells=(20, 20)))
        print(
            f"  V = {np.array(V).tolist()}, T = {T:g}: folded {ds.folded_mass.values.round(4)}, space "
            f"{ds.space_error.values}, mass off by {np.abs(ds.density.sum(('x1', 'x2')) / 64 - 1).max().item():.0e}, "
            f"{time.process_time() - start:.1f} s",
            flush=True,
        )


def memory():
    grid = Grid([(-4.5, 4.5)] * 3, (64,) * 3)
    model = SelfAttention(np.eye(3), np.eye(3), -np.eye(3), tolerance=1e-8)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    solve(model, grid.measure(Normal(np.zeros(3), 0.5 * np.eye(3))), [0.0, 0.1], Lagrangian(1, cells=(32,) * 3))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"\nd = 3, grid 64^3, 32^3 cells: {peak / 1024:.0f} MiB more, {time.process_time() - start:.0f} s")


OTHERS = {"equal": equal, "shares": shares, "distances": distances, "folding": folding, "memory": memory}


def main(names):
    for name in names or list(CASES):
        OTHERS.get(name, lambda name=name: table(name))()


if __name__ == "__main__":
    main(sys.argv[1:])
