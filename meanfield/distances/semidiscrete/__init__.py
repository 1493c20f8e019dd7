"""Exact transport between weighted points and a piecewise-constant density in the plane."""
