"""Spread independent tiles of work over threads; no sum crosses a tile, so their number changes no result."""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from numba import config
from threadpoolctl import ThreadpoolController

from particles.errors import InvalidInput

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
    return ThreadpoolController()


def thread_count(threads: int | None) -> int:
    """Threads to use: what was asked for, else all that NUMBA_NUM_THREADS allows (by default every core)."""
    if threads is None:
        return int(config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    if threads < 1:
        raise InvalidInput(f"threads must be at least 1, or None for all cores, got {threads}")
    return int(threads)


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
        failures.append(interruption)
        raise
    if failures:
        raise failures[0]
