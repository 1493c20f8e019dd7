"""The part on stability: a vacuous bound is called so, and a range over pairs does not look like a bracket."""

import numpy as np
import pytest
import xarray as xr
from run_of_part import kept, run_part

from meanfield import Uniform, plots
from meanfield.app.parts.setting import Setting
from meanfield.app.parts.stability import (
    _TERMS,
    StabilityPart,
    _bound,
    _curves,
    _kinds,
    _power,
    _reach,
    _sharpness,
    _table,
)
from meanfield.app.table import Table
from meanfield.pages import mathml
from meanfield.studies.stability_bounds import VERDICTS
from particles import SelfAttention
from particles.errors import InvalidInput


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
        "exponent_error": np.outer(np.ones(count), [0.0, 0.1, np.log(2.0)]),
        "verdict_coupled": np.ones((count, 3), dtype=int),
    }
    return xr.Dataset({k: (("seed", "time"), v) for k, v in data.items()}, {"time": time, "seed": seeds})


def test_a_vacuous_bound_is_called_so_with_its_time_and_its_power_of_ten():
    ds = pairs(2)
    assert _reach(ds, "log_bound_run").startswith("The worst case (6.6) on the hull stays informative")
    # 0.01 e^{40 t} is 2, the diameter, at t = log(200)/40 = 0.132.
    words = _reach(ds, "log_bound")
    assert words.startswith("The worst case (6.6) on the ball is vacuous from t = 0.1325 on")
    assert words.endswith("at t = 2 it allows a growth by 10^x with an x beyond float64.")
    assert _reach(ds.isel(time=[0, 1]), "log_bound").endswith("at t = 1 it allows a growth by 10^17.4.")


@pytest.mark.parametrize(("count", "cell"), [(1, "[0.026911, 0.027455]"), (2, "0.02718 … 0.07389")])
def test_a_range_over_pairs_is_no_bracket(count, cell):
    table = _table(pairs(count))
    assert table.rows[1][1] == cell
    assert table.rows[1][3] == "not computed"
    bounds = ["a posteriori bound", "worst case (6.6) on the hull", "worst case (6.6) on the ball"]
    assert [table.header[k] for k in (4, 6, 7)] == [f"log10 growth, {name}" for name in bounds]
    assert table.rows[1][4:8] == ["0.521", "0.043", "0.651", "17.4 vacuous"]


def test_the_a_posteriori_bound_is_compared_with_the_distance_or_is_said_to_be_missing():
    ds = pairs(1)
    # Bounds e^{1.2 t} against the distance e^t.
    assert _sharpness(ds) == [
        "The a posteriori bound exceeds the distance 1.2 times at t = 1 and 1.5 times at t = 2; there its estimated "
        "error alone accounts for a factor of 2."
    ]
    nothing = np.nan * ds["log_bound_coupled"]
    missing = ds.assign(log_bound_coupled=nothing, exponent_error=nothing)
    assert _sharpness(missing) == []
    assert "The a posteriori bound was not computed" in _kinds(missing)
    assert _table(missing).rows[1][4:6] == ["not computed", "not computed"]


def test_of_what_was_not_computed_nothing_is_said_to_be_drawn():
    ds = pairs(2)
    assert "The growth to first order was not computed" in _kinds(ds)
    assert "dotted" not in _curves(ds)
    assert "black" in _curves(ds)
    assert "black" not in _curves(ds.assign(log_bound_coupled=np.nan * ds["log_bound"]))
    known = ds.assign(log_growth_linear=ds["log_bound_run"])
    assert "no bound on this pair" in _kinds(known)
    assert "Blue dotted" in _curves(known)
    labels = [line.get_label() for line in plots.stability(ds)]
    assert not any("first order" in label for label in labels)
    assert any("first order" in line.get_label() for line in plots.stability(known))


def test_a_bound_that_is_vacuous_for_one_pair_is_not_called_informative():
    ds = pairs(2)
    # 0.01 e^{1.2 t} stays below 2, the diameter; 0.01 e^{4 t} reaches it at t = log(200)/4 = 1.32.
    ds["log_bound_coupled"] = ("seed", "time"), np.log(0.01) + np.outer([1.2, 4.0], ds["time"])
    assert _reach(ds, "log_bound_coupled").startswith(
        "The a posteriori bound is vacuous from t = 1.325 on for 1 of 2 pairs"
    )
    # The growth that the text tells is that of the table.
    assert _reach(ds, "log_bound_coupled").endswith("at t = 2 it allows a growth by 10^1.042 … 10^3.474.")
    assert _table(ds).rows[2][4] == "1.042 … 3.474 vacuous for 1"
    assert _table(ds).rows[1][4] == "0.521 … 1.737"


def test_the_part_tells_its_shift_its_pairs_and_every_bound(tmp_path):
    part = StabilityPart.read(Table({"times": [0.0, 0.3], "particles": 6, "shift": 0.02, "seeds": 2}, "stability"))
    setting = Setting(SelfAttention(1.0, 1.0, 1.0).rescaled(), Uniform((-1, 1)), None, 3)
    study, pictures = run_part(part, setting, tmp_path)
    (section,) = study.sections
    ds = kept(study, "stability")
    assert (ds.sizes["seed"], ds.sizes["time"]) == (2, 2)
    np.testing.assert_allclose(ds["distance"].sel(time=0.0), 0.02)
    assert "each a cloud of 6 points" in section.text
    assert "a shift by 0.02 in a random direction" in section.text
    assert "for 2 pairs, is compared with bounds" in section.text
    assert _kinds(ds) + " ".join(_sharpness(ds)) in section.text
    for name in ("log_bound_coupled", "log_bound_run", "log_bound"):
        assert _reach(ds, name) in section.text
    assert section.table.rows == _table(ds).rows
    assert section.formulas == [mathml.STABILITY]
    assert section.terms == _TERMS
    assert len(pictures["stability"].axes[0].lines) == 7
    assert section.picture.path.name == "stability.png"


def test_one_time_is_no_growth():
    with pytest.raises(InvalidInput, match="at least two times, for a growth"):
        StabilityPart.read(Table({"times": [0.5], "particles": 6, "shift": 0.02}, "stability"))


def test_the_table_has_logarithms_to_base_ten_signs_and_verdicts():
    ds = pairs(2)
    ds["log_growth_linear"] = ("seed", "time"), np.log(10.0) * np.outer([1.0, 2.0], ds["time"])
    ds["verdict_coupled"] = ("seed", "time"), [[0, 1, 1], [0, 0, 1]]
    table = _table(ds)
    assert table.header[:4] == ["t", "W2, least … largest pair", "log10 growth", "log10 growth, first order"]
    assert table.header[-1] == "verdict, a posteriori"
    assert [row[0] for row in table.rows] == ["0", "1", "2"]
    assert table.rows[1][2] == f"{np.log10(np.e):+.3f} … {2 * np.log10(np.e):+.3f}"
    assert table.rows[2][3] == "2.000 … 4.000"
    assert [row[-1] for row in table.rows] == [
        f"2 {VERDICTS[0]}",
        f"1 {VERDICTS[0]}, 1 {VERDICTS[1]}",
        f"2 {VERDICTS[1]}",
    ]
    one = _table(pairs(1))
    assert one.header[1] == "W2 within"
    assert one.rows[0][1] == "[0.009900, 0.010100]"
    assert one.rows[0][2] == "+0.000"
    # The order of dims in the Dataset does not matter.
    assert _table(ds.transpose("time", "seed")).rows == table.rows


def test_bounds_beyond_float64_are_called_so():
    assert _bound(np.array([1.0, np.inf]), np.array([True, True])) == "beyond float64 vacuous"
    assert _bound(np.array([1.0, np.nan]), np.array([False, False])) == "not computed"
    assert _bound(np.array([1.0, 2.5]), np.array([False, True])) == "1.000 … 2.500 vacuous for 1"
    assert _power(9999.0, ".1f") == "10^9999.0"
    assert _power(12000.0, ".2e") == "10^(10^4.08)"
    assert _power(2.5, ".3f") == "10^2.500"
    assert _power(np.inf, ".2e") == "10^x with an x beyond float64"
