"""Right arguments of every public name: each is replaced by wrong values in turn, see test_arguments.py.

A row is a call that works. A new public name needs a row here, or stands in unchecked_names.py with the reason.
"""

import numpy as np
from argument_call import Call
from checkpoint_arguments import CHECKPOINTS, LAYERS
from user_methods import ImplicitMidpoint

import meanfield as mf
import particles as ps
from meanfield import accessor, data, distances, figures, limits, plots, studies
from meanfield.analysis import clusters, diagnostics, frames, gaussian
from meanfield.measures import quadrature
from meanfield.studies import finite_size

I2 = np.eye(2)
X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
UNIT = X / np.linalg.norm(X, axis=1)[:, None]
W = np.full(3, 1 / 3)
MU = ps.EmpiricalMeasure(X)
SA = ps.SelfAttention(I2, I2, I2)
CONTRACTING = ps.SelfAttention(I2, I2, -I2)
# Moved in Python: at the import of a table, one worker of the suite would compile a loop and the others wait for it.
RUN = ps.simulate(CONTRACTING, X, [0, 0.1], ImplicitMidpoint(0.1))
SHORT = [0, 0.01]
PROVED = limits.certify(
    ps.simulate(ps.SelfAttention(1.0, 1.0, 1.0), [-2.0, 2.0], [0, 0.5, 1], ImplicitMidpoint(0.1)), enclose=True
)
GRID = mf.Grid([(-3, 3), (-3, 3)], (8, 8))
LAW = mf.Normal([0, 0], 0.3 * I2)
LINE = mf.Normal(0, 1)
START = GRID.measure(LAW)
SOLUTION = mf.solve(CONTRACTING, START, SHORT, mf.Upwind())
QKV = {"Q": I2, "K": I2, "V": I2}
AXES = figures.panels.figure_with(1, 1)[0]
SQUARES = np.random.default_rng(0).exponential(size=(50, 1))
SQUARE = np.array([[0.1, 0.2, 0.0], [0.3, 0.4, 1.0]])


MORSE = ("attraction", "attraction_length", "repulsion", "repulsion_length")


def half_square(z):
    return np.sum(z * z, axis=1) / 2


def attention(kind, **more):
    return [Call(kind, QKV | {"A": I2} | more)]


CLOUDS = {"model": SA, "mu0": MU, "nu0": MU, "times": [0, 0.1]}
SMALL_STUDY = {"reference": SOLUTION, "times": SHORT, "sizes": [2, 4], "seed": 0}
INTERVAL = {"law": mf.Uniform([(0, 1)])}
PATHS = {"text", "file name"}

TABLE = {
    "particles": {
        "SelfAttention": [
            *attention(ps.SelfAttention),
            Call(ps.SelfAttention, QKV | {"tolerance": 1e-3, "normalization": "softmax"}),
            Call(SA.in_frame, {"A": I2}),
            Call(SA.attention_matrix, {"t": 0.0, "x": X, "weights": W}),
        ],
        "UnnormalizedAttention": attention(ps.UnnormalizedAttention),
        "SinkhornAttention": attention(ps.SinkhornAttention, tolerance=1e-3, max_iterations=10),
        "SoftmaxField": attention(ps.SoftmaxField),
        "HardmaxAttention": attention(ps.HardmaxAttention),
        "LinearAttention": attention(ps.LinearAttention),
        "CausalAttention": attention(ps.CausalAttention),
        "L2Attention": attention(ps.L2Attention),
        "Diffusion": [Call(ps.Diffusion, {"D": 0.1, "dim": 2})],
        "PowerAttraction": [Call(ps.PowerAttraction, {"exponent": 1.0, "meeting_distance": 1e-9, "dim": 2})],
        "LogAttraction": [Call(ps.LogAttraction, {"chi": 1.0, "core": 0.1, "meeting_distance": 1e-9, "dim": 2})],
        "CuckerSmale": [Call(ps.CuckerSmale, {"beta": 0.5, "strength": 1.0, "dim": 2})],
        "Vicsek": [Call(ps.Vicsek, {"radius": 0.1, "noise": 0.1, "speed": 0.1, "box": 1.0})],
        "HegselmannKrause": [Call(ps.HegselmannKrause, {"radius": 1.0, "dim": 2})],
        "Krause": [Call(ps.Krause, {"phi": np.exp, "radius": 1.0, "dim": 2})],
        "PairInteraction": [
            Call(ps.PairInteraction, {"W": ps.Powers((1, -1), (2, 0)), "at_origin": 0.0, "reach": 2.0, "dim": 2}),
            Call(ps.PairInteraction, {"W": half_square, "grad": np.copy, "dim": 2}),
        ],
        "Confinement": [
            Call(ps.Confinement, {"U": ps.Powers(1.0, 2.0), "dim": 2}),
            Call(ps.Confinement, {"U": half_square, "grad": np.copy, "dim": 2}),
        ],
        "Powers": [Call(ps.Powers, {"strengths": (1.0, -1.0), "exponents": (2.0, 0.0)})],
        "Morse": [Call(ps.Morse, dict.fromkeys(MORSE, 1.0))],
        "Cosine": [Call(ps.Cosine, {"strength": 1.0})],
        "BoundedConfidence": [Call(ps.BoundedConfidence, {"radius": 1.0})],
        "Radial": [Call(ps.Radial, {"potential": np.square, "derivative": np.positive, "radius": 1.0})],
        "FeedForward": [Call(ps.FeedForward, {"W": I2, "A": I2, "b": np.zeros(2), "activation": "relu"})],
        "RescaledTransformer": [Call(ps.RescaledTransformer, QKV | {"dt": 0.1})],
        "Torus": [Call(ps.Torus, {"periods": (1.0, 2.0)})],
        "OnSphere": [Call(ps.OnSphere, {"field": SA})],
        "OnCircle": [Call(ps.OnCircle, {"field": SA})],
        "Ensemble": [Call(ps.Ensemble, {"fields": (SA, SA), "repeat": 1})],
        "VelocityField": [Call(SA.on_sphere().velocity, {"t": 0.0, "x": UNIT, "mu": ps.EmpiricalMeasure(UNIT)})],
        "Euler": [Call(ps.Euler, {"dt": 0.1})],
        "RK4": [Call(ps.RK4, {"dt": 0.1})],
        "EulerMaruyama": [Call(ps.EulerMaruyama, {"dt": 0.1})],
        "LieTrotter": [Call(ps.LieTrotter, {"dt": 0.1})],
        "StrangMarchuk": [Call(ps.StrangMarchuk, {"dt": 0.1})],
        "Adaptive": [Call(ps.Adaptive, {"rtol": 1e-6, "atol": 1e-8, "max_steps": 10})],
        "EmpiricalMeasure": [
            Call(ps.EmpiricalMeasure, {"points": X, "weights": W, "periods": [1.0, None]}),
            Call(MU.push_forward, {"flow": np.negative}),
        ],
        "simulate": [
            Call(
                ps.simulate,
                {"model": SA, "x0": X, "times": [0, 0.1], "method": ps.RK4(0.1), "weights": W, "store": None},
                valid={"store": PATHS},
            )
        ],
        "whole_states": [Call(ps.whole_states, {"ds": RUN})],
        "model_of": [Call(ps.model_of, {"ds": RUN})],
        "open_store": [Call(ps.open_store, {"path": "stored.zarr"})],
        "resume": [Call(ps.resume, {"store": "stored.zarr"})],
        "ClusterCount": [Call(ps.ClusterCount, {"k": 1, "distance": 0.1})],
        "SteadyState": [Call(ps.SteadyState, {"speed": 1e-3})],
        "threads": [Call(ps.threads, {"k": 1}, runs=False)],
        "write_netcdf": [
            Call(ps.write_netcdf, {"ds": RUN}, {"path": "run.nc", "overwrite": True}),
            Call(ps.write_netcdf, {"path": "run.nc"}, {"ds": RUN, "overwrite": True}, {"path": PATHS}),
        ],
    },
    "meanfield": {
        "Grid": [
            Call(mf.Grid, {"bounds": [(-1, 1)], "shape": 8}),
            Call(mf.Grid.from_edges, {"edges": [[0, 1, 2]]}),
            Call(GRID.measure, {"source": LAW}),
        ],
        "GridMeasure": [Call(mf.GridMeasure, {"grid": GRID, "masses": START.masses, "periods": [None] * GRID.dim})],
        "Uniform": [Call(mf.Uniform, {"bounds": (-1, 1)})],
        "Normal": [
            Call(mf.Normal, {"mean": [0, 0], "covariance": I2}),
            Call(LAW.density, {"x": X}),
            Call(LAW.sample, {"n": 3}, {"rng": 0}),
        ],
        "Product": [Call(mf.Product, {"factors": [LAW, LAW]})],
        "Mixture": [Call(mf.Mixture, {"laws": [LAW, LAW], "weights": [0.5, 0.5]})],
        "PointMasses": [Call(mf.PointMasses, {"points": X, "weights": W})],
        "Disc": [Call(mf.Disc, {"centre": [0, 0], "radius": 1.0})],
        "Ring": [Call(mf.Ring, {"centre": [0, 0], "inner": 0.5, "outer": 1.0})],
        "measure_at": [
            Call(mf.measure_at, {"ds": SOLUTION, "time": 0.01}),
            Call(mf.measure_at, {"ds": RUN, "time": 0.1}),
        ],
        "error_budget": [Call(mf.error_budget, {"ds": SOLUTION})],
        "IgnoreTails": [Call(mf.IgnoreTails, {})],
        "StopAtTails": [Call(mf.StopAtTails, {"contrast": 1.0})],
        "Lagrangian": [
            Call(mf.Lagrangian, {"nodes": 2, "method": ps.RK4(0.1), "cells": (4, 4)}, {"may_leave": False}),
        ],
        "FiniteVolume": [Call(mf.FiniteVolume, {"limiter": "van_leer", "cfl": 0.4})],
        "PeriodicFiniteVolume": [Call(mf.PeriodicFiniteVolume, {"limiter": "van_leer", "cfl": 0.4})],
        "WENO": [Call(mf.WENO, {"cfl": 0.4})],
        "Upwind": [Call(mf.Upwind, {"cfl": 0.4})],
        "SemiLagrangian": [Call(mf.SemiLagrangian, {"cfl": 0.4})],
        "FrozenFlow": [Call(mf.FrozenFlow, {"tau": 0.1})],
        "solve": [
            Call(
                mf.solve,
                {"model": CONTRACTING, "initial": START, "times": SHORT, "scheme": mf.Upwind(), "wall_tolerance": 1e-3},
            ),
            Call(
                mf.solve,
                {"tails": mf.IgnoreTails(), "store": None},
                {"model": CONTRACTING, "initial": START, "times": SHORT},
                {"store": PATHS},
            ),
        ],
        "transport": [Call(mf.transport, {"mu": MU, "nu": MU, "p": 2})],
        "barycenter": [Call(mf.barycenter, {"weights": [0.5, 0.5]}, free={"measures": [MU, MU]})],
        "wasserstein": [Call(mf.wasserstein, {"mu": MU, "nu": MU, "p": 2})],
        "wasserstein_bracket": [Call(mf.wasserstein_bracket, {"mu": MU, "nu": MU, "effort": "cheap"})],
    },
    "meanfield.distances": {
        "transport": [Call(distances.transport, {"mu": MU, "nu": MU, "p": 2})],
        "barycenter": [Call(distances.barycenter, {"weights": [0.5, 0.5]}, free={"measures": [MU, MU]})],
        "wasserstein": [Call(distances.wasserstein, {"mu": MU, "nu": MU, "p": 2})],
        "wasserstein_bracket": [Call(distances.wasserstein_bracket, {"mu": MU, "nu": MU, "effort": "cheap"})],
        "ConvexPieces": [
            Call(
                distances.ConvexPieces,
                {"corners": [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], "start": [0, 3], "weights": [1.0]},
            )
        ],
        "pieces_of_mesh": [
            Call(
                distances.pieces_of_mesh,
                {"vertices": [[[0.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]]], "masses": [[1.0]]},
            )
        ],
        "beckmann_bracket": [Call(distances.beckmann_bracket, {"mu": START, "nu": START, "rtol": 0.05})],
        "density_bracket": [
            Call(distances.density_bracket, {"mu": START, "nu": START, "tolerance": 1e-7, "max_steps": 500})
        ],
        "distance_to_atoms": [Call(distances.distance_to_atoms, {"mu": MU, "atoms": X, "p": 2})],
        "distance_to_hyperplanes": [
            Call(distances.distance_to_hyperplanes, {"mu": MU, "normal": [1.0, 0.0], "offsets": [0.0], "p": 2})
        ],
        "distance_to_polytope": [Call(distances.distance_to_polytope, {"mu": MU, "vertices": X, "p": 2})],
    },
    "meanfield.limits": {
        **{
            name: [Call(getattr(limits, name), {"model": SA, "factors": (I2, I2)})]
            for name in ("hypotheses", "hypotheses_of")
        },
        **{
            name: [Call(getattr(limits, name), {"ds": RUN, "factors": (I2, -I2)}, {"enclose": True})]
            for name in ("certify", "certify_run")
        },
        "enclose": [Call(limits.enclose, {"ds": RUN})],
        "verify": [Call(limits.verify, {"certificate": PROVED})],
        "exit_time": [
            Call(limits.exit_time, {"n": 4, "beta": 1.0, "start": 0.1, "end": 0.9, "value": 1.0}),
        ],
        "hull": [Call(limits.hull, {"points": X})],
        "free_row_values": [
            Call(limits.free_row_values, {"gamma": [1.0, -1.0, 0.0], "row": 2, "weights": W, "product": 1.0})
        ],
        "candidate_set": [Call(limits.candidate_set, {"polytope": limits.hull(X), "product": I2})],
    },
    "meanfield.studies": {
        "AtomicLaw": [Call(studies.AtomicLaw, {"points": X})],
        "coupled_growth": [Call(studies.coupled_growth, CLOUDS, runs=False)],
        "stability": [Call(studies.stability, CLOUDS | {"effort": "cheap"})],
        "stability_of_law": [
            Call(
                studies.stability_of_law,
                {"model": SA, "law": LAW, "times": SHORT, "particles": 4, "shift": 0.1, "seeds": 5, "seed": 0},
                {"effort": "cheap"},
                runs=False,
            )
        ],
        "convergence": [
            Call(studies.convergence, SMALL_STUDY | {"seeds": 5, "model": CONTRACTING, "law": LAW}, runs=False)
        ],
        "order": [
            Call(
                studies.order,
                {"model": CONTRACTING, "scheme": mf.Upwind(), "shapes": [4, 8], "final_time": 0.1},
                {"initial": LAW},
            )
        ],
        "sweep": [
            Call(
                studies.sweep,
                {"seeds": 1, "seed": 0, "measure": lambda rng: {"x": 1.0}, "executor": None, "store": None},
                {"over": {}},
                {"store": PATHS},
            )
        ],
        "processes": [Call(studies.processes, {"workers": 1})],
        "stream": [Call(studies.stream, {"seed": 0, "point": (0,), "s": 0})],
        "clustered_limit": [Call(studies.clustered_limit, {"ds": RUN, "effort": "cheap"}, runs=False)],
    },
    "meanfield.studies.constants": {
        "constants": [Call(studies.constants.constants, {"model": SA, "t": 0.0, "radius": 1.0})],
        "diameter": [Call(studies.constants.diameter, {"points": X})],
        "sharp_products": [Call(studies.constants.sharp_products, {"V": I2, "B": I2})],
        "attention_terms": [Call(studies.constants.attention_terms, {"model": SA})],
        "speed": [Call(studies.constants.speed, {"model": SA})],
    },
    "meanfield.studies.growth": {
        name: [Call(getattr(studies.growth, name), {"model": SA, "t": 0.0, "x": X, "w": W})]
        for name in ("jacobian", "linear_rate", "splitting_rate", "labelled_rate", "symmetric_part")
    }
    | {"covariances": [Call(studies.growth.covariances, {"P": np.full((2, 3), 1 / 3), "x": X})]},
    "meanfield.studies.inequalities": {
        "FrozenField": [Call(studies.inequalities.FrozenField, {"model": SA, "time": 0.0, "source": MU})],
        "orders": [Call(studies.inequalities.orders, {"mu": MU, "nu": MU, "p": 2.0})],
        "frozen_flows": [Call(studies.inequalities.frozen_flows, {"model": SA, "mu": MU, "nu": MU, "horizon": 0.1})],
    },
    "meanfield.studies.finite_size": {
        "box_constant": [Call(finite_size.box_constant, {"sizes": [64, 128], "d": 2})],
        "box_square": [
            Call(
                finite_size.box_square,
                {"sizes": [64, 128], "d": 2, "constant": [1.0, 2.0], "samples": 2, "volume": 1.0},
            )
        ],
        "exchange_square": [
            Call(finite_size.exchange_square, {"sizes": [64], "side": 1.0, "gap": 1.0, "points": True})
        ],
        "clusters_square": [Call(finite_size.clusters_square, {"sizes": [64], "d": 2, "side": 1.0, "gap": 1.0})],
        "agreement": [
            Call(finite_size.agreement, {"squares": SQUARES, "known": [1.0], "shape": [1.0]}),
            Call(finite_size.agreement, {"squares": SQUARES, "known": [1.0]}, {"shape": None}),
        ],
        "fewest_seeds": [Call(finite_size.fewest_seeds, {"sizes": 2, "fitted": True})],
        "uniform_sample": [Call(finite_size.uniform_sample, {"sizes": [64], "squares": SQUARES}, INTERVAL)],
        "uniform_square": [Call(finite_size.uniform_square, {"sizes": [64]}, INTERVAL | {"constant": 1.0})],
    },
    "meanfield.figures": {
        "attention_image": [Call(figures.attention_image, {"P": np.full((2, 2), 0.5)})],
        "cloud": [Call(figures.cloud, {"x": X, "groups": [0, 1, 1]})],
        "polytope_edges": [Call(figures.polytope_edges, {"polytope": limits.hull(X)}, {"ax": AXES})],
        "figure": [Call(figures.figure, {"number": 2})],
        "leaders_graph": [Call(figures.leaders_graph, {"queries": X, "keys": X, "P": np.full((3, 3), 1 / 3)})],
    },
    "meanfield.checkpoints": CHECKPOINTS,
    "meanfield.data": {
        "data_path": [Call(data.data_path, {"name": "README.md"})],
        "read_toml": [Call(data.read_toml, {"name": "reference.toml"})],
        "figure_cases": [Call(data.figure_cases, {"number": 1})],
    },
    "meanfield.plots": {
        "cosines": [Call(plots.cosines, {"ds": LAYERS})],
        "by_layer": [Call(plots.by_layer, {"ds": LAYERS, "name": "leaders"})],
        "particles": [Call(plots.particles, {"ds": RUN, "time": 0.0})],
        "density": [Call(plots.density, {"ds": SOLUTION, "time": 0.0})],
        "trajectories": [Call(plots.trajectories, {"ds": RUN})],
        "convergence": [Call(plots.convergence, {"ds": None}, runs=False)],
        "stability": [Call(plots.stability, {"ds": None}, runs=False)],
        "order": [Call(plots.order, {"ds": None}, runs=False)],
        "limit_distance": [Call(plots.limit_distance, {"certificate": PROVED.to_dataset()})],
        "clustered": [Call(plots.clustered, {"ds": None}, runs=False)],
        "sweep": [Call(plots.sweep, {"ds": None, "name": "size"}, runs=False)],
        "phase_diagram": [Call(plots.phase_diagram, {"ds": None, "name": "size"}, runs=False)],
        "layers_and_flow": [Call(plots.layers_and_flow, {"ds": None}, runs=False)],
        "heads": [Call(plots.heads, {"ds": None}, runs=False)],
        "token_limit": [Call(plots.token_limit, {"ds": None}, runs=False)],
        "overview": [Call(plots.overview, {"ds": RUN})],
        "animate": [Call(plots.animate, {"ds": None, "path": "run.gif", "frames": 2}, runs=False)],
    },
    "meanfield.measures.quadrature": {
        "gauss_nodes": [Call(quadrature.gauss_nodes, {"law": LAW, "n": 2})],
        "quantile_points": [Call(quadrature.quantile_points, {"law": LINE, "n": 2})],
        "product_measure": [Call(quadrature.product_measure, {"factors": [MU, MU]})],
        "mixture_measure": [Call(quadrature.mixture_measure, {"parts": [MU, MU], "weights": [0.5, 0.5]})],
        "characteristics": [
            Call(quadrature.characteristics, {"model": SA, "law": LAW, "times": [0, 0.1], "nodes": MU})
        ],
    },
    "meanfield.analysis.diagnostics": {
        **{name: [Call(getattr(diagnostics, name), {"ds": RUN})] for name in ("mass", "mean", "covariance")},
        "atoms_at": [Call(diagnostics.atoms_at, {"ds": RUN, "k": 0})],
        "support_radius": [Call(diagnostics.support_radius, {"ds": SOLUTION, "threshold": 0.0})],
        "convex_hull": [Call(diagnostics.convex_hull, {"ds": RUN, "k": 0, "threshold": 0.0})],
        "entropy": [Call(diagnostics.entropy, {"ds": SOLUTION})],
        "interaction_energy": [Call(diagnostics.interaction_energy, {"ds": RUN, "model": SA})],
        "weak_residual": [Call(diagnostics.weak_residual, {"ds": RUN, "model": SA}, runs=False)],
        "waves": [Call(diagnostics.waves, {"dim": 2})],
    },
    "meanfield.analysis.clusters": {
        "leaders": [Call(clusters.leaders, {"ds": RUN, "head": 0})],
        "attention_rank": [Call(clusters.attention_rank, {"ds": RUN, "head": 0, "tolerance": 1e-3})],
        "effective_rank": [Call(clusters.effective_rank, {"ds": RUN, "head": 0})],
        "attention_entropy": [Call(clusters.attention_entropy, {"ds": RUN, "head": 0})],
        **{
            name: [Call(getattr(clusters, name), {"ds": RUN, "distance": 0.1})]
            for name in ("clusters", "cluster_count", "simplex_statistics")
        },
        **{name: [Call(getattr(clusters, name), {"ds": RUN})] for name in ("hull_volume", "hull_vertices")},
        "fit_flats": [
            Call(
                clusters.fit_flats,
                {"points": X, "k": 1, "restarts": 1, "rng": 0},
                valid={"rng": {"too large for a float"}},
            )
        ],
    },
    "meanfield.accessor": {
        "DatasetMethods": [
            Call(accessor.DatasetMethods, {"ds": RUN}),
            Call(RUN.meanfield.measure, {"time": 0.1}),
            Call(RUN.meanfield.wasserstein, {"other": RUN, "p": 1.0}),
            Call(RUN.meanfield.certify, {"enclose": False}),
            Call(RUN.meanfield.to_frame, {"A": I2}),
        ]
    },
    "meanfield.analysis.frames": {
        "to_frame": [Call(frames.to_frame, {"ds": RUN, "A": I2})],
        "to_rescaled": [Call(frames.to_rescaled, {"ds": RUN})],
        "to_original": [Call(frames.to_original, {"ds": frames.to_rescaled(RUN)})],
        "unframed": [Call(lambda model: frames.unframed(model), {"model": SA.in_frame(I2)})],
    },
    "meanfield.analysis.gaussian": {
        "stays_normal": [Call(gaussian.stays_normal, {"model": SA})],
        "gaussian_solution": [
            Call(gaussian.gaussian_solution, {"model": CONTRACTING, "law": LAW, "t0": 0.0, "t": 0.1})
        ],
    },
    "particles.errors": {},
}
"""Module → public name → its calls."""
