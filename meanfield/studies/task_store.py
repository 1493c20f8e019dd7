"""The Zarr store of a study of many tasks: records while it runs, one group at the end; a second call does the rest.

The store is a Zarr group from its making on. While a study runs, its subgroup `tasks` has one small file a task, each
written whole by the worker. At the end of a call all results stand in the group as arrays, and where tasks are open
their study's records in one array of bytes, `tasks/records`; the folder is replaced atomically. The driver alone holds
the lock. Nothing that a store names is run.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import numpy as np
import xarray as xr
import zarr

from meanfield.studies.perform import Place
from meanfield.studies.results import DONE, Outcome, outcomes_in, record
from particles.dataset import COMPLETED, RUNNING
from particles.encoding import DATA
from particles.errors import StoreError
from particles.files import Lock, as_target, beside, recover, replace_folder, storing
from particles.records import reading

TASKS = "tasks"
RECORDS = "records"
MARK = "tasks"
"""The attribute of the group that names the study it holds."""

CHUNK = 2**26
"""Bytes near which a chunk ends."""


class TaskStore:
    """The store of one call, held under its lock until `close`."""

    def __init__(self, path: Path, lock: Lock, made: xr.Dataset) -> None:
        self.path, self._lock, self._made = path, lock, made
        self.folder = path / TASKS

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

    def outcomes(self) -> dict[Place, Outcome]:
        """What is known of every task that was run, from records of this call and of earlier ones."""
        found: dict[Place, Outcome] = {}
        if (self.folder / RECORDS).is_dir():
            with reading(self.folder / RECORDS):
                packed = np.asarray(zarr.open_array(self.folder / RECORDS, mode="r")[:]).tobytes()
            found = {outcome.place: outcome for outcome in outcomes_in(packed, self.folder / RECORDS)}
        for file in sorted(self.folder.iterdir()):
            if file.name[0].isdigit():
                found |= {outcome.place: outcome for outcome in _loose(file)}
        return found

    def finish(self, ds: xr.Dataset, outcomes: Iterable[Outcome]) -> None:
        """Put the results in the place of the records; those of open studies stay beside them, in one array."""
        open_tasks = ds.attrs["status"] != COMPLETED
        self._replace(ds, [record(outcome) for outcome in outcomes if outcome.status == DONE] if open_tasks else [])

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

    def _replace(self, ds: xr.Dataset, records: list[bytes]) -> None:
        partial = beside(self.path, "partial")
        mark = json.dumps({"identity": _identity(self._made), "checksum": _checksum(ds)})
        written = _with_objects(ds).assign_attrs({MARK: mark, "status": ds.attrs.get("status", RUNNING)})
        try:
            with storing(self.path):
                written.to_zarr(partial, mode="w", zarr_format=3, consolidated=False, encoding=_chunks(written))
                if ds.attrs.get("status") != COMPLETED:
                    _pack(zarr.open_group(partial, mode="r+").create_group(TASKS), b"".join(records))
                replace_folder(partial, self.path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _pack(group: Any, data: bytes) -> None:
    if data:
        chunks = (min(len(data), CHUNK),)
        group.create_array(RECORDS, shape=(len(data),), chunks=chunks, dtype="uint8")[:] = np.frombuffer(data, np.uint8)


def _loose(file: Path) -> list[Outcome]:
    # A record that a failing disk has damaged is as good as none: the task runs again.
    try:
        return list(outcomes_in(file.read_bytes(), file))
    except StoreError:
        return []


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
    text = {name: found for name, found in ds.variables.items() if found.dtype.kind in "OT"}
    return ds.assign(
        {name: (found.dims, np.array(found.values.tolist(), str), found.attrs) for name, found in text.items()}
    )


def _chunks(ds: xr.Dataset) -> dict[Any, dict[str, tuple[int, ...]]]:
    """Few chunks: the whole variable, or large ones along its first axis."""
    out = {}
    for name, found in ds.variables.items():
        if found.ndim and found.size:
            row = max(1, found.nbytes // found.shape[0])
            out[name] = {"chunks": (max(1, min(found.shape[0], CHUNK // row)), *found.shape[1:])}
    return out
