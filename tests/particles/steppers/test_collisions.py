"""Tokens that meet: collapse times in closed form, groups, means, stores."""

import numpy as np
import pytest

from particles import (
    RK4,
    Adaptive,
    Diffusion,
    Euler,
    EulerMaruyama,
    LogAttraction,
    PowerAttraction,
    SelfAttention,
    open_store,
    resume,
    simulate,
)
from particles.errors import RunStopped
from particles.fields.events import Meeting
from particles.steppers.collisions import at_standstill
from particles.steppers.state import Groups, Particles


@pytest.mark.parametrize(("n", "a"), [(2, 1.0), (5, 0.6), (12, 2.0), (41, 3.0)])
def test_equispaced_tokens_under_the_absolute_value_all_meet_at_once(n, a):
    T = a * n / (n - 1)
    ds = simulate(PowerAttraction(1), np.linspace(-a, a, n), [0.0, 0.9 * T, 1.1 * T])
    # Until then the tokens move at constant speed towards the centre.
    np.testing.assert_allclose(ds.position[1, :, 0], 0.1 * np.linspace(-a, a, n), atol=1e-8)
    np.testing.assert_array_equal(ds.group[1], np.arange(n))
    assert np.isnan(ds.meeting_time[1]).all()
    np.testing.assert_array_equal(ds.group[2], 0)
    np.testing.assert_allclose(ds.meeting_time[2], T, atol=1e-8 * T)


@pytest.mark.parametrize("method", [Euler, RK4])
def test_fixed_steps_find_the_collapse_to_one_step(method):
    n, a = 6, 1.3
    T = a * n / (n - 1)
    ds = simulate(PowerAttraction(1), np.linspace(-a, a, n), [0.0, 100 * 0.0171], method(dt=0.0171))
    assert len(np.unique(ds.group[-1])) == 1
    np.testing.assert_allclose(ds.meeting_time[-1], T, atol=0.0171)


def test_tokens_that_start_at_one_place_stay_there_to_the_last_bit():
    """A weighted mean of equal numbers, rounded, is another number for one draw in four."""
    rng = np.random.default_rng(0)
    for _ in range(8):
        x0, w = np.tile(rng.normal(size=2), (6, 1)), rng.dirichlet(np.ones(6))
        ds = simulate(PowerAttraction(1), x0, [0.0, 1.0], Euler(0.5), weights=w)
        np.testing.assert_array_equal(ds.position, [x0, x0])
        np.testing.assert_array_equal(ds.group, 0)


@pytest.mark.parametrize(("n", "chi", "radius"), [(2, 1.0, 1.0), (3, 0.7, 2.0), (8, 2.0, 0.5)])
def test_polygons_under_the_logarithm_collapse_at_their_time(n, chi, radius):
    angles = 2 * np.pi * np.arange(n) / n
    x0 = radius * np.column_stack([np.cos(angles), np.sin(angles)]) + [3.0, -1.0]
    T = radius**2 * n / (chi * (n - 1))
    ds = simulate(LogAttraction(chi), x0, [0.0, 0.5 * T, 1.2 * T])
    inertia = np.sum(np.square(ds.position[1] - [3.0, -1.0]), axis=1).mean()
    np.testing.assert_allclose(inertia, radius**2 / 2, rtol=1e-7)
    np.testing.assert_allclose(ds.meeting_time[-1], T, rtol=1e-8)
    np.testing.assert_allclose(ds.position[-1], np.tile([3.0, -1.0], (n, 1)), atol=1e-14)


def test_two_tokens_of_unequal_weight_meet_at_their_centre_of_mass():
    # r' = −r^{p−1}(w₁ + w₂) and so T = r₀^{2−p}/(2 − p).
    for p in (0.7, 1.0, 1.5):
        ds = simulate(PowerAttraction(p), [[0.0, 0.0], [1.0, 1.0]], [0.0, 5.0], weights=[0.2, 0.8])
        T = np.sqrt(2) ** (2 - p) / (2 - p)
        # Positions are known to some tolerances; the last hundred of them, 63 and 73 measured, take this long.
        left = (100 * (1e-10 + 1e-8)) ** (2 - p) / (2 - p)
        np.testing.assert_allclose(ds.meeting_time[-1], T, rtol=0, atol=left)
        np.testing.assert_allclose(ds.position[-1], np.full((2, 2), 0.8), atol=1e-14)


@pytest.mark.parametrize("model", [PowerAttraction(1), PowerAttraction(1.5), LogAttraction(1.0)])
@pytest.mark.parametrize("d", [1, 2])
def test_groups_only_grow_share_a_position_and_keep_the_mean(model, d):
    rng = np.random.default_rng(d)
    x0, w = rng.normal(size=(16, d)), rng.dirichlet(np.ones(16))
    ds = simulate(model, x0, np.linspace(0, 3, 13), weights=w)
    x, groups = ds.position.values, ds.group.values
    np.testing.assert_allclose(w @ x, np.broadcast_to(w @ x0, (13, d)), atol=1e-14)
    for k in range(13):
        np.testing.assert_array_equal(x[k], x[k][groups[k]])
        assert len(np.unique(x[k], axis=0)) == len(np.unique(groups[k]))
    assert (groups[1:] <= groups[:-1]).all()
    merged = groups[:-1, :, None] == groups[:-1, None]
    assert (groups[1:, :, None] == groups[1:, None])[merged].all()
    assert len(np.unique(groups[-1])) < 8


def test_sticky_tokens_on_a_line_against_the_exact_event_list():
    """Constant speeds between collisions: the next meeting is that of neighbours, exactly."""
    rng = np.random.default_rng(5)
    x, w = np.sort(rng.normal(size=12)), rng.dirichlet(np.ones(12))
    T = 1.7
    ds = simulate(PowerAttraction(1), x, [0.0, T], weights=w)
    where, mass, members, t = list(x), list(w), [[i] for i in range(12)], 0.0
    while True:
        speed = [sum(mass[i + 1 :]) - sum(mass[:i]) for i in range(len(where))]
        waits = [(where[i + 1] - where[i]) / (speed[i] - speed[i + 1]) for i in range(len(where) - 1)]
        wait = min(waits, default=np.inf)
        step = min(wait, T - t)
        where = [p + step * v for p, v in zip(where, speed, strict=True)]
        t += step
        if t >= T:
            break
        i = waits.index(wait)
        mass[i : i + 2] = [mass[i] + mass[i + 1]]
        members[i : i + 2] = [members[i] + members[i + 1]]
        where[i : i + 2] = [where[i]]
    expected = np.empty(12)
    for position, tokens in zip(where, members, strict=True):
        expected[tokens] = position
    assert len(where) < 12
    np.testing.assert_allclose(ds.position[-1, :, 0], expected, atol=5e-8)
    assert len(np.unique(ds.group[-1])) == len(where)


def test_tokens_that_start_together_stay_together():
    x0 = np.array([[0.0, 1.0], [0.5, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    ds = simulate(LogAttraction(1.0), x0, [0.0, 0.1, 0.2])
    np.testing.assert_array_equal(ds.group[0], [0, 1, 0, 3])
    np.testing.assert_array_equal(ds.position[:, 0], ds.position[:, 2])
    np.testing.assert_array_equal(ds.meeting_time[0], [0.0, np.nan, 0.0, np.nan])


def test_ensembles_merge_run_by_run():
    x0 = np.random.default_rng(9).normal(size=(3, 8, 2))
    for method in (Adaptive(), RK4(dt=0.05)):
        ds = simulate(PowerAttraction(1), x0, [0.0, 1.0, 2.0], method)
        alone = [simulate(PowerAttraction(1), run, [0.0, 1.0, 2.0], method) for run in x0]
        np.testing.assert_array_equal(ds.group, [one.group for one in alone])
        np.testing.assert_allclose(ds.position, [one.position for one in alone], atol=1e-13)


def test_a_resumed_run_merges_as_an_uninterrupted_one(tmp_path, monkeypatch):
    from particles.simulate import ParticleState

    x0, times = np.random.default_rng(3).normal(size=(10, 2)), np.linspace(0, 2, 9)
    whole = simulate(LogAttraction(0.8), x0, times)
    advance = ParticleState.advance

    def interrupted(self, t0, t1):
        if t0 >= 1.0:
            raise RunStopped("the machine went down", time=t0)
        return advance(self, t0, t1)

    monkeypatch.setattr(ParticleState, "advance", interrupted)
    with pytest.raises(RunStopped):
        simulate(LogAttraction(0.8), x0, times, store=tmp_path / "run.zarr")
    monkeypatch.undo()
    half = open_store(tmp_path / "run.zarr")
    assert half.group.dtype == np.int64
    assert half.sizes["time"] == 5
    resumed = resume(tmp_path / "run.zarr")
    for name in ("position", "group", "meeting_time"):
        np.testing.assert_array_equal(resumed[name], whole[name])


def test_noise_and_models_without_collisions_have_no_groups():
    x0 = np.random.default_rng(0).normal(size=(6, 2))
    noisy = LogAttraction(0.1) + Diffusion(0.5)
    assert noisy.events == ()
    assert "group" not in simulate(noisy, x0, [0.0, 0.1], EulerMaruyama(dt=0.01), rng=1)
    assert "group" not in simulate(PowerAttraction(2.0), x0, [0.0, 0.1])
    with_drift = LogAttraction(0.1) + SelfAttention(np.eye(2), np.eye(2), np.eye(2))
    assert "group" in simulate(with_drift, x0, [0.0, 0.1])


def test_meetings_chain_into_one_group_named_by_its_smallest_index():
    before = np.array([[0.0], [1.0], [2.0], [10.0]])
    after = np.array([[2.0], [1.5], [0.0], [10.0]])
    np.testing.assert_array_equal(Meeting(1e-9).regroup(before, after, np.arange(4)), [0, 0, 0, 3])
    np.testing.assert_array_equal(Meeting(9.0).regroup(before, before, np.arange(4)), [0, 0, 0, 0])
    np.testing.assert_array_equal(Meeting(1e-9).regroup(before, before, np.arange(4)), np.arange(4))


def test_at_a_standstill_only_what_is_nearer_than_rounding_has_collided():
    """Unit speeds towards one another: 100 units in the last place of t = 1 later those 2e-14 apart have met."""
    model = PowerAttraction(1)
    for gap, merged in ((1e-14, True), (1e-6, False), (0.5, False)):
        state = Particles(np.array([[[0.0], [gap]]]), np.array([0.5, 0.5]), groups=Groups.alone((1, 2)))
        found = at_standstill(model, state, 1.0)
        assert (len(np.unique(found.groups.label)) == 1) == merged, gap
