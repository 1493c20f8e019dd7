"""Files of results: netCDF to share, a Zarr store that a run streams to."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.core import indexing

from particles.checks import Array
from particles.dataset import Layout, Status, as_dataset, variable
from particles.errors import InvalidInput, StoreError
from particles.files import Lock, as_target, beside, recover, recover_lost, replace_folder, reserve, storing
from particles.recorder import Block
from particles.records import (
    CHECKSUMS,
    CheckedRows,
    Head,
    commit,
    first_head,
    missing,
    new_store,
    read_head,
    read_static,
    row_checksum,
    status_text,
    zarr_group,
)
from particles.remote import NoLock, Place, Remote, as_place
from particles.states import due, new_states, read_states, written_state
from particles.thinning import rows_of, thinned, widened, with_states

if TYPE_CHECKING:
    from zarr.abc.store import Store

IN_MEMORY = 2**26
"""Bytes of a Dataset up to which it is read, and checked, when its store is opened; a larger one when it is used."""

MARGIN = 2**20
"""Bytes of a netCDF file beside its numbers and text."""


def write_netcdf(ds: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write one netCDF file, whole or not at all; a file that exists is refused unless `overwrite`.

    Parameters
    ----------
    ds, path : a Dataset of this library, and the file.
    overwrite : whether a file that exists is replaced.

    Returns
    -------
    Path : the path written; a link stands for what it points to.

    Raises
    ------
    StoreError : where the disk has no room, the path is a folder or is being written by another process.
    InvalidInput : for a Dataset that netCDF cannot hold.
    """
    target = as_target(path, "path")
    as_dataset(ds)
    with Lock(target):
        if target.is_dir():
            raise StoreError(f"{target} is a folder: give the name of a file")
        if target.exists() and not overwrite:
            raise StoreError(f"{target} exists: choose another name, or pass overwrite=True")
        partial = beside(target, "partial")
        try:
            with storing(target):
                # HDF5 ends the process where the disk fills: look for room before.
                reserve(partial, ds.nbytes + sum(len(str(value)) for value in ds.attrs.values()) + MARGIN)
                ds.to_netcdf(partial, engine="h5netcdf")
                os.replace(partial, target)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"netCDF cannot hold this Dataset: {error}") from error
        finally:
            partial.unlink(missing_ok=True)
    return target


class ZarrRecorder:
    """Streams every record to a Zarr store, which it alone may write; see `records` for what stands there."""

    def __init__(self, path: Place, lock: Lock | NoLock, head: Head, attributes: Mapping[str, Any]) -> None:
        import zarr

        self._path, self._lock, self.head, self._attributes = path, lock, head, attributes
        # Chunks that hold nothing but the fill value are files too (no token has met another): a store lacks none. What
        # an array was created with does not outlive it.
        with zarr.config.set({"array.write_empty_chunks": True}):
            group = zarr_group(path)
            series = head.series.items()
            self._blocks = {name: Block(group[name], kind.axis, kind.missing) for name, kind in series}
            self._sums = Block(group[f"{CHECKSUMS}/rows"], 0, 0)
        # All tokens of the last save, where the store does not hold them yet.
        self._pending: tuple[int, Mapping[str, Array], Mapping[str, Any]] | None = None

    @classmethod
    def create(
        cls, path: Place, layout: Layout, first: Mapping[str, Array], memo: Mapping[str, Any], *, overwrite: bool
    ) -> Self:
        """A new store that already holds the first record; it appears under its name whole or not at all."""
        if not isinstance(path, Path):
            return cls._created_remotely(path, layout, first, memo, overwrite=overwrite)
        lock = Lock(path)
        try:
            recover(path)
            check_target(path, overwrite=overwrite)
            partial = beside(path, "partial")
            try:
                with storing(path):
                    rows = rows_of(layout.series, layout.every, first)
                    cls.started(partial, lock, layout, rows, first).save(0, first, memo)
                    replace_folder(partial, path)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
            return cls.reopened(path, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _created_remotely(
        cls, place: Remote, layout: Layout, first: Mapping[str, Array], memo: Mapping[str, Any], *, overwrite: bool
    ) -> Self:
        with storing(place):
            check_target(place, overwrite=overwrite)
            place.clear()
            recorder = cls.started(place, NoLock(), layout, rows_of(layout.series, layout.every, first), first)
            recorder.save(0, first, memo)
        return recorder

    @classmethod
    def started(
        cls, path: Place, lock: Lock | NoLock, layout: Layout, rows: Mapping[str, Array], state: Mapping[str, Array]
    ) -> Self:
        """A recorder in a new folder without a row, for rows and states of the shapes of these."""
        saved = thinned(layout)
        new_store(path, saved, rows)
        new_states(path, layout, state)
        return cls(path, lock, first_head(path, token_hex(16), saved), layout.static.attrs)

    @classmethod
    def reopened(cls, path: Place, lock: Lock | NoLock) -> Self:
        """The recorder that goes on where the state that a store holds was saved."""
        head, attributes = read_head(path)
        recorder = cls(path, lock, head, attributes)
        if head.whole and head.states[-1]["save"] + 1 < head.saved:
            # The rows after it are computed again; none is counted while it is written anew.
            head = replace(head, saved=head.states[-1]["save"] + 1, status="running", reason="")
            recorder.commit(head)
        if head.saved:
            for name in head.series:
                recorder._blocks[name].load(head.saved - 1)
            recorder._sums.load(head.saved - 1)
        return recorder

    def save(self, k: int, record: Mapping[str, Array], memo: Mapping[str, Any]) -> None:
        """Write the record of the k-th save time, then commit it."""
        with storing(self._path):
            self.put(k, rows_of(self.head.series, self.head.every, record))
            head = replace(self.head, saved=k + 1, status="running", reason="")
            if not head.whole or due(head, k):
                head, self._pending = self._with_state(head, k, record, memo), None
            else:
                self._pending = (k, record, memo)
        self.commit(head)

    def put(self, k: int, rows: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write the rows of the k-th save time, which are not counted yet."""
        sums = np.zeros(max(1, len(rows)), np.uint64)
        for column, (name, row) in enumerate(rows.items()):
            if not (self._path / name / "zarr.json").is_file():
                raise missing(self._path / name / "zarr.json")
            self._blocks[name].write(k, row)
            sums[column] = row_checksum(self.head.run, name, k, row)
        self._sums.write(k, sums)

    def commit(self, head: Head) -> None:
        """Count what is written."""
        commit(self._path, head, self._attributes)
        self.head = head

    def _with_state(self, head: Head, k: int, record: Mapping[str, Array], memo: Mapping[str, Any]) -> Head:
        states = written_state(self._path, head, k, record) if head.whole else ()
        return replace(head, memo=dict(memo), states=states)

    def finish(self, status: Status, reason: str = "") -> xr.Dataset:
        """Commit the status of a store that is whole, and open it as a Dataset."""
        if self._pending is not None:
            with storing(self._path):
                head = self._with_state(self.head, *self._pending)
            self.commit(head)
            self._pending = None
        head = replace(self.head, status=status, reason=reason)
        ds = _opened(self._path, self.head, self._attributes).assign_attrs(status=status_text(head))
        self.commit(head)
        return ds

    def rescue(self, reason: str) -> xr.Dataset | None:
        """What was committed, in memory where it can be read; the status stays "running", so that it can be resumed."""
        with suppress(StoreError):
            return _opened(self._path, self.head, self._attributes).assign_attrs(status=reason)
        return None

    def close(self) -> None:
        """Give up the lock."""
        self._lock.release()


def check_target(path: Place, *, overwrite: bool) -> None:
    """Refuse a store that exists, unless it is one of this library's and may be overwritten."""
    if not path.exists():
        return
    if not overwrite:
        raise StoreError(f"{path} exists: choose another name, resume({str(path)!r}) it, or pass overwrite=True")
    read_head(path)


def open_store(path: str | os.PathLike[str] | Store) -> xr.Dataset:
    """The Dataset in a store, cut to the times that were committed; works while the run goes on, and after a kill.

    Up to 64 MiB it is read into memory and checked at once. A larger one is read when it is used, and checked then.

    Parameters
    ----------
    path : a store that simulate or solve wrote.

    Returns
    -------
    Dataset : what was committed.

    Raises
    ------
    StoreError : where something is missing, damaged, or no store of a run; it names the file.
    """
    place = as_place(path, "path")
    if isinstance(place, Path):
        recover_lost(place)
    return _opened(place, *read_head(place))


def _opened(path: Place, head: Head, attributes: Mapping[str, Any]) -> xr.Dataset:
    static = read_static(path, head)
    planned_times, ds = static["time"].values, static.isel(time=slice(0, head.saved))
    ds.attrs = {**attributes, "status": status_text(head)}
    lazy = {
        name: xr.Variable(
            series.dims,
            indexing.LazilyIndexedArray(CheckedRows(path, head, name)),
            variable((), 0.0, series.long_name).attrs,
        )
        for name, series in head.series.items()
    }
    ds = ds.assign(lazy)
    if head.whole:
        (first, last), states = read_states(path, head)
        times = planned_times[first], planned_times[last]
        ds = with_states(ds, _layout_of(head, ds), (float(times[0]), float(times[1])), states)
    return ds.load() if ds.nbytes <= IN_MEMORY else ds


def check_rows(path: Place, head: Head) -> None:
    """Read all committed rows of a store, and refuse one that is missing or damaged."""
    for name in head.series:
        CheckedRows(path, head, name).check()


def planned(path: Place) -> Layout:
    """The layout of a run: what does not change, its series, and all save times, also those that are still to come."""
    head, attributes = read_head(path)
    static = read_static(path, head)
    static.attrs = attributes
    return widened(_layout_of(head, static))


def _layout_of(head: Head, static: xr.Dataset) -> Layout:
    return Layout(static, head.series, static["time"].values, head.every, head.whole)


def extend(path: Path, lock: Lock, times: Array) -> Layout:
    """Give the run in a store further save times, under its lock; the store is copied, and replaced at once."""
    head, _ = read_head(path)
    layout = planned(path)
    if times[0] <= layout.times[-1]:
        raise InvalidInput(f"times must be later than the last one of the run, {layout.times[-1]:g}, got {times[0]:g}")
    every = np.concatenate([layout.times, times])
    static = layout.static.drop_vars("time").assign_coords(time=variable("time", every, "time"))
    longer = replace(layout, static=static, times=every)
    partial = beside(path, "partial")
    try:
        with storing(path):
            _copy(path, head, partial, lock, longer)
            replace_folder(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return longer


def _copy(path: Path, head: Head, partial: Path, lock: Lock, longer: Layout) -> None:
    """The rows and states of a store in a new one, of a run with another name."""
    saved = _opened(path, head, {})
    rows = ({name: saved[name].isel(time=k).values for name in head.series} for k in range(head.saved))
    first, ends = next(rows), (0, 0)
    whole: tuple[dict[str, npt.NDArray[Any]], ...] = ({}, {})
    if head.whole:
        ends, states = read_states(path, head)
        whole = tuple({name: states[name].take(i, head.series[name].axis) for name in head.whole} for i in (0, 1))
    recorder = ZarrRecorder.started(partial, lock, longer, first, whole[0])
    for k, row in enumerate(itertools.chain([first], rows)):
        recorder.put(k, row)
    new = replace(recorder.head, saved=head.saved, memo=head.memo)
    for k, state in zip(ends, whole, strict=True):
        new = replace(new, states=written_state(partial, new, k, state)) if head.whole else new
    recorder.commit(new)


def read_commit(path: str | os.PathLike[str] | Store) -> Head:
    """The head of the store at `path`; refused where there is none."""
    place = as_place(path, "path")
    if isinstance(place, Path):
        recover_lost(place)
    return read_head(place)[0]
