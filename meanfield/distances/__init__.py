"""Wasserstein distances between measures: exact, bracketed by true bounds, or refused."""

from meanfield.distances.bracket import Bracket, wasserstein_bracket
from meanfield.distances.exact import wasserstein

__all__ = ["Bracket", "wasserstein", "wasserstein_bracket"]
