"""Executors: what is taken for one, their names on the command line, and workers that end with their parent."""

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path

import pytest
from user_measures import killed_once

from meanfield.studies.executors import (
    StandingProcesses,
    _without_interrupts,
    as_executor,
    close,
    maker,
    named_executor,
    processes,
)
from meanfield.studies.sweep import sweep
from particles.errors import InvalidInput

ROOT = Path(__file__).parents[3]


def test_executors_and_their_makers_are_taken_and_nothing_else():
    with ThreadPoolExecutor(1) as pool:
        assert as_executor(pool) is pool
        assert maker(pool) is None
    assert as_executor(None) is None
    assert maker(as_executor(ThreadPoolExecutor)) is ThreadPoolExecutor
    with pytest.raises(InvalidInput, match=r"executor must be None.*got int.*get_executor"):
        as_executor(4)


@pytest.mark.parametrize("name", ["", "cluster", "dask://", "Threads"])
def test_unknown_names_are_refused(name):
    with pytest.raises(InvalidInput, match="one of processes, threads, dask://HOST:PORT"):
        named_executor(name).__enter__()


def test_a_scheduler_that_does_not_answer_is_named():
    pytest.importorskip("distributed", reason="Dask is not installed")
    with pytest.raises(InvalidInput, match="no Dask scheduler answers at here"):
        named_executor("dask://here").__enter__()


def test_a_pool_that_was_interrupted_while_it_started_is_closed():
    """shutdown(wait=True) of the standard library fails where the pool's own thread has not started yet."""

    class Half(ThreadPoolExecutor):
        waits = ()

        def shutdown(self, wait=True, *, cancel_futures=False):
            self.waits = (*self.waits, wait)
            if wait:
                raise RuntimeError("cannot join thread before it is started")
            super().shutdown(wait=False, cancel_futures=cancel_futures)

    pool = Half(1)
    close(pool, wait=True)
    assert pool.waits == (True, False)


class Pool(ThreadPoolExecutor):
    """Threads that stand for worker processes: counted, how they were ended, and that can be broken."""

    made = ()

    def __init__(self, workers, *args, **options):
        super().__init__(workers)
        self.broken, self.ended = False, None
        Pool.made = (*Pool.made, self)

    def submit(self, fn, /, *args, **kwargs):
        if self.broken:
            raise BrokenProcessPool("a worker is gone")
        return super().submit(fn, *args, **kwargs)

    def shutdown(self, wait=True, *, cancel_futures=False):
        self.ended = wait
        super().shutdown(wait, cancel_futures=cancel_futures)


@pytest.fixture
def pools(monkeypatch):
    monkeypatch.setattr("meanfield.studies.executors._Pool", Pool)
    monkeypatch.setattr(Pool, "made", ())
    return lambda: Pool.made


def test_standing_processes_serve_several_studies_and_end_with_their_block(pools):
    with named_executor("processes", 2) as made:
        assert repr(made) == "2 processes"
        assert pools() == ()
        made.begin()
        for _ in range(2):
            found = sweep(twice, {"k": [1, 2, 3]}, seeds=1, executor=made)
            assert found["x"].values.ravel().tolist() == [2.0, 4.0, 6.0]
            assert (len(pools()), pools()[0].ended) == (1, None)
    assert pools()[0].ended is True


def test_a_standing_pool_that_lost_a_worker_is_made_anew(pools):
    with named_executor("processes", 1) as made:
        made.begin()
        pools()[0].broken = True
        assert sweep(twice, {"k": [1]}, seeds=1, executor=made)["x"].values.ravel().tolist() == [2.0]
        assert [pool.ended for pool in pools()] == [False, None]


def test_a_standing_pool_is_not_waited_for_after_an_error(pools):
    def study():
        with named_executor("processes", 1) as made:
            made.begin()
            raise InvalidInput("stop")

    with pytest.raises(InvalidInput, match="stop"):
        study()
    assert pools()[0].ended is False
    with named_executor("processes", 1):
        pass
    assert len(pools()) == 1


def twice(*, k, rng):
    return {"x": 2.0 * k}


def worker(*, k, rng):
    return {"x": float(os.getpid())}


def test_workers_of_a_standing_pool_are_the_same_in_the_next_study(tmp_path):
    """Real processes, one of which is killed in the second study."""
    with StandingProcesses(1) as made:
        first, second = (sweep(worker, {"k": [0]}, seeds=1, executor=made)["x"].item() for _ in range(2))
        assert first == second != os.getpid()
        ds = sweep(killed_once, {"k": [2, 3], "folder": [str(tmp_path)]}, seeds=1, executor=made)
        assert (ds["status"] == "done").all()
        assert sweep(worker, {"k": [0]}, seeds=1, executor=made)["x"].item() not in (first, os.getpid())


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no masks of signals here")
def test_a_mask_of_signals_is_lifted_again():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with _without_interrupts():
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with suppress(InvalidInput), _without_interrupts():
        raise InvalidInput("out")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


TAKEN_BY_ANOTHER_THREAD = """
import os, signal, sys, threading, time
from meanfield.studies.executors import _without_interrupts
threading.Thread(target=time.sleep, args=(1,)).start()
try:
    with _without_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        print("whole")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no masks of signals here")
def test_an_interrupt_that_another_thread_takes_waits_too():
    told = subprocess.run([sys.executable, "-c", TAKEN_BY_ANOTHER_THREAD], capture_output=True, text=True, cwd=ROOT)
    assert told.stdout.split() == ["whole", "interrupted"], told.stderr


ORPHAN = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from user_measures import waits
from meanfield.studies import processes, sweep
if __name__ == "__main__":
    sweep(waits, {{"folder": [{folder!r}]}}, seeds=1, executor=processes(1))
"""


def alive(pid):
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks /proc whether a process is there")
def test_workers_end_with_their_parent(tmp_path):
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN.format(tests=str(ROOT / "tests"), root=str(ROOT), folder=str(tmp_path)))
    parent = subprocess.Popen([sys.executable, str(script)])
    deadline = time.monotonic() + 120
    while not (found := list(tmp_path.glob("worker-*"))) and time.monotonic() < deadline and parent.poll() is None:
        time.sleep(0.05)
    worker = int(found[0].name.removeprefix("worker-"))
    assert alive(worker)
    # A mask that it was born with: Ctrl-C while it still imported would have printed a traceback.
    (blocked,) = re.findall(r"SigBlk:\t(\w+)", Path(f"/proc/{worker}/status").read_text())
    assert int(blocked, 16) & 1 << (signal.SIGINT - 1)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 30
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(worker)


def test_one_worker_is_named_in_the_singular():
    assert repr(processes(1)) == "1 process"
    with named_executor("threads", 1) as one, named_executor("threads", 2) as two:
        assert (repr(one), repr(two)) == ("1 thread", "2 threads")
