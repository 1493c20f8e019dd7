"""Runs in compiled code: as the loop in Python within ten tolerances, and bitwise as if alone."""

import numpy as np
import pytest
from compiled_models import I3, MODELS, V, tokens

from particles import Adaptive, Ensemble, LinearAttention, PowerAttraction, SelfAttention, resume, simulate, threads
from particles.errors import OutOfRange, RunStopped
from particles.steppers.compiled_runs import MOST_TOKENS
from particles.steppers.error_control import ErrorControlled

TIMES = [0.0, 0.3, 2.0]


class InPython(Adaptive):
    """The same method by the loop in Python: a method derived from Adaptive may try its steps otherwise."""


def positions(ds):
    return ds.position.values


@pytest.mark.parametrize("name", MODELS)
def test_the_loop_in_python_agrees_within_ten_tolerances(name):
    for n in (1, 20):
        x, w = tokens(name, n)
        ds = simulate(MODELS[name], x, TIMES, weights=w)
        assert ds.attrs["summation"] == "compiled"
        other = simulate(MODELS[name], x, TIMES, InPython(), weights=w)
        assert other.attrs.get("summation") != "compiled"
        allowed = 1e-9 + 1e-7 * np.abs(positions(other)).max()
        assert np.abs(positions(ds) - positions(other)).max() < allowed


@pytest.mark.parametrize("name", MODELS)
def test_a_run_is_bitwise_as_if_alone(name):
    x, w = tokens(name, 11, runs=5)
    whole = positions(simulate(MODELS[name], x, TIMES, weights=w))
    for r in (0, 3):
        alone = positions(simulate(MODELS[name], x[r], TIMES, weights=w))
        np.testing.assert_array_equal(alone, whole[r])


def test_the_number_of_threads_changes_nothing():
    x, w = tokens("rescaled", 30, runs=40)
    with threads(1):
        one = positions(simulate(MODELS["rescaled"], x, TIMES, weights=w))
    with threads(3):
        np.testing.assert_array_equal(positions(simulate(MODELS["rescaled"], x, TIMES, weights=w)), one)


def test_the_length_of_a_call_changes_nothing(monkeypatch):
    x, w = tokens("heads", 9, runs=5)
    usual = positions(simulate(MODELS["heads"], x, [0.0, 8.0], weights=w))
    monkeypatch.setattr("particles.steppers.compiled_runs._parts", lambda *sizes: (2, 1, 1))
    np.testing.assert_array_equal(positions(simulate(MODELS["heads"], x, [0.0, 8.0], weights=w)), usual)


def test_saved_times_change_nothing_beyond_the_tolerance():
    x, w = tokens("rescaled", 12)
    few = positions(simulate(MODELS["rescaled"], x, [0, 3], weights=w))[:, -1]
    many = positions(simulate(MODELS["rescaled"], x, np.linspace(0, 3, 61), weights=w))[:, -1]
    best = positions(simulate(MODELS["rescaled"], x, [0, 3], Adaptive(1e-12, 1e-13), weights=w))[:, -1]
    scale = 1e-7 * np.abs(best).max()
    assert np.abs(few - best).max() < scale
    assert np.abs(many - best).max() < scale


def test_one_field_a_run():
    fields = tuple(SelfAttention(b * I3, I3, V).rescaled() for b in (0.5, 1.0, 2.0))
    x, w = tokens("rescaled", 10, runs=6)
    ds = simulate(Ensemble(fields, repeat=2), x, TIMES, weights=w)
    assert ds.attrs["summation"] == "compiled"
    for r in range(6):
        alone = simulate(fields[r // 2], x[r], TIMES, weights=w)
        np.testing.assert_array_equal(positions(ds)[r], positions(alone))


def test_fields_of_several_forms_go_by_the_loop_in_python():
    model = Ensemble((MODELS["attention"], MODELS["short keys"]))
    x, w = tokens("attention", 6)
    ds = simulate(model, x, TIMES, weights=w)
    assert ds.attrs["summation"] != "compiled"
    alone = positions(simulate(MODELS["short keys"], x[1], TIMES, weights=w))
    assert np.abs(positions(ds)[1] - alone).max() < 1e-7


def test_many_tokens_collisions_and_derived_methods_go_by_the_loop_in_python():
    x = np.random.default_rng(0).normal(size=(MOST_TOKENS + 1, 1))
    assert simulate(SelfAttention(1.0, 1.0, 1.0), x, [0, 0.01]).attrs["summation"] == "direct"
    assert "summation" not in simulate(PowerAttraction(1.5), x[:5], [0, 0.01]).attrs


def test_a_run_killed_in_between_goes_on_bitwise(tmp_path):
    x, w = tokens("rescaled", 9)
    times = np.linspace(0, 2, 9)
    whole = positions(simulate(MODELS["rescaled"], x, times, weights=w))

    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(MODELS["rescaled"], x, times, weights=w, store=tmp_path / "run.zarr", progress=stop)
    np.testing.assert_array_equal(positions(resume(tmp_path / "run.zarr")), whole)


def test_the_longest_step_and_the_most_steps():
    x, w = tokens("attention", 5)
    fine = positions(simulate(MODELS["attention"], x, TIMES, Adaptive(max_step=0.01), weights=w))
    assert np.abs(fine - positions(simulate(MODELS["attention"], x, TIMES, weights=w))).max() < 1e-7
    for method in (Adaptive(max_steps=3, rtol=1e-12), InPython(max_steps=3, rtol=1e-12)):
        with pytest.raises(RunStopped, match=r"more than max_steps = 3 steps .* \(run 0") as stopped:
            simulate(MODELS["attention"], x, [0.0, 5.0], method, weights=w)
        assert 0 < stopped.value.time < 5


@pytest.mark.parametrize("method", [Adaptive(), InPython()], ids=["compiled", "in Python"])
def test_a_run_that_blows_up_is_reported_alike(method):
    """Linear attention x' = x³ on a line leaves float64 at t = 1/2; attention in a frame where e^{2t} overflows."""
    x = np.array([[[0.5], [-0.5]], [[1.0], [-1.0]]])
    with pytest.raises(RunStopped, match=r"run=1") as stopped:
        simulate(LinearAttention(1.0, 1.0, 1.0), x, [0.0, 0.25, 1.0], method)
    assert stopped.value.time == pytest.approx(0.5, abs=1e-6)
    np.testing.assert_allclose(stopped.value.dataset.position[:, 1, 0, 0], [0.5 * 1.069045, 2**0.5], rtol=1e-6)


def test_a_score_that_overflows_is_reported_by_the_field():
    model = SelfAttention(1.0, 1.0, 3.0)
    with pytest.raises(RunStopped) as stopped:
        simulate(model, [[1.0], [-1.0]], [0.0, 200.0], Adaptive())
    assert isinstance(stopped.value.__cause__, OutOfRange | RunStopped)


def test_adaptive_is_the_method_that_python_code_extends():
    assert issubclass(Adaptive, ErrorControlled)
