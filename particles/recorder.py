"""Where a run puts what it saves: in memory, or in an array on disk, chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr

from particles.checks import Array
from particles.dataset import Layout, Status, variable
from particles.thinning import rows_of, thinned, with_states


class Recorder(Protocol):
    """Where a run puts what it saves."""

    def save(self, k: int, record: Mapping[str, Array], memo: Mapping[str, Any]) -> None:
        """Put down the record of the k-th save time."""

    def finish(self, status: Status, reason: str = "") -> xr.Dataset:
        """The Dataset of all that was saved, with its status; `reason` is the text of the attribute, if any."""

    def rescue(self, reason: str) -> xr.Dataset | None:
        """What is left where saving failed, nothing where it cannot be read either."""

    def close(self) -> None:
        """Let others write where this one wrote."""


class MemoryRecorder:
    """Keeps every record in preallocated arrays."""

    def __init__(self, layout: Layout, first: Mapping[str, Array]) -> None:
        self._layout, self._first, self._last = thinned(layout), first, first
        self._saved = 0
        rows = rows_of(layout.series, layout.every, first)
        self._arrays = {
            name: np.full(series.shape(rows[name].shape, len(layout.times)), series.missing, series.dtype)
            for name, series in layout.series.items()
        }

    def save(self, k: int, record: Mapping[str, Array], memo: Mapping[str, Any]) -> None:
        """Copy the record of the k-th save time."""
        for name, row in rows_of(self._layout.series, self._layout.every, record).items():
            self._arrays[name][self._layout.series[name].row(k)] = row
        self._saved, self._last = k + 1, record

    def finish(self, status: Status, reason: str = "") -> xr.Dataset:
        """The Dataset of the times saved."""
        ds = self._layout.static.assign(
            {
                name: variable(series.dims, self._arrays[name], series.long_name)
                for name, series in self._layout.series.items()
            }
        )
        ds = ds.isel(time=slice(0, self._saved)).assign_attrs(status=reason or status)
        if not self._layout.whole:
            return ds
        times = (float(ds["time"][0]), float(ds["time"][-1]))
        ends = {
            name: np.stack([self._first[name], self._last[name]], axis=self._layout.series[name].axis)
            for name in self._layout.whole
        }
        return with_states(ds, self._layout, times, ends)

    def rescue(self, reason: str) -> xr.Dataset:
        """All that was saved."""
        return self.finish("stopped", reason)

    def close(self) -> None:
        """Nothing is held."""


class Block:
    """The rows of the chunk of an array that is being filled: the chunk is written anew with every row."""

    def __init__(self, array: Any, axis: int, missing: float) -> None:
        self._array, self._axis, self._missing = array, axis, missing
        self._rows, self._first = int(array.chunks[axis]), -1
        self._values: npt.NDArray[Any] = np.empty(0)

    def load(self, k: int) -> None:
        """Read the chunk of row k."""
        self._values = np.asarray(self._array[self._place(k)])

    def write(self, k: int, row: npt.NDArray[Any]) -> None:
        """Put row k into its chunk."""
        place = self._place(k)
        if k == self._first or not self._values.size:
            shape, rows = self._array.shape, place[self._axis]
            shape = (*shape[: self._axis], rows.stop - rows.start, *shape[self._axis + 1 :])
            self._values = np.full(shape, self._missing, self._array.dtype)
        self._values[(*place[: self._axis], k - self._first)] = row
        self._array[place] = self._values

    def _place(self, k: int) -> tuple[Any, ...]:
        self._first = k // self._rows * self._rows
        last = min(self._first + self._rows, self._array.shape[self._axis])
        return (*(slice(None),) * self._axis, slice(self._first, last))
