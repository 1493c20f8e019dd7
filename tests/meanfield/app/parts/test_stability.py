"""The part on stability: a vacuous bound is called so, and a range over pairs does not look like a bracket."""

import numpy as np
import pytest
import xarray as xr

from meanfield.app.parts.stability import _reach, _sharpness, _table


def pairs(count):
    time, seeds = np.array([0.0, 1.0, 2.0]), np.arange(count)
    distance = 0.01 * np.exp(np.outer(1 + seeds, time))
    data = {
        "distance": distance,
        "lower": 0.99 * distance,
        "upper": 1.01 * distance,
        "log_bound_coupled": np.log(0.01) + np.outer(np.ones(count), [0.0, 1.2, 2.4]),
        "log_bound_run": np.log(0.01) + np.outer(np.ones(count), [0.0, 1.5, 3.0]),
        "log_bound": np.log(0.01) + np.outer(np.ones(count), [0.0, 40.0, np.inf]),
        "radius": np.ones((count, 3)),
        "log_growth_linear": np.full((count, 3), np.nan),
        "verdict_coupled": np.ones((count, 3), dtype=int),
    }
    return xr.Dataset({k: (("seed", "time"), v) for k, v in data.items()}, {"time": time, "seed": seeds})


def test_a_vacuous_bound_is_called_so_with_its_time_and_its_power_of_ten():
    ds = pairs(2)
    assert _reach(ds, "log_bound_run").startswith("The worst case (6.6) on the hull stays informative")
    # 0.01 e^{40 t} is 2, the diameter, at t = log(200)/40 = 0.132.
    words = _reach(ds, "log_bound")
    assert words.startswith("The worst case (6.6) on the ball is vacuous from t = 0.132 on")
    assert words.endswith("at t = 2 it is 10^x with an x beyond float64.")
    assert _reach(ds.isel(time=[0, 1]), "log_bound").endswith("at t = 1 it is 10^15.4.")


@pytest.mark.parametrize(("count", "cell"), [(1, "[0.026911, 0.027455]"), (2, "0.027183 … 0.073891")])
def test_a_range_over_pairs_is_no_bracket(count, cell):
    table = _table(pairs(count))
    assert table.rows[1][1] == cell
    assert table.rows[1][3] == "not computed"
    bounds = ["a posteriori bound", "worst case (6.6) on the hull", "worst case (6.6) on the ball"]
    assert table.header[4:7] == [f"log10, {name}" for name in bounds]
    assert table.rows[1][4:7] == ["0.521", "0.651", "17.4 vacuous"]


def test_the_a_posteriori_bound_is_compared_with_the_distance_or_is_said_to_be_missing():
    ds = pairs(1)
    # Bounds e^{1.2 t} against the distance e^t.
    assert _sharpness(ds) == "The a posteriori bound exceeds the distance 1.22 times at t = 1 and 1.49 times at t = 2."
    missing = ds.assign(log_bound_coupled=np.nan * ds["log_bound_coupled"])
    assert _sharpness(missing).startswith("The a posteriori bound was not computed")
    assert _table(missing).rows[1][4] == "not computed"


def test_a_bound_that_is_vacuous_for_one_pair_is_not_called_informative():
    ds = pairs(2)
    # 0.01 e^{1.2 t} stays below 2, the diameter; 0.01 e^{4 t} reaches it at t = log(200)/4 = 1.32.
    ds["log_bound_coupled"] = ("seed", "time"), np.log(0.01) + np.outer([1.2, 4.0], ds["time"])
    assert _reach(ds, "log_bound_coupled").startswith(
        "The a posteriori bound is vacuous from t = 1.32 on for 1 of 2 pairs"
    )
    assert _reach(ds, "log_bound_coupled").endswith("at t = 2 it is 10^-0.958 … 10^1.47.")
    assert _table(ds).rows[2][4] == "1.042 … 3.474 vacuous for 1"
    assert _table(ds).rows[1][4] == "0.521 … 1.737"
