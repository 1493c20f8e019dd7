"""Blurred densities keep their mass and their place, and end at the density itself."""

import numpy as np
import pytest
from transport_cases import random_density

from meanfield.distances.semidiscrete.blurring import Mixture, _as_blurred, _chosen, _joined, blurred
from meanfield.distances.semidiscrete.pieces import piece_tree, pieces_of_grid


def tree(seed):
    density = pieces_of_grid(random_density(np.random.default_rng(seed))[0])
    corners = density.corners
    pieces = piece_tree(corners, density.start, density.weights, density.areas, density.points, density.spread)
    return pieces, np.concatenate([corners.min(axis=0), corners.max(axis=0)])


@pytest.mark.parametrize("seed", range(8))
def test_from_uniform_to_the_density_itself(seed):
    pieces, box = tree(seed)
    steps = list(blurred(pieces, box))
    first, last = steps[0], steps[-1]
    assert len(first.mass) == 1
    assert first.area[0] == pytest.approx(np.prod(box[2:] - box[:2]), rel=1e-12)
    np.testing.assert_array_equal(last.corners, pieces.corners)
    np.testing.assert_allclose(last.mass / last.area, pieces.density, rtol=1e-13)
    begin, end = (f.reduceat(last.corners, last.start[:-1]) for f in (np.minimum, np.maximum))
    own = 1.01 * (end - begin).max(axis=0)
    for k, density in enumerate(steps):
        assert density.mass.sum() == pytest.approx(1.0, rel=1e-12)
        assert (density.corners >= box[:2] - 1e-12 * np.abs(box).max()).all()
        # No piece but those of the density itself is narrower than the scale, cut at the box's end.
        if k < len(steps) - 1:
            low = np.minimum.reduceat(density.corners, density.start[:-1])
            high = np.maximum.reduceat(density.corners, density.start[:-1])
            scale = 4.0**-k * (box[2:] - box[:2])
            assert ((high - low) >= 0.49 * scale).all()
            # Nor is one wider than the scale, but for those of the density itself.
            assert ((high - low) <= np.maximum(1.01 * scale, own)).all()


def test_a_mixture_keeps_a_share_of_what_it_was():
    pieces, box = tree(6)
    mixture = Mixture(())
    assert mixture.background == 1.0
    for density in blurred(pieces, box):
        mixture = mixture.toward(density, 0.1)
        assert mixture.parts[0][1] is density
    assert mixture.background == pytest.approx(1e-3)
    before = [share for share, _ in mixture.parts]
    after = [share for share, _ in mixture.toward(density, 0.1).parts]
    assert (np.array(after) >= 0.1 * np.array(before)).all()
    assert mixture.pieces().moments[0, 0] == pytest.approx(1.0, rel=1e-12)


def test_pieces_that_are_chosen_and_joined_are_those_they_were():
    """Corners, masses, areas, centroids and covariances of every polygon, in order."""
    whole = _as_blurred(tree(6)[0])
    which = np.array([3, 0, 7, 3])
    twice = _joined([_chosen(whole, which), whole])
    rows = np.concatenate([which, np.arange(len(whole.mass))])
    assert twice.start[0] == 0
    assert twice.start[-1] == len(twice.corners)
    for k, row in enumerate(rows):
        np.testing.assert_array_equal(
            twice.corners[twice.start[k] : twice.start[k + 1]], whole.corners[whole.start[row] : whole.start[row + 1]]
        )
    for k in range(2, 6):
        np.testing.assert_array_equal(twice[k], whole[k][rows])
