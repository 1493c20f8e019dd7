"""Tasks of a study: every point once, generators that are children of the seed, studies whose tasks fail."""

import numpy as np
import pytest

from meanfield.studies import sweep
from meanfield.studies.tasks import complete, coordinate, run_all, seeded
from particles.dataset import provenance
from particles.errors import Interrupted, RunStopped
from particles.kernels.threads import thread_count

AXES = {"k": (1, 2), "seed": (0, 1, 2)}


def made():
    return provenance("studies.test", AXES, "0")


def test_every_point_is_one_call_on_one_thread():
    places = []

    def function(place, parameters):
        places.append((place, parameters["k"], parameters["seed"]))
        return {"x": parameters["k"] * 10 + parameters["seed"], "threads": thread_count(None)}

    ds = complete(run_all(function, AXES, made(), label="test"))
    assert places == [((i, j), k, s) for i, k in enumerate(AXES["k"]) for j, s in enumerate(AXES["seed"])]
    assert ds["x"].values.tolist() == [[10, 11, 12], [20, 21, 22]]
    assert (ds["threads"] == 1).all()
    assert list(ds.data_vars) == ["x", "threads"]


def test_a_study_with_a_failed_task_stops_with_what_there_is():
    def function(place, parameters):
        return {"x": 1.0 / (parameters["seed"] - 1)}

    with pytest.raises(RunStopped, match="2 of 6 tasks failed, the first: ZeroDivisionError") as caught:
        complete(run_all(function, AXES, made(), label="test"))
    assert caught.value.dataset["x"].values.tolist()[0][0] == -1.0


def test_coordinates_are_numbers_or_text():
    assert coordinate("n", (1, 2)).dtype == np.int64
    assert coordinate("x", (1, 2.5)).values.tolist() == [1.0, 2.5]
    assert coordinate("s", ("a", "bc")).values.tolist() == ["a", "bc"]
    assert coordinate("m", (1, "a")).values.tolist() == ["1", "a"]
    assert coordinate("o", (None, (1, 2))).values.tolist() == ["None", "(1, 2)"]


def test_generators_of_tasks_are_children_of_the_seed():
    assert seeded(3, 1, 2).random() == seeded(3, 1, 2).random()
    values = {seeded(seed, *key).random() for seed in (3, 4) for key in ((1, 2), (2, 1), (1,))}
    assert len(values) == 6
    assert np.isfinite(list(values)).all()


READY: list[bool] = []
CALLED: list[int] = []


def interrupted_once(*, k, rng):
    """Fails at 0 and is interrupted at 2, unless READY."""
    CALLED.append(k)
    if not READY and k == 0:
        raise ValueError("not yet")
    if not READY and k == 2:
        raise KeyboardInterrupt
    return {"x": float(k)}


def test_a_failed_task_of_an_interrupted_study_runs_again(tmp_path):
    call = {"over": {"k": [0, 1, 2]}, "seeds": 1, "store": tmp_path / "s.zarr"}
    with pytest.raises(Interrupted):
        sweep(interrupted_once, **call)
    READY.append(True)
    CALLED.clear()
    assert (sweep(interrupted_once, **call)["status"] == "done").all()
    assert CALLED == [0, 2]
