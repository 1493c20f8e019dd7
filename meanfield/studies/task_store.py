"""The Zarr store of a study of many tasks: records while it runs, one group at the end; a second call does the rest.

The store is a Zarr group from its making on. While a study runs, its subgroup `tasks` has one small file a task, each
written whole by the worker; of every `LOOSE` of them the driver makes one. At the end of a call all results stand in
the group as arrays, and where tasks are open their study's records in one array of bytes, `tasks/records`; the folder
is replaced atomically. The driver alone holds the lock. Nothing that a store names is run.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

import numpy as np
import xarray as xr
import zarr

from meanfield.studies.found import Found
from meanfield.studies.results import DONE, Outcome, Place, outcomes_in, record
from particles.dataset import COMPLETED, RUNNING
from particles.encoding import DATA
from particles.errors import StoreError
from particles.files import Lock, as_target, beside, recover, replace_folder, storing
from particles.records import reading

TASKS = "tasks"
RECORDS = "records"
BATCH = "batch-"
MARK = "tasks"
"""The attribute of the group that names the study it holds."""

CHUNK = 2**26
"""Bytes near which a chunk ends."""

LOOSE = 4096
"""Records of tasks that are left in files of their own: more are put into one file, so that few files are enough."""

SMALL = 2**16
"""Bytes of a record that is put beside others before the end."""


class TaskStore:
    """The store of one call, held under its lock until `close`."""

    def __init__(self, path: Path, lock: Lock, made: xr.Dataset) -> None:
        self.path, self._lock, self._made = path, lock, made
        self.folder = path / TASKS
        # Tasks that have ended, whose records may not have been read yet.
        self._told: set[Place] = set()

    @classmethod
    def open(cls, store: str | os.PathLike[str], made: xr.Dataset) -> Self:
        """The store of the call whose provenance is `made`: a new one, or the one that an earlier call has begun.

        Raises StoreError for a folder that holds anything else, and while another process has it.
        """
        path = as_target(store, "store")
        lock = Lock(path)
        try:
            recover(path)
            out = cls(path, lock, made)
            if not path.exists():
                out._replace(made, [])
            out._check()
        except BaseException:
            lock.release()
            raise
        return out

    def close(self) -> None:
        """Give up the lock."""
        self._lock.release()

    def finished(self) -> xr.Dataset | None:
        """The Dataset of a study without open tasks, checked; None where tasks are open."""
        attributes = self._attributes()
        if attributes.get("status") != COMPLETED:
            return None
        with reading(self.path), xr.open_zarr(self.path, chunks=None, consolidated=False) as ds:
            out = _with_text(ds.load().drop_encoding())
        if json.loads(out.attrs.pop(MARK))["checksum"] != _checksum(out):
            raise StoreError(f"{self.path} is damaged: its checksum does not fit. Take a copy, or run again elsewhere")
        return out

    def outcomes(self) -> Iterator[Outcome]:
        """What is known of every task that was run by earlier calls."""
        if (self.folder / RECORDS).is_dir():
            with reading(self.folder / RECORDS):
                packed = np.asarray(zarr.open_array(self.folder / RECORDS, mode="r")[:]).tobytes()
            yield from outcomes_in(packed, self.folder / RECORDS)
        for file in sorted(self.folder.glob(f"{BATCH}*")):
            yield from outcomes_in(file.read_bytes(), file)
        yield from self._packed()
        yield from self._loose()

    def known(self, outcome: Outcome) -> Iterator[Outcome]:
        """What is to be known when a worker tells of a task: it has left the result in its record."""
        if outcome.status != DONE:
            yield outcome
            return
        self._told.add(outcome.place)
        if len(self._told) % LOOSE == 0:
            yield from self._packed()

    def read_rest(self, found: Found) -> None:
        """Take what was not read yet; StoreError where the result of a task that has ended is not there."""
        for outcome in self._loose():
            found.add(outcome)
        lost = [place for place in self._told if place not in found]
        if lost:
            raise StoreError(
                f"the records of {len(lost)} finished tasks are not in {self.folder}: the workers write them, so the "
                "store must be on a file system that they share with this process"
            )

    def finish(self, ds: xr.Dataset, found: Found) -> None:
        """Put the results in the place of the records; those of open studies stay beside them, in one array."""
        open_tasks = ds.attrs["status"] != COMPLETED
        self._replace(ds, map(record, found.outcomes()) if open_tasks else ())

    def _packed(self) -> Iterator[Outcome]:
        """Put small records into one file; the outcomes in them."""
        if not (files := [file for file in self._files() if file.stat().st_size <= SMALL]):
            return
        partial = self.folder / f".{BATCH}{token_hex(8)}"
        number = len(list(self.folder.glob(f"{BATCH}*")))
        try:
            with storing(self.path), partial.open("wb") as batch:
                for file in files:
                    data = file.read_bytes()
                    if outcomes := self._in(data, file):
                        batch.write(data)
                        yield from outcomes
            os.replace(partial, self.folder / f"{BATCH}{number:06d}")
        finally:
            partial.unlink(missing_ok=True)
        for file in files:
            file.unlink()

    def _loose(self) -> Iterator[Outcome]:
        for file in self._files():
            yield from self._in(file.read_bytes(), file)

    def _files(self) -> list[Path]:
        return sorted(file for file in self.folder.iterdir() if file.name[0].isdigit())

    def _in(self, data: bytes, file: Path) -> list[Outcome]:
        # A record that a failing disk has damaged is as good as none: the task runs again.
        try:
            outcomes = list(outcomes_in(data, file))
        except StoreError:
            return []
        self._told.difference_update(outcome.place for outcome in outcomes)
        return outcomes

    def _attributes(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.path / "zarr.json").read_text(encoding="utf-8"))["attributes"]
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return found if isinstance(found, dict) else {}

    def _check(self) -> None:
        try:
            identity = json.loads(self._attributes()[MARK])["identity"]
        except (KeyError, TypeError, ValueError):
            raise StoreError(f"{self.path} exists and holds no study of tasks: choose another name") from None
        if identity != _identity(self._made):
            raise StoreError(
                f"{self.path} holds the tasks of another call: give the same function, values, seeds and seed to do "
                "what is left of it, or choose another name"
            )

    def _replace(self, ds: xr.Dataset, records: Iterable[bytes]) -> None:
        partial = beside(self.path, "partial")
        mark = json.dumps({"identity": _identity(self._made), "checksum": _checksum(ds)})
        written = _with_objects(ds).assign_attrs({MARK: mark, "status": ds.attrs.get("status", RUNNING)})
        try:
            with storing(self.path):
                written.to_zarr(partial, mode="w", zarr_format=3, consolidated=False, encoding=_chunks(written))
                if ds.attrs.get("status") != COMPLETED:
                    _pack(zarr.open_group(partial, mode="r+").create_group(TASKS), records)
                replace_folder(partial, self.path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _pack(group: Any, records: Iterable[bytes]) -> None:
    """Records in one array of bytes, a chunk of them at a time."""
    array, chunk = None, bytearray()
    for data in itertools.chain(records, [None]):
        chunk += data or b""
        if not chunk or (data is not None and len(chunk) < CHUNK):
            continue
        if array is None:
            array = group.create_array(RECORDS, shape=(0,), chunks=(min(len(chunk), CHUNK),), dtype="uint8")
        array.append(np.frombuffer(bytes(chunk), np.uint8))
        chunk.clear()


def _identity(made: xr.Dataset) -> str:
    """A digest of the call, without what changes from process to process."""
    data = made[DATA].values.tobytes() if DATA in made.variables else b""
    return blake2b(made.attrs["config"].encode() + data, digest_size=16).hexdigest()


def _checksum(ds: xr.Dataset) -> str:
    found = blake2b(digest_size=16)
    for name in sorted(map(str, ds.variables)):
        values = ds[name].values
        content = json.dumps(values.tolist()).encode() if values.dtype.kind in "OUT" else values.tobytes()
        found.update(f"{name} {ds[name].dims} {values.shape} ".encode() + content)
    return found.hexdigest()


def _with_objects(ds: xr.Dataset) -> xr.Dataset:
    """Text as objects, for which Zarr has a specified type; an index would turn them back."""
    text = {name: found for name, found in ds.variables.items() if found.dtype.kind == "U"}
    made = {name: xr.Variable(v.dims, np.array(v.values.tolist(), object), v.attrs) for name, v in text.items()}
    coordinates = xr.Coordinates({name: made.pop(name) for name in list(made) if name in ds.coords}, indexes={})
    return ds.drop_vars(list(text)).assign_coords(coordinates).assign(made)


def _with_text(ds: xr.Dataset) -> xr.Dataset:
    """Text as it was: coordinates as arrays of text, status and messages as objects, each text once."""
    texts: dict[str, str] = {}
    out = {}
    for name, found in ds.variables.items():
        if found.dtype.kind in "OT":
            values = [texts.setdefault(text, text) for text in found.values.ravel().tolist()]
            array = np.array(values, str if name in ds.coords else object).reshape(found.shape)
            out[name] = (found.dims, array, found.attrs)
    return ds.assign(out)


def _chunks(ds: xr.Dataset) -> dict[Any, dict[str, tuple[int, ...]]]:
    """Few chunks: the whole variable, or large ones along its first axis."""
    out = {}
    for name, found in ds.variables.items():
        if found.ndim and found.size:
            row = max(1, found.nbytes // found.shape[0])
            out[name] = {"chunks": (max(1, min(found.shape[0], CHUNK // row)), *found.shape[1:])}
    return out
