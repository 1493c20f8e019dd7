"""Pictures of t → ∞ show the distances of their Datasets, and the law that was fitted."""

import numpy as np
import pytest

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
