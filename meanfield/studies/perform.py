"""Independent tasks on any executor, each to its outcome; a pool that lost a worker is made anew where that can be."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from secrets import token_hex
from typing import Any, cast

from meanfield.studies.executors import AnyExecutor, Executors, close, maker
from meanfield.studies.results import DONE, Outcome, Piece, Place, as_pieces, failure, record
from particles.errors import LibraryError, NotSupported, RunStopped, StoreError
from particles.kernels.threads import available_processors, threads

IN_FLIGHT = 4096
"""Most tasks that an executor is given at a time: what it holds of them takes memory."""

TRIES = 2
"""Times that a task may end its worker while it runs alone; then it counts as failed."""


@dataclass(frozen=True, eq=False)
class Job:
    """What all tasks share: function(place, parameters), the names of the study, and the folder of records or None."""

    function: Callable[[Place, Mapping[str, Any]], Any]
    taken: frozenset[str]
    folder: Path | None


@dataclass(frozen=True, eq=False)
class Task:
    """One call of the function: where it stands along the axes of the study, and its parameters."""

    place: Place
    parameters: Mapping[str, Any]


def call(job: Job, task: Task) -> Outcome:
    """Run one task, on one thread, and leave a record of it in the folder, or else return all of it."""
    with threads(1):
        try:
            pieces = as_pieces(job.function(task.place, task.parameters), job.taken)
            outcome = Outcome(task.place, DONE, "", pieces)
        # A function of the caller's may raise what it likes; the other tasks go on.
        # A function that ends its process by sys.exit has failed like one that raises.
        except (Exception, SystemExit) as error:
            outcome = failure(task.place, error)
    return _kept(job, outcome)


def _kept(job: Job, outcome: Outcome) -> Outcome:
    if job.folder is None:
        return outcome
    name = "-".join(map(str, outcome.place))
    partial = job.folder / f".{name}.{token_hex(8)}"
    try:
        partial.write_bytes(record(outcome))
        os.replace(partial, job.folder / name)
    except OSError as error:
        raise StoreError(f"a worker cannot write the record of a task into {job.folder}: {error}") from None
    return replace(outcome, pieces={})


def performed(job: Job, tasks: Iterable[Task], executor: Executors | None) -> Iterator[Outcome]:
    """The outcome of every task, as they end; None runs them here, one after the other.

    Raises NotSupported where the executor cannot run them: a pool of the caller's lost a worker, or what it is sent
    cannot be pickled, or not be imported by the workers.
    """
    if executor is None:
        return (call(job, task) for task in tasks)
    return _Run(job, iter(tasks), executor).outcomes()


def results_of(
    function: Callable[[Place, Mapping[str, Any]], Any], parameters: Sequence[Mapping[str, Any]], executor: Executors
) -> list[Mapping[str, Piece]]:
    """The results of a few tasks in their order, without a store; RunStopped with the message of one that fails."""
    tasks = [Task((k,), given) for k, given in enumerate(parameters)]
    found: dict[int, Mapping[str, Piece]] = {}
    for outcome in performed(Job(function, frozenset(), None), tasks, executor):
        if outcome.status != DONE:
            raise RunStopped(f"task {outcome.place[0]} of {len(tasks)} failed: {outcome.message}")
        found[outcome.place[0]] = outcome.pieces
    return [found[k] for k in range(len(tasks))]


class _Run:
    """Tasks on an executor: those still to be made, those given back, those in flight, and the suspects, one of which
    ended a worker."""

    def __init__(self, job: Job, tasks: Iterator[Task], executor: Executors) -> None:
        self._job, self._tasks = job, tasks
        self._back: deque[Task] = deque()
        self._make = maker(executor)
        self._pool = cast(AnyExecutor, executor) if self._make is None else self._make()
        self._suspects: deque[Task] = deque()
        self._strikes: Counter[Place] = Counter()
        self._forget()

    def _forget(self) -> None:
        # The futures of a broken pool go on to report to the queue that they know.
        self._flying: dict[Future[Any], Task] = {}
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()

    def outcomes(self) -> Iterator[Outcome]:
        """One outcome after the other; whatever ends the loop, nothing is left in the queue of the executor."""
        try:
            while True:
                try:
                    self._send()
                    if not self._flying:
                        break
                    future = self._ended.get()
                    outcome = self._outcome(future)
                    del self._flying[future]
                except BrokenExecutor as error:
                    yield from self._after_a_death(error)
                else:
                    yield outcome
        finally:
            for future in self._flying:
                future.cancel()
            if self._make is not None:
                close(self._pool, wait=not self._flying)

    def _send(self) -> None:
        """Fill the executor; a suspect runs alone, so that the next death shows whether it was the cause."""
        if self._suspects:
            if not self._flying:
                self._submit(self._suspects.popleft(), self._suspects)
            return
        while len(self._flying) < IN_FLIGHT:
            task = self._back.popleft() if self._back else next(self._tasks, None)
            if task is None:
                return
            self._submit(task, self._back)

    def _submit(self, task: Task, place: deque[Task]) -> None:
        """Give a task to the executor, or back to where it waits where that cannot take it."""
        try:
            future = self._pool.submit(call, self._job, task)
        except BaseException:
            place.appendleft(task)
            raise
        self._flying[future] = task
        future.add_done_callback(self._ended.put)

    def _outcome(self, future: Future[Any]) -> Outcome:
        try:
            found: Outcome = future.result()
        except (BrokenExecutor, LibraryError):
            raise
        # Each executor has exceptions of its own for what it cannot send, or run again.
        except Exception as error:
            # Dask tries a task whose worker died on other workers, and gives it up after some of them.
            if type(error).__name__ == "KilledWorker":
                return _kept(self._job, failure(self._flying[future].place, error))
            raise NotSupported(
                f"the executor cannot run a task ({type(error).__name__}: {error}): what it is sent must be pickled, "
                "and the workers must be able to import it; define functions and classes in a module"
            ) from error
        return found

    def _after_a_death(self, error: BrokenExecutor) -> Iterator[Outcome]:
        """Keep what is done, make a new pool, and run alone the tasks that may have ended the worker."""
        lost = []
        for future, task in self._flying.items():
            if future.done() and not future.cancelled() and future.exception() is None:
                yield future.result()
            else:
                lost.append(task)
        alone = len(self._flying) == 1
        self._forget()
        self._renew(error)
        if alone and lost:
            self._strikes[lost[0].place] += 1
            if self._strikes[lost[0].place] >= TRIES:
                reason = NotSupported(f"its worker process ended before it was done, {TRIES} times: out of memory?")
                yield _kept(self._job, failure(lost[0].place, reason))
            else:
                self._suspects.appendleft(lost[0])
            return
        oldest = 2 * available_processors() + 1
        self._suspects.extend(lost[:oldest])
        self._back.extendleft(reversed(lost[oldest:]))

    def _renew(self, error: BrokenExecutor) -> None:
        if self._make is None:
            raise NotSupported(
                f"a worker of the executor ended before its task was done, and the executor with it ({error}). With a "
                "store the results so far are kept, and the same call with a new executor does the rest; a function "
                "that makes the executor, as studies.processes(4), in its place is called again after such an end"
            ) from error
        close(self._pool, wait=False)
        self._pool = self._make()
        try:
            self._pool.submit(_received, self._job).result()
        except BrokenExecutor:
            raise NotSupported(
                "a worker process ended before its task was done: it ran out of memory, or it cannot import the "
                "function, the model, the law or the script (define them in a module, not in a notebook, and call "
                'studies in a script under `if __name__ == "__main__":`)'
            ) from None


def _received(job: Job) -> bool:
    """Whether a worker can read a job."""
    return True
