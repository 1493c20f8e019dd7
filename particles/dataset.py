"""A Dataset: its names, dims, attributes and provenance; reading and writing; the store that a run streams to."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from secrets import token_hex
from socket import gethostname
from typing import Any, NamedTuple, Protocol

import numpy as np
import xarray as xr
import zarr

from particles.checks import Array, as_path
from particles.config import Encoder, decode
from particles.errors import InvalidInput, StoreError
from particles.models.base import DiscreteMap, VelocityField

PACKAGE = "attention-meanfield"
REFERENCES = (
    "Geshkovski, Letrouit, Polyanskiy, Rigollet: The emergence of clusters in self-attention dynamics, arXiv:2305.05465"
)
COMPLETED = "completed"
RUNNING = "running"
_METADATA = "zarr.json"


@dataclass(frozen=True)
class Series:
    """A variable with one record a save time: its dims, "time" among them, and what it is."""

    dims: tuple[str, ...]
    long_name: str
    dtype: str = "float64"

    @property
    def missing(self) -> float:
        """What stands where nothing is saved yet."""
        return -1 if self.dtype == "int64" else np.nan


@dataclass(frozen=True)
class Layout:
    """What a run writes: the part of the Dataset that does not change, and the series that grow."""

    static: xr.Dataset
    series: Mapping[str, Series]
    times: Array


def variable(dims: tuple[str, ...] | str, data: Any, long_name: str) -> xr.Variable:
    """A variable with the attributes that every variable of a Dataset has."""
    return xr.Variable(dims, data, {"long_name": long_name, "units": "1"})


def source() -> str:
    """Package and version."""
    try:
        return f"{PACKAGE} {version(PACKAGE)}"
    except PackageNotFoundError:
        return f"{PACKAGE} (not installed)"


def provenance(call: Mapping[str, Any], seed_entropy: str) -> tuple[dict[str, Any], dict[str, xr.Variable]]:
    """Attributes and matrices that say how a Dataset was made: enough to make it again unless a function is the user's.

    `call` holds the arguments by name; matrices become variables, everything else goes into the `config` attribute.
    """
    encoder = Encoder()
    config = {name: encoder.encode(value, name) for name, value in call.items()}
    config["reproducible"] = not encoder.opaque
    if encoder.opaque:
        config["functions"] = encoder.opaque
    model = call["model"]
    attributes = {
        "config": json.dumps(config),
        "frame": frame_name(model),
        "status": RUNNING,
        "seed_entropy": seed_entropy,
        "source": source(),
        "history": f"{datetime.now(UTC).isoformat(timespec='seconds')} {call['door']}",
        "references": REFERENCES,
    }
    matrices = {
        name: variable(tuple(f"{name}_axis{i}" for i in range(array.ndim)), array, f"argument {name} of the call")
        for name, array in encoder.arrays.items()
    }
    return attributes, matrices


def frame_name(model: VelocityField | DiscreteMap) -> str:
    """ "original", "rescaled" where x = e^{tV} z with V the sum of the values of the heads (3.1), else "moving"."""
    if model.frame is None:
        return "original"
    values = [getattr(term, "V", None) for term in getattr(model, "terms", ())]
    constant = [V for V in values if isinstance(V, np.ndarray)]
    if len(constant) == len(values) and np.array_equal(model.frame, np.sum(constant, axis=0)):
        return "rescaled"
    return "moving"


def config_of(ds: xr.Dataset) -> dict[str, Any]:
    """The call that made a Dataset, decoded: its arguments by name."""
    arrays = {str(name): ds[name].values for name in ds.variables}
    return {
        name: decode(value, arrays)
        for name, value in _raw_config(ds).items()
        if name not in ("reproducible", "functions")
    }


def as_dataset(ds: xr.Dataset, name: str = "ds") -> xr.Dataset:
    """An xarray Dataset, and nothing else."""
    if not isinstance(ds, xr.Dataset):
        raise InvalidInput(f"{name} must be an xarray Dataset, as simulate and solve return, got {type(ds).__name__}")
    return ds


def model_of(ds: xr.Dataset) -> Any:
    """The model that a Dataset was made with, rebuilt from its config and matrices."""
    return decode(_raw_config(ds)["model"], {str(name): ds[name].values for name in ds.variables})


def _raw_config(ds: xr.Dataset) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(as_dataset(ds).attrs["config"])
    except (KeyError, ValueError):
        raise InvalidInput("the Dataset has no `config` attribute: it was not made by simulate or solve") from None
    return config


def series_of(array: xr.DataArray) -> Series:
    """The series that a variable of a Dataset was written as."""
    return Series(tuple(str(dim) for dim in array.dims), array.attrs["long_name"], str(array.dtype))


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
