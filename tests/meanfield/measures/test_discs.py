import numpy as np
import pytest

from meanfield import Disc, Ring
from particles.errors import InvalidInput

EDGES = (np.linspace(-2, 2.1, 12), np.linspace(-1.9, 2, 9))


@pytest.mark.parametrize("law", [Disc([0.1, -0.2], 0.9), Ring([0.0, 0.1], 0.4, 1.1)])
def test_cell_masses_are_areas_of_overlap(law):
    masses = law.cell_masses(EDGES)
    assert masses.sum() == pytest.approx(1.0, abs=1e-14)
    fine = 400
    axes = [np.linspace(e[0], e[-1], (len(e) - 1) * fine + 1) for e in EDGES]
    middles = [(a[1:] + a[:-1]) / 2 for a in axes]
    step = [a[1] - a[0] for a in axes]
    inside = law.density(np.stack(np.meshgrid(*middles, indexing="ij"), -1).reshape(-1, 2))
    counted = inside.reshape(11, fine, 8, fine).sum(axis=(1, 3)) * step[0] * step[1]
    # The midpoint rule is off by its cells on the rim.
    np.testing.assert_allclose(masses, counted, atol=1e-5)


def test_masses_of_nested_grids_add_up():
    law = Ring([0.3, 0.0], 0.2, 1.0)
    fine = law.cell_masses((np.linspace(-2, 2, 65), np.linspace(-2, 2, 65)))
    coarse = law.cell_masses((np.linspace(-2, 2, 9), np.linspace(-2, 2, 9)))
    np.testing.assert_allclose(fine.reshape(8, 8, 8, 8).sum(axis=(1, 3)), coarse, atol=1e-15)


def test_moments_of_samples():
    law = Ring([0.3, -1.0], 0.5, 1.0)
    x = law.sample(40_000, 0)
    np.testing.assert_allclose(x.mean(axis=0), law.mean(), atol=0.02)
    np.testing.assert_allclose(np.cov(x.T), law.covariance(), atol=0.01)
    assert (law.density(x) > 0).all()


@pytest.mark.parametrize(("inner", "outer"), [(1.0, 1.0), (2.0, 1.0), (-1.0, 1.0), (0.0, 0.0), (0.0, np.nan)])
def test_radii_that_make_no_ring_are_refused(inner, outer):
    with pytest.raises(InvalidInput):
        Ring([0.0, 0.0], inner, outer)
