"""Independent tasks over worker processes: the same numbers whatever the number of workers, and none done twice."""

from __future__ import annotations

import itertools
import json
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from tqdm import tqdm

from meanfield.studies.executors import Executors, as_executor
from meanfield.studies.gather import gathered
from meanfield.studies.perform import Job, Place, Task, performed
from meanfield.studies.results import DONE, Outcome
from meanfield.studies.task_store import TaskStore
from particles.checks import as_path, whole
from particles.dataset import COMPLETED, variable
from particles.errors import Interrupted, NotSupported, StoreError
from particles.kernels.threads import threads
from particles.progress import Progress, as_progress, progress_of

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Ledger:
    """A file with one line a finished task, so that an interrupted study goes on where it was."""

    path: Path

    def __post_init__(self) -> None:
        """Refuse what is no path."""
        object.__setattr__(self, "path", as_path(self.path, "path"))

    def read(self) -> dict[str, Any]:
        """Results by key; a last line cut short by a kill is not counted."""
        if not self.path.exists():
            return {}
        results: dict[str, Any] = {}
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            results[entry["key"]] = entry["result"]
        return results

    def write(self, key: str, result: Any) -> None:
        """Append one result; floats keep every bit."""
        before = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        with self.path.open("a", encoding="utf-8") as file:
            # A line that a kill cut short stays alone, so that this one can be read.
            file.write("" if before.endswith("\n") or not before else "\n")
            file.write(json.dumps({"key": key, "result": result}) + "\n")


@dataclass(frozen=True)
class Runner:
    """How the tasks of a study are run: `workers` processes of one thread each, a ledger or None, a progress bar."""

    workers: int = 1
    ledger: Ledger | None = None
    progress: bool = False

    def __post_init__(self) -> None:
        """Refuse a number of workers that is none."""
        whole(self.workers, "workers")

    def run(
        self, function: Callable[[Any, Any], Any], shared: Any, tasks: Mapping[str, Any], label: str
    ) -> dict[str, Any]:
        """function(shared, task) for every task, by key; `function` is importable, results are JSON values.

        Tasks run in processes of their own even for one worker, so that threads never change a number.
        """
        done = self.ledger.read() if self.ledger else {}
        results = {key: done[key] for key in tasks if key in done}
        left = {key: task for key, task in tasks.items() if key not in results}
        bar = tqdm(total=len(tasks), initial=len(results), desc=label, unit="task", disable=not self.progress)
        with bar:
            for key, result in self._results(function, shared, left):
                results[key] = result
                if self.ledger:
                    self.ledger.write(key, result)
                bar.update()
        return {key: results[key] for key in tasks}

    def _results(
        self, function: Callable[[Any, Any], Any], shared: Any, tasks: Mapping[str, Any]
    ) -> Iterator[tuple[str, Any]]:
        if not tasks:
            return
        context = multiprocessing.get_context("spawn")
        with (
            _one_thread_each(),
            ProcessPoolExecutor(self.workers, context, initializer=_install, initargs=(function, shared)) as pool,
        ):
            futures = {pool.submit(_call, task): key for key, task in tasks.items()}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            except BrokenProcessPool:
                raise NotSupported(
                    "a worker process ended before its task was done: it ran out of memory, or it cannot import the "
                    "model, the law or the script (define classes in a module, not in a notebook, and call studies "
                    'in a script under `if __name__ == "__main__":`)'
                ) from None
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def seeded(seed: int, *key: int) -> np.random.Generator:
    """The generator of one task: a child of the study's seed, whatever else runs."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def by_index(results: Mapping[str, Any], keys: Sequence[Sequence[str]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Results of a table of keys as an array, the result's own axes last."""
    return np.array([[results[key] for key in row] for row in keys], dtype=np.float64)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_job: dict[str, Any] = {}


def _install(function: Callable[[Any, Any], Any], shared: Any) -> None:
    # Ctrl-C reaches the whole process group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _job.update(function=function, shared=shared)


def _end_with_parent() -> None:
    """Wait for the end of the parent process, which may be a kill, and end this one too."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(task: Any) -> Any:
    return _job["function"](_job["shared"], task)


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


def _known(kept: TaskStore | None, outcomes: dict[Place, Outcome]) -> dict[Place, Outcome]:
    """The outcomes with their results, which stand in the records where there is a store."""
    if kept is None:
        return outcomes
    found = kept.outcomes()
    lost = [place for place, outcome in outcomes.items() if outcome.status == DONE and place not in found]
    if lost:
        raise StoreError(
            f"the records of {len(lost)} finished tasks are not in {kept.folder}: the workers write them, so the store "
            "must be on a file system that they share with this process"
        )
    return found


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
