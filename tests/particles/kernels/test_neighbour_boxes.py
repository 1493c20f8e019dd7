import numpy as np
import pytest

from particles.kernels.neighbour_boxes import AXES, boxes, places


@pytest.mark.parametrize("periods", [(0.0, 0.0), (1.0, 2.0), (0.0, 2.0), (0.0,), (0.0, 0.0, 0.0, 0.0)])
def test_all_points_within_the_reach_stand_in_a_box_beside(periods):
    rng, period = np.random.default_rng(3), np.array(periods)
    y = rng.random((300, len(period))) * np.where(period > 0, period, 1.3) + np.where(period > 0, 0.0, -7.0)
    reach = 0.11
    made = boxes(y, reach, period)
    axes = min(AXES, len(period))
    assert (made.shape > 2).all()
    z = y[:, None] - y
    z -= np.where(period > 0, period * np.round(z / np.where(period > 0, period, 1.0)), 0.0)
    near = np.argwhere(np.linalg.norm(z, axis=2) <= reach)
    apart = np.abs(np.subtract(*(places(made, y)[near[:, side]] for side in (0, 1))))
    beside = (apart <= 1) | ((period[:axes] > 0) & (apart == made.shape - 1))
    assert beside.all()
    assert len(near) > len(y)


def test_every_point_stands_in_one_box_in_order_of_the_boxes():
    y = np.random.default_rng(1).normal(size=(100, 2))
    made = boxes(y, 0.3, np.zeros(2))
    assert sorted(made.order) == list(range(100))
    assert made.start[-1] == 100
    for box in range(len(made.start) - 1):
        mine = made.order[made.start[box] : made.start[box + 1]]
        assert (np.ravel_multi_index(tuple(places(made, y[mine]).T), tuple(made.shape)) == box).all()


def test_the_upper_end_stands_in_the_last_box_whatever_the_widths_add_up_to():
    """k boxes of width w/k, rounded, may end before w: for one cloud in fifty here."""
    rng, short = np.random.default_rng(0), 0
    for _ in range(200):
        y = rng.normal(size=(100, 1))
        made = boxes(y, 0.3, np.zeros(1))
        short += bool(made.width[0] * made.shape[0] < y.max() - made.low[0])
        assert places(made, y).max() == made.shape[0] - 1
        assert made.start[-1] == 100
    assert short > 0


def test_one_box_without_a_reach_for_one_point_and_round_two_boxes():
    y = np.random.default_rng(1).random((50, 2))
    assert boxes(y, None, np.zeros(2)).shape.tolist() == [1, 1]
    assert boxes(np.zeros((4, 2)), 0.1, np.zeros(2)).shape.tolist() == [1, 1]
    assert boxes(y, 0.45, np.ones(2)).shape.tolist() == [1, 1]


def test_a_point_far_outside_has_a_place_beyond_all_boxes():
    made = boxes(np.random.default_rng(1).random((50, 1)), 0.1, np.zeros(1))
    assert places(made, np.array([[-1e300], [1e300]])).tolist() == [[-2], [made.shape[0] + 1]]


@pytest.mark.parametrize("length", [0.25, 1.0, 8.0])
def test_whole_turns_change_no_box(length):
    y = length * np.random.default_rng(2).random((50, 2))
    made = boxes(y, length / 10, np.array([length, 0.0]))
    for turns in (-2, 1, 3):
        np.testing.assert_array_equal(places(made, y + np.array([turns * length, 0.0])), places(made, y))
