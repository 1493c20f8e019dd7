"""The part on convergence: its sentence follows the kind of law and its space, its table what is known."""

import json
import re

import numpy as np
import pytest
import xarray as xr
from run_of_part import kept, run_part

from meanfield import Normal, Uniform
from meanfield.app.config import read_study
from meanfield.app.parts.convergence import (
    _TERMS,
    ConvergencePart,
    _compared,
    _finite_curve,
    _finite_law,
    _rates,
    _table,
    _tested,
)
from meanfield.app.study import run_study
from meanfield.app.table import Table
from meanfield.pages import mathml
from meanfield.studies import AtomicLaw, convergence
from particles import SelfAttention, simulate
from particles.errors import InvalidInput


@pytest.mark.parametrize(
    ("law", "words"),
    [
        (Uniform((0, 1)), "on the line approach it like N^(-1/2)"),
        (Uniform([(0, 1)] * 2), "in the plane approach it like (log N / N)^(1/2)"),
        (Uniform([(0, 1)] * 3), "in space approach it like N^(-1/3)"),
        (Normal(np.zeros(5), np.eye(5)), "in R^5 approach it like N^(-1/5) at best"),
        (AtomicLaw(np.zeros((7, 384))), "The law has 7 atoms: only their masses fluctuate"),
    ],
)
def test_the_sentence_follows_the_law_and_its_space(law, words):
    assert words in _rates(law)
    assert ("in the plane" in _rates(law)) == (isinstance(law, Uniform) and law.dim == 2)


def test_the_table_of_atoms_has_the_rate_of_atoms_alone():
    points = np.eye(5)
    zero = np.zeros((5, 5))
    model = SelfAttention(zero, zero, zero)
    reference = simulate(model, points, [0.0, 1.0])
    ds = convergence(model, AtomicLaw(points), reference, times=[0.0], sizes=[4, 8], seeds=5, seed=0)
    rows = {row[0]: row[1:] for row in _table(ds).rows}
    assert rows["theory, atoms"] == ["", "-0.250"]
    assert "theory, connected" not in rows


def test_the_table_of_a_uniform_law_has_its_law_at_finite_sizes():
    """Q = K = V = 0: the sample of a uniform law on an interval stays, E W₂² = |Ω|²/6N, a slope of −1/2 exactly."""
    model = SelfAttention(0.0, 0.0, 0.0)
    points = (np.arange(2000) + 0.5) / 2000
    reference = simulate(model, points[:, None], [0.0, 1.0])
    ds = convergence(model, Uniform((0, 1)), reference, times=[0.0], sizes=[4, 8, 16], seeds=5, seed=0)
    rows = {row[0]: row[1:] for row in _table(ds).rows}
    assert float(rows["law at finite N"][1]) == pytest.approx(-0.5, abs=0.001)


def test_the_table_has_the_seeds_the_sampling_error_and_the_errors_of_the_solution():
    model = SelfAttention(0.0, 0.0, 0.0)
    reference = simulate(model, np.array([0.0, 1.0]), [0.0, 1.0])
    ds = convergence(model, Uniform((0, 1)), reference, times=[0.0, 1.0], sizes=[4, 8], seeds=[7, 5], seed=0)
    table = _table(ds)
    rows = {row[0]: row[1:] for row in table.rows}
    assert (rows["4"][0], rows["8"][0]) == ("7", "5")
    assert rows["8"][1] == f"{float(ds['rms'][0, 1]):.4f} ± {float(ds['sampling_error'][0, 1]):.4f}"
    # Of particles nothing is known unless it is stated.
    assert rows["error, space"] == ["", "not known", "not known"]
    assert rows["error, transport"] == ["", "0.0e+00", "0.0e+00"]
    # Of the bounds on transport the widest counts.
    widths = xr.zeros_like(ds["half_width"])
    widths[dict.fromkeys(widths.dims, 0)] = 0.25
    (wide,) = (row for row in _table(ds.assign(half_width=widths)).rows if row[0] == "error, transport")
    assert wide[2:] == ["2.5e-01", "0.0e+00"]
    assert all(len(row) == len(table.header) for row in table.rows)


def study_of(tmp_path, certificate, frame="rescaled", last=2.0):
    path = tmp_path / "study.toml"
    path.write_text(
        f"""title = "T"
seed = 1
[model]
name = "SelfAttention"
frame = "{frame}"
Q = 1.0
K = 1.0
V = 1.0
[initial]
law = "uniform"
bounds = [[-1.0, 1.0]]
[grid]
bounds = [[-1.25, 1.25]]
shape = [20]
[convergence]
times = [0.0, {last}]
sizes = [4, 8]
seeds = 5
certificate = {certificate}
"""
    )
    return read_study(path)


def test_a_certificate_measures_both_to_its_limit_set(tmp_path):
    config = study_of(tmp_path, "{particles = 6, until = 6.0, every = 0.1}")
    run_study(config, tmp_path / "out")
    with xr.open_dataset(tmp_path / "out" / "convergence.nc") as ds:
        assert ds["limit_distance"].dims == ("time", "size", "seed")
        rms = np.sqrt((ds["limit_distance"] ** 2).mean("seed"))
        rows = {row[0]: row[1:] for row in _table(ds).rows}
        shown = [row[2:] for name, row in zip(rows, _table(ds).rows, strict=True) if name.startswith("to the limit")]
        for k, column in enumerate(zip(*shown, strict=True)):
            assert float(column[0]) == pytest.approx(float(rms.isel(time=k, size=0)), abs=1e-3)
            assert len({len(cell.partition(".")[2]) for cell in column}) == 1
        assert float(ds["solution_limit_distance"][1]) < float(ds["solution_limit_distance"][0])
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    # The run itself comes near its set: at its end it is much nearer than at the times of the comparison.
    assert "limit set of one run of 6 particles" in report
    first, _, last = (float(v) for v in re.findall(r"([\d.e-]+) \(t = [\d.]+\)", report))
    assert last < 0.05 * first
    assert "to the limit, solution" in report
    with xr.open_dataset(tmp_path / "out" / "certified_run.nc") as run:
        assert run.sizes["particle"] == 6
        assert run.attrs["initial_points"].startswith("Uniform([[-1.0, 1.0]]).sample(6, ")


def test_a_certificate_that_is_none_is_told(tmp_path):
    run_study(study_of(tmp_path, "{particles = 6, until = 0.2, every = 0.1}", "original", 0.1), tmp_path / "out")
    assert "no certified limit set" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("certificate", "message"),
    [
        ("{particles = 6, until = 1.0}", "lacks the key `convergence.certificate.every`"),
        ("{particles = 6, until = 1.0, every = 0.3}", "`convergence.certificate.until` must be a whole number"),
        ("{particles = 0, until = 1.0, every = 0.5}", "`convergence.certificate.particles` has the value 0"),
        ("{particles = 6, until = 1.0, every = 0.5, x = 1}", r"unknown key 'x' in \[convergence.certificate\]"),
        ("true", "`convergence.certificate` has the value True"),
    ],
)
def test_a_certificate_is_read_with_care(tmp_path, certificate, message):
    with pytest.raises(InvalidInput, match=message):
        study_of(tmp_path, certificate)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The part run in the rescaled frame, on a grid, with two times: its study and its pictures."""
    folder = tmp_path_factory.mktemp("convergence")
    config = study_of(folder, "{particles = 6, until = 6.0, every = 0.1}", last=0.5)
    return run_part(config.parts[0], config.setting, folder)


def test_the_solution_is_shown_with_particles_at_its_times(ran):
    study, pictures = ran
    solution = study.sections[0]
    assert solution.title == "Solution of the continuity equation"
    assert solution.picture.caption.startswith("Blue line: the density")
    assert solution.table is None
    axes = pictures["solution"].axes
    ds = kept(study, "solution")
    assert [ax.get_title() for ax in axes] == [f"t = {t:g}" for t in ds["time"].values]
    assert pictures["solution"].get_size_inches().tolist() == [4.2 * len(axes), 3.6]
    for k, ax in enumerate(axes):
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), ds["density"][k])
        assert len(ax.collections[0].get_offsets()) == 400
        assert ax.collections[0].get_alpha() == 0.6


def test_the_section_has_every_row_every_sentence_and_every_word(ran):
    study, pictures = ran
    section, ds = study.sections[-1], kept(study, "convergence")
    assert section.title == "Convergence in the number of particles"
    assert section.formulas == [mathml.EMPIRICAL]
    assert section.table.rows == _table(ds).rows
    assert _rates(Uniform((-1, 1))) in section.text
    assert _finite_law(ds) in section.text
    assert "limit set of one run of 6 particles (conditional)" in section.text
    assert "takes its first N points, at every time the same ones: the sizes share points" in section.text
    assert _compared(ds) in section.text
    told = section.text + " " + section.table.text()
    assert section.terms == {word: text for word, text in _TERMS.items() if word in told}
    assert {"W2", "slope", "±", "theory, connected", "to the limit", "error, space"} <= set(section.terms)
    assert "theory, atoms" not in section.terms
    assert "the law at finite N at t = 0, at its own height" in section.picture.caption
    assert len(pictures["convergence"].axes[0].lines) > 6


def test_the_rows_of_the_table_stand_in_their_order(ran):
    study, _ = ran
    ds = kept(study, "convergence")
    table = _table(ds)
    names = [row[0] for row in table.rows]
    rates = ["theory, connected", "theory, clustered", "law at finite N"]
    ends = ["to the limit, N = 4", "to the limit, N = 8", "to the limit, solution"]
    assert names == [
        "4",
        "8",
        "slope",
        "95% interval",
        *rates,
        "error, space",
        "error, time",
        "error, transport",
        *ends,
    ]
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["slope"] == ["", *(f"{v:.3f}" for v in ds["slope"].values)]
    low, high = ds["slope_low"].values, ds["slope_high"].values
    assert rows["95% interval"] == ["", *(f"[{a:.3f}, {b:.3f}]" for a, b in zip(low, high, strict=True))]
    assert rows["theory, connected"] == ["", "-0.500", "-0.500"]
    assert rows["law at finite N"] == ["", f"{float(ds['theory_finite']):.3f}", ""]
    assert rows["error, time"] == ["", *(f"{v:.1e}" for v in ds["time_error"].values)]
    assert table.header == ["N", "seeds", "W2 at t=0", "W2 at t=0.5"]


def test_the_law_at_finite_sizes_is_told_with_its_test(ran):
    study, _ = ran
    ds = kept(study, "convergence")
    assert _finite_law(ds.assign(theory_finite=np.nan)) == ""
    known = ds.assign(theory_finite=-0.5, finite_p_value=0.25, finite_constant=np.nan)
    known["slope_low"][0], known["slope_high"][0] = -0.5, -0.4
    assert _finite_law(known) == (
        " On an interval the expected square at finite N is known exactly, with nothing fitted; its slope, -0.500, "
        "lies inside the 95% interval at t = 0. Hotelling's T² tests it at N = 4, 8, the sizes with all 5 seeds, on "
        "2 and 3 degrees of freedom: p = 0.25."
    )
    assert _finite_curve(known).endswith("at its own height.")
    known["slope_low"][0] = -0.45
    fitted = known.assign(finite_p_value=np.nan, finite_constant=4.888, finite_constant_error=0.361)
    assert _finite_law(fitted) == (
        " At these N the rate's logarithm has a constant beside it, which is fitted to these same distances at t = 0: "
        "4.89 ± 0.36, its standard error. So the height of this law at finite N is no finding; its slope, -0.500, lies "
        "outside the 95% interval at t = 0."
    )
    assert _finite_curve(fitted).endswith("at the height that was fitted to these distances.")
    assert _finite_curve(known.assign(theory_finite=np.nan)) == ""


def test_a_test_of_some_sizes_names_them_and_those_that_it_leaves_out():
    """Three sizes with 20 seeds and one constant fitted: two contrasts are tested, on 2 and 18 degrees of freedom."""
    seeds = [20, 20, 20, 12, 7]
    ds = xr.Dataset({"seeds": ("size", seeds), "finite_p_value": 0.51}, {"size": [32, 100, 316, 1000, 3162]})
    assert _tested(ds, fitted=True) == (
        " Hotelling's T² tests it at N = 32, 100, 316, the sizes with all 20 seeds, on 2 and 18 degrees of freedom, "
        "one size less for the constant: p = 0.51; N = 1000, 3162 are not tested."
    )
    assert _tested(ds.assign(finite_p_value=np.nan), fitted=True) == ""


def test_at_which_times_an_interval_holds_the_slope_of_a_rate():
    rates = {"theory_connected": -0.416, "theory_clustered": -0.25, "theory_atoms": np.nan}
    ends = {"slope_low": ("time", [-0.463, -0.42, -0.3]), "slope_high": ("time", [-0.434, -0.40, -0.2])}
    ds = xr.Dataset({**rates, **ends}, {"time": [0.0, 0.5, 1.0]})
    assert _compared(ds) == (
        " Over these sizes the slope of that rate for connected laws, -0.416, lies inside the 95% interval at t = 0.5 "
        "and outside the 95% interval at t = 0 and 1; the slope of that rate for separated clusters, -0.250, lies "
        "inside the 95% interval at t = 1 and outside the 95% interval at t = 0 and 0.5."
    )
    assert "outside the 95% interval at t = 0, 0.5 and 1" in _compared(ds.assign(theory_connected=-0.6))
    assert "inside" not in _compared(ds.assign(theory_connected=-0.6, theory_clustered=np.nan))
    assert _compared(ds.assign(theory_connected=np.nan, theory_clustered=np.nan)) == ""
    many = xr.concat([ds.assign_coords(time=ds["time"] + 2 * k) for k in range(2)], "time", data_vars="minimal")
    assert "at 6 of the times from t = 0 to 3" in _compared(many.assign(theory_connected=-0.6))


@pytest.mark.parametrize("sizes", ["[8]", "[8, 4]", "[4, 4]", "[0, 4]"])
def test_sizes_grow(tmp_path, sizes):
    with pytest.raises(InvalidInput, match="at least two growing numbers of particles"):
        ConvergencePart.read(Table({"times": [0.0], "sizes": json.loads(sizes), "seeds": 5}, "convergence"))


@pytest.mark.parametrize("seeds", [True, "5", 5.0])
def test_seeds_are_one_number_or_a_list(seeds):
    with pytest.raises(InvalidInput, match=r"must be a whole number of at least 5, or a list with one a size"):
        ConvergencePart.read(Table({"times": [0.0], "sizes": [4, 8], "seeds": seeds}, "convergence"))
