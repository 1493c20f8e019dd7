import numpy as np
import pytest

from meanfield import Disc, Grid, Mixture, Normal, PointMasses, Product, Ring, Uniform
from meanfield.measures.described import described, law_of
from particles.errors import InvalidInput, StoreError

PLANE = Grid([(-1.5, 1.5)] * 2, (24, 24))
LAWS = [
    Uniform([(-1, 1), (-0.5, 0.7)]),
    Disc([0.2, 0.0], 0.8),
    Ring([0.0, 0.1], 0.3, 0.9),
    Product([Uniform((-1, 1)), Normal(0.1, 0.04)]),
    Mixture([Uniform([(-1, 0), (-1, 0)]), PointMasses([[0.5, 0.5], [1.0, 0.0]])], [0.3, 0.7]),
]


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_laws_are_made_again_from_their_descriptions(law):
    again = law_of(described(law))
    np.testing.assert_array_equal(again.cell_masses(PLANE.edges), law.cell_masses(PLANE.edges))


@pytest.mark.parametrize("description", [("Popen", "x"), 3, (), ("Mixture", 2)])
def test_descriptions_of_no_law_are_refused(description):
    with pytest.raises((StoreError, InvalidInput)):
        law_of(description)


def test_a_law_of_one_s_own_describes_itself():
    class Mine(Uniform):
        pass

    law = Normal(0.0, 1.0)
    assert law_of(law) is law
    mine = Mine((0, 1))
    assert described(mine)[0] == "Uniform"
    with pytest.raises(StoreError, match="names no law of this library: 3"):
        law_of(3)
