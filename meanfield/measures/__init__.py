"""Measures: grids, cells, laws, quadrature."""
