"""Tasks: every result once, the same whatever the number of workers, and taken up after an interruption."""

import json
import os

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
