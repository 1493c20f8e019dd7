"""Work spread over threads: each tile once, failures passed on, and an end to all when the caller is interrupted."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from particles import threads
from particles.errors import InvalidInput
from particles.kernels.threads import available_processors, on_one_blas_thread, spread, thread_count


@pytest.mark.parametrize(("tiles", "threads", "chunk"), [(1, 4, 1), (7, 1, 2), (7, 2, 1), (100, 3, 7), (5, 8, 2)])
def test_each_tile_once(tiles, threads, chunk):
    done = []
    spread(lambda start, stop: done.extend(range(start, stop)), tiles, threads, chunk)
    assert sorted(done) == list(range(tiles))


def test_a_failure_reaches_the_caller_and_stops_the_rest():
    calls = []

    def work(start, stop):
        calls.append(start)
        raise ZeroDivisionError("in a thread")

    with pytest.raises(ZeroDivisionError, match="in a thread"):
        spread(work, 1000, 2)
    assert len(calls) <= 2


def test_an_interrupted_caller_leaves_no_thread_at_work():
    calls = []

    def work(start, stop):
        calls.append(start)
        if start == 0:
            # As Ctrl-C does: the caller's thread may be waiting already.
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.01)

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        spread(work, 10_000, 2)
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
    assert len(calls) < 1000


def test_thread_count_refuses_none_at_all():
    with pytest.raises(InvalidInput, match="threads must be at least 1"):
        thread_count(0)


def test_dense_algebra_runs_on_one_thread_and_the_setting_is_given_back():
    def blas():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    with threadpool_limits(2, user_api="blas"):
        before = blas()
        assert set(on_one_blas_thread(blas)()) == {1}
        assert blas() == before


def blas():
    np.ones((2, 2)) @ np.ones((2, 2))
    return [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"]


def test_the_latest_limit_counts_for_kernels_and_blas_and_what_was_before_comes_back():
    before, free = blas(), thread_count(None)
    with threads(3):
        assert thread_count(None) == 3
        with threads(1):
            assert thread_count(None) == 1
            assert set(blas()) == {1}
        assert thread_count(None) == 3
        assert thread_count(2) == 2
    assert (blas(), thread_count(None)) == (before, free)


def test_limits_of_overlapping_blocks_in_several_threads_end_in_any_order():
    before, first, second = blas(), threads(1), threads(1)
    first.__exit__(None, None, None)
    assert thread_count(None) == 1
    second.__exit__(None, None, None)
    assert blas() == before


def test_a_worker_process_takes_one_thread():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(thread_count, (None,)) == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity masks here")
def test_the_affinity_mask_counts():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_processors() == thread_count(None) == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("tiles", "limit", "chunk", "started"), [(10, 3, 1, 3), (2, 8, 1, 2), (9, 8, 2, 5), (4, 1, 1, 0)]
)
def test_no_more_helpers_are_started_than_are_allowed_or_have_work(monkeypatch, tiles, limit, chunk, started):
    names, done = [], []

    class Counted(threading.Thread):
        def start(self):
            names.append(self.name)
            super().start()

    monkeypatch.setattr("particles.kernels.threads.threading.Thread", Counted)
    spread(lambda start, stop: done.extend(range(start, stop)), tiles, limit, chunk)
    assert sorted(done) == list(range(tiles))
    assert len(names) == started
