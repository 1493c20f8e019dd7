"""The tasks of a study: every point of a grid of parameters once, the same numbers whatever runs them."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from meanfield.studies.executors import Executors, as_executor
from meanfield.studies.gather import agreeing, gathered
from meanfield.studies.perform import Job, Place, Task, performed
from meanfield.studies.results import DONE, Outcome
from meanfield.studies.task_store import TaskStore
from particles.dataset import COMPLETED, variable
from particles.errors import Interrupted, RunStopped, StoreError
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
) -> xr.Dataset:
    """function(place, parameters) for every point of `axes`, in the Dataset `made` of the call's provenance.

    `place` counts along the axes. The results are those of one thread, wherever they are computed. With a store every
    task leaves a record, and what an earlier call of the same provenance has done is not done again. Tasks that raise
    an error have the status "failed" and stay open. Ctrl-C raises Interrupted with the Dataset so far.
    """
    coordinates = {name: coordinate(name, values) for name, values in axes.items()}
    executor, progress = as_executor(executor), as_progress(progress)
    kept = None if store is None else TaskStore.open(store, made)
    try:
        if kept is not None and (finished := kept.finished()) is not None:
            return finished
        outcomes = {} if kept is None else kept.outcomes()
        places = itertools.product(*(range(len(values)) for values in axes.values()))
        left = [place for place in places if place not in outcomes or outcomes[place].status != DONE]
        tasks = (Task(p, {name: axes[name][i] for name, i in zip(axes, p, strict=True)}) for p in left)
        total = math.prod(len(values) for values in axes.values())
        job = Job(function, frozenset({*axes, "status", "message"}), None if kept is None else kept.folder)
        try:
            with threads(1), progress_of(progress, label, "task", total, total - len(left)) as advance:
                for outcome in performed(job, tasks, executor):
                    outcomes[outcome.place] = outcome
                    advance()
        except KeyboardInterrupt:
            reason = "interrupted: what is done is kept" if kept else "interrupted"
            raise Interrupted(reason, dataset=_dataset(made, coordinates, _known(kept, outcomes), reason)) from None
        outcomes = _known(kept, outcomes)
        ds = _dataset(made, coordinates, outcomes, _status(total, outcomes))
        if kept is not None:
            kept.finish(ds, outcomes.values())
        return ds
    finally:
        if kept is not None:
            kept.close()


def complete(ds: xr.Dataset) -> xr.Dataset:
    """The results of `run_all` where every task has one; else RunStopped with what there is."""
    if ds.attrs["status"] != COMPLETED:
        raise RunStopped(str(ds.attrs["status"]), dataset=ds)
    return ds.drop_vars(["status", "message"])


def _known(kept: TaskStore | None, outcomes: dict[Place, Outcome]) -> dict[Place, Outcome]:
    """The outcomes with their results, which stand in the records where there is a store."""
    if kept is None:
        return agreeing(outcomes)
    found = kept.outcomes()
    lost = [place for place, outcome in outcomes.items() if outcome.status == DONE and place not in found]
    if lost:
        raise StoreError(
            f"the records of {len(lost)} finished tasks are not in {kept.folder}: the workers write them, so the store "
            "must be on a file system that they share with this process"
        )
    return agreeing(found)


def _status(total: int, outcomes: Mapping[Place, Outcome]) -> str:
    failed = [outcome for outcome in outcomes.values() if outcome.status != DONE]
    if not failed:
        return COMPLETED
    return f"stopped: {len(failed)} of {total} tasks failed, the first: {failed[0].message}"


def _dataset(
    made: xr.Dataset, coordinates: Mapping[str, xr.Variable], outcomes: Mapping[Place, Outcome], status: str
) -> xr.Dataset:
    results = gathered({name: found.values for name, found in coordinates.items()}, outcomes)
    ds = made.assign_coords(coordinates).assign(results.data_vars).assign_coords(results.coords)
    return ds.assign_attrs(status=status)


def coordinate(name: str, values: Sequence[Any]) -> xr.Variable:
    """The values of a parameter as a coordinate: numbers and text as they are, other objects by their text."""
    array = np.array(values) if all(isinstance(value, bool | int | float | str) for value in values) else None
    if array is None or (array.dtype.kind == "U" and not all(isinstance(value, str) for value in values)):
        array = np.array([str(value) for value in values])
    return variable(name, array, f"values of {name}")
