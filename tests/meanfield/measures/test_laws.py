import copy
import pickle

import numpy as np
import pytest
from samples import arrays

from meanfield import Disc, Grid, Mixture, Normal, PointMasses, Product, Ring, Uniform
from particles.errors import InvalidInput

LAW = Normal([0, 0], 0.3 * np.eye(2))
BOX = Uniform([(-1, 1), (0, 1)])
LAWS = {
    "box": BOX,
    "normal": LAW,
    "atoms": PointMasses([[0.0, 1.0], [2.0, 0.0]], [0.3, 0.7]),
    "ring": Ring([0, 1], 0.1, 0.5),
    "disc": Disc([0, 1], 0.5),
    "product": Product([Normal(0, 1), Uniform((0, 1))]),
    "mixture": Mixture([BOX, LAW, Disc([0, 0], 1)], [0.2, 0.3, 0.5]),
}
COPIES = [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_a_law_and_its_copies_cannot_be_changed_and_are_equal(law, copied):
    twin = copied(law)
    assert twin == law
    assert arrays(twin)
    assert not any(array.flags.writeable for array in [*arrays(law), *arrays(twin)])
    for value in (law, twin):
        for name in (*vars(law), "other"):
            with pytest.raises(AttributeError, match="cannot be changed"):
                setattr(value, name, 0.0)


def test_laws_of_other_parameters_or_kinds_differ():
    different = [*LAWS.values(), Uniform([(-1, 1), (0, 2)]), Ring([0, 1], 0.0, 0.5), Mixture([BOX, LAW])]
    for i, first in enumerate(different):
        for j, second in enumerate(different):
            assert (first == second) == (i == j)


@pytest.mark.parametrize("copied", COPIES)
def test_a_grid_its_measures_and_their_copies_cannot_be_changed(copied):
    grid = Grid([(-2, 2), (-1, 2)], (8, 6))
    mu = grid.measure(BOX)
    assert mu.grid.centres
    for value in (grid, mu, Grid.from_edges([np.array([0, 0.1, 0.3])])):
        twin = copied(value)
        assert not any(array.flags.writeable for array in [*arrays(value), *arrays(twin)])
        for held in (value, twin):
            with pytest.raises(AttributeError, match="cannot be changed"):
                held.grid = grid
    assert copied(grid) == grid
    np.testing.assert_array_equal(copied(mu).masses, mu.masses)
    assert copied(mu).source == BOX


def test_laws_draw_from_a_seed_as_from_its_generator():
    for law in (LAW, Uniform((0, 1)), Product([LAW, LAW]), Mixture([LAW, LAW])):
        np.testing.assert_array_equal(law.sample(5, 7), law.sample(5, np.random.default_rng(7)))


def test_the_box_of_a_uniform_law_is_closed():
    corners = [(-1, 0), (-1, 1), (1, 0), (1, 1)]
    np.testing.assert_array_equal(BOX.density(corners), 0.5)
    np.testing.assert_array_equal(BOX.density([(1.0001, 0.5), (0, -0.0001)]), 0.0)


@pytest.mark.parametrize(
    "covariance", [[[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.5], [0.4, 1.0]], [[1.0, 1.0], [1.0, 1.0]], [[0.0]], [[-1.0]]]
)
def test_a_covariance_is_symmetric_and_every_eigenvalue_positive(covariance):
    with pytest.raises(InvalidInput, match="symmetric positive definite"):
        Normal(np.zeros(len(covariance)), covariance)
