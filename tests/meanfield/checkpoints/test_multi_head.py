import numpy as np
import pytest
from oracles import transformers

from meanfield.checkpoints import Linear, MultiHead, Rotary
from meanfield.checkpoints import multi_head as module
from particles.errors import InvalidInput

D, K = 6, 4


def attention(heads, groups, causal=False, rotary=None, seed=0):
    rng = np.random.default_rng(seed)
    maps = [Linear(rng.normal(size=(rows * K, D)), rng.normal(size=rows * K)) for rows in (heads, groups, groups)]
    return MultiHead(*maps, Linear(rng.normal(size=(D, heads * K)), rng.normal(size=D)), heads, groups, causal, rotary)


CASES = [
    (1, 1, False, None),
    (4, 2, False, None),
    (3, 3, True, None),
    (4, 1, True, Rotary(100.0, 2)),
    (2, 2, False, Rotary(10.0, 4)),
]


@pytest.mark.parametrize("case", CASES)
def test_against_a_loop_over_tokens_and_heads(case, monkeypatch):
    heads, groups, causal, rotary = case
    x = np.random.default_rng(1).normal(size=(9, D))
    layer = attention(*case)
    maps = [(m.weight, m.bias) for m in (layer.query, layer.key, layer.value, layer.output)]
    expected = transformers.multi_head(x, maps, heads, groups, causal, rotary and (rotary.base, rotary.size))
    w = np.full(9, 1 / 9)
    np.testing.assert_allclose(layer(x, x, w), expected, rtol=0, atol=2e-13)
    monkeypatch.setattr(module, "BLOCK", 4 * heads * 9)
    np.testing.assert_allclose(layer(x, x, w), expected, rtol=0, atol=2e-13)


@pytest.mark.parametrize("case", CASES)
def test_the_matrices_are_those_of_the_sum(case):
    layer, rng = attention(*case), np.random.default_rng(2)
    x, w = rng.normal(size=(7, D)), rng.dirichlet(np.ones(7))
    P = layer.matrices(x, w)
    np.testing.assert_allclose(P.sum(axis=-1), 1, rtol=0, atol=1e-14)
    if layer.causal:
        assert (np.triu(P, 1) == 0).all()
    v = np.repeat(layer.value(x).reshape(7, -1, K).swapaxes(0, 1), layer.n_heads // layer.n_key_heads, axis=0)
    np.testing.assert_allclose(layer.output((P @ v).swapaxes(0, 1).reshape(7, -1)), layer(x, x, w), rtol=0, atol=1e-12)


def test_a_token_of_double_mass_is_two_tokens():
    layer, x = attention(4, 2), np.random.default_rng(3).normal(size=(5, D))
    twice = layer(x, np.vstack([x, x[2]]), np.full(6, 1 / 6))
    np.testing.assert_allclose(layer(x, x, np.array([1, 1, 2, 1, 1]) / 6), twice, rtol=0, atol=1e-13)


def test_rotary_scores_depend_on_differences_of_positions_only():
    rotary, rng = Rotary(50.0, 4), np.random.default_rng(4)
    q, k = (np.tile(rng.normal(size=6), (8, 1)) for _ in range(2))
    scores = rotary(q) @ rotary(k).T
    for shift in range(-7, 8):
        assert np.ptp(np.diagonal(scores, shift)) < 1e-13
    assert np.ptp(scores) > 0.1


def test_shapes_that_do_not_fit_are_refused():
    W = Linear(np.ones((4, 6)))
    with pytest.raises(InvalidInput, match="n_heads = 3"):
        MultiHead(W, W, W, Linear(np.ones((6, 4))), 3, 3)
    with pytest.raises(InvalidInput, match=r"output \(4, 6\)"):
        MultiHead(W, W, W, W, 2, 2)
    with pytest.raises(InvalidInput, match="even"):
        Rotary(10.0, 3)
    with pytest.raises(InvalidInput, match="at most k = 2"):
        MultiHead(W, W, W, Linear(np.ones((6, 4))), 2, 2, rotary=Rotary(10.0, 4))
