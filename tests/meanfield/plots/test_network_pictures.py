"""Pictures of trained networks show the numbers of their Datasets."""

import numpy as np
import pytest
import xarray as xr

from meanfield import checkpoints, plots
from particles.errors import InvalidInput


def test_a_trained_network_layer_by_layer():
    network, text = checkpoints.tiny_network(), checkpoints.tiny_texts()[0]
    ds = checkpoints.clustering_by_layer(network.network(), network.embed(text.ids))
    drawn = plots.cosines(ds)
    assert len(drawn) == 7
    np.testing.assert_array_equal(drawn[3].get_ydata(), ds.cosine_histogram[3])
    line, band = plots.by_layer(ds, "effective_rank")
    np.testing.assert_allclose(line.get_ydata(), ds.effective_rank.mean("head"))
    low, high = (float(v) for v in (ds.effective_rank.min(), ds.effective_rank.max()))
    assert band.get_paths()[0].get_extents().height == pytest.approx(high - low)
    assert line.axes.get_ylabel() == "effective rank of the attention matrix"
    with pytest.raises(InvalidInput, match="nothing"):
        plots.by_layer(ds, "nothing")


def test_layers_beside_their_flow():
    names = ("step", "gap", "gap_at_one")
    ds = xr.Dataset({name: ("layer", np.array([1.0, 1.1]) + k) for k, name in enumerate(names)}, {"layer": [0, 1]})
    for line, name in zip(plots.layers_and_flow(ds), names, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), ds[name])


def test_heads_under_the_theorem_stand_apart():
    real = np.array([[[2.0, 1.0], [4.0, np.nan]]])
    table = {"eigenvalue_real": (("layer", "head", "eigenvalue"), real), "theorem": (("layer", "head"), [["4.2", ""]])}
    ds = xr.Dataset(table).assign(eigenvalue_imag=lambda ds: 0.0 * ds.eigenvalue_real)
    others, covered = plots.heads(ds)
    np.testing.assert_array_equal(covered.get_offsets(), [[1.0, 0.0], [0.5, 0.0]])
    assert covered.get_label() == "heads under Theorem 4.2 (1)"
    assert np.ma.getdata(others.get_offsets())[0].tolist() == [1.0, 0.0]


def test_parts_of_a_text():
    values = np.arange(12.0).reshape(2, 3, 2) + 1
    ds = xr.Dataset({"relative": (("size", "seed", "state"), values)}, {"size": [8, 16]})
    before, after = plots.token_limit(ds)
    np.testing.assert_array_equal(before.get_ydata(), values[..., 0].mean(axis=1))
    np.testing.assert_array_equal(after.get_ydata(), values[..., -1].mean(axis=1))
    with pytest.raises(InvalidInput, match="no variable 'relative'"):
        plots.token_limit(xr.Dataset())


def test_lines_of_a_network_have_their_style_and_their_legend():
    """By layer: the mean over all else as dots, a pale band from the least to the largest in the same colour."""
    values = np.array([[1.0, 3.0, 8.0], [2.0, 4.0, 6.0]])
    ds = xr.Dataset({"rank": (("layer", "head"), values), "name": ("head", list("abc"))}, {"layer": [0, 1]})
    line, band = plots.by_layer(ds, "rank", color="#ff0000", linestyle="--", label="null")
    np.testing.assert_array_equal(line.get_ydata(), [4.0, 4.0])
    assert (line.get_linestyle(), line.get_marker(), line.get_label()) == ("--", "o", "null")
    np.testing.assert_array_equal(np.unique(band.get_paths()[0].vertices[:, 1]), [1.0, 2.0, 6.0, 8.0])
    assert band.get_alpha() < 0.2
    assert line.axes.get_xlabel() == "layer"
    assert line.axes.get_ylabel() == "rank"
    with pytest.raises(InvalidInput, match="name must be one of 'rank', got 'name'"):
        plots.by_layer(ds, "name")


def test_states_get_darker_and_the_axes_are_named():
    histogram = np.array([[0.5, 1.0], [0.2, 1.3], [0.1, 1.4]])
    ds = xr.Dataset({"cosine_histogram": (("state", "cosine"), histogram)}, {"cosine": [-0.5, 0.5]})
    drawn = plots.cosines(ds)
    light = [sum(line.get_color()[:3]) for line in drawn]
    assert light == sorted(light, reverse=True)
    assert light[0] > light[-1]
    assert light[0] < 2.9
    ax = drawn[0].axes
    assert [line.get_label() for line in drawn] == ["0", "1", "2"]
    assert ax.get_ylim()[0] == 0.0
    assert ax.get_legend().get_title().get_text() == "before layer"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("cosine between two tokens", "density")


def test_the_flow_s_own_time_is_a_line_and_every_gap_has_a_name():
    names = ("step", "gap", "gap_at_one")
    ds = xr.Dataset({name: ("layer", np.array([1.2, 1.1]) + k) for k, name in enumerate(names)}, {"layer": [3, 4]})
    drawn = plots.layers_and_flow(ds)
    ax = drawn[0].axes
    (level,) = (line for line in ax.lines if line not in drawn)
    assert list(level.get_ydata()) == [1.0, 1.0]
    assert [line.get_label() for line in drawn] == ["nearest time of the flow", "gap there", "gap at time 1"]
    assert len({line.get_marker() for line in drawn}) == len({line.get_color() for line in drawn}) == 3
    assert ax.get_ylim()[0] == 0.0
    assert len(ax.get_legend().get_texts()) == 3
    np.testing.assert_array_equal(drawn[2].get_xdata(), [3, 4])


def test_parts_of_a_text_have_bars_ticks_and_names():
    values = np.random.default_rng(0).uniform(1, 2, size=(2, 5, 3))
    ds = xr.Dataset({"relative": (("size", "seed", "state"), values)}, {"size": [8, 32]})
    before, after = plots.token_limit(ds)
    ax = before.axes
    for container, state in zip(ax.containers, (0, -1), strict=True):
        bars = container.lines[2][0].get_segments()
        found = [[low, high] for (_, low), (_, high) in bars]
        mean, spread = values[..., state].mean(axis=1), values[..., state].std(axis=1)
        np.testing.assert_allclose(found, np.stack([mean - spread, mean + spread], axis=1))
    assert (before.get_color() == after.get_color()) is False
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xticks().tolist() == [8, 32]
    assert ax.get_xticks(minor=True).tolist() == []
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "before the first layer",
        "after the last layer",
    ]
    assert ax.get_xlabel() == "tokens of the part"


def test_the_other_heads_are_grey_and_counted():
    real = np.array([[[2.0, 1.0], [4.0, -3.0], [1.0, 0.0]]])
    table = {
        "eigenvalue_real": (("layer", "head", "eigenvalue"), real),
        "eigenvalue_imag": (("layer", "head", "eigenvalue"), np.array([[[0.0, 0.0], [3.0, 0.0], [0.0, 0.5]]])),
        "theorem": (("layer", "head"), [["4.2", "", ""]]),
    }
    others, covered = plots.heads(xr.Dataset(table))
    # Divided by the largest modulus of its head, |4 + 3i| = 5.
    np.testing.assert_allclose(others.get_offsets(), [[0.8, 0.6], [-0.6, 0.0], [1.0, 0.0], [0.0, 0.5]])
    assert (others.get_label(), covered.get_label()) == ("others (2)", "heads under Theorem 4.2 (1)")
    grey, blue = others.get_facecolor()[0], covered.get_facecolor()[0]
    assert grey[0] == grey[1] == grey[2]
    assert blue[2] > blue[0]
    ax = covered.axes
    assert ax.get_aspect() == 1.0
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Re λ / max |λ|", "Im λ / max |λ|")
    assert len(ax.get_legend().get_texts()) == 2
