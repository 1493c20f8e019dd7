"""The runs behind the figures: exact, and as published."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm

from meanfield import figures
from meanfield.data import figure_cases
from meanfield.figures import runs
from particles import Adaptive, simulate


def test_exact_and_published_differ_by_the_step_only_at_the_start():
    case = figure_cases(5)[0]
    times = np.array([0.0, 1.0])
    exact, published = runs.exact(case, times), runs.published(case, times)
    np.testing.assert_array_equal(exact.positions[0], published.positions[0])
    error = np.abs(exact.positions[1] - published.positions[1]).max()
    assert 1e-3 < error < 1.0


def test_ranks_of_figure_3_as_published_and_printed():
    linear, euler = figures.figure(3, as_published=True).trajectories
    assert "attention" in linear.how
    ranks = euler.ranks()
    assert 10 <= ranks[0] <= 12
    for rank, (low, high) in zip(ranks[1:], [(11, 26), (5, 15), (1, 4)], strict=True):
        assert low <= rank <= high


def test_rows_that_rounding_decides_are_not_drawn():
    case = figure_cases(11)[0]
    run = runs.exact(case, np.array([0.0, 10.0]))
    assert run.shown[1] == pytest.approx(runs.ROWS_END / np.linalg.eigvalsh(case.V)[-1])
    assert run.ranks()[1] <= 4


def test_exact_runs_follow_the_rescaled_flow_before_the_leader_phase_and_in_it():
    case = figure_cases(6)[0]
    rate = runs.leading_rate(case)
    begin = runs.exact(case, np.array([0.0, 1.0])).certificate.phase_time
    times = np.array([0.0, 0.5, begin - 0.1 / rate, begin + 2.0 / rate])
    run = runs.exact(case, times)
    assert "closed form of the leader phase" in run.how
    flow = simulate(run.model.rescaled(), case.initial(), times, method=Adaptive(1e-10, 1e-12))
    np.testing.assert_allclose(run.positions, flow.position.values, rtol=0.0, atol=4e-9)


def test_a_label_is_what_moves_the_tokens():
    case = figure_cases(5)[0]
    found = runs.published(case, np.array([0.0, 1.0]))
    assert found.label.removeprefix(f"d = {case.d}: ") == "Euler"


def test_tokens_that_stay_bounded_are_shown_at_all_times_as_published():
    """With V = −I no score grows: nothing ends the run before the last time."""
    case = replace(figure_cases(5)[0], V=-np.eye(figure_cases(5)[0].d), frame="original")
    times = np.array([0.0, 1.0, 2.0])
    found = runs.published(case, times)
    np.testing.assert_array_equal(found.shown, times)
    assert np.abs(found.positions[-1]).max() < np.abs(found.positions[0]).max()


def test_the_leading_rate_is_that_of_growth_and_never_negative():
    case = figure_cases(5)[0]
    turning = np.array([[0.5, -3.0], [3.0, 0.5]])
    assert runs.leading_rate(replace(case, V=turning)) == pytest.approx(0.5)
    assert runs.leading_rate(replace(case, V=-turning)) == 0.0


def test_without_attention_tokens_follow_their_linear_equation():
    case = figure_cases(3)[0]
    found = runs.without_attention(case, np.array([0.0, 1.0, 1e6]))
    rate = float(np.linalg.eigvals(case.V).real.max())
    assert found.shown.tolist() == pytest.approx([0.0, 1.0, runs.SCORES_END / rate])
    np.testing.assert_allclose(found.positions[1], case.initial() @ expm(case.V).T, rtol=1e-12)
    assert (found.how, found.ends) == ("x' = Vx without attention, as in the script", "Scores leave float64")


def test_a_published_run_ends_at_a_whole_step_before_its_scores_leave_float64():
    """Euler's growth a step is |1 + dt λ|: scores e^{2λt} stay below e^660 at the last step shown."""
    case = figure_cases(3)[0]
    case = replace(case, frame="original")
    times = np.array([0.0, 1.0, 1e4])
    found = runs.published(case, times)
    growth = np.abs(np.linalg.eigvals(np.eye(case.d) + case.dt * case.V)).max()
    steps = found.shown[-1] / case.dt
    assert steps == pytest.approx(round(steps), abs=1e-6)
    assert steps * np.log(growth) <= runs.SCORES_END < (steps + 1) * np.log(growth) + 1e-9
    assert found.how.startswith(f"Euler, dt = {case.dt:g}; where rows have several equal entries")
    assert runs.published(case, np.array([0.0, 0.5])).how == f"Euler, dt = {case.dt:g}"


def test_a_label_names_the_dimension_where_the_figure_has_several():
    case = replace(figure_cases(5)[0], panel="")
    assert runs.published(case, np.array([0.0, 1.0])).label == "Euler"
    assert runs.published(replace(case, panel="d = 2"), np.array([0.0, 1.0])).label == f"d = {case.d}: Euler"
