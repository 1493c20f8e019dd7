import numpy as np

from meanfield.analysis.smooth_functions import Wave, waves


def test_default_test_functions_look_along_every_axis_and_the_diagonal():
    assert [wave.k for wave in waves(1)] == [(1.0,)] * 2
    assert {wave.k for wave in waves(3)} == {(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)}
    assert sorted({wave.phase for wave in waves(2)}) == [0.0, np.pi / 2]


def test_derivatives_of_a_wave_are_those_of_its_values():
    wave, x, h = Wave((1.0, -2.0), 0.3), np.array([[0.2, 0.5], [-1.0, 3.0]]), 1e-5
    for k, step in enumerate(h * np.eye(2)):
        np.testing.assert_allclose(
            wave.gradient(x)[:, k], (wave.value(x + step) - wave.value(x - step)) / (2 * h), atol=1e-9
        )
        change = (wave.gradient(x + step) - wave.gradient(x - step)) / (2 * h)
        np.testing.assert_allclose(wave.hessian(x)[:, k], change, atol=1e-9)
