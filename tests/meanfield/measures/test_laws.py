import numpy as np

from meanfield import Mixture, Normal, Product, Uniform

LAW = Normal([0, 0], 0.3 * np.eye(2))


def test_laws_draw_from_a_seed_as_from_its_generator():
    for law in (LAW, Uniform((0, 1)), Product([LAW, LAW]), Mixture([LAW, LAW])):
        np.testing.assert_array_equal(law.sample(5, 7), law.sample(5, np.random.default_rng(7)))
