"""The paper's figures, drawn; their captions, certificates and limits."""

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

QUICK = ("1", "2", "3", "4", "5", "6", "8", "9", "table1")


@pytest.mark.parametrize("name", QUICK)
def test_figures_draw_and_say_what_they_are(name, tmp_path):
    before = dict(mpl.rcParams)
    drawn = figures.figure(name)
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
    found = figures.figure(name).trajectories[0].certificate
    assert (found.theorem, found.status) == (theorem, "conditional")


def test_polytope_of_figure_5_is_reached_at_the_last_time():
    run = figures.figure(5).trajectories[0]
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
