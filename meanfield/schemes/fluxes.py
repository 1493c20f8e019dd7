"""Fluxes of mass through the faces of cells: rates, walls, positivity, diffusion, on straight and on periodic axes.

The k-th flux has N_k + 1 faces along axis k; on a periodic axis the first face and the last are one.
"""

from __future__ import annotations

import numpy as np

from meanfield.measures.grid import Grid, along
from particles.checks import Array

KEEP = 1.0 - 8 * np.finfo(float).eps
"""The largest part of its mass that a cell may lose in a stage, so that rounding leaves nothing negative."""

Periods = tuple[float | None, ...]
"""The period of each axis, None for one that ends at walls."""


def wrapped(values: Array, n: int, axis: int) -> Array:
    """Cell values along a periodic axis with n more at either end."""
    return np.pad(values, [(n, n) if k == axis else (0, 0) for k in range(values.ndim)], mode="wrap")


def wrapped_edges(edges: Array, n: int, period: float) -> Array:
    """The edges of those cells."""
    return np.concatenate([edges[-1 - n : -1] - period, edges, edges[1 : 1 + n] + period])


def gradient(values: Array, grid: Grid, axis: int, period: float | None) -> Array:
    """Differences of values at cell centres along one axis, second order inside, one-sided at walls."""
    if period is None:
        return np.asarray(np.gradient(values, grid.centres[axis], axis=axis))
    edges = wrapped_edges(grid.edges[axis], 1, period)
    slopes = np.gradient(wrapped(values, 1, axis), (edges[1:] + edges[:-1]) / 2, axis=axis)
    return np.asarray(np.moveaxis(np.moveaxis(slopes, axis, 0)[1:-1], 0, axis))


def shed_rate(velocities: list[Array], grid: Grid, tensor: Array | None) -> float:
    """The largest part of its volume that a cell sheds per unit time, by transport and diffusion."""
    rate = np.zeros(grid.shape)
    for k, velocity in enumerate(velocities):
        u = np.moveaxis(velocity, k, 0)
        out = np.moveaxis(np.maximum(u[1:], 0) + np.maximum(-u[:-1], 0), 0, k)
        rate += out / along(grid.widths[k], k, grid.dim)
    if tensor is not None:
        for k in range(grid.dim):
            rate += 2 * np.abs(tensor[k]).sum() / along(grid.widths[k], k, grid.dim) ** 2
    return float(rate.max())


def close_axis(velocity: Array, masses: Array, grid: Grid, axis: int, period: float | None) -> Array:
    """Shut the walls of an axis, in place; returns the mass per time (2,) that the velocity would carry through them.

    On a periodic axis the two ends get one velocity, and nothing presses.
    """
    u, m = np.moveaxis(velocity, axis, 0), np.moveaxis(masses, axis, 0)
    if period is not None:
        u[-1] = u[0]
        return np.zeros(2)
    h = grid.widths[axis]
    out = np.array([(np.maximum(-u[0], 0) * m[0]).sum() / h[0], (np.maximum(u[-1], 0) * m[-1]).sum() / h[-1]])
    u[0] = u[-1] = 0.0
    return out


def diffusive_pressure(masses: Array, grid: Grid, axis: int, tensor: Array, period: float | None) -> Array:
    """The mass per time (2,) that would diffuse through the walls of an axis if there were nothing beyond them."""
    if period is not None:
        return np.zeros(2)
    m, h = np.moveaxis(masses, axis, 0), grid.widths[axis]
    return np.asarray(tensor[axis, axis] * np.array([m[0].sum() / h[0] ** 2, m[-1].sum() / h[-1] ** 2]))


def keep_positive(fluxes: list[Array], masses: Array, dt: float, periods: Periods) -> None:
    """Scale, in place, the fluxes out of each cell that would lose more than its mass in a step dt.

    Limited fluxes under cfl ≤ 1/2 never need it; WENO may, and diffusion across the axes.
    """
    out = np.zeros_like(masses)
    for k, flux in enumerate(fluxes):
        f = np.moveaxis(flux, k, 0)
        out += np.moveaxis(np.maximum(f[1:], 0) + np.maximum(-f[:-1], 0), 0, k)
    out *= dt
    # A mass that rounding has left below 0 has nothing to lose.
    kept = KEEP * np.maximum(masses, 0.0)
    over = out > kept
    if not over.any():
        return
    part = np.divide(kept, out, out=np.ones_like(masses), where=over)
    del out, kept, over
    for k, flux in enumerate(fluxes):
        f, p = np.moveaxis(flux, k, 0), np.moveaxis(part, k, 0)
        f[1:-1] *= np.where(f[1:-1] > 0, p[:-1], p[1:])
        if periods[k] is not None:
            f[0] *= np.where(f[0] > 0, p[-1], p[0])
            f[-1] = f[0]


def add_diffusion(fluxes: list[Array], grid: Grid, masses: Array, tensor: Array, periods: Periods) -> None:
    """Add −(D∇ρ)_k to the fluxes, second order: the normal derivative across the face, tangential ones averaged."""
    d = grid.dim
    density = masses / grid.cell_volumes
    for k, flux in enumerate(fluxes):
        area = np.ones([1] * d)
        for j in range(d):
            if j != k:
                area = area * along(grid.widths[j], j, d)
        period = periods[k]
        reach = 0 if period is None else 1
        faces = slice(1, -1) if period is None else slice(None)
        edges = grid.edges[k] if period is None else wrapped_edges(grid.edges[k], 1, period)
        gaps = along(np.diff((edges[1:] + edges[:-1]) / 2), 0, d)
        inner = np.moveaxis(flux, k, 0)[faces]
        inner -= tensor[k, k] * np.moveaxis(np.diff(wrapped(density, reach, k), axis=k) * area, k, 0) / gaps
        for j in range(d):
            if j != k and tensor[k, j] != 0:
                slope = np.moveaxis(wrapped(gradient(density, grid, j, periods[j]), reach, k) * area, k, 0)
                inner -= tensor[k, j] * (slope[1:] + slope[:-1]) / 2
