"""Where tasks run: what is taken for an executor, worker processes of our own making, names for the command line."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Protocol, Self, cast

from particles.checks import whole
from particles.errors import InvalidInput
from particles.interrupts import put_off
from particles.kernels.threads import available_processors


class AnyExecutor(Protocol):
    """What is asked of an executor: `submit` of concurrent.futures.Executor, with its futures."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run fn(*args) somewhere."""


Executors = AnyExecutor | Callable[[], AnyExecutor]
"""An executor, or a function that makes one: then a pool whose worker was killed is replaced by a new one."""

EXECUTORS = ("processes", "threads", "dask://HOST:PORT")
"""Names of executors on the command line."""


def as_executor(executor: Executors | None) -> Executors | None:
    """None, an executor, or a function that makes one; anything else is refused."""
    if executor is None or callable(executor) or callable(getattr(executor, "submit", None)):
        return executor
    raise InvalidInput(
        f"executor must be None, an executor as in concurrent.futures (with a method submit), or a function without "
        f"arguments that makes one, got {type(executor).__name__}: for Dask write Client(...).get_executor()"
    )


def maker(executor: Executors) -> Callable[[], AnyExecutor] | None:
    """The function that makes executors, where one was given in the place of an executor."""
    if isinstance(executor, type) or not hasattr(executor, "submit"):
        return cast(Callable[[], AnyExecutor], executor)
    return None


def processes(workers: int | None = None) -> Callable[[], Executor]:
    """A maker of pools of worker processes; None is one a processor that this process may run on.

    The processes are spawned: what they run must stand in a module, and a script must call studies under
    `if __name__ == "__main__":`. They end with the process that made them, however it ends.

    Parameters
    ----------
    workers : int, optional
        How many; None is one a processor that this process may run on.

    Returns
    -------
    function
        A maker of pools, for `executor=`.

    Raises
    ------
    InvalidInput
        For fewer than one worker.
    """
    return _Processes(available_processors() if workers is None else whole(workers, "workers"))


@dataclass(frozen=True)
class _Processes:
    """What makes pools of worker processes; it shows itself with their number."""

    workers: int

    def __call__(self) -> Executor:
        return _Pool(self.workers, multiprocessing.get_context("spawn"), initializer=_serve)

    def __repr__(self) -> str:
        return f"{self.workers} process{'es' * (self.workers != 1)}"


class _Pool(ProcessPoolExecutor):
    """Worker processes that hear no Ctrl-C, not even before `_serve` is called in them, while they still import."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As of any executor; the processes that it makes inherit the mask of signals."""
        with _without_interrupts():
            return super().submit(fn, *args, **kwargs)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C waits until the block has ended, and is masked in what is started in it; nothing where no masks are.

    The mask alone would not do: it is the calling thread's, and a signal that another thread takes interrupts Python's
    main thread all the same, where a process half started would be left behind.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    with put_off():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class StandingProcesses:
    """A maker like `processes` for several studies in turn: all have one pool, until its block ends.

    Half the time of a small study is what its workers import. A pool that has lost a worker is made anew.
    """

    def __init__(self, workers: int) -> None:
        self._processes = _Processes(workers)
        self._pool: Executor | None = None

    def __call__(self) -> AnyExecutor:
        """The pool, for one study."""
        if self._pool is not None:
            try:
                self._pool.submit(_nothing)
            except BrokenExecutor:
                close(self._pool, wait=False)
                self._pool = None
        if self._pool is None:
            self._pool = self._processes()
        return _Lent(self._pool)

    def begin(self) -> None:
        """Start the processes, which import the library while this one has other work."""
        pool = self()
        # A pool starts one process at a time, and only where all others are busy.
        for _ in range(self._processes.workers):
            pool.submit(_nothing)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._pool is not None:
            close(self._pool, wait=error is None)

    def __repr__(self) -> str:
        return repr(self._processes)


@dataclass(frozen=True)
class _Lent:
    """An executor that whoever has it cannot end."""

    pool: AnyExecutor

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """That of the pool."""
        return self.pool.submit(fn, *args, **kwargs)


def close(pool: AnyExecutor, *, wait: bool) -> None:
    """End an executor that was made here; tasks that have not begun are dropped. A lent one is left as it is."""
    if isinstance(pool, Executor):
        try:
            pool.shutdown(wait=wait, cancel_futures=True)
        except TypeError:
            pool.shutdown(wait=wait)
        except RuntimeError:
            # An interrupt while the pool starts its thread: the thread that it would wait for is not there.
            pool.shutdown(wait=False)


@dataclass(frozen=True)
class _Threads:
    """What makes pools of threads; it shows itself with their number."""

    workers: int

    def __call__(self) -> Executor:
        return ThreadPoolExecutor(self.workers)

    def __repr__(self) -> str:
        return f"{self.workers} thread{'s' * (self.workers != 1)}"


@contextmanager
def named_executor(name: str, workers: int | None = None) -> Iterator[Executors]:
    """The executor of a name in EXECUTORS, with that many workers where they are made here; a client ends with it."""
    if name.startswith("dask://") and len(name) > len("dask://"):
        with _dask(name.removeprefix("dask://")) as client:
            yield client.get_executor()
        return
    if name not in ("processes", "threads"):
        raise InvalidInput(f"an executor must be one of {', '.join(EXECUTORS)}, got {name!r}")
    count = available_processors() if workers is None else whole(workers, "workers")
    if name == "threads":
        yield _Threads(count)
        return
    with StandingProcesses(count) as standing:
        yield standing


def _dask(address: str) -> Any:
    if find_spec("distributed") is None:
        raise InvalidInput(f'dask://{address} needs Dask: pip install "attention-meanfield[dask]"')
    import distributed

    client_class: Any = distributed.Client
    try:
        return client_class(f"tcp://{address}", timeout=10)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"no Dask scheduler answers at {address} ({error}): start one, or name another") from None


def _nothing() -> None:
    """A task that is done when the worker has imported what it takes for any."""


def _serve() -> None:
    # Ctrl-C reaches the whole process group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the end of the parent process, which may be a kill, and end this one too."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
