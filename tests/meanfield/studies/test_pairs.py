"""Stability over many pairs: as if each were alone, the same bits for any executor, a store."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from meanfield import Uniform
from meanfield.studies import stability, stability_of_law
from meanfield.studies.tasks import seeded
from particles import EmpiricalMeasure, SelfAttention
from particles.errors import InvalidInput

MODEL = SelfAttention(np.eye(2), np.eye(2), np.diag([1.0, -0.5]))
LAW = Uniform([(-1.0, 1.0), (-1.0, 1.0)])
CALL = {"times": [0.0, 0.2, 0.4], "particles": 12, "shift": 0.01, "seed": 7}
SERIES = (
    "lower",
    "upper",
    "log_bound",
    "log_bound_run",
    "log_bound_coupled",
    "exponent_error",
    "growth_rate",
    "worst_direction",
    "verdict_run",
    "verdict_coupled",
)


def same(a, b):
    return all(np.array_equal(a[name], b[name], equal_nan=True) for name in SERIES)


def test_an_executor_changes_no_bit_and_a_store_is_read(tmp_path):
    store = tmp_path / "pairs.zarr"
    one = stability_of_law(MODEL, LAW, seeds=3, store=store, **CALL)
    with ThreadPoolExecutor(2) as pool:
        two = stability_of_law(MODEL, LAW, seeds=3, executor=pool, **CALL)
    assert same(one, two)
    calls = []
    again = stability_of_law(MODEL, LAW, seeds=3, store=store, progress=lambda *done: calls.append(done), **CALL)
    assert calls == []
    assert same(one, again)
    assert one["verdict_run"].attrs == again["verdict_run"].attrs
    # More pairs leave the first ones alone.
    assert same(one, stability_of_law(MODEL, LAW, seeds=4, **CALL).isel(seed=slice(3)))


def test_a_pair_is_that_of_stability_and_the_shift_its_first_distance():
    ds = stability_of_law(MODEL, LAW, seeds=2, **CALL)
    x = LAW.sample(12, seeded(7, 4, 1))
    direction = seeded(7, 5, 1).standard_normal(2)
    nu = EmpiricalMeasure(x + 0.01 * direction / np.linalg.norm(direction))
    alone = stability(MODEL, EmpiricalMeasure(x), nu, CALL["times"])
    np.testing.assert_allclose(ds["distance"][1], alone["distance"], rtol=1e-12)
    np.testing.assert_allclose(ds["distance"][:, 0], 0.01, rtol=1e-9)
    assert ds["verdict_run"].dtype == np.int64
    assert (ds["verdict_run"] == 1).all()
    assert ds["lower"].dims == ("seed", "time")
    assert not np.array_equal(ds["distance"][0], ds["distance"][1])
    assert all(ds[name].attrs["units"] == "1" and ds[name].attrs["long_name"] for name in ds.variables)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 0}, "seeds must be a whole number of at least 1, got 0"),
        ({"particles": 2.5}, "particles must be a whole number of at least 1, got 2.5"),
        ({"shift": 0.0}, "shift must be one positive"),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(InvalidInput, match=message):
        stability_of_law(MODEL, LAW, **{"seeds": 1, **CALL, **change})
