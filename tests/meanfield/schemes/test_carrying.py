"""How the points of a moving mesh are moved: queries are no sources, tolerances fit the law."""

import numpy as np
import pytest
from user_fields import Wind

from meanfield import FrozenFlow
from meanfield.schemes.carrying import Carried, finer, limited, scaled
from particles import RK4, Adaptive, SelfAttention
from particles.errors import NotSupported
from particles.measure import Atoms


def test_points_without_mass_are_no_sources():
    """The sources alone are summed over: a query that is not finite is refused like a source, with NaN."""
    x = np.random.default_rng(0).normal(size=(1, 7, 2))
    w = np.array([0.5, 0.3, 0.2, 0, 0, 0, 0])
    model = SelfAttention(np.eye(2), np.eye(2), [[1.0, 0.5], [-0.5, 1.0]]).rescaled()
    seen = []

    class Watched(SelfAttention):
        def velocity(self, t, points, mu):
            seen.append(len(mu.points))
            return model.velocity(t, points, mu)

    field = Carried(Watched(np.eye(2), np.eye(2), np.eye(2)), 3)
    found = field.particle_velocity(0.3, x, w)
    assert seen == [3]
    np.testing.assert_allclose(found, model.particle_velocity(0.3, x, w), rtol=1e-13)
    np.testing.assert_allclose(found[0], model.velocity(0.3, x[0], Atoms(x[0, :3], w[:3])), rtol=0)
    x[0, 5, 0] = np.inf
    assert np.isnan(field.particle_velocity(0.3, x, w)).all()


def test_a_longest_step_is_kept_by_methods_that_know_one():
    assert limited(Adaptive(max_step=0.5), 0.1).max_step == 0.1
    assert limited(Adaptive(max_step=0.05), 0.1).max_step == 0.05
    assert limited(RK4(0.3), 0.1).dt == 0.1
    assert limited(RK4(0.3), None) == RK4(0.3)
    with pytest.raises(NotSupported, match="knows no longest step"):
        limited(FrozenFlow(0.1), 0.1)


def test_tolerances_are_in_proportion_to_the_law():
    assert scaled(Adaptive(1e-7, 1e-9), 1.0).atol == pytest.approx(1e-9)
    assert scaled(Adaptive(1e-7, 1e-9), 1e3).atol == pytest.approx(1e-6)
    assert scaled(Adaptive(1e-7, 1e-9), 1e-6).atol == pytest.approx(1e-15)
    assert scaled(Adaptive(1e-7, 1e-9), 0.0) == Adaptive(1e-7, 1e-9)
    assert scaled(RK4(0.1), 1e-6) == RK4(0.1)


def test_the_finer_method_tells_the_error_in_time():
    tight = finer(Adaptive(1e-6, 1e-3), 1.0)
    assert (tight.rtol, tight.atol) == (pytest.approx(1e-8), pytest.approx(1e-10))
    assert finer(Adaptive(1e-6, 1e-9), 1e3).atol == pytest.approx(1e-11)
    assert finer(Adaptive(1e-13, 1e-14), 1.0).rtol == 2.3e-14
    assert finer(RK4(0.1), 1.0) == RK4(0.05)
    assert finer(FrozenFlow(0.1), 1.0) is None
    assert Carried(Wind(np.cos), 1).dim == 1


def test_the_shorter_of_two_longest_steps_is_kept():
    for own, asked, kept in ((None, 0.1, 0.1), (0.5, 0.1, 0.1), (0.01, 0.1, 0.01), (0.5, None, 0.5)):
        assert limited(Adaptive(max_step=own), asked).max_step == kept
