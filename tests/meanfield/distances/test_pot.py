"""What POT takes in silence is refused, and an early stop is an error."""

from types import SimpleNamespace

import numpy as np
import pytest
from samples import cloud

import meanfield.distances.pot as pot
from meanfield import wasserstein
from particles.errors import InvalidInput, NotConverged
from particles.measure import EmpiricalMeasure


def raw(points, weights):
    return SimpleNamespace(points=np.asarray(points), weights=np.asarray(weights))


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize(
    ("points_bad", "weights_bad"),
    [
        ([0.0, np.nan], [0.5, 0.5]),
        ([0.0, np.inf], [0.5, 0.5]),
        ([0.0, 1.0], [-0.5, 1.5]),
        ([0.0, 1.0], [np.nan, 0.5]),
        ([0.0, 1.0], [1.0, 1.0]),
        ([0.0, 1.0], [0.5, 0.5 + 2e-9]),
        ([], []),
    ],
    ids=["nan", "inf", "negative", "nan weight", "doubled mass", "mass mismatch", "empty"],
)
def test_what_pot_takes_in_silence_is_refused(d, points_bad, weights_bad):
    bad = raw(np.outer(points_bad, np.ones(d)).reshape(len(points_bad), d), weights_bad)
    good = EmpiricalMeasure(np.zeros((2, d)))
    for pair in ((bad, good), (good, bad)):
        with pytest.raises(InvalidInput):
            wasserstein(*pair)


def test_an_early_stop_is_an_error(monkeypatch):
    monkeypatch.setattr(pot, "MAX_ITERATIONS", 5)
    with pytest.raises(NotConverged, match="status"):
        wasserstein(cloud(0, 100, 2), cloud(1, 100, 2))
