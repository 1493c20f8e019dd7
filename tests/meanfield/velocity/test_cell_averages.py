"""Averages of gradients over cells against closed forms and brute force."""

import numpy as np
import pytest
from scipy.integrate import quad

from meanfield.velocity.cell_averages import averaged_gradient
from particles import BoundedConfidence, Circle, Cosine, PairInteraction, Powers
from particles.models.potentials import pair_potential


def averages(profile, centres, widths, k, periods=None, **more):
    field = PairInteraction(profile, at_origin=0.0, dim=len(centres), **more)
    return averaged_gradient(pair_potential(field), centres, widths, k, periods or [None] * len(centres))


def of_the_logarithm(x, y):
    """∬ x/(x² + y²): x arctan(y/x) + y log(x² + y²)/2, by extended precision."""
    x, y = np.longdouble(x), np.longdouble(y)
    angle = x * np.arctan(y / x) if x != 0 else np.longdouble(0)
    return angle + (y / 2 * np.log(x * x + y * y) if x != 0 or y != 0 else 0)


@pytest.mark.parametrize("k", [0, 1])
def test_the_logarithm_in_the_plane(k):
    """At faces of the grid, cells touch the origin: of widths 1 and 2 at half-odd and whole multiples."""
    n, widths = 11, [1.0, 2.0]
    centres = [(np.arange(-n, n) + 0.5) * widths[j] if j == k else np.arange(1 - n, n) * widths[j] for j in (0, 1)]
    got = averages(Powers(1.0, 0.0), centres, widths, k)
    for place in np.ndindex(*got.shape):
        (a, b), (c, d) = [centres[j][place[j]] + np.array([-0.5, 0.5]) * widths[j] for j in (k, 1 - k)]
        exact = of_the_logarithm(b, d) - of_the_logarithm(a, d) - of_the_logarithm(b, c) + of_the_logarithm(a, c)
        assert abs(got[place] - float(exact) / 2) < 1e-12


def test_a_line_needs_no_quadrature():
    centres = [np.arange(-3, 4) + 0.5]
    np.testing.assert_allclose(averages(Powers(1.0, 1.0), centres, [1.0], 0), np.sign(centres[0]), atol=1e-15)
    np.testing.assert_allclose(averages(Powers(1.0, 3.0), centres, [1.0], 0),
                               (abs(centres[0] + 0.5) ** 3 - abs(centres[0] - 0.5) ** 3) / 3, atol=1e-14)  # fmt: skip


@pytest.mark.parametrize(("profile", "d"), [(Powers(-1.0, 0.0), 1), (Powers(-1.0, -1.0), 2)])
def test_cells_beside_a_face_on_which_w_is_not_integrable_are_atoms(profile, d):
    centres = [np.arange(-2, 2) + 0.5, *[np.arange(-1.0, 2.0)] * (d - 1)]
    got = averages(profile, centres, [1.0] * d, 0)
    beside = got[(1, *[1] * (d - 1))], got[(2, *[1] * (d - 1))]
    slope = 0.5 ** (profile.exponents[0] - 1)
    np.testing.assert_allclose(beside, [slope, -slope], rtol=1e-14)
    assert np.isfinite(got).all()


def test_a_kink_in_the_plane_is_exact():
    """∂_1 of min(r, R)²/2 is x₁ within the disc: brute force by slices, whose x₁-integral is known."""
    R, widths = 0.77, [0.2, 0.25]
    centres = [(np.arange(-5, 5) + 0.5) * 0.2, np.arange(-4, 5) * 0.25]
    got = averages(BoundedConfidence(R), centres, widths, 0)
    for place in [(0, 4), (1, 3), (2, 2), (8, 1), (5, 7), (5, 4)]:
        a, b = centres[0][place[0]] - 0.1, centres[0][place[0]] + 0.1
        low, high = centres[1][place[1]] - 0.125, centres[1][place[1]] + 0.125

        def inner(y, a=a, b=b):
            edge = np.sqrt(max(R**2 - y**2, 0.0))
            return (np.clip(b, -edge, edge) ** 2 - np.clip(a, -edge, edge) ** 2) / 2

        ends = [sign * np.sqrt(R**2 - c**2) for c in (a, b, 0.0) if abs(c) < R for sign in (-1, 1)]
        points = [y for y in ends if low < y < high] or None
        exact = quad(inner, low, high, points=points, epsabs=1e-14, epsrel=1e-13)[0] / 0.05
        assert abs(got[place] - exact) < 1e-11


def test_space_of_three_dimensions():
    """Of r²/2 it is the displacement, of 1/r the mean over a fine midpoint rule away from the origin."""
    centres = [np.arange(-3, 4) * 0.5, np.arange(-3, 4) * 0.3, (np.arange(-3, 3) + 0.5) * 0.4]
    got = averages(Powers(1.0, 2.0), centres, [0.5, 0.3, 0.4], 2)
    np.testing.assert_allclose(got, np.broadcast_to(centres[2], got.shape), atol=1e-12)
    newton = averages(Powers(-1.0, -1.0), centres, [0.5, 0.3, 0.4], 2)
    s = (np.arange(60) + 0.5) / 60 - 0.5
    for i, j, k in [(4, 3, 3), (3, 4, 1), (5, 2, 5)]:
        x, y, z = np.meshgrid(centres[0][i] + 0.5 * s, centres[1][j] + 0.3 * s, centres[2][k] + 0.4 * s)
        np.testing.assert_allclose(newton[i, j, k], -np.mean(z / (x**2 + y**2 + z**2) ** 1.5), rtol=2e-3)
    # At a face through the origin, where 1/r is integrable: odd in x₃, finite.
    np.testing.assert_allclose(newton, -newton[:, :, ::-1], rtol=1e-12)


@pytest.mark.parametrize("n", [8, 9])
def test_round_a_period_the_nearest_image_counts(n):
    h = 2 * np.pi / n
    centres = [(np.arange(n) - 0.5) * h]
    got = averages(Cosine(1.0), centres, [h], 0, [2 * np.pi], space=Circle())
    np.testing.assert_allclose(got, np.sin(centres[0]) * np.sin(h / 2) / (h / 2), atol=1e-15)
