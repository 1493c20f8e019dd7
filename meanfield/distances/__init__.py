"""Wasserstein distances between measures: exact, bracketed by true bounds, or refused."""

from meanfield.distances.beckmann import beckmann_bracket
from meanfield.distances.bracket import Bracket, wasserstein_bracket
from meanfield.distances.density import DensityBracket, density_bracket
from meanfield.distances.exact import wasserstein
from meanfield.distances.plans import Transport, barycenter, transport
from meanfield.distances.semidiscrete.pieces import ConvexPieces, pieces_of_mesh
from meanfield.distances.sets import distance_to_atoms, distance_to_hyperplanes, distance_to_polytope

__all__ = [
    "Bracket",
    "ConvexPieces",
    "DensityBracket",
    "Transport",
    "barycenter",
    "beckmann_bracket",
    "density_bracket",
    "distance_to_atoms",
    "distance_to_hyperplanes",
    "distance_to_polytope",
    "pieces_of_mesh",
    "transport",
    "wasserstein",
    "wasserstein_bracket",
]
