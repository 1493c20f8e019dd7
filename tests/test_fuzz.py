"""Generated inputs to the public functions: a right answer by the oracle of the group, or one error of the library.

An input is (group, number); `examine(group, number)` repeats it. For each group an oracle measures "silently wrong":

particles     the Euler method against a loop over the model's own or the naive velocity, a permutation of the tokens,
              the chosen saved times, the same call again bit by bit, model_of(ds) against the model
grids         mass, its sign, and 2 saves against 5 within 10 × the recorded error in time
distances     symmetry, scaling by a factor, the triangle, distance 0 to itself, brackets against the exact distance
sets          distance 0 of a set's own points, growth by less than a shift, brackets of densities against each other
certificates  tokens of a longer and finer run against `continued`, within its bound
laws          masses of coarse cells against sums of fine ones, means and a naive count of points
files         a result written, read and resumed bit by bit; a damaged one is refused or equal
"""

import json
import os
import resource
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from fuzz_inputs import MOST_CELLS, Draw, Swing, crossed
from oracles import naive

import meanfield as mf
import particles as ps
from meanfield import distances, limits
from meanfield.measures.grid import grid_of
from particles.encoding import Encoder, decode
from particles.errors import LibraryError, NotConverged, NotSupported, RunStopped, TooLarge

SEED = 20261128
COUNT, SMOKE = 10_000, 35
"""Inputs of the slow test, and of the one that every run of the tests makes."""

SECONDS, MEMORY = 30.0, 2**30
"""Processor time of one input, compiling included, and bytes that the process may grow by over all of them."""


def close(a, b, rtol, size=0.0):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    scale = max(float(np.abs(b).max(initial=0.0)), size)
    assert np.abs(a - b).max(initial=0.0) <= rtol * scale, f"{a} is not {b}"


def particles(draw, folder):
    d = draw.number(1, 3)
    field, n = draw.field(d), draw.number(1, 7)
    x, w = draw.points(n, d, 0.7), draw.weights(n)
    steps, last = draw.number(1, 5), draw.scale(0.5) * 0.3
    times = draw.times(last, 2)
    given = draw.maybe(x)
    ds = ps.simulate(field, given, times, ps.Euler(draw.maybe(last / steps)), weights=w)
    assert given is x or np.ndim(given)
    x = np.asarray(given, float).reshape(ds.position[0].shape)
    assert np.array_equal(ds.position[0], x)
    assert ds.sizes["time"] == len(np.atleast_1d(times))
    dt = last / steps
    if not (given is x or np.array_equal(given, x)) or ps.model_of(ds) is None:
        return
    v = field.particle_velocity(0.0, x, ds.weight.values)
    assert np.array_equal(ps.model_of(ds).particle_velocity(0.0, x, ds.weight.values), v)
    if type(field) is ps.SelfAttention and field.A is None:
        Q, K, V = (np.asarray(a, float) for a in (field.Q, field.K, field.V))
        mass = ds.weight.values
        close(v, naive.velocity(x, Q, K, V, mass), 1e-9, np.abs(V).max() * np.abs(x).max())
    again = ps.simulate(field, x, [0, last], ps.Euler(dt), weights=w)
    more = ps.simulate(field, x, [0, last], ps.Euler(dt), weights=w)
    assert np.array_equal(again.position, more.position)
    moved, mass = x, again.weight.values
    if not field.events:
        for k in range(steps):
            moved = moved + dt * field.particle_velocity(k * dt, moved, mass)
        close(again.position[-1], moved, 1e-9)
    order = draw.rng.permutation(n)
    if field.exchangeable and not field.events:
        shuffled = ps.simulate(field, x[order], [0, last], ps.Euler(dt), weights=mass[order])
        close(shuffled.position[-1], again.position[-1].values[order], 1e-7)
    if type(field) in (ps.SelfAttention, ps.L2Attention):
        few = ps.simulate(field, x, [0, last], ps.Adaptive(1e-8, 1e-10, max_steps=300), weights=w)
        many = ps.simulate(field, x, [0, 0.3 * last, 0.7 * last, last], ps.Adaptive(1e-8, 1e-10), weights=w)
        close(few.position[-1], many.position[-1], 1e-5, np.abs(x).max())


def grids(draw, folder):
    d = draw.one(1, 1, 1, 2)
    scheme = draw.one(
        mf.Upwind(),
        mf.FiniteVolume(),
        mf.WENO(),
        mf.SemiLagrangian(),
        mf.FrozenFlow(draw.maybe(0.05)),
        mf.Lagrangian(),
        None,
    )
    start = draw.grid(d).measure(draw.law(d))
    pull = Swing(draw.rng.normal(), 10 * draw.rng.uniform(), draw.rng.uniform(-0.3, 1), dim=d)
    field = draw.one(pull, ps.SelfAttention(np.eye(d), np.eye(d), -draw.rng.uniform() * np.eye(d)), draw.field(d))
    if draw.chance(0.15) and not isinstance(scheme, mf.Lagrangian):
        field = field + ps.Diffusion(0.02, dim=d)
    last, loose = draw.scale(0.3) * 0.2, {"wall_tolerance": 1e-3, "tails": mf.IgnoreTails()}
    if crossed(field, start, last) > MOST_CELLS:
        return
    few = mf.solve(field, start, draw.maybe([0, last], 0.02), scheme, **loose)
    many = mf.solve(field, start, np.linspace(0, last, 5), scheme, **loose)
    for ds in (few, many):
        masses = (ds.density * grid_of(ds).cell_volumes).values
        outside = ds.outside_mass.values if "outside_mass" in ds else 0.0
        close(masses.reshape(len(masses), -1).sum(axis=1) + outside, np.ones(len(masses)), 1e-9)
        assert masses.min() >= -1e-12 or isinstance(scheme, mf.WENO)
        assert np.isfinite(ds.time_error).all()
    if few.time[-1] == last and "vertex" not in few:
        gap = float(np.abs((few.density[-1] - many.density[-1]) * grid_of(few).cell_volumes).sum())
        recorded = max(float(few.time_error[-1]), float(many.time_error[-1]))
        assert gap <= 10 * recorded + 1e-11, f"{gap:.3g} apart, {recorded:.3g} recorded"


def plane(draw, d, decades):
    return [draw.measure(d, decades) for _ in range(3)]


def clouds(draw, folder):
    d, p = draw.number(1, 3), draw.maybe(draw.one(1, 2, 2.0, 3.5))
    decades = draw.one(0.5, 3, 100)
    mu, nu, rho = plane(draw, d, decades)
    far = mf.wasserstein(mu, nu, p)
    p = float(p)
    size = max(np.abs(m.points).max() for m in (mu, nu, rho))
    close(mf.wasserstein(nu, mu, p), far, 1e-9, 1e-12 ** (1 / p) * size)
    assert mf.wasserstein(mu, mu, p) <= 1e-14 ** (1 / p) * size
    s = draw.scale(100 - decades)
    scaled = mf.wasserstein(
        ps.EmpiricalMeasure(s * mu.points, mu.weights), ps.EmpiricalMeasure(s * nu.points, nu.weights), p
    )
    close(scaled, s * far, 1e-8, 1e-14 ** (1 / p) * s * size)
    around = mf.wasserstein(mu, rho, p) + mf.wasserstein(rho, nu, p)
    assert far <= around * (1 + 1e-9) + 1e-14 ** (1 / p) * size
    if p == 2.0:
        bracket = mf.wasserstein_bracket(mu, nu, draw.one("cheap", "dual", "certify"))
        assert bracket.lower <= far * (1 + 1e-9) + 1e-7 * size
        assert far * (1 - 1e-9) <= bracket.upper + 1e-7 * size


def sets(draw, folder):
    if draw.chance(0.5):
        d = draw.number(1, 3)
        mu = draw.measure(d, 2)
        corners = draw.maybe(draw.points(draw.number(1, 6), d, 2))
        for distance in (distances.distance_to_atoms, distances.distance_to_polytope):
            found = distance(mu, corners)
            size = max(np.abs(mu.points).max(), np.abs(corners).max())
            shift = draw.rng.normal(size=d) * size
            moved = distance(ps.EmpiricalMeasure(mu.points + shift, mu.weights), corners)
            assert abs(moved - found) <= np.linalg.norm(shift) * (1 + 1e-9) + 1e-9 * size
            assert distance(ps.EmpiricalMeasure(np.atleast_2d(corners)), corners) <= 1e-9 * size
        return
    d = draw.one(1, 2)
    grid = draw.grid(d)
    mu, nu = grid.measure(draw.law(d)), grid.measure(draw.law(d))
    one = distances.beckmann_bracket(mu, nu, draw.maybe(0.3))
    two = mf.wasserstein_bracket(mu, nu)
    assert one.lower <= two.upper * (1 + 1e-9)
    shift = np.linalg.norm(mu.weights @ mu.points - nu.weights @ nu.points)
    assert shift <= one.upper * (1 + 1e-9) + 1e-9
    if d == 1:
        assert one.lower * (1 - 1e-9) - 1e-12 <= mf.wasserstein(mu, nu, 1) <= one.upper * (1 + 1e-9) + 1e-12
    else:
        three = distances.density_bracket(mu, nu, draw.maybe(None), max_steps=draw.maybe(2000))
        assert three.lower <= three.estimate <= three.upper
        assert max(two.lower, three.lower) <= min(two.upper, three.upper) * (1 + 1e-9)
        assert one.lower <= three.upper * (1 + 1e-9)


def certificates(draw, folder):
    d, n = draw.number(1, 3), draw.number(1, 6)
    V = draw.one(np.eye(d), draw.matrix(d, d), np.diag(draw.rng.normal(size=d)), -np.eye(d))
    A = draw.matrix(d, d)
    Q, K = draw.one((np.eye(d), np.eye(d)), (A, A), (A, draw.matrix(d, d)))
    head = ps.SelfAttention(Q, K, V)
    other = draw.chance(0.3)
    field = draw.field(d) if other else draw.one(head, head.rescaled())
    assert str(limits.hypotheses(field))
    x, w = draw.points(n, d, 0.5), draw.weights(n)
    last = draw.one(1.0, 3.0, 9.0)
    method = ps.Adaptive(1e-8, 1e-10, max_steps=1000)
    ds = ps.simulate(field, x, np.linspace(0, last, 7), method, weights=w)
    found = limits.certify(ds)
    assert str(found)
    assert found.limits.shape == (n, d)
    assert (found.status == "proved") <= (found.assumptions == ())
    found.to_dataset()
    if not found.known:
        return
    assert not np.isnan(found.bound).any()
    if found.phase is None or other:
        return
    later = np.array([last, last + 1.0, last + 2.0])
    fine = ps.Adaptive(1e-12, 1e-14, max_steps=5000)
    try:
        run = ps.simulate(head.rescaled(), x, [0.0, *later], fine, weights=w)
    except RunStopped:
        return
    apart = np.linalg.norm(run.position[1:].values - found.continued(later), axis=-1).max(axis=1)
    reach = found.continued_bound(later) + 1e-9 * np.abs(x).max()
    assert (apart <= reach).all(), f"{apart} beyond {reach}"


def laws(draw, folder):
    d = draw.number(1, 3)
    law = draw.law(d)
    grid = draw.grid(d, draw.number(4, 8))
    fine = [np.sort(np.concatenate([e, (e[1:] + e[:-1]) / 2])) for e in grid.edges]
    coarse, masses = law.cell_masses(grid.edges), law.cell_masses(fine)
    for axis in range(d):
        masses = np.add.reduceat(masses, np.arange(0, masses.shape[axis], 2), axis=axis)
    close(coarse, masses, 1e-10)
    measure = grid.measure(law)
    assert measure.masses.min() >= 0
    close(measure.masses.sum(), 1.0, 1e-12)
    spread = np.sqrt(np.diag(law.covariance()))
    assert (spread >= 0).all()
    assert law.sample(draw.maybe(3), draw.maybe(0)).shape[1] == d
    x = draw.maybe(draw.points(5, d, 0))
    cloud = ps.EmpiricalMeasure(x)
    counts = grid.measure(cloud).masses
    naive_mean = sum(cloud.points) / len(cloud.points)
    # A point's mass goes to the centres about it, or to the one of its cell: never farther than a cell.
    widest = max(float(width.max()) for width in grid.widths)
    assert np.abs(np.tensordot(counts.ravel(), grid.points, 1) - naive_mean).max() <= widest * (1 + 1e-9)


def damage(path, draw):
    """Change one file below `path` as disks and people do."""
    file = draw.one(*sorted(p for p in path.rglob("*") if p.is_file()))
    raw = bytearray(file.read_bytes())
    match draw.number(0, 3):
        case 0:
            file.unlink()
        case 1:
            file.write_bytes(raw[: len(raw) // 2])
        case 2 if raw:
            raw[draw.rng.integers(len(raw))] ^= 1 << draw.number(0, 7)
            file.write_bytes(raw)
        case _:
            file.write_bytes(draw.rng.bytes(40))


def same(a, b):
    assert a.sizes == b.sizes
    assert np.array_equal(a.position, b.position, equal_nan=True)
    assert np.array_equal(a.weight, b.weight)
    assert np.array_equal(a.time, b.time)
    model, other = ps.model_of(a), ps.model_of(b)
    x = a.position[0].values
    assert np.array_equal(
        model.particle_velocity(0.0, x, a.weight.values), other.particle_velocity(0.0, x, a.weight.values)
    )


def files(draw, folder):
    d, n = draw.number(1, 3), draw.number(1, 6)
    field = draw.field(d)
    encoder = Encoder()
    text = json.dumps(encoder.encode(field, "model"))
    back, x = decode(json.loads(text), bytes(encoder.data)), draw.points(n, d, 0.3)
    w = np.full(n, 1 / n)
    # Asked for outside a run, which would stop: unnormalised weights may overflow.
    with np.errstate(all="ignore"):
        one, two = (f.particle_velocity(0.0, x, w) for f in (back, field))
    assert np.array_equal(one, two, equal_nan=True)
    plain = folder / draw.one("run", "Läuft ⟨1⟩", "a b", "x" * 120, "deep/er/run", "-rf", "*")
    strange = (str(folder / ("x" * 300)), os.fsencode(plain), f"{plain}\0", folder, None)
    if draw.chance(0.1):
        target, draw.spoiled = draw.one(*strange), True
    else:
        target = draw.one(plain, str(plain))
    if draw.chance(0.3):
        ds = ps.simulate(field, x, [0.0, 0.05, 0.1], ps.RK4(0.05))
        written = ps.write_netcdf(ds, target)
        with xr.open_dataset(written, engine="h5netcdf") as found:
            same(ds, found.load())
        return
    ds = ps.simulate(field, x, [0.0, 0.05, 0.1], ps.RK4(0.05), store=target).load()
    if target is None:
        return
    same(ds, ps.open_store(target))
    same(ds, ps.resume(target))
    broken = folder / "broken"
    shutil.copytree(target, broken)
    damage(broken, draw)
    try:
        found = ps.open_store(broken).load()
    except LibraryError:
        return
    same(ds, found)


GROUPS = {f.__name__: f for f in (particles, grids, clouds, sets, certificates, laws, files)}


def group_of(number):
    return list(GROUPS)[number % len(GROUPS)]


OVERFLOW = "of UnnormalizedAttention at t = 0 is not finite"
ALONE = "the first token must have a positive weight in causal attention"
LIMITS = ("outermost cell centres", "widen the box", "finds the mass", "exists: choose another name", OVERFLOW, ALONE)
"""What the messages say of inputs that are right by themselves and do not fit together."""


def beyond(error):
    """Whether an error is about what the library does not do, or a run that cannot go on: no wrong value is needed."""
    known = (NotSupported, NotConverged, RunStopped, TooLarge)
    return isinstance(error, known) or any(words in str(error) for words in LIMITS)


def out_of_time(*_):
    raise TimeoutError(f"more than {SECONDS} s of processor time")


def examine(group, number, folder):
    """What came of one input: "right", "refused", or a description of the failure."""
    own = folder / str(number)
    own.mkdir()
    draw = Draw(np.random.default_rng([SEED, number]))
    previous = signal.signal(signal.SIGPROF, out_of_time)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        GROUPS[group](draw, own)
        return "right"
    except LibraryError as error:
        if len(str(error)) <= 20:
            return f"too short a message: {error}"
        return "refused" if draw.spoiled or beyond(error) else f"a right input is refused: {error}"
    except AssertionError as error:
        return f"wrong: {error}"
    except Exception as error:
        return f"foreign: {type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
        shutil.rmtree(own)


def contents(folder):
    return {str(p): (p.read_bytes() if p.is_file() else None, p.stat().st_mtime_ns) for p in folder.rglob("*")}


def fuzz(numbers, folder):
    sentinel, own = folder / "sentinel", folder / "own"
    sentinel.mkdir()
    own.mkdir()
    (sentinel / "notes.txt").write_text("not to be touched")
    before, memory = contents(sentinel), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    here = Path.cwd()
    os.chdir(own)
    try:
        outcomes = [(group_of(k), k, examine(group_of(k), k, own)) for k in numbers]
    finally:
        os.chdir(here)
    assert contents(sentinel) == before
    assert not list(own.iterdir())
    assert {path.name for path in folder.iterdir()} == {"sentinel", "own"}
    assert 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) < MEMORY
    return outcomes


def counted(outcomes):
    lines = []
    for name in GROUPS:
        found = [what for group, _, what in outcomes if group == name]
        right, refused = found.count("right"), found.count("refused")
        lines.append(f"{name}: {len(found)} inputs, {right} right, {refused} refused")
    return "\n".join(lines)


def judge(outcomes):
    failed = [f"{group} {k}: {what}" for group, k, what in outcomes if what not in ("right", "refused")]
    assert not failed, "\n" + "\n".join(failed[:40])
    for name in GROUPS:
        found = [what for group, _, what in outcomes if group == name]
        # A group in which nearly all is refused tests nothing.
        assert len(found) < 50 or found.count("right") > len(found) / 3


def test_a_few_generated_inputs_are_answered_rightly_or_refused(tmp_path):
    judge(fuzz(range(SMOKE), tmp_path))


@pytest.mark.slow
def test_many_generated_inputs_are_answered_rightly_or_refused(tmp_path):
    start = time.process_time()
    outcomes = fuzz(range(COUNT), tmp_path)
    print(f"\n{counted(outcomes)}\n{time.process_time() - start:.0f} s of processor time")
    judge(outcomes)
