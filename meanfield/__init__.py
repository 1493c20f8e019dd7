"""Grid and measure layer: the continuity equation, distances, limits, studies."""

from meanfield.analysis.error_budget import error_budget
from meanfield.distances import barycenter, transport, wasserstein, wasserstein_bracket
from meanfield.measures.discs import Disc, Ring
from meanfield.measures.grid import Grid, GridMeasure
from meanfield.measures.laws import Mixture, Normal, PointMasses, Product, Uniform
from meanfield.schemes.base import Scheme
from meanfield.schemes.finite_volume import WENO, FiniteVolume, Upwind
from meanfield.schemes.frozen_flow import FrozenFlow
from meanfield.schemes.lagrangian import Lagrangian
from meanfield.schemes.periodic import PeriodicFiniteVolume
from meanfield.schemes.semi_lagrangian import SemiLagrangian
from meanfield.schemes.tails import IgnoreTails, StopAtTails
from meanfield.solve import solve
from particles.encoding import register

__all__ = [
    "WENO",
    "Disc",
    "FiniteVolume",
    "FrozenFlow",
    "Grid",
    "GridMeasure",
    "IgnoreTails",
    "Lagrangian",
    "Mixture",
    "Normal",
    "PeriodicFiniteVolume",
    "PointMasses",
    "Product",
    "Ring",
    "SemiLagrangian",
    "StopAtTails",
    "Uniform",
    "Upwind",
    "barycenter",
    "error_budget",
    "solve",
    "transport",
    "wasserstein",
    "wasserstein_bracket",
]

# The public names of the file format that this package adds to those of `particles`.
register({name: globals()[name] for name in __all__}, roots=(Scheme,))
