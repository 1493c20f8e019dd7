"""A run as the theorems read it: the tokens of one simulation, in its own frame and in the rescaled one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import xarray as xr

from meanfield.limits.spectrum import LeadingBlock
from particles.checks import Array, as_times, as_weights
from particles.dataset import as_dataset, model_of
from particles.errors import InvalidInput, OutOfRange
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField
from particles.fields.linear_flow import linear_flow
from particles.thinning import whole_states

NARROW = 1e-6
"""Deviation of the sum of all weights from 1 that narrower numbers than float64 may have caused."""


@dataclass(frozen=True, eq=False)
class Run:
    """One run: its model, times (T,), positions (T, n, d) in the run's own frame, weights (n,)."""

    model: VelocityField | DiscreteMap
    rescaled: bool
    times: Array
    positions: Array
    weights: Array

    def until(self, end: int) -> Self:
        """The first `end` saved times."""
        return replace(self, times=self.times[:end], positions=self.positions[:end])

    def in_range(self, V: Array) -> Self:
        """The saved times whose e^{−tV} lies within float64, all of them where the run is rescaled already."""
        if not self.rescaled:
            for k, t in enumerate(self.times):
                try:
                    linear_flow(V, -float(t))
                except OutOfRange:
                    return self.until(k)
        return self

    def original(self, V: Array, k: int) -> Array:
        """x (n, d) in the original frame at the k-th saved time."""
        x: Array = self.positions[k]
        return x @ linear_flow(V, float(self.times[k])).T if self.rescaled else x

    @cached_property
    def merged(self) -> tuple[Array, np.ndarray]:
        """Masses (n,) of the distinct initial tokens, and for every token the index (n,) of its first copy."""
        _, first, copy = np.unique(self.positions[0], axis=0, return_index=True, return_inverse=True)
        representative = first[copy.ravel()]
        mass = np.bincount(representative, self.weights, minlength=len(self.weights))
        return np.asarray(mass, float), np.asarray(representative)

    @cached_property
    def distinct(self) -> np.ndarray:
        """The indices of the first copies of all initial tokens."""
        return np.flatnonzero(self.merged[1] == np.arange(len(self.weights)))


def read_run(ds: xr.Dataset) -> Run:
    """The run in a Dataset of simulate, at two times where it holds every k-th token.

    Refused: grid solutions, ensembles, positions that are not finite, times out of order, weights that are not those of
    all tokens.
    """
    ds = whole_states(as_dataset(ds))
    if "density" in ds:
        raise InvalidInput("a grid solution has no tokens; certify a run of simulate")
    if "position" not in ds:
        held = ", ".join(map(str, ds)) or "nothing"
        raise InvalidInput(f"certify takes a run of simulate, with `position`; the Dataset has {held}")
    if ds.position.dims != ("time", "particle", "component"):
        found = ds.position.dims
        raise InvalidInput(
            f"certify takes one run, dims (time, particle, component); got {found}; "
            "take one run, ds.isel(run=k), and keep the dimension of time, ds.isel(time=[k])"
        )
    # What is proved is about these numbers: narrower ones are taken as they are, and computed with in float64.
    times, positions = as_times(ds.time.values, "time"), np.asarray(ds.position.values, dtype=float)
    weights = np.asarray(ds.weight.values, dtype=float)
    total = float(weights.sum())
    if weights.shape == (positions.shape[1],) and 0.0 < total < 1.0 - NARROW and (weights >= 0.0).all():
        raise InvalidInput(
            f"the weights of these {len(weights)} tokens sum to {total:.6g}, so that others moved with them: a part of "
            "the tokens is no run of its own, certify the whole Dataset and select in the result"
        )
    as_weights(weights / total if abs(total - 1.0) <= NARROW else weights, positions.shape[1], "weight")
    if not np.isfinite(positions).all():
        k, i = np.argwhere(~np.isfinite(positions).all(axis=2))[0]
        raise InvalidInput(
            f"position must be finite, token {i} is not at t = {times[k]:g}; take the part before, "
            f"ds.isel(time=slice({k})), or repeat the run"
        )
    return Run(model_of(ds), ds.attrs["frame"] == "rescaled", times, positions, weights)


def rescaled(V: Array, block: LeadingBlock, times: Array, x: Array) -> Array:
    """z = e^{−tV} x for x (T, n, d), part by part: the F-part keeps its digits where e^{−tV} is large on G."""
    on_G = block.dual_G @ V @ block.G
    out = np.empty_like(x)
    for k, (t, tokens) in enumerate(zip(times, x, strict=True)):
        out[k] = np.exp(-block.value * t) * (tokens @ block.projection.T)
        if len(on_G):
            out[k] += tokens @ block.dual_G.T @ linear_flow(on_G, -float(t)).T @ block.G.T
    return out
