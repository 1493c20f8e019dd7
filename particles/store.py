"""Files of results: netCDF to share, a Zarr store that a run streams to."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex
from socket import gethostname
from typing import Any, NamedTuple, Protocol

import numpy as np
import xarray as xr
import zarr

from particles.checks import Array, as_path
from particles.dataset import RUNNING, Layout, Series, as_dataset, variable
from particles.errors import InvalidInput, StoreError

_METADATA = "zarr.json"


def write_netcdf(ds: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write one netCDF file, whole or not at all; a file that exists is refused unless `overwrite`."""
    target = as_path(path, "path")
    as_dataset(ds)
    if target.exists() and not overwrite:
        raise StoreError(f"{target} exists: choose another name, or pass overwrite=True")
    if target.is_dir():
        raise StoreError(f"{target} is a folder: give the name of a file")
    _prepare(target)
    partial = _beside(target)
    try:
        ds.to_netcdf(partial, engine="h5netcdf")
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


class Recorder(Protocol):
    """Where a run puts what it saves."""

    def save(self, k: int, record: Mapping[str, Array], memo: Mapping[str, Any]) -> None:
        """Put down the record of the k-th save time."""

    def finish(self, status: str) -> xr.Dataset:
        """The Dataset of all that was saved, with its status."""


class MemoryRecorder:
    """Keeps every record in preallocated arrays."""

    def __init__(self, layout: Layout, first: Mapping[str, Array]) -> None:
        self._layout = layout
        self._saved = 0
        self._arrays = {
            name: np.full(_shape(series, np.shape(first[name]), len(layout.times)), series.missing, series.dtype)
            for name, series in layout.series.items()
        }

    def save(self, k: int, record: Mapping[str, Array], memo: Mapping[str, Any]) -> None:
        """Copy the record of the k-th save time."""
        for name, series in self._layout.series.items():
            self._arrays[name][_row(series, k)] = record[name]
        self._saved = k + 1

    def finish(self, status: str) -> xr.Dataset:
        """The Dataset of the times saved."""
        ds = self._layout.static.assign(
            {
                name: variable(series.dims, self._arrays[name], series.long_name)
                for name, series in self._layout.series.items()
            }
        )
        ds = ds.isel(time=slice(0, self._saved))
        ds.attrs["status"] = status
        return ds


class ZarrRecorder:
    """Streams every record to a Zarr store; a counter, committed last and in one stroke, says how many are whole.

    So the store is readable after a kill at any moment: rows past the counter do not count.
    """

    def __init__(self, path: Path, series: Mapping[str, Series]) -> None:
        self._path = path
        self._series = series
        group = zarr.open_group(path, mode="r+")
        self._arrays: dict[str, Any] = {name: group[name] for name in series}

    @classmethod
    def create(
        cls, path: Path, layout: Layout, first: Mapping[str, Array], memo: Mapping[str, Any], *, overwrite: bool
    ) -> ZarrRecorder:
        """A new store that already holds the first record; it appears under its name whole or not at all."""
        check_target(path, overwrite=overwrite)
        _prepare(path)
        partial, old = _beside(path), _beside(path)
        try:
            layout.static.to_zarr(partial, mode="w", zarr_format=3, consolidated=False)
            group = zarr.open_group(partial, mode="r+")
            for name, series in layout.series.items():
                shape = _shape(series, np.shape(first[name]), len(layout.times))
                chunks = tuple(1 if dim == "time" else max(1, n) for dim, n in zip(series.dims, shape, strict=True))
                group.create_array(
                    name,
                    shape=shape,
                    chunks=chunks,
                    dtype=series.dtype,
                    fill_value=series.missing,
                    dimension_names=series.dims,
                    attributes={"long_name": series.long_name, "units": "1"},
                )
            cls(partial, layout.series).save(0, first, memo)
            # The old store leaves its name whole: half of it under that name would pass for a result.
            if path.exists():
                os.replace(path, old)
            os.replace(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
        return cls(path, layout.series)

    def save(self, k: int, record: Mapping[str, Array], memo: Mapping[str, Any]) -> None:
        """Write the record of the k-th save time, then commit it."""
        for name, series in self._series.items():
            self._arrays[name][_row(series, k)] = record[name]
        _commit(self._path, saved=k + 1, status=RUNNING, memo=json.dumps(memo))

    def finish(self, status: str) -> xr.Dataset:
        """Commit the status, and open the store as a Dataset."""
        _commit(self._path, status=status)
        return open_store(self._path)


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse a store that exists, unless it is one of this library's and may be overwritten."""
    if not path.exists():
        return
    if not overwrite:
        raise StoreError(f"{path} exists: choose another name, resume({str(path)!r}) it, or pass overwrite=True")
    read_commit(path)


def open_store(path: str | os.PathLike[str]) -> xr.Dataset:
    """The Dataset in a store, cut to the times that were committed; works while the run goes on, and after a kill."""
    saved = read_commit(path).saved
    ds: xr.Dataset = xr.open_zarr(path, chunks=None, consolidated=False).isel(time=slice(0, saved))
    del ds.attrs["saved"], ds.attrs["memo"]
    # How this store is encoded means nothing elsewhere: Zarr 2, for one, refuses it.
    return ds.drop_encoding()


def planned_times(path: Path) -> Array:
    """All save times of a run, also those that are still to come."""
    times: Array = np.asarray(zarr.open_group(path, mode="r")["time"])
    return times


class Commit(NamedTuple):
    """The head of a store: how many times are whole, the status, and the memo that a resumed run starts from."""

    saved: int
    status: str
    memo: dict[str, Any]


def read_commit(path: str | os.PathLike[str]) -> Commit:
    """The head of the store at `path`; refused where there is none."""
    try:
        attributes = json.loads((as_path(path, "path") / _METADATA).read_text())["attributes"]
        return Commit(attributes["saved"], attributes["status"], json.loads(attributes["memo"]))
    except InvalidInput:
        raise
    except (OSError, ValueError, KeyError):
        raise StoreError(
            f"{path} is no store of a run: give the path that was passed as store=, or another name"
        ) from None


def _commit(path: Path, **attributes: Any) -> None:
    # Rewritten beside the store and renamed into it: a kill leaves either the old head or the new one.
    metadata = json.loads((path / _METADATA).read_text())
    metadata["attributes"].update(attributes)
    partial = path.with_name(f".{path.name}.head")
    partial.write_text(json.dumps(metadata))
    os.replace(partial, path / _METADATA)


def _beside(path: Path) -> Path:
    return path.with_name(f"{_mark(path)}{os.getpid()}.{token_hex(4)}")


def _mark(path: Path) -> str:
    return f".{path.name}.{gethostname()}."


def _prepare(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the folder of {path} cannot be made ({error.strerror}): choose another place") from None
    _remove_leftovers(path)


def _remove_leftovers(path: Path) -> None:
    """Remove what processes of this machine left beside `path` when they were killed; the living keep theirs."""
    if os.name != "posix":
        return
    mark = _mark(path)
    for left in [entry for entry in path.parent.iterdir() if entry.name.startswith(mark)]:
        pid = left.name.removeprefix(mark).partition(".")[0]
        if not pid.isdigit() or _alive(int(pid)):
            continue
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _shape(series: Series, record: tuple[int, ...], times: int) -> tuple[int, ...]:
    axis = series.dims.index("time")
    return (*record[:axis], times, *record[axis:])


def _row(series: Series, k: int) -> tuple[Any, ...]:
    return tuple(k if dim == "time" else slice(None) for dim in series.dims)
