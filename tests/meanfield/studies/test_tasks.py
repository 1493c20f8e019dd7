"""Tasks: every result once, the same whatever the number of workers, and taken up after an interruption."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from meanfield.studies.tasks import Ledger, Runner, seeded
from particles.errors import NotSupported


def draw(shared, task):
    return [float(seeded(shared, task).standard_normal()), float(os.environ["OMP_NUM_THREADS"])]


def fail_on_two(shared, task):
    if task == 2:
        raise ValueError("two")
    return task


TASKS = {f"k={k}": k for k in range(6)}


def test_the_number_of_workers_changes_no_bit():
    one = Runner(workers=1).run(draw, 7, TASKS, "draw")
    two = Runner(workers=2).run(draw, 7, TASKS, "draw")
    assert one == two
    assert list(one) == list(TASKS)
    assert len({value[0] for value in one.values()}) == len(TASKS)
    assert all(value[1] == 1 for value in one.values())


def test_a_ledger_keeps_what_is_done_and_no_task_is_done_twice(tmp_path):
    ledger = Ledger(tmp_path / "tasks.jsonl")
    with pytest.raises(ValueError, match="two"):
        Runner(ledger=ledger).run(fail_on_two, None, TASKS, "fail")
    done = ledger.read()
    assert done
    assert "k=2" not in done
    # A marker in the ledger shows that the finished task is taken from it and not run again.
    ledger.write("k=0", "from the ledger")
    results = Runner(ledger=ledger).run(draw, 7, {"k=0": 0, "k=1": 1}, "draw")
    assert results["k=0"] == "from the ledger"


def leave(shared, task):
    os._exit(1)


ORPHAN = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from test_tasks import TASKS, sleep_after_its_number
from meanfield.studies.tasks import Runner
if __name__ == "__main__":
    Runner(workers=1).run(sleep_after_its_number, {folder!r}, TASKS, "sleep")
"""


def sleep_after_its_number(folder, task):
    Path(folder, f"worker-{os.getpid()}").touch()
    time.sleep(120)


def alive(pid):
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks /proc whether a process is there")
def test_workers_end_with_their_parent(tmp_path):
    here = Path(__file__)
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN.format(tests=str(here.parent), root=str(here.parents[3]), folder=str(tmp_path)))
    parent = subprocess.Popen([sys.executable, str(script)])
    deadline = time.monotonic() + 120
    while not (found := list(tmp_path.glob("worker-*"))) and time.monotonic() < deadline and parent.poll() is None:
        time.sleep(0.05)
    worker = int(found[0].name.removeprefix("worker-"))
    assert alive(worker)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 30
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(worker)


def test_a_worker_that_dies_is_an_error_that_says_what_to_do():
    with pytest.raises(NotSupported, match=r"ended before its task was done.*define classes in a module"):
        Runner().run(leave, None, {"k": 0}, "leave")


def test_a_line_cut_short_by_a_kill_does_not_count(tmp_path):
    path = tmp_path / "tasks.jsonl"
    path.write_text(json.dumps({"key": "a", "result": [0.1 + 0.2]}) + '\n{"key": "b", "resu')
    assert Ledger(path).read() == {"a": [0.1 + 0.2]}


def test_a_result_after_a_cut_line_is_not_lost(tmp_path):
    path = tmp_path / "tasks.jsonl"
    path.write_text('{"key": "b", "resu')
    Ledger(path).write("c", 1.5)
    assert Ledger(path).read() == {"c": 1.5}


def test_generators_of_tasks_are_children_of_the_seed():
    assert seeded(3, 1, 2).random() == seeded(3, 1, 2).random()
    values = {seeded(seed, *key).random() for seed in (3, 4) for key in ((1, 2), (2, 1), (1,))}
    assert len(values) == 6
    assert np.isfinite(list(values)).all()
