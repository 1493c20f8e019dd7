"""The paper's figures, drawn; their captions, certificates and limits."""

import functools
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from meanfield import figures
from meanfield.data import figure_cases
from meanfield.figures import paper, runs
from meanfield.limits import hull

figure = functools.cache(figures.figure)
"""A figure, drawn once for all tests that look at it."""

QUICK = ("1", "2", "3", "4", "5", "6", "8", "9", "table1")


@pytest.mark.parametrize("name", QUICK)
def test_figures_draw_and_say_what_they_are(name, tmp_path):
    before = dict(mpl.rcParams)
    drawn = figure(name)
    drawn.figure.savefig(tmp_path / "figure.png", dpi=40)
    assert np.ptp(np.asarray(Image.open(tmp_path / "figure.png").convert("L"))) > 100
    assert drawn.caption.startswith("Table 1" if name == "table1" else f"Figure {name}")
    assert dict(mpl.rcParams) == before
    for run in drawn.trajectories:
        assert f"seed {run.case.seed}" in drawn.caption
        assert run.case.entry["source"] in drawn.caption
        assert f"shown in the {run.case.frame} frame" in drawn.caption


@pytest.mark.slow
@pytest.mark.parametrize("name", ["7", "10", "11", "12", "13"])
def test_the_other_figures_draw(name):
    assert figures.figure(name).trajectories
    assert figures.figure(name, as_published=True).trajectories


@pytest.mark.parametrize(("name", "theorem"), [("5", "3.1"), ("6", "4.2"), ("8", "5.2")])
def test_certificates_behind_the_clouds(name, theorem):
    found = figure(name).trajectories[0].certificate
    assert (found.theorem, found.status) == (theorem, "conditional")


def test_polytope_of_figure_5_is_reached_at_the_last_time():
    run = figure("5").trajectories[0]
    last = hull(np.round(run.positions[-1], 3))
    leaders = np.unique(run.certificate.leaders)
    assert len(run.certificate.limit_set.polytope.vertices) == len(leaders) < run.case.n / 2
    assert run.certificate.limit_set.polytope.distance(last.vertices).max() < 0.03


def test_panels_take_the_place_of_an_axes():
    fig = Figure()
    FigureCanvasAgg(fig)
    left, right = fig.subplots(1, 2)
    drawn = figures.figure(6, ax=right)
    assert drawn.figure is fig
    assert left in fig.axes
    assert right not in fig.axes
    assert len(fig.axes) == 5
    loose = fig.add_axes((0.1, 0.1, 0.3, 0.3))
    figures.figure(3, ax=loose)
    # Four panels and their colour bar in the place of one.
    assert len(fig.axes) == 10


def test_a_legend_names_leaders_where_they_are_known_only():
    case = figure_cases(5)[0]
    run = runs.published(case, np.array([0.0, 1.0]))
    assert run.certificate is None
    assert "leader" not in paper._legend(run, False)


@pytest.mark.parametrize("number", [1, 5, 8])
def test_axes_carry_the_letter_of_the_frame(number):
    for ax in figures.figure(number).figure.axes:
        assert (ax.get_xlabel(), ax.get_zlabel()) == ("$z_1$", "$z_3$")


def test_a_run_in_the_original_frame_has_the_other_letter():
    case = replace(figure_cases(6)[0], frame="original")
    assert runs.published(case, np.array([0.0, 0.1])).letter == "x"


def titles(axes):
    return [ax.get_title() for ax in axes]


def test_clouds_stand_in_rows_with_their_times_and_their_leaders():
    drawn = figure("5")
    (run,) = drawn.trajectories
    axes = drawn.figure.axes
    assert titles(axes) == [f"t = {t:.1f}" for t in run.times]
    shown = len(run.times)
    columns = 3 if shown == 6 else min(shown, 4)
    assert {ax.get_subplotspec().get_geometry()[:2] for ax in axes} == {(-(-shown // columns), columns)}
    leaders = len(np.unique(run.certificate.leaders))
    for k in (0, -1):
        dots = np.concatenate([np.stack(group._offsets3d, axis=1) for group in axes[k].collections])
        np.testing.assert_array_equal(np.sort(dots, axis=0), np.sort(run.positions[k], axis=0))
        assert len(axes[k].collections) == leaders
        assert len(axes[k].lines) == len(run.certificate.limit_set.polytope.edges)
    for words in ("one marker a token", "by the leader that the token ends with", "grey: planes and lines that bound"):
        assert words in drawn.caption
    assert f"n = {run.case.n}, d = {run.case.d}, tokens uniform on" in drawn.caption
    assert f"Certificate: Theorem {run.certificate.theorem}, {run.certificate.status}; predicted" in drawn.caption


def test_figure_1_is_its_last_time_and_figure_6_has_the_eigenvector():
    first = figure("1")
    assert len(first.figure.axes) == len(first.trajectories[0].times) == 1
    drawn = figure("6")
    (run,) = drawn.trajectories
    assert "arrow: the leading eigenvector of V, from the origin" in drawn.caption
    assert "arrow" not in first.caption
    values, vectors = np.linalg.eig(run.case.V)
    leading = vectors[:, np.argmax(values.real)].real
    for ax in drawn.figure.axes:
        (arrow,) = ax.texts
        tip = np.array(arrow.xy)
        assert arrow.get_position() == (0.0, 0.0)
        assert abs(tip @ leading) == pytest.approx(np.linalg.norm(tip))
        assert np.linalg.norm(tip) == pytest.approx(0.25 * min(np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())))


def test_leaders_are_drawn_from_queries_and_keys():
    drawn = figure("4")
    (run,) = drawn.trajectories
    axes = drawn.figure.axes
    assert len(axes) == len(run.times)
    for k, ax in enumerate(axes):
        queries, keys = ax.collections
        np.testing.assert_allclose(queries.get_offsets(), run.positions[k] @ run.case.Q.T, atol=1e-12)
        np.testing.assert_allclose(keys.get_offsets(), run.positions[k] @ run.case.K.T, atol=1e-12)
        assert len(ax.lines) == (run.attention(k) >= 0.01).sum()
        assert ax.get_title() == f"t = {run.times[k]:.1f}"
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["Qx", "Kx"]
    assert all(ax.get_legend() is None for ax in axes[1:])
    assert f"Rank of P: {', '.join(map(str, run.ranks()))} (printed: at most 2 at the end)." in drawn.caption


@pytest.mark.parametrize("as_published", [False, True])
def test_attention_matrices_have_their_times_and_ranks(as_published):
    drawn = figure("3", as_published)
    runs, axes = drawn.trajectories, drawn.figure.axes
    columns = len(runs[0].times)
    assert len(axes) == columns * len(runs) + 1
    for row, run in enumerate(runs):
        order = np.argsort(run.case.initial()[:, 0]) if not as_published else np.arange(run.case.n)
        for k in range(columns):
            ax = axes[row * columns + k]
            np.testing.assert_array_equal(ax.images[0].get_array(), run.attention(k)[np.ix_(order, order)])
            late = f"{run.shown[k]:.2f} for " if run.shown[k] < run.times[k] else ""
            assert ax.get_title() == f"t = {late}{run.times[k]:.1f}, rank = {run.ranks()[k]}"
        label = f"{run.label}\nquery $i$" if len(runs) > 1 else "query $i$"
        assert axes[row * columns].get_ylabel() == label
        printed = ", ".join(map(str, run.case.entry["printed_ranks"]))
        assert (
            f"Ranks (NumPy's default tolerance) {', '.join(map(str, run.ranks()))}; printed {printed}." in drawn.caption
        )
        if (run.shown < run.times).any():
            assert f"{run.ends}: later panels show t = {run.shown[-1]:.3g}." in drawn.caption
    assert ("Tokens are sorted by their initial position." in drawn.caption) == (not as_published)
    assert axes[-1].get_ylabel() == "$P_{ij}$"
    assert [text.get_text() for text in axes[-1].get_yticklabels()] == ["0.00", "0.01", "0.10", "0.50", "1.00"]
    # Inner panels have no names of axes, the first column and the last row do.
    assert axes[1].get_ylabel() == ""


def test_captions_tell_what_was_chosen_and_every_note():
    for name in ("3", "5", "6"):
        drawn = figure(name)
        for run in drawn.trajectories:
            entry = run.case.entry
            assert f"The source: {entry['source']}." in drawn.caption
            assert ("Not stated there, chosen here: " in drawn.caption) == bool(entry.get("chosen"))
            assert all(chosen in drawn.caption for chosen in entry.get("chosen", []))
            assert all(f"Note: {note}" in drawn.caption for note in entry.get("notes", []))
