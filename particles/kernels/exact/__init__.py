"""Sums over all pairs, exact to rounding."""
