"""Grid and measure layer: the continuity equation, distances, limits, studies."""

from meanfield.distances import wasserstein

__all__ = ["wasserstein"]
