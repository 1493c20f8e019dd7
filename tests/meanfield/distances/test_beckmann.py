"""Bounds on W₁ by flows and potentials, against closed forms and the exact solver."""

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from meanfield import Grid, wasserstein
from meanfield.distances import beckmann, beckmann_bracket
from particles import EmpiricalMeasure
from particles.errors import InvalidInput, NotSupported


def random_pair(grid, seed, sparse=0.3):
    rng = np.random.default_rng(seed)
    n = int(np.prod(grid.shape))
    return [grid.measure(rng.dirichlet(np.full(n, sparse)).reshape(grid.shape)) for _ in range(2)]


@pytest.mark.parametrize("seed", range(5))
def test_the_line_has_its_closed_form_on_any_spacing(seed):
    edges = np.cumsum(np.random.default_rng(seed).uniform(0.1, 1, 30))
    mu, nu = random_pair(Grid.from_edges([edges]), seed)
    found = beckmann_bracket(mu, nu)
    assert wasserstein(mu, nu, p=1) in found
    assert found.width < 1e-12


@pytest.mark.parametrize("shape", [(5, 7), (9, 4), (3, 4, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_random_densities_against_the_exact_solver(shape, seed):
    """Atoms at the centres of smaller cells differ from the density by less than half their diagonal."""
    bounds = [(0, 1), (0, 1.5), (-1, 0)][: len(shape)]
    mu, nu = random_pair(Grid(bounds, shape), seed)
    found = beckmann_bracket(mu, nu, rtol=0.08)
    assert found.upper <= 1.08 * found.lower
    parts = 4 if len(shape) == 2 else 2
    fine = Grid(bounds, [parts * n for n in shape])
    clouds = []
    for masses in (mu.masses, nu.masses):
        for k in range(len(shape)):
            masses = np.repeat(masses, parts, axis=k) / parts
        clouds.append(EmpiricalMeasure(fine.points, masses.ravel()))
    atoms = wasserstein(*clouds, p=1)
    slack = 0.5 * np.abs(mu.masses - nu.masses).sum() * np.hypot.reduce([w[0] for w in fine.widths])
    assert found.lower <= atoms
    assert found.upper >= atoms - slack


@pytest.mark.parametrize("shift", [(3, 0), (2, 1), (1, 2, 2)])
def test_a_block_that_moves_as_a_whole(shift):
    """W₁ of a translation is its length: the mean moves by it, and no coupling does better."""
    d, n = len(shift), 8
    grid = Grid([(0, 1)] * d, (n,) * d)
    masses = np.zeros((2, *grid.shape))
    masses[(0, *[slice(1, 4)] * d)] = 3.0**-d
    masses[(1, *[slice(1 + s, 4 + s) for s in shift])] = 3.0**-d
    found = beckmann_bracket(grid.measure(masses[0]), grid.measure(masses[1]), rtol=0.1)
    assert np.linalg.norm(shift) / n in found
    assert found.upper < 1.12 * found.lower


def test_tighter_where_more_is_asked():
    mu, nu = random_pair(Grid([(0, 1), (0, 1)], (6, 6)), 7)
    wide, narrow = (beckmann_bracket(mu, nu, rtol) for rtol in (0.3, 0.03))
    assert wide.lower <= narrow.upper
    assert narrow.lower <= wide.upper
    assert narrow.upper <= 1.03 * narrow.lower


def test_equal_measures_and_swapped_ones():
    mu, nu = random_pair(Grid([(0, 1), (0, 2)], (4, 6)), 1)
    same = beckmann_bracket(mu, mu)
    assert (same.lower, same.upper) == (0.0, 0.0)
    one, other = beckmann_bracket(mu, nu), beckmann_bracket(nu, mu)
    assert one.lower == pytest.approx(other.lower, rel=1e-9)
    assert one.upper == pytest.approx(other.upper, rel=1e-9)


def test_both_bounds_hold_for_any_flow_and_any_function():
    """The bounds by themselves: a flow that balances, a function, neither of them near its best."""
    rng = np.random.default_rng(2)
    grid = Grid([(0, 1), (0, 1.5)], (5, 6))
    mu, nu = random_pair(grid, 3)
    problem = beckmann._Problem.of(grid, mu.masses - nu.masses, 1)
    best = beckmann_bracket(mu, nu, 0.03)
    for _ in range(20):
        noise = [w + 0.3 * rng.normal(size=w.shape) * problem.size for w in problem.flow]
        assert problem._cost(problem._feasible(noise)) >= best.lower
        function = rng.normal(size=problem.masses.shape)
        assert problem._gain(function) <= best.upper
    # Rising by 1 a unit along both axes: steepest slope √2, cell means as at the centres, an eighth less at the ends.
    rise = [np.arange(n) * h for n, h in ((5, 0.2), (6, 0.25))]
    means = [r + np.eye(len(r))[0] * r[1] / 8 - np.eye(len(r))[-1] * r[1] / 8 for r in rise]
    expected = abs(float(((mu.masses - nu.masses) * np.add.outer(*means)).sum())) / 2**0.5
    assert problem._gain(np.add.outer(*rise)[..., None]) == pytest.approx(expected)


def random_problem():
    mu, nu = random_pair(Grid([(0, 1), (0, 1.5)], (5, 6)), 3)
    return beckmann._Problem.of(mu.grid, mu.masses - nu.masses, 1), mu


def dense(n, parts=40):
    """Midpoints that divide each of n cells, as a share of the axis."""
    return (np.arange(n * parts) + 0.5) / (n * parts)


@pytest.mark.parametrize("seed", range(4))
def test_the_cost_of_a_flow_lies_above_its_integral(seed):
    """∫ |w| by midpoints, each component linear between the faces."""
    problem, _ = random_problem()
    rng = np.random.default_rng(seed)
    flow = problem._feasible([w + rng.normal(size=w.shape) * problem.size for w in problem.flow])
    x, y = dense(5), dense(6)
    first = np.stack([np.interp(x, np.linspace(0, 1, 6), line) for line in flow[0][:, :, 0].T], axis=1)
    second = np.stack([np.interp(y, np.linspace(0, 1, 7), line) for line in flow[1][:, :, 0]], axis=0)
    integral = 1.5 * np.hypot(np.repeat(first, 40, axis=1), np.repeat(second, 40, axis=0)).mean()
    assert integral <= problem._cost(flow) <= 1.1 * integral


@pytest.mark.parametrize("seed", range(4))
def test_the_gain_of_a_function_is_its_integral_over_its_steepest_slope(seed):
    """Slopes by finite differences beside the centres, where the function is steepest; means by midpoints."""
    problem, mu = random_problem()
    values = np.random.default_rng(seed).normal(size=(5, 6))
    centres = mu.grid.centres
    within = RegularGridInterpolator(centres, values)

    def u(points):
        held = [np.clip(points[..., k], c[0], c[-1]) for k, c in enumerate(centres)]
        return within(np.stack(held, axis=-1))

    nodes, eps = np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1), 1e-6
    steepest = 0.0
    for sides in np.ndindex(2, 2):
        beside = nodes + eps * (2 * np.array(sides) - 1)
        slopes = [(u(beside + eps / 2 * e) - u(beside - eps / 2 * e)) / eps for e in np.eye(2)]
        steepest = max(steepest, np.hypot(*slopes).max())
    points = np.stack(np.meshgrid(dense(5), 1.5 * dense(6), indexing="ij"), axis=-1)
    means = u(points).reshape(5, 40, 6, 40).mean(axis=(1, 3))
    expected = abs((problem.masses[..., 0] * means).sum()) / steepest
    assert problem._gain(values[..., None]) == pytest.approx(expected, rel=2e-3)


def test_the_search_for_a_flow_ends_where_it_hardly_gains_more(monkeypatch):
    """Within 0.2 % of the least cost, that of many steps; the flow that it starts from costs a quarter more."""
    mu, nu = random_pair(Grid([(0, 1), (0, 1.5)], (24, 24)), 2, sparse=0.005)
    problem = beckmann._Problem.of(mu.grid, mu.masses - nu.masses, 1)
    found = problem.upper(np.inf)
    monkeypatch.setattr(beckmann, "CHECK", 800)
    monkeypatch.setattr(beckmann, "STEPS", 800)
    least = problem.upper(np.inf)
    assert least <= found <= 1.002 * least
    assert problem._cost(problem.flow) > 1.2 * least


def test_refusals():
    grid = Grid([(0, 1), (0, 1)], (4, 4))
    mu, nu = random_pair(grid, 0)
    with pytest.raises(InvalidInput, match="one grid"):
        beckmann_bracket(mu, random_pair(Grid([(0, 1), (0, 1)], (4, 5)), 0)[0])
    with pytest.raises(InvalidInput, match="on a grid"):
        beckmann_bracket(mu, EmpiricalMeasure(np.zeros((1, 2))))
    with pytest.raises(InvalidInput, match="rtol"):
        beckmann_bracket(mu, nu, 0.0)
    uneven = Grid.from_edges([[0, 0.1, 1], [0, 0.5, 1]])
    with pytest.raises(NotSupported, match="equal cells"):
        beckmann_bracket(*random_pair(uneven, 0))
