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
    assert lines[0].axes.get_xlabel() == "β"
    np.testing.assert_allclose(lines[1].get_ydata(), two.clusters.mean("seed")[:, 1])
    plt.gcf().canvas.draw()
    assert lines[1].axes.get_legend().get_texts()[1].get_text() == r"kind = \$b"


def test_the_axis_of_values_that_grow_by_one_factor_is_logarithmic_and_named_by_its_letter():
    ax = plots.sweep(swept(beta=[1, 2, 4, 8.0]), "clusters")[0].axes
    assert (ax.get_xscale(), ax.get_xlabel()) == ("log", "β")
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "2", "4", "8"]
    assert ax.get_title() == "dots: mean of 5 seeds; bars: their standard deviation"
    for values in ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0], [0.0, 1.0, 2.0], [1.0, 1.01, 1.02]):
        assert plots.sweep(swept(beta=values), "clusters")[0].axes.get_xscale() == "linear"


def test_bars_of_several_curves_stand_beside_each_other():
    for values in ([1.0, 2.0, 4.0], [0.0, 1.0, 2.0], [-1.0, 3.0, 4.0]):
        ds = swept(beta=values, b=range(7))
        places = np.array([line.get_xdata() for line in plots.sweep(ds, "clusters")])
        assert (np.diff(places, axis=0) > 0).all()
        # The last curve at one value is nearer to it than to the next.
        assert (places[-1, :-1] < 0.5 * (np.array(values)[1:] + np.array(values)[:-1])).all()
        assert (places[0, 1:] > places[-1, :-1]).all()


def test_counts_have_whole_ticks():
    ds = swept(a=[1, 2])
    ax = plots.sweep(ds.assign(clusters=(ds.clusters > 0) * 1.0), "clusters")[0].axes
    ticks = ax.yaxis.get_majorticklocs()
    np.testing.assert_array_equal(ticks, np.round(ticks))


def test_a_map_of_two_parameters():
    ds = swept(beta=[4.0, 1.0, 2.0], n=range(9), time=[0.0, 1.0])
    (drawn,) = plots.phase_diagram(ds, "clusters")
    assert (drawn.axes.get_xscale(), drawn.axes.get_yscale()) == ("log", "linear")
    assert (drawn.axes.get_xlabel(), drawn.axes.get_ylabel()) == ("β", "n")
    mean = ds.clusters.isel(time=-1).mean("seed").sortby("beta").values
    np.testing.assert_allclose(drawn.get_array().reshape(9, 3), mean.T)
    corners = drawn.get_coordinates()
    np.testing.assert_allclose(corners[0, :, 0], np.sqrt(0.5) * 2.0 ** np.arange(4))
    np.testing.assert_allclose(corners[:, 0, 1], np.arange(10) - 0.5)
    assert drawn.colorbar.ax.get_ylabel() == "clusters at t = 1, mean of 5 seeds"
    (words,) = plots.phase_diagram(swept(kind=["a", "b"], n=[3.0]), "clusters")
    assert [text.get_text() for text in words.axes.get_xticklabels()] == ["a", "b"]
    np.testing.assert_array_equal(words.get_coordinates()[:, 0, 1], [2.5, 3.5])
    with pytest.raises(InvalidInput, match="a map has two parameters, clusters has a"):
        plots.phase_diagram(swept(a=[1, 2]), "clusters")


def test_a_sweep_over_words_at_its_last_time():
    ds = swept(kind=["a", "b"], time=[0.0, 2.0])
    (line,) = plots.sweep(ds, "clusters")
    np.testing.assert_allclose(line.get_ydata(), ds.clusters.mean("seed")[:, -1])
    assert line.axes.get_ylabel() == "clusters at t = 2"
    with pytest.raises(InvalidInput, match="'clusters', got 'spread'"):
        plots.sweep(ds, "spread")
    with pytest.raises(InvalidInput, match=r"10 curves.*plots\.phase_diagram"):
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


def convergent(**changes):
    """Two times, three sizes: distances (N/10)^(−1/2) times 2 and 3, whose theory is known in part."""
    time, size = np.array([0.0, 0.5]), np.array([10, 40, 90])
    rms = np.array([[2.0], [3.0]]) * (size / 10) ** -0.5
    data = {
        "rms": (("time", "size"), rms),
        "distance": (("time", "size", "seed"), rms[..., None] * [0.9, 1.1]),
        "slope": ("time", [-0.5, -0.49]),
        "slope_low": ("time", [-0.6, -0.59]),
        "slope_high": ("time", [-0.4, -0.39]),
        "theory_connected": -0.5,
        "theory_clustered": np.nan,
        "theory_atoms": -0.25,
        "theory_finite": -0.47,
        "finite_rms": ("size", [2.0, 1.1, 0.7]),
    }
    return xr.Dataset(data, {"time": time, "size": size}).assign(changes)


def test_the_picture_of_convergence_is_what_its_caption_tells():
    """Pale dots of seeds, a line a time; grey lines of theory above the data; the law at finite N dashed in black."""
    ds = convergent()
    *means, connected, atoms, finite = plots.convergence(ds)
    ax = means[0].axes
    for k, line in enumerate(means):
        np.testing.assert_array_equal(line.get_ydata(), ds["rms"][k])
        np.testing.assert_array_equal(line.get_xdata(), ds["size"])
    assert [line.get_label() for line in means] == [
        "t = 0: slope -0.50 [-0.60, -0.40]",
        "t = 0.5: slope -0.49 [-0.59, -0.39]",
    ]
    pale = [line for line in ax.lines if line.get_linestyle() == "None"]
    assert len(pale) == 4
    assert all(line.get_alpha() < 0.4 and line.get_markersize() < means[0].get_markersize() for line in pale)
    np.testing.assert_array_equal([line.get_ydata() for line in pale[2:]], ds["distance"][1].T)
    assert pale[2].get_color() == means[1].get_color() != means[0].get_color()
    for line, slope, label in ((connected, -0.5, "theory, connected: -0.50"), (atoms, -0.25, "theory, atoms: -0.25")):
        np.testing.assert_allclose(line.get_ydata(), line.get_ydata()[0] * np.array([1.0, 4.0, 9.0]) ** slope)
        assert 2.0 < line.get_ydata()[0] < 3.0
        assert (line.get_label(), line.get_color()) == (label, "0.5")
    np.testing.assert_array_equal(finite.get_ydata(), ds["finite_rms"])
    assert (finite.get_linestyle(), finite.get_color()) == ("--", "black")
    assert finite.get_label() == "law at finite N, t = 0: -0.47"
    *_, fitted = plots.convergence(convergent(finite_constant=4.9))
    assert fitted.get_label() == "law at finite N, t = 0, height fitted: -0.47"
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xticks().tolist() == [10, 40, 90]
    assert ax.get_xticks(minor=True).tolist() == []
    assert [text.get_text() for text in ax.get_xticklabels()] == ["10", "40", "90"]
    assert len(plots.convergence(convergent(theory_finite=np.nan))) == 4
    assert (
        len(plots.convergence(convergent(theory_atoms=np.nan, theory_connected=np.nan).drop_vars("theory_finite"))) == 2
    )


def bounded():
    time, seeds = np.array([0.0, 1.0, 2.0]), 2
    distance = 0.01 * np.exp(np.outer([1.0, 1.5], time))
    data = {
        "distance": distance,
        "log_bound_coupled": np.log(0.01) + np.outer([1.2, 1.7], time),
        "log_bound_run": np.log(0.01) + np.outer([2.0, 2.5], time),
        "log_bound": np.log(0.01) + np.outer([4.0, 5.0], time),
        "log_growth_linear": np.outer([1.1, 1.6], time),
        "radius": np.ones((seeds, 3)),
    }
    return xr.Dataset({name: (("seed", "time"), v) for name, v in data.items()}, {"time": time})


def test_the_picture_of_stability_has_every_pair_and_every_bound():
    ds = bounded()
    *pairs, first_order, one, other, run, ball = plots.stability(ds)
    ax = run.axes
    np.testing.assert_array_equal([line.get_ydata() for line in pairs], ds["distance"])
    np.testing.assert_allclose(first_order.get_ydata(), 0.01 * np.exp(1.6 * ds["time"]))
    assert first_order.get_linestyle() == ":"
    assert first_order.get_linewidth() > pairs[0].get_linewidth()
    assert [line.get_linestyle() for line in (one, other, run, ball)] == ["--", "--", "--", "-"]
    # Straight lines in the logarithm, up to where they leave the picture; of the worst cases the least pair.
    low, top = ax.get_ylim()
    for line, rate in ((one, 1.2), (other, 1.7), (run, 2.0), (ball, 4.0)):
        t, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert (t[0], t[-1]) == (0.0, 2.0)
        inside = y <= top
        assert inside.sum() > 100
        np.testing.assert_allclose(np.log(y[inside] / 0.01), rate * t[inside], atol=1e-9)
    assert 0.4 * ds["distance"].min() < low < 0.7 * ds["distance"].min()
    assert top == pytest.approx(1000 * float(ds["distance"].max()))
    # The ball of radius 1 has the diameter 2 = 0.01 e^{4 t} at t = 1.32.
    assert (one.get_label(), other.get_label()) == ("a posteriori bound", "_")
    assert ball.get_label() == "worst case (6.6) on the ball, vacuous from t = 1.3"
    assert run.get_label() == "worst case (6.6) on the hull"
    assert len({line.get_color() for line in (one, run, ball, pairs[0])}) == 4
    drawn = plots.stability(ds.isel(seed=1))
    np.testing.assert_array_equal(drawn[0].get_ydata(), ds["distance"][1])


def test_a_bound_that_float64_does_not_hold_is_drawn_up_to_the_edge():
    ds = bounded()
    ds["log_bound"][:, 1:] = np.inf
    ball = plots.stability(ds)[-1]
    assert np.isfinite(ball.get_ydata()).all()
    assert ball.get_ydata()[-1] > ball.axes.get_ylim()[1]


def test_errors_that_are_not_known_have_no_line():
    table = {"error_l1": [0.4, 0.1], "error_w1": [np.nan, np.nan], "order_l1": [np.nan, 2.0], "order_w1": [np.nan] * 2}
    ds = xr.Dataset({name: ("width", v) for name, v in table.items()}, {"width": [0.2, 0.1]})
    (line,) = plots.order(ds)
    assert line.get_label() == "L1, order 2.00"
    both = plots.order(ds.assign(error_w1=ds["error_l1"] / 2, order_w1=ds["order_l1"]))
    np.testing.assert_array_equal(both[1].get_ydata(), [0.2, 0.05])
    assert both[1].get_label() == "W1, order 2.00"
    assert both[0].get_marker() != both[1].get_marker()
    assert (both[0].axes.get_xscale(), both[0].axes.get_legend() is None) == ("log", False)


def test_the_bars_of_a_sweep_are_standard_deviations_and_words_stand_at_their_places():
    ds = swept(kind=["a", "$b"], time=[0.0, 2.0])
    plots.sweep(ds, "clusters")
    ax = plt.gca()
    last = ds.clusters[:, -1]
    ends = np.array(ax.collections[0].get_segments())[:, :, 1]
    np.testing.assert_allclose(ends[:, 1] + ends[:, 0], 2 * last.mean("seed"))
    np.testing.assert_allclose(ends[:, 1] - ends[:, 0], 2 * last.std("seed"))
    assert ax.get_xticks().tolist() == [0, 1]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a", r"\$b"]
    assert ax.get_legend() is None
    # As many curves as there are colours fit.
    assert len(plots.sweep(swept(a=[1, 2], b=range(7)), "clusters")) == 7
    with pytest.raises(InvalidInput, match="8 curves"):
        plots.sweep(swept(a=[1, 2], b=range(8)), "clusters")
