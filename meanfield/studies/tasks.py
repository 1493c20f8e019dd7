"""Independent tasks over worker processes: the same numbers whatever the number of workers, and none done twice."""

from __future__ import annotations

import json
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
from tqdm import tqdm

from particles.checks import as_path, whole
from particles.errors import NotSupported

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
