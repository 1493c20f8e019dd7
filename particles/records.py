"""What stands in a store: a head that commits rows, a checksum of every row, and reading that checks them.

A store is a Zarr group. Every variable with a record a save time is an array whose chunks hold several rows; a chunk is
replaced atomically with one row more. The array `rows` of the subgroup `checksums` holds a checksum of every row of
every variable, and the head, the attributes of the group, is replaced last: it counts the rows that are whole, and
holds the checksums of all other files. So a store is readable after a kill at any moment, and what was lost or damaged
since is an error that names the file.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from particles.checks import Array
from particles.dataset import RUNNING, Layout, Series, Status, variable
from particles.encoding import FORMAT
from particles.errors import LibraryError, StoreError
from particles.files import beside, storing, write_whole
from particles.remote import Place
from particles.thinning import state_name

HEAD = "zarr.json"
CHECKSUMS = "checksums"

CHUNK = 2**16
"""Bytes near which a chunk of several rows ends: a save rewrites the last chunk."""

LARGEST_CHUNK = 2**30
"""Bytes beyond which one row is cut into several chunks: the compressor takes no more than twice that."""

CHECKED = 512
"""Rows in a chunk of the checksums."""


@dataclass(frozen=True)
class Head:
    """The head of a store: which run it is, how many rows are whole, how far the run is, and what a resume needs.

    `memo` are the JSON values of the run; `series` the variables that grow, in the order of their checksums; `files`
    the checksums of the files that do not change. A run that saves every k-th token has `states` too, the first and the
    last save with all tokens: see `particles.states`; its memo is that of the last of them.
    """

    run: str
    saved: int
    status: Status
    reason: str
    memo: dict[str, Any]
    series: dict[str, Series]
    files: dict[str, str]
    every: int = 1
    whole: tuple[str, ...] = ()
    states: tuple[dict[str, Any], ...] = ()


@cache
def _whole_files() -> type:
    from zarr.storage import LocalStore

    class WholeFiles(LocalStore):
        """A folder of Zarr whose files are replaced atomically: a kill leaves the old one or the new one."""

        async def set(self, key: str, value: Any) -> None:
            """Write beside, then rename."""
            self.set_sync(key, value)

        def set_sync(self, key: str, value: Any) -> None:
            """The same, without a loop of events."""
            path = self.root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{path.name}.partial")
            partial.write_bytes(value.to_bytes())
            os.replace(partial, path)

    return WholeFiles


def zarr_store(path: Place) -> Any:
    """The Zarr store at a place."""
    return _whole_files()(path) if isinstance(path, Path) else path.store


def zarr_group(path: Place) -> Any:
    """The arrays of the store at a place, to write to."""
    import zarr

    return zarr.open_group(zarr_store(path), mode="r+")


def new_array(group: Any, name: str, series: Series, shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
    """An empty array of a group, with the dims and the attributes of a series."""
    group.create_array(
        name,
        shape=shape,
        chunks=chunks,
        dtype=series.dtype,
        fill_value=series.missing,
        dimension_names=series.dims,
        attributes=dict(variable((), 0.0, series.long_name).attrs),
        config={"write_empty_chunks": True},
    )


def new_store(path: Place, layout: Layout, first: Mapping[str, Array]) -> None:
    """The arrays of a run in a new folder, still without a head."""
    from zarr.codecs import Crc32cCodec, ZstdCodec

    layout.static.to_zarr(zarr_store(path), mode="w", zarr_format=3, consolidated=False)
    group = zarr_group(path)
    for name, series in layout.series.items():
        shape = series.shape(np.shape(first[name]), len(layout.times))
        new_array(group, name, series, shape, _chunks(series, shape))
    rows, columns = len(layout.times), max(1, len(layout.series))
    group.create_group(CHECKSUMS).create_array(
        "rows",
        shape=(rows, columns),
        chunks=(min(rows, CHECKED), columns),
        dtype="uint64",
        compressors=[ZstdCodec(), Crc32cCodec()],
    )


def _chunks(series: Series, shape: tuple[int, ...]) -> tuple[int, ...]:
    chunks = list(largest_chunks(series, shape))
    row = math.prod(shape[: series.axis] + shape[series.axis + 1 :]) * np.dtype(series.dtype).itemsize
    chunks[series.axis] = min(max(1, CHUNK // max(1, row)), shape[series.axis])
    return tuple(chunks)


def largest_chunks(series: Series, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Chunks of one row each, or of a part of a row that is too large for one."""
    chunks = [max(1, n) for n in shape]
    chunks[series.axis] = 1
    row = math.prod(chunks) * np.dtype(series.dtype).itemsize
    if row > LARGEST_CHUNK:
        longest = int(np.argmax(chunks))
        chunks[longest] = max(1, chunks[longest] * LARGEST_CHUNK // row)
    return tuple(chunks)


# The head -------------------------------------------------------------------------------------------------------------


def write_head(path: Place, head: Head, attributes: Mapping[str, Any]) -> None:
    """Commit: replace the head atomically. `attributes` are those of the Dataset, for other readers of Zarr too."""
    shown = {**attributes, "status": status_text(head), "saved": head.saved}
    commit = json.dumps(vars(head), default=asdict)
    attrs = shown | {"commit": commit, "checksum": _checksum(commit, attributes)}
    text = json.dumps({"attributes": attrs, "zarr_format": 3, "node_type": "group"})
    if isinstance(path, Path):
        write_whole(path / HEAD, text, beside(path, "head"))
    else:
        (path / HEAD).write_bytes(text.encode())


def read_head(path: Place) -> tuple[Head, dict[str, Any]]:
    """The head of a store and the attributes of its Dataset; StoreError where there is none, or it is damaged."""
    try:
        attributes = json.loads((path / HEAD).read_text(encoding="utf-8"))["attributes"]
        commit, checksum = attributes.pop("commit"), attributes.pop("checksum")
        found = json.loads(attributes["config"])["format"]
        if found == FORMAT and checksum == _checksum(commit, attributes):
            entries = json.loads(commit)
            for name, entry in entries["series"].items():
                entries["series"][name] = Series(**{**entry, "dims": tuple(entry["dims"])})
            head = Head(**entries | {key: tuple(entries[key]) for key in ("whole", "states")})
            del attributes["saved"]
            return head, attributes | {"status": status_text(head)}
    except (OSError, AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise StoreError(
            f"{path} is no store of a run: give the path that simulate(..., store=path) wrote; a netCDF file is read "
            "by xarray.open_dataset"
        ) from None
    if found != FORMAT:
        raise StoreError(f"{path} is written in format {found!r}, this version reads format {FORMAT} only")
    raise StoreError(f"{path / HEAD} is damaged: its checksum does not fit. Take a copy of the store, or run again")


def status_text(head: Head) -> str:
    """The attribute `status`: the status, then where and why."""
    return head.reason or head.status


def _checksum(commit: Any, attributes: Mapping[str, Any]) -> str:
    plain = {name: value for name, value in attributes.items() if name not in ("status", "saved")}
    return _digest(json.dumps([commit, plain], sort_keys=True).encode())


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


# Files that do not change ---------------------------------------------------------------------------------------------


def file_checksums(path: Place, growing: Iterable[str]) -> dict[str, str]:
    """Checksums of every file of a new store but its head and the chunks that grow."""
    chunks = tuple(f"{name}/c/" for name in (*growing, f"{CHECKSUMS}/rows"))
    return {
        name: _digest(file.read_bytes())
        for name, file in _files(path).items()
        if name != HEAD and not name.startswith(chunks)
    }


def _files(path: Place) -> Mapping[str, Place]:
    if not isinstance(path, Path):
        return path.files()
    return {p.relative_to(path).as_posix(): p for p in sorted(path.rglob("*")) if p.is_file()}


def check_files(path: Place, head: Head) -> None:
    """Refuse a store of which a file that does not change is missing or damaged, or a committed chunk missing."""
    for name, expected in head.files.items():
        try:
            found = _digest((path / name).read_bytes())
        except OSError:
            raise missing(path / name) from None
        if found != expected:
            raise damaged(path / name)
    for name in head.series:
        rows = CheckedRows(path, head, name)
        for block in range(rows.blocks):
            if not rows.file(block).is_file():
                raise missing(rows.file(block))


def missing(file: Place) -> StoreError:
    """The error of a file that is gone."""
    return StoreError(f"{file} is missing: the store is not whole. Take a copy of it, or run again")


def damaged(file: Place, reason: object = "its checksum does not fit") -> StoreError:
    """The error of a file whose content is another."""
    return StoreError(f"{file} is damaged ({reason}). Take a copy of the store, or run again")


@contextmanager
def reading(file: Place) -> Iterator[None]:
    """What zarr, its codecs and xarray raise on a damaged file may be of any type: one StoreError stands for it."""
    try:
        yield
    except (LibraryError, MemoryError):
        raise
    except Exception as error:
        raise damaged(file, error) from None


# Rows -----------------------------------------------------------------------------------------------------------------


def row_checksum(run: str, name: str, k: int, row: npt.NDArray[Any]) -> int:
    """The checksum of the k-th row of a variable of a run: it fits no other place and no other run."""
    found = blake2b(f"{run} {name} {k} ".encode(), digest_size=8)
    found.update(np.ascontiguousarray(row).data)
    return int.from_bytes(found.digest(), "little")


def stored_array(path: Place, name: str) -> Any:
    """An array of a store, to read."""
    import zarr

    with reading(path / name / HEAD):
        return zarr.open_array(zarr_store(path), path=name, mode="r")


class CheckedRows(BackendArray):
    """The committed rows of one variable of a store, read when they are asked for, and checked then.

    Raises StoreError where the store is gone, is another run's by now, or a row is not the one that was committed.
    """

    def __init__(self, path: Place, head: Head, name: str) -> None:
        self._path, self._run, self._name, self._axis = path, head.run, name, head.series[name].axis
        self._column = list(head.series).index(name)
        array = stored_array(path, name)
        self._rows: int = array.chunks[self._axis]
        self.shape = (*array.shape[: self._axis], head.saved, *array.shape[self._axis + 1 :])
        self.dtype = np.dtype(head.series[name].dtype)

    def __getitem__(self, key: Any) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._get)

    def _get(self, key: tuple[Any, ...]) -> Any:
        picked = [np.atleast_1d(np.arange(n)[k]) for n, k in zip(self.shape, key, strict=True)]
        wanted = picked[self._axis]
        whole = [isinstance(k, slice) and k.indices(n) == (0, n, 1) for n, k in zip(self.shape, key, strict=True)]
        out, arrays = np.empty([len(places) for places in picked], self.dtype), self._opened()
        for block in np.unique(wanted // self._rows):
            here = np.flatnonzero(wanted // self._rows == block)
            values = self._read(int(block), *arrays).take(wanted[here] - block * self._rows, self._axis)
            for axis, places in enumerate(picked):
                if axis != self._axis and not whole[axis]:
                    values = values.take(places, axis)
            out[(slice(None),) * self._axis + (here,)] = values
        return np.squeeze(out, tuple(i for i, k in enumerate(key) if isinstance(k, int | np.integer)))

    @property
    def blocks(self) -> int:
        """The number of chunks along the save times that hold a committed row."""
        rows: int = self.shape[self._axis]
        return -(-rows // self._rows)

    def file(self, block: int) -> Place:
        """The file of a chunk, the first where a row is cut into several."""
        place = ["0"] * len(self.shape)
        place[self._axis] = str(block)
        return self._path / self._name / "c" / "/".join(place)

    def check(self) -> None:
        """Read all, and keep nothing."""
        arrays = self._opened()
        for block in range(self.blocks):
            self._read(block, *arrays)

    def _check_run(self) -> None:
        if read_head(self._path)[0].run != self._run:
            raise StoreError(f"{self._path} holds another run by now: what was opened there before is gone")

    def _opened(self) -> tuple[Any, Any]:
        self._check_run()
        return stored_array(self._path, self._name), stored_array(self._path, f"{CHECKSUMS}/rows")

    def _read(self, block: int, array: Any, checksums_of_all: Any) -> npt.NDArray[Any]:
        """The committed rows of a chunk, checked."""
        self._check_run()
        first, last = block * self._rows, min((block + 1) * self._rows, self.shape[self._axis])
        sums = self._path / CHECKSUMS / "rows" / "c" / str(first // CHECKED) / "0"
        checksums = _values(checksums_of_all, (slice(first, last), self._column), sums)
        file = self.file(block)
        before: tuple[Any, ...] = (slice(None),) * self._axis
        values = _values(array, (*before, slice(first, last)), file)
        for k in range(first, last):
            row = values[(*before, k - first)]
            if row_checksum(self._run, self._name, k, row) != int(checksums[k - first]):
                raise damaged(file) if file.is_file() else missing(file)
        return values


def _values(array: Any, place: tuple[Any, ...], file: Place) -> npt.NDArray[Any]:
    with reading(file):
        return np.asarray(array[place])


def read_static(path: Place, head: Head) -> xr.Dataset:
    """The variables that do not change, in memory, checked; their `time` holds all save times that are planned."""
    check_files(path, head)
    growing = [*head.series, *(state_name(name) for name in head.whole)]
    with reading(path), xr.open_zarr(zarr_store(path), chunks=None, consolidated=False, drop_variables=growing) as ds:
        out: xr.Dataset = ds.load().drop_encoding()
    return out


def first_head(path: Place, run: str, layout: Layout) -> Head:
    """The head of a new store without rows."""
    growing = [*layout.series, *(state_name(name) for name in layout.whole)]
    files = file_checksums(path, growing)
    return Head(run, 0, RUNNING, "", {}, dict(layout.series), files, layout.every, layout.whole)


def commit(path: Place, head: Head, attributes: Mapping[str, Any]) -> None:
    """Write a head, or raise one StoreError."""
    with storing(path):
        write_head(path, head, attributes)
