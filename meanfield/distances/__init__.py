"""Wasserstein distances between measures: exact, bracketed by true bounds, or refused."""

from meanfield.distances.exact import wasserstein

__all__ = ["wasserstein"]
