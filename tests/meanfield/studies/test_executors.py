"""Executors: what is taken for one, their names on the command line, and workers that end with their parent."""

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from meanfield.studies.executors import _without_interrupts, as_executor, maker, named_executor
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
