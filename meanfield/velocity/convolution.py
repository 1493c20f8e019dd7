"""The field of a pair potential on a uniform grid: a convolution of the cell masses with averages of ∇W over cells.

At a point of the grid's centres or faces it is −Σ_c m_c (average of ∇W(x − ·) over cell c), what a density that is
constant in each cell gives exactly. The averages depend on the displacement only, so that a fast Fourier transform sums
over M cells in O(M log M): padded with zeros on straight axes, so that nothing comes round, and on the period itself on
periodic ones. Errors are a few roundings of the largest value of the field, not of each value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from meanfield.measures.grid import Cells
from meanfield.velocity.cell_averages import averaged_gradient
from particles.checks import Array
from particles.fields.field import VelocityField
from particles.fields.remembered import remembered
from particles.kernels.threads import thread_count
from particles.models.potentials import pair_potential

Bounds = tuple[tuple[float, float], ...]


class Kernel(NamedTuple):
    """The transform of the averages for one component at one kind of points, and where the sums stand in the result."""

    transform: npt.NDArray[np.complex128]
    length: tuple[int, ...]
    place: tuple[slice, ...]


def convolved(field: VelocityField, axes: Sequence[Array], mu: Cells, component: int) -> Array | None:
    """A component of the field at a tensor grid of points; None where these are not the grid's own, or it is uneven.

    Along each axis the points are all centres or all edges of the grid of `mu`.
    """
    grid = mu.grid
    at_edges = tuple(len(axis) == n + 1 for axis, n in zip(axes, grid.shape, strict=True))
    own = [e if there else c for e, c, there in zip(grid.edges, grid.centres, at_edges, strict=True)]
    if not grid.uniform or not all(map(np.array_equal, own, axes)):
        return None
    kernel = _kernel(field, grid.bounds, grid.shape, at_edges, component)
    workers = thread_count(None)
    masses = np.maximum(mu.masses, 0.0)
    spectrum = scipy.fft.rfftn(masses / masses.sum(), kernel.length, workers=workers)
    spectrum *= kernel.transform
    out: Array = -scipy.fft.irfftn(spectrum, kernel.length, workers=workers)[kernel.place]
    for k, (there, period) in enumerate(zip(at_edges, field.space.axis_periods(grid.dim), strict=True)):
        if there and period is not None:
            # The last edge of a period is the first.
            out = np.concatenate([out, np.take(out, [0], axis=k)], axis=k)
    return np.ascontiguousarray(out)


@remembered
def _kernel(
    field: VelocityField, bounds: Bounds, shape: tuple[int, ...], at_edges: tuple[bool, ...], component: int
) -> Kernel:
    """The averages of ∂_k W on all displacements between points and cells, transformed."""
    periods = field.space.axis_periods(len(shape))
    centres, lengths, places = list[Array](), list[int](), list[slice]()
    for k, (n, period) in enumerate(zip(shape, periods, strict=True)):
        width = (bounds[k][1] - bounds[k][0]) / n
        points = n + 1 if at_edges[k] else n
        if period is not None:
            steps, length, place = np.arange(n), n, slice(0, n)
        else:
            steps = np.arange(-(n - 1), points)
            length, place = scipy.fft.next_fast_len(len(steps), real=True), slice(n - 1, n - 1 + points)
        centres.append(np.asarray((steps - (0.5 if at_edges[k] else 0.0)) * width, dtype=np.float64))
        lengths.append(length)
        places.append(place)
    widths = [(high - low) / n for (low, high), n in zip(bounds, shape, strict=True)]
    averages = averaged_gradient(pair_potential(field), centres, widths, component, periods)
    return Kernel(scipy.fft.rfftn(averages, lengths, workers=thread_count(None)), tuple(lengths), tuple(places))
