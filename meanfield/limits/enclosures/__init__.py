"""Proved enclosures of the trajectories of (1.1): polynomials, their defect, and how errors grow."""
