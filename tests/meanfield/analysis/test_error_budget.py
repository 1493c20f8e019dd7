import numpy as np
import pytest

from meanfield import FiniteVolume, Grid, Uniform, solve
from meanfield.analysis.error_budget import error_budget
from particles import SelfAttention, simulate
from particles.errors import InvalidInput

MODEL = SelfAttention(1.0, 1.0, 1.0).rescaled()
START = Grid([(-1.2, 1.2)], (24,)).measure(Uniform((-1, 1)))


def test_a_moving_mesh_names_space_and_time():
    ds = solve(MODEL, START, [0, 1, 2])
    budget = error_budget(ds)
    assert set(budget.data_vars) == {"space_error", "time_error", "outside_mass", "folded_mass"}
    np.testing.assert_array_equal(budget.space_error, np.maximum.accumulate(ds.space_error.values))
    assert all(budget[name].attrs["long_name"] for name in budget.data_vars)


def test_fixed_cells_name_walls_and_the_change_of_scores():
    budget = error_budget(solve(SelfAttention(1.0, 1.0, -1.0), START, [0, 0.1], FiniteVolume()))
    assert set(budget.data_vars) == {"time_error", "wall_mass", "score_change"}
    assert budget.wall_mass.dims == ("time",)
    assert all(budget[name].attrs["long_name"] for name in budget.data_vars)


def test_particles_have_none():
    with pytest.raises(InvalidInput, match="records no error"):
        error_budget(simulate(MODEL, [[0.0], [1.0]], [0, 1]))
