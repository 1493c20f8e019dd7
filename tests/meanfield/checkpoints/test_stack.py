import numpy as np
import pytest
from oracles import transformers

from meanfield import checkpoints, studies
from meanfield.checkpoints import LayerFlow, Network
from meanfield.studies.atoms import AtomicLaw
from particles import Adaptive, Euler, Iterate, simulate
from particles.errors import InvalidInput, NotSupported, RunStopped
from particles.measure import EmpiricalMeasure

N = 5


@pytest.fixture
def opened(tmp_path):
    return checkpoints.open(transformers.Bert(2).save(tmp_path / "m"))


def test_a_run_over_the_depth_is_the_forward_pass(opened):
    ids = [1, 5, 2, 8, 8]
    ds = simulate(opened.network(), opened.embed(ids), range(4), method=Iterate())
    np.testing.assert_allclose(ds.position.squeeze().values, transformers.Bert(2).states(ids), rtol=0, atol=1e-13)


def test_steps_beyond_the_last_layer_are_refused(opened):
    with pytest.raises(RunStopped, match="3 layers: times end at 3, got a step from 3"):
        simulate(opened.network(), opened.embed([1, 2]), [0, 4], method=Iterate())


def test_networks_that_are_none_are_refused(opened, tmp_path):
    other = checkpoints.open(transformers.Gpt2().save(tmp_path / "g"))
    assert Network((opened.layer(0), other.layer(0))).dim == 12
    for wrong in ((), (1,), "layers"):
        with pytest.raises(InvalidInput, match="at least one layer"):
            Network(wrong)


def test_the_flow_of_a_parallel_network_is_its_network_under_euler(tmp_path):
    network = checkpoints.open(transformers.NeoX(3).save(tmp_path / "m")).network()
    x = np.random.default_rng(0).normal(size=(N, 12))
    discrete = simulate(network, x, range(4), method=Iterate()).position.squeeze().values
    flow = simulate(network.flow(), x, range(4), method=Euler(1.0)).position.squeeze().values
    np.testing.assert_allclose(flow, discrete, rtol=0, atol=1e-12)


def test_the_flow_changes_its_layer_at_whole_times_and_keeps_normalised_tokens_normalised(opened):
    network, flow = opened.network(), opened.network().flow()
    assert flow.breakpoints == (1.0, 2.0)
    assert LayerFlow((network.layers[0],) * 3).breakpoints == ()
    x, mu = opened.embed([3, 1, 4, 1, 5]), None
    mu = EmpiricalMeasure(x)
    for t, k in ((0.0, 0), (0.99, 0), (1.0, 1), (2.5, 2), (7.0, 2)):
        np.testing.assert_array_equal(flow.velocity(t, x, mu), network.layers[k].rate(x, x, mu.weights))
    start = network.layers[0].output_norm(np.random.default_rng(1).normal(size=(N, 12)))
    one = LayerFlow((network.layers[0],))
    end = simulate(one, start, [0.0, 1.0], method=Adaptive(1e-10, 1e-12)).position.squeeze().values[-1]
    norm = network.layers[0].output_norm
    standard = (end - norm.shift) / norm.gain
    np.testing.assert_allclose(standard.mean(axis=1), 0, atol=1e-8)
    np.testing.assert_allclose((standard**2).mean(axis=1), 1, atol=1e-8)


def test_a_flow_of_a_decoder_is_no_field(tmp_path):
    flow = checkpoints.open(transformers.Gpt2().save(tmp_path / "m")).network().flow()
    x = np.random.default_rng(0).normal(size=(N, 12))
    with pytest.raises(NotSupported, match="no field"):
        flow.velocity(0.0, x, EmpiricalMeasure(x))
    assert np.isnan(flow.particle_velocity(0.0, np.full((N, 12), np.nan), np.full(N, 0.2))).all()
    runs = np.stack([x, 2 * x])
    np.testing.assert_array_equal(
        flow.particle_velocity(0.0, runs, np.full(N, 0.2))[1], flow.particle_velocity(0.0, 2 * x, np.full(N, 0.2))
    )


def test_the_flow_of_an_encoder_is_a_mean_field_model(opened):
    """The law of 24 tokens moved by the layers; empirical measures of draws come nearer as they grow."""
    x, flow = opened.embed(np.arange(24)), opened.network().flow()
    reference = simulate(flow, x, [0.0, 1.0, 2.0])
    ds = studies.convergence(flow, AtomicLaw(x), reference, times=[0.0, 2.0], sizes=[2, 16], seeds=5, seed=0)
    assert (ds.rms.sel(size=16) < 0.9 * ds.rms.sel(size=2)).all()


def test_masses_count_in_the_flow(opened):
    """Two tokens at one place are one token of double mass."""
    x, flow = opened.embed([3, 1, 4, 4]), opened.network().flow()
    x[3] = x[2]
    twice = simulate(flow, x, [0.0, 1.5]).position.values[-1]
    once = simulate(flow, x[:3], [0.0, 1.5], weights=[0.25, 0.25, 0.5]).position.values[-1]
    np.testing.assert_allclose(once, twice[:3], rtol=0, atol=1e-6)


def test_one_layer_is_a_network(opened):
    x = opened.embed([1, 2])
    one = Network((opened.layer(1),))
    assert (one.depth, one.dim) == (1, 12)
    np.testing.assert_array_equal(
        one.step(0, x, np.full(2, 0.5), None), opened.network().step(1, x, np.full(2, 0.5), None)
    )
