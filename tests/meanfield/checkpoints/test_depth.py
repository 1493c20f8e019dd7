from dataclasses import replace

import numpy as np
import pytest
from oracles import transformers

from meanfield import checkpoints
from meanfield.checkpoints import Network
from meanfield.checkpoints.depth import _between


def smaller(layer, eps):
    """The layer with both of its parts multiplied by ε."""
    out = layer.attention.output
    attention = replace(layer.attention, output=replace(out, weight=eps * out.weight, bias=eps * out.bias))
    last = layer.feed_forward.outer
    feed_forward = replace(layer.feed_forward, outer=replace(last, weight=eps * last.weight, bias=eps * last.bias))
    return replace(layer, attention=attention, feed_forward=feed_forward)


def test_small_layers_are_steps_of_length_one_of_their_flow(tmp_path):
    """The distance of Euler's step from the flow is of second order: the gap falls like the size of the layer."""
    opened = checkpoints.open(transformers.NeoX(3).save(tmp_path / "m"))
    x = np.random.default_rng(0).normal(size=(5, 12))
    gaps = []
    for eps in (0.04, 0.02, 0.01):
        ds = checkpoints.layers_and_flow(Network(tuple(smaller(layer, eps) for layer in opened.network().layers)), x)
        gaps.append(ds.gap_at_one.values)
        np.testing.assert_allclose(ds.direction, 1.0, atol=1e-3)
    ratios = np.array(gaps[:-1]) / np.array(gaps[1:])
    assert ((ratios > 1.7) & (ratios < 2.3)).all()
    np.testing.assert_allclose(ds.step, 1.0, atol=0.1)


def test_a_layer_is_not_a_small_step_in_general(tmp_path):
    opened = checkpoints.open(transformers.Bert(3).save(tmp_path / "m"))
    ds = checkpoints.layers_and_flow(opened.network(), opened.embed([1, 2, 3]), longest=1.5)
    assert (ds.gap <= ds.gap_at_one + 1e-12).all()
    assert (ds.step <= 1.5).all()
    assert (ds.gap > 0).all()
    assert ds.sizes == {"layer": 3}


def test_the_nearest_time_of_a_known_flow(tmp_path):
    """Without a feed-forward part and with one token a layer adds a constant vector: step 1 is met exactly."""
    layer = checkpoints.open(transformers.Gpt2(0).save(tmp_path / "m")).layer(0)
    still = smaller(layer, 0.0)
    shift = np.arange(12.0)
    out = replace(still.attention.output, weight=np.zeros((12, 12)), bias=shift)
    moved = replace(still, attention=replace(still.attention, output=out))
    ds = checkpoints.layers_and_flow(Network((moved,)), np.ones((1, 12)))
    assert float(ds.step.item()) == pytest.approx(1.0, abs=1e-4)
    assert float(ds.gap_at_one.item()) == pytest.approx(0.0, abs=1e-6)
    assert float(ds.moved.item()) == pytest.approx(np.linalg.norm(shift) / np.sqrt(12))


def test_a_parabola_through_three_states_is_found_exactly():
    times = np.array([0.0, 0.3, 1.0, 1.2])
    shape = np.random.default_rng(0).normal(size=(3, 5, 2))

    def state(s):
        return shape[0] + s * shape[1] + s**2 * shape[2]

    path = np.array([state(t) for t in times])
    for k in (1, 2):
        for s in (0.2, 0.9, 1.1):
            np.testing.assert_allclose(_between(times, path, k, s), state(s), atol=1e-13)


def test_a_layer_that_moves_nothing_has_no_gap(tmp_path):
    still = smaller(checkpoints.open(transformers.Gpt2(0).save(tmp_path / "m")).layer(0), 0.0)
    ds = checkpoints.layers_and_flow(Network((still,)), np.random.default_rng(0).normal(size=(3, 12)))
    assert [float(ds[name][0]) for name in ("gap", "gap_at_one", "moved", "direction")] == [0.0, 0.0, 0.0, 1.0]
