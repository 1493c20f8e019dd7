"""Spread independent tiles of work over threads; no sum crosses a tile, so their number changes no result."""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from numba import config
from threadpoolctl import ThreadpoolController

from particles.checks import whole
from particles.errors import InvalidInput
from particles.interrupts import put_off

P = ParamSpec("P")
R = TypeVar("R")


def on_one_blas_thread(function: Callable[P, R]) -> Callable[P, R]:
    """`function` with BLAS and LAPACK on one thread.

    At the few hundred rows of a trained head more threads gain nothing, and beside other work they wait for one
    another: 68 s for 2.6 s were measured.
    """

    @functools.wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _loaded_libraries().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


@functools.cache
def _loaded_libraries() -> ThreadpoolController:
    with put_off():
        return ThreadpoolController()


class Threads:
    """The most threads that the kernels and BLAS of this process may take, from its making on; see `threads`."""

    def __init__(self, k: int) -> None:
        self.k = whole(k, "k")
        with _guard:
            _limits.append(self)
            _limit_blas()

    def __enter__(self) -> Threads:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with _guard:
            _limits.remove(self)
            _limit_blas()


_guard = threading.Lock()
_limits: list[Threads] = []
_blas: list[tuple[Any, int]] = []


def threads(k: int) -> Threads:
    """Let kernels and BLAS take at most `k` threads: for the rest of the process, or for a `with` block.

    The latest limit that is still in force counts, in every thread of the process. Without one, kernels take the
    processors that this process may run on (NUMBA_NUM_THREADS, and the affinity mask), and one in a worker process of
    an executor, where the other processors have work of their own. The number of threads changes no result of the
    kernels; that of BLAS may change the last bits of matrix products, so studies run their tasks on one.

    Parameters
    ----------
    k : int
        At least 1.

    Returns
    -------
    Threads
        A context that ends the limit; the limit holds without it too.

    Raises
    ------
    InvalidInput
        For fewer than one thread.
    """
    return Threads(k)


def available_processors() -> int:
    """The processors that this process may run on: the affinity mask counts where the system has one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_count(threads: int | None) -> int:
    """Threads of a kernel: what was asked for, else what `threads` allows, else one in a worker and all elsewhere."""
    if threads is not None:
        if threads < 1:
            raise InvalidInput(f"threads must be at least 1, or None for all cores, got {threads}")
        return int(threads)
    if limits := _limits[-1:]:
        return limits[0].k
    if multiprocessing.parent_process() is not None:
        return 1
    return min(int(config.NUMBA_NUM_THREADS), available_processors())  # type: ignore[attr-defined]


def _limit_blas() -> None:
    """Give every BLAS that is loaded the latest limit; when the last limit ends, what it had before the first."""
    if not _limits:
        for library, before in _blas:
            library.set_num_threads(before)
        _blas.clear()
        return
    if not _blas:
        # The libraries are found by callbacks from C, which drop the exception of Ctrl-C.
        with put_off():
            found = ThreadpoolController().select(user_api="blas").lib_controllers
        _blas.extend((library, library.num_threads) for library in found)
    for library, _ in _blas:
        library.set_num_threads(_limits[-1].k)


def spread(work: Callable[[int, int], object], tiles: int, threads: int, chunk: int = 1) -> None:
    """Call `work(start, stop)` for chunks of range(tiles), each once, on `threads` threads.

    `work` must release the GIL (a compiled kernel, a BLAS call). Threads live for this call only: nothing is left
    running that a fork or an interpreter's end could trip over. The caller waits and takes no share: beside a busy
    caller Linux may leave a new thread on the caller's processor for milliseconds while another is idle. Interrupted
    while it waits, it lets the threads end with the chunks they have.
    """
    if threads == 1 or tiles <= chunk:
        work(0, tiles)
        return
    counter = itertools.count(0, chunk)
    failures: list[BaseException] = []

    def worker() -> None:
        try:
            for start in counter:
                if start >= tiles or failures:
                    return
                work(start, min(start + chunk, tiles))
        except BaseException as failure:
            failures.append(failure)

    helpers = [threading.Thread(target=worker) for _ in range(min(threads, -(-tiles // chunk)))]
    try:
        for helper in helpers:
            helper.start()
        for helper in helpers:
            helper.join()
    except BaseException as interruption:
        failures.insert(0, interruption)
    if failures:
        raise failures[0]
