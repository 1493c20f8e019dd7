"""Whatever is wrong with an argument, a door of the grid and measure layer answers with one error of the library."""

import re
import warnings

import numpy as np
import pytest

from meanfield import (
    FiniteVolume,
    FrozenFlow,
    Grid,
    GridMeasure,
    Mixture,
    Normal,
    Product,
    SemiLagrangian,
    Uniform,
    Upwind,
    checkpoints,
    data,
    figures,
    limits,
    plots,
    solve,
    studies,
    wasserstein,
    wasserstein_bracket,
)
from meanfield.analysis import clusters as clustering
from meanfield.analysis import diagnostics, frames
from meanfield.measures import quadrature
from particles import EmpiricalMeasure, SelfAttention, Vicsek, simulate
from particles.errors import InvalidInput, LibraryError, NotSupported

I2 = np.eye(2)
X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
MU = EmpiricalMeasure(X)
SA = SelfAttention(I2, I2, -I2)
RUN = simulate(SA, X, [0, 0.1])
GRID = Grid([(-3, 3), (-3, 3)], (8, 8))
LAW = Normal([0, 0], 0.3 * I2)
START = GRID.measure(LAW)
SOLUTION = solve(SA, START, [0, 0.01], Upwind())

WRONG = {
    "nan": np.nan,
    "complex": 1j,
    "text": "x",
    "object": object(),
    "mapping": {},
    "empty": np.array([]),
    "no rows": np.zeros((0, 2)),
    "nan inside": np.array([[np.nan, 1.0], [1.0, 1.0]]),
    "complex array": 1j * np.ones((2, 2)),
    "words": np.array(["a", "b"]),
    "ragged": [[1, 2], [3]],
    "four axes": np.ones((1, 2, 2, 2)),
    "too large for a float": 10**400,
}
"""What no argument below may be."""

DOORS = [
    (Grid, {"bounds": [(-1, 1)], "shape": 8}),
    (Grid.from_edges, {"edges": [[0, 1, 2]]}),
    (GRID.measure, {"source": LAW}),
    (GridMeasure, {"grid": GRID, "masses": START.masses}),
    (Uniform, {"bounds": (-1, 1)}),
    (Normal, {"mean": [0, 0], "covariance": I2}),
    (LAW.density, {"x": X}),
    (LAW.sample, {"n": None}),
    (Product, {"factors": [LAW, LAW]}),
    (Mixture, {"laws": [LAW, LAW], "weights": [0.5, 0.5]}),
    (FiniteVolume, {"limiter": "van_leer", "cfl": 0.4}),
    (SemiLagrangian, {"cfl": 0.4}),
    (FrozenFlow, {"tau": 0.1}),
    (solve, {"model": SA, "initial": START, "times": [0, 0.01], "scheme": Upwind(), "wall_tolerance": 1e-3}),
    (solve, {"model": SA, "initial": START, "times": [0, 0.01], "tails": "ignore", "store": None}),
    (wasserstein, {"mu": MU, "nu": MU, "p": None}),
    (wasserstein_bracket, {"mu": MU, "nu": MU, "effort": "cheap"}),
    (limits.hypotheses, {"model": SA}),
    (limits.certify, {"ds": RUN}),
    (limits.hull, {"points": None}),
    (limits.candidate_set, {"polytope": limits.hull(X), "product": I2}),
    (clustering.leaders, {"ds": RUN, "head": None}),
    (clustering.attention_rank, {"ds": RUN, "tolerance": 1e-3}),
    *((door, {"ds": RUN}) for door in (clustering.hull_volume, clustering.hull_vertices)),
    *((door, {"ds": RUN, "distance": 0.1}) for door in (clustering.clusters, clustering.simplex_statistics)),
    (clustering.fit_flats, {"points": X, "k": 1, "restarts": 1}),
    *((door, {"ds": RUN}) for door in (diagnostics.mass, diagnostics.mean, diagnostics.covariance)),
    (diagnostics.atoms_at, {"ds": RUN, "k": 0}),
    (diagnostics.support_radius, {"ds": SOLUTION, "threshold": 0.0}),
    (diagnostics.entropy, {"ds": SOLUTION}),
    (diagnostics.interaction_energy, {"ds": RUN, "model": SA}),
    (diagnostics.weak_residual, {"ds": RUN}),
    (diagnostics.waves, {"dim": None}),
    (frames.to_frame, {"ds": RUN, "A": I2}),
    *((door, {"ds": RUN}) for door in (frames.to_rescaled, frames.to_original)),
    (quadrature.gauss_nodes, {"law": LAW}),
    (quadrature.quantile_points, {"law": Normal(0, 1)}),
    (quadrature.product_measure, {"factors": [MU, MU]}),
    (quadrature.mixture_measure, {"parts": [MU, MU], "weights": [0.5, 0.5]}),
    (quadrature.characteristics, {"model": SA, "law": LAW, "times": [0, 0.1], "nodes": MU}),
    (plots.particles, {"ds": RUN, "time": 0.0}),
    (plots.density, {"ds": SOLUTION, "time": 0.0}),
    (plots.trajectories, {"ds": RUN}),
    (plots.convergence, {"ds": RUN}),
    (plots.stability, {"ds": RUN}),
    (plots.limit_distance, {"certificate": RUN}),
    (studies.Runner, {"workers": 1}),
    (studies.constants.constants, {"model": SA, "t": 0.0, "radius": 1.0}),
    (studies.stability, {"model": SA, "mu0": MU, "nu0": MU, "times": [0, 0.1], "effort": "cheap"}),
    (studies.convergence, {"model": SA, "reference": SOLUTION, "times": None, "sizes": [2, 4], "seeds": 5, "seed": 0}),
    (studies.order, {"model": SA, "scheme": Upwind(), "shapes": [4, 8], "final_time": 0.1}),
    (studies.clustered_limit, {"ds": RUN, "effort": "cheap"}),
    (checkpoints.load_head, {"path": "heads.npz", "layer": 0, "head": 0, "n_heads": 1}),
    (data.data_path, {"name": None}),
    (data.figure_cases, {"number": 1}),
]
MISSING = {
    LAW.sample: {"n": 3, "rng": 0},
    quadrature.gauss_nodes: {"n": 2},
    quadrature.quantile_points: {"n": 2},
    studies.convergence: {"law": LAW, "times": [0, 0.01]},
    studies.order: {"initial": LAW},
}
"""Arguments of a door that are not in the table."""


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize(
    ("door", "arguments", "name"),
    [(door, arguments, name) for door, arguments in DOORS for name in arguments],
    ids=[f"{door.__name__}({name})" for door, arguments in DOORS for name in arguments],
)
def test_a_door_answers_in_the_library_s_words(door, arguments, name, wrong):
    if name == "store" and isinstance(wrong, str):
        return
    given = MISSING.get(door, {}) | arguments | {name: wrong}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LibraryError) as caught:
            door(**given)
    assert len(str(caught.value)) > 20


@pytest.mark.parametrize("k", [2, -3, 0.5])
@pytest.mark.parametrize("door", [lambda k: diagnostics.atoms_at(RUN, k), lambda k: diagnostics.convex_hull(RUN, k)])
def test_a_saved_time_that_is_not_there(door, k):
    with pytest.raises(InvalidInput, match="k must"):
        door(k)


def test_a_run_cut_to_one_time_says_what_to_pass():
    with pytest.raises(InvalidInput, match=r"isel\(time=\[k\]\)"):
        diagnostics.mean(RUN.isel(time=0))
    assert diagnostics.mean(RUN.isel(time=[0])).shape == (1, 2)


def test_one_point_is_a_flat_of_its_own():
    found = clustering.fit_flats([[2.0, 1.0]])
    assert found.residual == 0.0
    assert found.normal @ [2.0, 1.0] == found.offsets[0]


def test_laws_draw_from_a_seed_as_from_its_generator():
    for law in (LAW, Uniform((0, 1)), Product([LAW, LAW]), Mixture([LAW, LAW])):
        np.testing.assert_array_equal(law.sample(5, 7), law.sample(5, np.random.default_rng(7)))


def test_a_map_has_no_attention():
    square = np.array([[0.1, 0.2, 0.0], [0.3, 0.4, 1.0]])
    ds = simulate(Vicsek(0.1, 0.1, 0.1), square, [0, 1], rng=0)
    with pytest.raises(NotSupported, match="made with Vicsek"):
        clustering.leaders(ds)


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: figures.cloud(X, groups=[0, 1]), r"each of 3 tokens.*\(2,\)"),
        (lambda: figures.attention_image(np.ones((2, 3))), r"square.*\(2, 3\)"),
        (lambda: figures.attention_image(-np.eye(2)), "smallest -1"),
        (lambda: figures.leaders_graph(X, X[:2], np.ones((2, 3))), r"\(3, 2\), queries by keys, got \(2, 3\)"),
    ],
)
def test_what_a_panel_cannot_draw(draw, words):
    with pytest.raises(InvalidInput, match=words):
        draw()


def test_one_time_of_a_run_is_certified_with_its_dimension():
    with pytest.raises(InvalidInput, match=r"isel\(time=\[k\]\)"):
        limits.certify(RUN.isel(time=0))
    assert limits.certify(RUN.isel(time=[0])).status == "proved"


def test_zero_is_printed_without_a_sign():
    assert re.search(r"-0(?![.\d])", str(limits.hypotheses(SelfAttention(I2, I2, 0 * I2)))) is None
