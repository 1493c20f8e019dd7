"""Pictures of t → ∞ show the distances of their Datasets, and the law that was fitted."""

import numpy as np
import pytest
import xarray as xr

from meanfield import limits, plots
from meanfield.studies import clustered_limit
from particles import SelfAttention, simulate
from particles.errors import InvalidInput

I2 = np.eye(2)
X = np.random.default_rng(0).uniform(-1, 1, size=(2, 8, 2))
MODEL = SelfAttention(I2, I2, I2).rescaled()


def test_distances_of_a_certificate_and_of_an_ensemble():
    ds = simulate(MODEL, X, np.linspace(0, 6, 13))
    rank, *lines = plots.limit_distance(limits.certify(ds.isel(run=0, drop=True)).to_dataset())
    assert rank.axes.get_ylabel() == "rank of P(t)"
    assert len(lines) == 9
    assert [text.get_text() for text in lines[-1].axes.get_legend().get_texts()][1] == "largest distance"
    together = limits.certify(ds)
    largest = plots.limit_distance(together)[-1]
    np.testing.assert_array_equal(largest.get_ydata(), together.distance.isel(run=0))


def test_the_decay_to_the_limit_with_the_fitted_law():
    ds = clustered_limit(simulate(MODEL, X[0], np.linspace(0, 8, 33)))
    _, distance, law = plots.clustered(ds)
    np.testing.assert_array_equal(distance.get_ydata(), ds.distance)
    t, y = (np.asarray(v) for v in (law.get_xdata(), law.get_ydata()))
    x = t if ds.attrs["rate_kind"] == "exponential" else np.log(t)
    np.testing.assert_allclose(np.diff(np.log(y)) / np.diff(x), float(ds.slope), rtol=1e-9)
    assert t[0] == pytest.approx(float(ds.fit_start))
    with pytest.raises(InvalidInput, match="no variable 'slope'"):
        plots.clustered(simulate(MODEL, X[0], [0, 1]))


def decided():
    """A certificate of three tokens, as its Dataset: distances that fall, a rank that falls from 3 to 1."""
    time = np.array([0.0, 1.0, 2.0])
    each = np.array([[0.4, 0.2, 0.0], [0.04, 0.02, 0.0], [0.004, 0.002, 0.0]])
    data = {
        "token_distance": (("time", "particle"), each),
        "distance": ("time", each.max(axis=1)),
        "attention_rank": ("time", [3, 2, 1]),
    }
    return xr.Dataset(data, {"time": time})


def test_each_token_the_largest_distance_and_the_rank_are_lines_of_their_own():
    ds = decided()
    rank, *each, largest = plots.limit_distance(ds)
    ax = largest.axes
    np.testing.assert_array_equal(rank.get_ydata(), [3, 2, 1])
    np.testing.assert_array_equal([line.get_ydata() for line in each[:2]], ds["token_distance"][:, :2].T)
    np.testing.assert_array_equal(largest.get_ydata(), [0.4, 0.04, 0.004])
    # A token on the set has a logarithm too.
    assert (each[2].get_ydata() > 0).all()
    assert all(line.get_linewidth() < largest.get_linewidth() and line.get_alpha() < 1.0 for line in each)
    assert ax.get_ylim() == pytest.approx((1e-10, 1.2))
    assert (ax.get_yscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "t", "distance to the limit set")
    assert rank.axes.get_ylim()[0] == 0.0
    assert all(tick == int(tick) for tick in rank.axes.get_yticks())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "each token",
        "largest distance",
        "rank of P(t)",
    ]


def test_without_a_set_the_rank_alone_is_drawn():
    ds = decided()
    drawn = plots.limit_distance(ds.assign(distance=np.nan * ds["distance"]))
    assert [line.get_label() for line in drawn] == ["rank of P(t)"]
    (left,) = (ax for ax in drawn[0].figure.axes if ax is not drawn[0].axes)
    assert left.get_yticks().tolist() == []
    assert left.get_xlabel() == "t"


@pytest.mark.parametrize("kind", ["exponential", "algebraic"])
def test_the_fitted_law_is_drawn_where_it_was_fitted(kind):
    time = np.array([0.5, 1.0, 2.0, 4.0, 8.0])
    law = np.exp(-0.75 * time) if kind == "exponential" else time**-0.75
    wave = np.array([9.0, 1.1, 0.9, 1.1, 9.0])
    data = {"distance": law * wave, "lower": 0.5 * law, "upper": 2.0 * law}
    ds = xr.Dataset({name: ("time", v) for name, v in data.items()}, {"time": time}, {"rate_kind": kind})
    ds["lower"][0] = 0.0
    ds["distance"].attrs["long_name"] = "W2 to the nearest measure on the limit set"
    band, curve, fitted = plots.clustered(ds.assign(slope=-0.75, fit_start=1.0, fit_stop=4.0))
    np.testing.assert_array_equal(fitted.get_xdata(), [1.0, 2.0, 4.0])
    # The least squares line of a known slope goes through the mean of the logarithms.
    ratio = np.asarray(fitted.get_ydata()) / law[1:4]
    np.testing.assert_allclose(ratio, (1.1 * 0.9 * 1.1) ** (1 / 3), rtol=1e-12)
    exponent = "$e^{-0.750 t}$" if kind == "exponential" else "$t^{-0.750}$"
    assert fitted.get_label() == f"fitted: {exponent}"
    # What the distance is to, a measure or a set, is told by the Dataset.
    assert curve.get_label() == ds["distance"].attrs["long_name"]
    assert [text.get_text() for text in fitted.axes.get_legend().get_texts()][-1] == f"fitted: {exponent}"
    corners = band.get_paths()[0].vertices
    np.testing.assert_allclose(corners[:, 1].max(), ds["upper"].max())
    assert corners[:, 1].min() > 0.0
    assert (fitted.axes.get_xlabel(), fitted.axes.get_ylabel()) == ("t", "$W_2$ to the limit")


def test_the_axis_ends_near_the_least_distance():
    tokens = np.array([[0.4, 0.2], [0.3, 0.05]])
    data = {
        "token_distance": (("time", "particle"), tokens),
        "distance": ("time", tokens.max(axis=1)),
        "attention_rank": ("time", [2, 2]),
    }
    rank, *_ = plots.limit_distance(xr.Dataset(data, {"time": [0.0, 1.0]}))
    distances = next(ax for ax in rank.axes.figure.axes if ax is not rank.axes)
    assert distances.get_ylim() == pytest.approx((0.015, 1.2))
