"""The rescaled recursion of the discrete transformer."""

import numpy as np
import pytest
from samples import matrices, tokens

from particles import (
    Euler,
    RescaledTransformer,
    SelfAttention,
    simulate,
)
from particles.errors import InvalidInput

Q, K, V = matrices(2, 2, seed=17)
I2 = np.eye(2)
X0 = tokens(6, 2, seed=17)[0]


@pytest.mark.parametrize("dt", [0.1, 0.37])
def test_rescaled_recursion_is_the_exact_conjugate_of_the_transformer(dt):
    """Remark 3.3: z[k] = R^{−k} x[k] to rounding, R = I + dt V."""
    steps = 12
    x = simulate(SelfAttention(Q, K, V), X0, dt * np.arange(steps + 1), Euler(dt)).position.values
    model = RescaledTransformer(Q, K, V, dt)
    z = simulate(model, X0, np.arange(steps + 1)).position.values
    for k in range(steps + 1):
        np.testing.assert_allclose(model.original(k, z[k]), x[k], rtol=1e-12, atol=1e-13)


def test_a_step_at_which_the_growth_is_singular_is_refused():
    with pytest.raises(InvalidInput, match=r"singular at dt = 0\.5"):
        RescaledTransformer(I2, I2, -2 * I2, 0.5)
