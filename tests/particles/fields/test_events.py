"""Collisions of pairs, in R^d and across the seam of a circle."""

from dataclasses import dataclass

import numpy as np

from particles import Circle, EulerMaruyama, VelocityField, simulate
from particles.fields.events import Meeting

ALONE = np.arange(3)


def test_pairs_collide_within_the_distance_or_where_a_step_turns_them_round():
    event = Meeting(0.1)
    start = np.array([[0.0], [1.0], [5.0]])
    np.testing.assert_array_equal(event.regroup(start, start, ALONE), ALONE)
    near, passed = np.array([[0.5], [0.55], [5.0]]), np.array([[0.9], [0.2], [5.0]])
    np.testing.assert_array_equal(event.regroup(start, near, ALONE), [0, 0, 2])
    np.testing.assert_array_equal(event.regroup(start, passed, ALONE), [0, 0, 2])


def test_on_the_circle_a_pair_collides_across_zero_and_no_pair_by_wrapping():
    event = Meeting(0.1, Circle())
    start = np.array([[6.2], [0.3], [3.0]])
    # The first wraps round: it comes near the second, and its place relative to the third jumps by a period.
    np.testing.assert_array_equal(event.regroup(start, np.array([[0.22], [0.3], [3.0]]), ALONE), [0, 0, 2])
    np.testing.assert_array_equal(event.regroup(start, np.array([[0.01], [0.3], [3.0]]), ALONE), ALONE)
    np.testing.assert_array_equal(event.regroup(start, np.array([[0.4], [0.3], [3.0]]), ALONE), [0, 0, 2])


@dataclass(frozen=True, eq=False)
class Arcs(VelocityField):
    """θ_i' = ½ for tokens below π and −½ above, noise on request: a user's field on the circle."""

    noise: float = 0.0
    dim: int = 1
    space = Circle()
    events = (Meeting(1e-3, Circle()),)

    def velocity(self, t, x, mu):
        return np.where(np.mod(x, 2 * np.pi) < np.pi, -0.5, 0.5)

    def diffusion(self, t):
        return self.noise * np.eye(1)


def test_a_group_that_forms_across_zero_moves_to_the_centre_on_the_short_way():
    ds = simulate(
        Arcs(), [2 * np.pi - 0.1, 0.1, 2.0], [0.0, 1.0], EulerMaruyama(0.04), weights=[0.25, 0.25, 0.5], rng=0
    )
    np.testing.assert_array_equal(ds.group[-1], [0, 0, 2])
    assert ds.meeting_time[-1, 0] == ds.meeting_time[-1, 1] <= 0.24
    # The pair of equal weights meets at 0, where each step of 0.02 brings it back and forth.
    assert Circle().distance(ds.position.values[-1, 0], np.zeros(1)) < 0.03
    np.testing.assert_allclose(ds.position[-1, 2], 1.5, atol=1e-12)


def test_noise_and_events_on_the_circle():
    x0 = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ds = simulate(Arcs(0.2), x0, np.linspace(0, 4, 9), EulerMaruyama(0.02), rng=1)
    angles = ds.position.values
    assert ((angles >= 0) & (angles < 2 * np.pi)).all()
    groups = [len(np.unique(group)) for group in ds.group.values]
    assert groups[0] == 40
    assert (np.diff(groups) <= 0).all()
    assert groups[-1] < 20
    for k, group in enumerate(ds.group.values):
        np.testing.assert_array_equal(angles[k], angles[k][group])


def test_a_pair_at_exactly_the_distance_collides():
    """0.25 and 0.5 are exact in float64."""
    start, end = np.array([[0.0], [1.0], [5.0]]), np.array([[0.25], [0.75], [5.0]])
    np.testing.assert_array_equal(Meeting(0.5).regroup(start, end, ALONE), [0, 0, 2])
    np.testing.assert_array_equal(Meeting(np.nextafter(0.5, 0.0)).regroup(start, end, ALONE), ALONE)
