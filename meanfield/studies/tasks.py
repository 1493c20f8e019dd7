"""The tasks of a study: every point of a grid of parameters once, the same numbers whatever runs them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from typing import Any

import numpy as np
import xarray as xr

from meanfield.studies.executors import Executors, as_executor
from meanfield.studies.found import Found
from meanfield.studies.gather import gathered
from meanfield.studies.perform import Job, Task, performed
from meanfield.studies.results import Place
from meanfield.studies.task_store import TaskStore
from particles.dataset import COMPLETED, variable
from particles.errors import Interrupted, RunStopped
from particles.interrupts import Interrupts
from particles.kernels.threads import threads
from particles.progress import Progress, as_progress, progress_of


def seeded(seed: int, *key: int) -> np.random.Generator:
    """The generator of one task: a child of the study's seed, whatever else runs."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def run_all(
    function: Callable[[Place, Mapping[str, Any]], Any],
    axes: Mapping[str, Sequence[Any]],
    made: xr.Dataset,
    *,
    label: str,
    store: str | os.PathLike[str] | None = None,
    executor: Executors | None = None,
    progress: Progress = False,
    backwards: bool = False,
) -> xr.Dataset:
    """function(place, parameters) for every point of `axes`, in the Dataset `made` of the call's provenance.

    `place` counts along the axes. The results are those of one thread, wherever they are computed. With a store every
    task leaves a record, and what an earlier call of the same provenance has done is not done again. Tasks that raise
    an error have the status "failed" and stay open. Ctrl-C raises Interrupted with the Dataset so far. `backwards`
    begins with the last point of the grid: where the last tasks take longest no worker waits for one at the end.
    """
    coordinates = {name: coordinate(name, values) for name, values in axes.items()}
    executor, progress = as_executor(executor), as_progress(progress)
    with (
        Interrupts() as interrupts,
        nullcontext() if store is None else closing(TaskStore.open(store, made)) as kept,
    ):
        if kept is not None and (finished := kept.finished()) is not None:
            return finished
        found = Found(tuple(len(values) for values in axes.values()))
        for outcome in () if kept is None else kept.outcomes():
            found.add(outcome)
        tasks = (Task(p, {name: axes[name][i] for name, i in zip(axes, p, strict=True)}) for p in found.left())
        job = Job(function, frozenset({*axes, "status", "message"}), None if kept is None else kept.folder)
        try:
            with threads(1), progress_of(progress, label, "task", found.total, found.done) as advance:
                for outcome in performed(job, tasks, executor):
                    for known in [outcome] if kept is None else kept.known(outcome):
                        found.add(known)
                    advance()
                    interrupts.check()
        except KeyboardInterrupt:
            reason = "interrupted: what is done is kept" if kept else "interrupted"
            raise Interrupted(reason, dataset=_dataset(made, coordinates, _all(kept, found), reason)) from None
        _all(kept, found)
        ds = _dataset(made, coordinates, found, _status(found))
        if kept is not None:
            kept.finish(ds, found)
        return ds


def complete(ds: xr.Dataset) -> xr.Dataset:
    """The results of `run_all` where every task has one; else RunStopped with what there is."""
    if ds.attrs["status"] != COMPLETED:
        raise RunStopped(str(ds.attrs["status"]), dataset=ds)
    return ds.drop_vars(["status", "message"])


def _all(kept: TaskStore | None, found: Found) -> Found:
    """All that is known, with what stands in records still; tasks whose results have other dims count as failed."""
    if kept is not None:
        kept.read_rest(found)
    found.refuse_other_dims()
    return found


def _status(found: Found) -> str:
    failed, message = found.failed()
    return f"stopped: {failed} of {found.total} tasks failed, the first: {message}" if failed else COMPLETED


def _dataset(made: xr.Dataset, coordinates: Mapping[str, xr.Variable], found: Found, status: str) -> xr.Dataset:
    results = gathered(tuple(coordinates), found)
    ds = made.assign_coords(coordinates).assign(results.data_vars).assign_coords(results.coords)
    return ds.assign_attrs(status=status)


def coordinate(name: str, values: Sequence[Any]) -> xr.Variable:
    """The values of a parameter as a coordinate: numbers and text as they are, other objects by their text."""
    array = np.array(values) if all(isinstance(value, bool | int | float | str) for value in values) else None
    if array is None or (array.dtype.kind == "U" and not all(isinstance(value, str) for value in values)):
        array = np.array([str(value) for value in values])
    return variable(name, array, f"values of {name}")
