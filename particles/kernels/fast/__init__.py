"""Sums below quadratic cost, with a certified error."""
