"""Arrays as text come back bitwise."""

import json

import numpy as np
import pytest

from meanfield.schemes.carried import as_text, from_text


@pytest.mark.parametrize("shape", [(0,), (1,), (7, 3), (2, 3, 4)])
def test_arrays_come_back_bitwise_through_json(shape):
    array = np.random.default_rng(0).normal(size=shape) * 10.0 ** np.random.default_rng(1).integers(-300, 300, shape)
    array.flat[:4] = [np.nan, -0.0, np.inf, 5e-324][: array.size]
    for given in (array, np.asfortranarray(array)):
        back = from_text(json.loads(json.dumps(as_text(given))))
        assert back.shape == shape
        assert back.tobytes() == array.tobytes()
    assert back.flags.writeable
