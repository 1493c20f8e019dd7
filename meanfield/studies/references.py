"""The solution μ_t that empirical measures are compared with, as distances take it, and what is known of its error."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import xarray as xr

from meanfield.distances.semidiscrete.pieces import ConvexPieces, pieces_of_mesh
from meanfield.measures.grid import GridMeasure
from meanfield.solve import saved_measure
from particles import EmpiricalMeasure
from particles.checks import Array
from particles.errors import InvalidInput
from particles.fields.spaces import Torus
from particles.measure import Measure
from particles.thinning import check_all_tokens

Reference = EmpiricalMeasure | GridMeasure | ConvexPieces
"""The solution at one time, as distances take it."""


@dataclass(frozen=True, eq=False)
class References:
    """A solution at several times.

    measures: one a time; `space` and `time` (time,) are lengths that its recorded errors add to any W₂, NaN where it
    recorded none; points: its mass as points, for distances to sets.
    """

    measures: tuple[Reference, ...]
    points: tuple[Measure, ...]
    space: Array
    time: Array

    @property
    def error(self) -> Array:
        """The sum of both errors, (time,), a kind that is not known left out; NaN where neither is."""
        known = np.isfinite(self.space) | np.isfinite(self.time)
        return np.where(known, np.nan_to_num(self.space) + np.nan_to_num(self.time), np.nan)

    def digest(self) -> str:
        """What tells the references of two studies apart."""
        found = blake2b(digest_size=16)
        for mu in self.measures:
            found.update(np.ascontiguousarray(mu.points).tobytes() + np.ascontiguousarray(mu.weights).tobytes())
        return found.hexdigest()


def references(reference: xr.Dataset, times: Array, error: float | None, ground: Torus | None = None) -> References:
    """The solution in a Dataset of `solve` or `simulate` at these times; `error` is what the caller states of it.

    On the line, on the circle and in the plane a density, in the plane on its moving mesh where that has one and none
    has turned over; in d ≥ 3, and on a torus (`ground`) in d ≥ 2, atoms at the cell centres, which adds to `space` the
    root mean square of the way to them. Refused: times at which nothing is saved.
    """
    saved = reference["time"].values
    missing = [t for t in times if not np.isclose(saved, t, rtol=0, atol=1e-12).any()]
    if missing:
        raise InvalidInput(f"the reference must be saved at all times of the study; it lacks t = {missing}")
    rows = [int(np.argmin(np.abs(saved - t))) for t in times]
    unknown, stated = np.full(len(times), np.nan), np.full(len(times), np.nan if error is None else error)
    if "position" in reference:
        check_all_tokens(reference)
        weights = reference["weight"].values
        atoms = tuple(EmpiricalMeasure(reference["position"].values[row], weights) for row in rows)
        return References(atoms, atoms, stated, unknown if error is None else 0.0 * stated)
    points = tuple(_points_at(reference, row) for row in rows)
    if reference.sizes["component"] < (3 if ground is None else 2):
        measures = tuple(_density_at(reference, row) for row in rows)
        if "space_error" in reference and error is None:
            return References(measures, points, *(reference[f"{k}_error"].values[rows] for k in ("space", "time")))
        return References(measures, points, stated, unknown)
    widths = saved_measure(reference, rows[0]).grid.widths
    # W₂² between a uniform cell and its centre is Σ h²/12; the widest cells bound the mixture.
    radius = float(np.sqrt(sum(np.max(w) ** 2 for w in widths) / 12))
    cells = tuple(EmpiricalMeasure(mu.points, mu.weights) for mu in (saved_measure(reference, row) for row in rows))
    return References(cells, cells, np.full(len(times), radius + (error or 0.0)), unknown)


def _density_at(reference: xr.Dataset, row: int) -> GridMeasure | ConvexPieces:
    if reference.sizes["component"] == 2 and "vertex" in reference and "patch" not in reference.dims:
        at = reference.isel(time=row)
        if float(at["folded_mass"]) == 0:
            return pieces_of_mesh(at["vertex"].values, at["cell_mass"].values)
    return saved_measure(reference, row)


def _points_at(reference: xr.Dataset, row: int) -> Measure:
    """The nodes of a moving mesh, else the cell centres."""
    if "node" in reference:
        return EmpiricalMeasure(reference["node"].values[row], reference["node_weight"].values)
    mu = saved_measure(reference, row)
    return EmpiricalMeasure(mu.points, mu.weights)
