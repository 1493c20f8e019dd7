"""A model that is given back to `resume` is that of the run, in its velocities and in its noise."""

import numpy as np
import pytest

from meanfield import Grid, Normal, solve
from particles import RK4, Diffusion, EulerMaruyama, SelfAttention, resume, simulate
from particles.errors import InvalidInput

I2 = np.eye(2)
X = np.random.default_rng(1).uniform(-1, 1, size=(12, 2))


def test_a_model_with_another_noise_is_not_taken_for_the_one_of_the_run(tmp_path):
    def model(D):
        return SelfAttention(I2, I2, -I2) + Diffusion(D)

    simulate(model(0.1), X, [0, 1], EulerMaruyama(0.1), store=tmp_path / "run.zarr", rng=0)
    solve(
        model(0.1),
        Grid([(-4, 4)] * 2, (8, 8)).measure(Normal([0, 0], 0.5 * I2)),
        [0, 0.01],
        store=tmp_path / "grid.zarr",
    )
    for store in (tmp_path / "run.zarr", tmp_path / "grid.zarr"):
        with pytest.raises(
            InvalidInput, match=r"not the one of this run.*\[0\.4, 0\.0\] where the run has \[0\.1, 0\.0\]"
        ):
            resume(store, times=[2.0], model=model(0.4))


def test_the_refusal_of_a_model_shows_a_token_that_moves_otherwise(tmp_path):
    """The first token, at the origin, does not move under either."""
    x = np.array([[0.0, 0.0], [1.0, 0.0]])
    model = SelfAttention(np.zeros((2, 2)), I2, I2)
    simulate(model, x - x.mean(axis=0), [0, 1], RK4(0.1), store=tmp_path / "run.zarr")
    with pytest.raises(InvalidInput) as refused:
        resume(tmp_path / "run.zarr", times=[2.0], model=SelfAttention(I2, I2, I2))
    left, right = str(refused.value).split("it has ")[1].split(" (row")[0].split(" where the run has ")
    assert left != right
