"""Averaging models: what the synchronous map does to the order of tokens on a line."""

import numpy as np
import pytest

from particles import Euler, HegselmannKrause, Krause, simulate


@pytest.mark.parametrize(
    "model", [HegselmannKrause(0.7), Krause(lambda s: np.exp(-2 * s))], ids=["bounded", "Gaussian"]
)
def test_the_map_keeps_the_order_for_kernels_that_are_log_concave_in_the_distance(model):
    for seed in range(20):
        x0 = np.sort(np.random.default_rng(seed).normal(size=30))
        ds = simulate(model, x0, np.arange(6.0), Euler(1.0))
        assert (np.diff(ds.position[..., 0], axis=1) >= -1e-12).all()


def test_the_map_exchanges_two_tokens_that_listen_to_far_ones_only():
    ds = simulate(Krause(lambda s: s), [0.0, 1.0], [0.0, 1.0, 2.0], Euler(1.0))
    np.testing.assert_allclose(ds.position[..., 0], [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]], atol=1e-15)
