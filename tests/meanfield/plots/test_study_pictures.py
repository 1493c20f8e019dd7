"""Pictures of studies: what is drawn is what the Dataset holds."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from meanfield import Normal, Upwind, plots, studies
from particles import EmpiricalMeasure, SelfAttention
from particles.errors import InvalidInput


def swept(**dims):
    shape = tuple(map(len, dims.values()))
    values = np.random.default_rng(0).normal(size=(*shape, 5))
    return xr.Dataset({"clusters": ((*dims, "seed"), values)}, dims)


def test_a_sweep_over_one_parameter_and_over_two():
    ds = swept(beta=[1.0, 2.0, 4.0])
    (line,) = plots.sweep(ds, "clusters")
    np.testing.assert_array_equal(line.get_xdata(), ds.beta)
    np.testing.assert_allclose(line.get_ydata(), ds.clusters.mean("seed"))
    two = swept(beta=[1.0, 2.0], kind=["a", "$b"])
    lines = plots.sweep(two, "clusters")
    np.testing.assert_allclose(lines[1].get_ydata(), two.clusters.mean("seed")[:, 1])
    plt.gcf().canvas.draw()
    assert lines[1].axes.get_legend().get_texts()[1].get_text() == r"kind = \$b"


def test_a_sweep_over_words_at_its_last_time():
    ds = swept(kind=["a", "b"], time=[0.0, 2.0])
    (line,) = plots.sweep(ds, "clusters")
    np.testing.assert_allclose(line.get_ydata(), ds.clusters.mean("seed")[:, -1])
    assert line.axes.get_ylabel() == "clusters at t = 2"
    with pytest.raises(InvalidInput, match="'clusters', got 'spread'"):
        plots.sweep(ds, "spread")
    with pytest.raises(InvalidInput, match="10 curves"):
        plots.sweep(swept(a=[1, 2], b=range(10)), "clusters")


def test_the_distance_of_two_solutions_and_its_bounds():
    x = np.random.default_rng(0).uniform(-1, 1, size=(4, 1))
    mu, nu = EmpiricalMeasure(x), EmpiricalMeasure(x + 0.01)
    ds = studies.stability(SelfAttention(1.0, 1.0, 1.0).rescaled(), mu, nu, [0.0, 0.2])
    distance, first_order, *bounds = plots.stability(ds)
    np.testing.assert_array_equal(distance.get_ydata(), ds.distance)
    assert len(bounds) == 3
    assert first_order.get_ydata()[0] == pytest.approx(float(ds.distance[0]))
    # The larger of the two worst cases, wide, lies below the smaller one, so that both are seen.
    assert bounds[2].get_linewidth() > 2 * bounds[1].get_linewidth()
    assert bounds[2].get_zorder() < bounds[1].get_zorder()
    distance.figure.canvas.draw()
    assert distance.axes.get_legend().get_window_extent().y1 < distance.axes.get_window_extent().y0


def test_errors_of_a_refinement():
    ds = studies.order(SelfAttention(1, 1, -1), Normal(0.2, 0.5), Upwind(), (20, 40))
    lines = plots.order(ds, label="upwind")
    np.testing.assert_array_equal(lines[0].get_ydata(), ds.error_l1)
    assert lines[0].get_label().startswith("upwind: L1, order ")
