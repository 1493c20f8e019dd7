"""The refinement study and the Gaussian closure that it measures against."""

import matplotlib as mpl
import numpy as np
import pytest
from oracles.gaussian import closure

from meanfield import WENO, FiniteVolume, Grid, Normal, Uniform, Upwind, plots, wasserstein
from meanfield.analysis.gaussian import gaussian_solution
from meanfield.studies import refinement
from meanfield.studies.refinement import around, coarsened, order, signed_w1
from particles import Circle, Cosine, EmpiricalMeasure, PairInteraction, SelfAttention, Torus
from particles.errors import InvalidInput, NotSupported
from particles.fields.field import VelocityField

mpl.use("Agg")
B = np.array([[0.8, 0.3], [-0.2, 0.5]])
V = np.array([[-0.5, 0.4], [0.1, -0.8]])
LAW = Normal([0.2, -0.1], [[0.5, 0.1], [0.1, 0.3]])


def test_gaussian_solution_against_the_closure_written_down_separately():
    normal = gaussian_solution(SelfAttention(B, np.eye(2), V), LAW, 0.0, 0.7)
    m, S = closure(LAW.mean(), LAW.covariance(), V, B, 0.7)
    np.testing.assert_allclose(normal.mean(), m, atol=1e-11)
    np.testing.assert_allclose(normal.covariance(), S, atol=1e-11)


def test_gaussian_solution_in_a_frame_is_the_image_of_the_original_one():
    from scipy.linalg import expm

    model = SelfAttention(B, np.eye(2), V)
    back = expm(-0.7 * V)
    one, other = gaussian_solution(model, LAW, 0.0, 0.7), gaussian_solution(model.rescaled(), LAW, 0.0, 0.7)
    np.testing.assert_allclose(other.mean(), back @ one.mean(), atol=1e-10)
    np.testing.assert_allclose(other.covariance(), back @ one.covariance() @ back.T, atol=1e-10)
    heads = SelfAttention(B, np.eye(2), 0.5 * V) + SelfAttention(B, np.eye(2), 0.5 * V)
    split = gaussian_solution(heads.in_frame(V), LAW, 0.0, 0.7)
    np.testing.assert_allclose(split.covariance(), other.covariance(), atol=1e-10)


def test_blow_up_is_refused():
    with pytest.raises(InvalidInput, match="blows up"):
        gaussian_solution(SelfAttention(1, 1, 1), Normal(0.0, 1.0), 0.0, 0.6)


@pytest.mark.parametrize(("scheme", "low", "high"), [(Upwind(), 0.8, 1.1), (FiniteVolume(), 1.7, 2.3), (WENO(), 3, 7)])
def test_orders_on_the_line(scheme, low, high):
    ds = order(SelfAttention(1, 1, -1), Normal(0.2, 0.5), scheme, (75, 150))
    assert "Gaussian closure" in ds.attrs["reference"]
    assert np.isnan(ds.order_l1[0])
    for name in ("order_l1", "order_w1"):
        assert low < float(ds[name][1]) < high
    np.testing.assert_array_equal(ds.cells, [75, 150])
    assert (ds.seconds > 0).all()


def test_order_in_the_plane_with_general_matrices():
    ds = order(SelfAttention(B, np.eye(2), V), LAW, WENO(), (28, 40), bounds=[(-3.5, 3.5)] * 2, final_time=0.4)
    assert float(ds.order_l1[1]) > 3.0
    assert float(ds.order_w1[1]) > 3.0


def test_reference_by_refinement_where_there_is_no_closed_form():
    ds = order(SelfAttention(1, 1, -1), Uniform((-1, 1)), FiniteVolume(), (20, 40), bounds=[(-2, 2)], final_time=0.5)
    assert "WENO on a grid of shape (80,)" in ds.attrs["reference"]
    assert float(ds.order_l1[1]) > 0.4
    assert float(ds.error_l1[1]) < 0.1


def test_the_reference_refines_every_grid_and_a_density_will_do():
    law = Normal(0.1, 0.4)
    args = (SelfAttention(1, 1, -1), law.density, FiniteVolume(), (20, 30))
    ds = order(*args, bounds=[(-4, 4)], final_time=0.2)
    assert "WENO on a grid of shape (60,)" in ds.attrs["reference"]
    with pytest.raises(InvalidInput, match="divide one another"):
        order(*args[:3], (31, 37), bounds=[(-4, 4)], final_time=0.2)
    with pytest.raises(InvalidInput, match="pass bounds="):
        order(*args)


def test_a_given_reference_is_used():
    ds = order(SelfAttention(1, 1, -1), Normal(0, 0.5), FiniteVolume(), (50, 100), reference=lambda t: Normal(0, 0.5))
    assert float(ds.error_l1[1]) > 0.1


def test_signed_w1_is_w1(monkeypatch):
    rng = np.random.default_rng(0)
    grid = Grid([(0, 1), (0, 2)], (4, 5))
    a, b = rng.dirichlet(np.ones(20)), rng.dirichlet(np.ones(20))
    from meanfield import wasserstein

    expected = wasserstein(EmpiricalMeasure(grid.points, a), EmpiricalMeasure(grid.points, b), p=1)
    gap = (a - b).reshape(4, 5)
    equal = np.zeros((4, 5))
    assert signed_w1([grid, grid], [gap, equal]) == [pytest.approx((expected, expected), rel=1e-4), (0.0, 0.0)]
    line = Grid([(0, 1)], 4)
    assert signed_w1([line], [np.array([0.5, 0, 0, -0.5])]) == [pytest.approx((0.375, 0.375))]
    monkeypatch.setattr(refinement, "MAX_ATOMS", 3)
    ((lower, upper),) = signed_w1([grid], [gap])
    # Spreading an atom over its cell moves it by less than half the diagonal.
    slack = 0.5 * np.abs(gap).sum() * np.hypot(1 / 4, 2 / 5)
    assert expected - slack < lower < upper < expected
    assert upper < 1.06 * lower


def test_signed_w1_of_a_gap_that_is_0_in_most_cells_is_its_way():
    """Half of the mass moves by one cell along each axis, 0.25 and 0.4, the rest stays."""
    grid, gap = Grid([(0, 1), (0, 2)], (4, 5)), np.zeros((4, 5))
    gap[1, 1], gap[2, 2] = 0.5, -0.5
    assert signed_w1([grid], [gap]) == [pytest.approx((0.5 * np.hypot(0.25, 0.4),) * 2)]


def test_w1_is_an_interval_where_it_is_too_large(monkeypatch):
    args = (SelfAttention(B, np.eye(2), V), LAW, Upwind(), (10, 20))
    exact = order(*args, bounds=[(-3.5, 3.5)] * 2, final_time=0.2)
    np.testing.assert_array_equal(exact.w1_lower, exact.w1_upper)
    np.testing.assert_array_equal(exact.order_w1_lower, exact.order_w1_upper)
    # The coarser grid would still fit, but one study takes one kind of distance.
    monkeypatch.setattr(refinement, "MAX_ATOMS", 150)
    ds = order(*args, bounds=[(-3.5, 3.5)] * 2, final_time=0.2)
    assert (ds.w1_lower < ds.w1_upper).all()
    assert (ds.w1_upper < 1.06 * ds.w1_lower).all()
    np.testing.assert_allclose(ds.w1_upper, exact.error_w1, rtol=0.1)
    np.testing.assert_array_equal(ds.error_w1, ds.w1_upper)
    low, middle, high = (float(ds[f"order_w1{end}"][1]) for end in ("_lower", "", "_upper"))
    # Atoms and densities differ by O(h²), which is not little on ten cells.
    assert low - 0.1 < float(exact.order_w1[1]) < high + 0.1
    assert middle == pytest.approx((low + high) / 2)
    assert high - low == pytest.approx(np.log2(float((ds.w1_upper / ds.w1_lower).prod())))
    lines = plots.order(ds, mpl.figure.Figure().add_subplot())
    assert lines[1].get_label() == f"W1, order {middle:.2f}"


def test_four_dimensions_are_refused():
    with pytest.raises(InvalidInput, match="at most three"):
        order(SelfAttention(np.eye(4), np.eye(4), np.eye(4)), Normal(np.zeros(4), np.eye(4)), Upwind(), (4, 6))


def test_coarsened():
    np.testing.assert_array_equal(coarsened(np.arange(8.0).reshape(2, 4), (1, 2)), [[10, 18]])
    with pytest.raises(InvalidInput, match="does not divide"):
        coarsened(np.ones((2, 4)), (2, 3))


def test_picture_returns_its_lines():
    ds = order(SelfAttention(1, 1, -1), Normal(0.2, 0.5), Upwind(), (20, 40))
    figure = mpl.figure.Figure()
    lines = plots.order(ds, figure.add_subplot(), label="upwind")
    assert len(lines) == 2
    np.testing.assert_array_equal(lines[0].get_ydata(), ds.error_l1)


class Odd(VelocityField):
    dim = 1

    def velocity(self, t, x, mu):
        return -x


def test_refusals():
    with pytest.raises(InvalidInput, match="two or more"):
        order(SelfAttention(1, 1, -1), Normal(0, 1), WENO(), (50,))
    for shapes in ((50, 20), (20, 20), (20, 40, 40)):
        with pytest.raises(InvalidInput, match="coarse to fine"):
            order(SelfAttention(1, 1, -1), Normal(0, 1), WENO(), shapes)
    with pytest.raises(InvalidInput, match=r"law .* or a density"):
        order(SelfAttention(1, 1, -1), EmpiricalMeasure([0.0]), WENO(), (20, 40))
    with pytest.raises(NotSupported, match="softmax heads"):
        gaussian_solution(Odd(), Normal(0, 1), 0, 1)


@pytest.mark.parametrize("shift", [0, 3, 11])
def test_w1_on_a_circle_goes_over_the_seam(shift):
    grid, rng = Grid([(0, 2 * np.pi)], 12), np.random.default_rng(shift)
    one, other = (np.roll(rng.dirichlet(np.ones(12)), shift) for _ in range(2))
    ((lower, upper),) = around([grid], [one - other], [2 * np.pi])
    clouds = [EmpiricalMeasure(grid.points, masses) for masses in (one, other)]
    assert lower == upper == pytest.approx(wasserstein(*clouds, p=1, ground=Circle()), rel=1e-9)
    ends = np.eye(12)[shift] - np.eye(12)[(shift + 6) % 12]
    assert around([grid], [ends], [2 * np.pi])[0][0] == pytest.approx(np.pi)
    assert around([grid], [np.eye(12)[0] - np.eye(12)[11]], [2 * np.pi])[0][0] == pytest.approx(2 * np.pi / 12)


def test_w1_on_a_torus_is_that_of_its_atoms_or_not_known(monkeypatch):
    grid, rng = Grid([(0, 1), (0, 2)], (4, 5)), np.random.default_rng(0)
    one, other = (rng.dirichlet(np.ones(20)) for _ in range(2))
    gap = (one - other).reshape(4, 5)
    ((lower, upper),) = around([grid], [gap], [1.0, 2.0])
    clouds = [EmpiricalMeasure(grid.points, masses) for masses in (one, other)]
    assert lower == upper == pytest.approx(wasserstein(*clouds, p=1, ground=Torus((1.0, 2.0))), rel=1e-9)
    assert np.isnan(around([grid], [gap], [1.0, None])).all()
    monkeypatch.setattr(refinement, "MAX_ATOMS", 5)
    assert np.isnan(around([grid], [gap], [1.0, 2.0])).all()


def test_orders_on_a_circle():
    model = PairInteraction(Cosine(1.0), space=Circle())
    ds = order(model, lambda x: 1 + 0.5 * np.cos(x[:, 0]), Upwind(), (16, 32), bounds=[(0, 2 * np.pi)], final_time=0.3)
    assert 0.7 < float(ds.order_w1[1]) < 1.3
