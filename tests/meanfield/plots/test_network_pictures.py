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
