"""Copies of fields by pickle and deepcopy: as frozen as the original, and the same field."""

import copy
import pickle

import numpy as np
import pytest
from samples import arrays

from particles import (
    RK4,
    CausalAttention,
    Diffusion,
    EmpiricalMeasure,
    Ensemble,
    FeedForward,
    LinearAttention,
    PowerAttraction,
    RescaledTransformer,
    SelfAttention,
)

I2 = np.eye(2)
SA = SelfAttention(I2, 2 * I2, -I2)
X = np.random.default_rng(0).normal(size=(5, 2))
OBJECTS = [
    SA,
    SA.rescaled(),
    SA.on_sphere(),
    SA.in_frame(I2),
    SA + SelfAttention(I2, I2, I2, normalization="none"),
    SelfAttention(I2, I2, I2, normalization="sinkhorn"),
    CausalAttention(I2, I2, I2),
    LinearAttention(I2, I2, I2),
    FeedForward(I2, I2, np.zeros(2)),
    Diffusion(I2),
    PowerAttraction(3.0).in_frame(I2),
    Ensemble((SA, SA)),
    RescaledTransformer(I2, I2, I2, 0.1),
    EmpiricalMeasure(X),
    RK4(0.1),
]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_measure_and_its_copies_cannot_be_changed(copied):
    for measure in (EmpiricalMeasure(X), copied(EmpiricalMeasure(X))):
        for name in ("_points", "_weights", "other"):
            with pytest.raises(AttributeError, match="cannot be changed"):
                setattr(measure, name, X)
        with pytest.raises(AttributeError, match="cannot be changed"):
            del measure._points


@pytest.mark.parametrize("original", OBJECTS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_is_as_frozen_as_the_original(original, copied):
    twin = copied(original)
    held = arrays(original)
    assert [array.flags.writeable for array in arrays(twin)] == [array.flags.writeable for array in held]
    assert not any(array.flags.writeable for array in held)
    for a, b in zip(arrays(twin), held, strict=True):
        np.testing.assert_array_equal(a, b)
    if hasattr(original, "velocity") and not isinstance(original, Ensemble):
        x = X / np.linalg.norm(X, axis=1)[:, None]
        mu = EmpiricalMeasure(x)
        if original.exchangeable:
            np.testing.assert_array_equal(twin.velocity(0.3, x, mu), original.velocity(0.3, x, mu))
