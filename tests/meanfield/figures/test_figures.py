import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from meanfield import figures
from meanfield.app.cli import main
from meanfield.data import figure_cases
from meanfield.figures import command, runs
from meanfield.limits import hull
from particles.errors import InvalidInput

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


def test_exact_and_published_differ_by_the_step_only_at_the_start():
    case = figure_cases(5)[0]
    times = np.array([0.0, 1.0])
    exact, published = runs.exact(case, times), runs.published(case, times)
    np.testing.assert_array_equal(exact.positions[0], published.positions[0])
    error = np.abs(exact.positions[1] - published.positions[1]).max()
    assert 1e-3 < error < 1.0


def test_ranks_of_figure_3_as_published_and_printed():
    linear, euler = figures.figure(3, as_published=True).trajectories
    assert "attention" in linear.how
    ranks = euler.ranks()
    assert 10 <= ranks[0] <= 12
    for rank, (low, high) in zip(ranks[1:], [(11, 26), (5, 15), (1, 4)], strict=True):
        assert low <= rank <= high


def test_rows_that_rounding_decides_are_not_drawn():
    case = figure_cases(11)[0]
    run = runs.exact(case, np.array([0.0, 10.0]))
    assert run.shown[1] == pytest.approx(runs.ROWS_END / np.linalg.eigvalsh(case.V)[-1])
    assert run.ranks()[1] <= 4


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
    assert len(fig.axes) == 9


@pytest.mark.parametrize("d", [1, 2, 3])
def test_clouds_in_every_dimension(d):
    points = np.random.default_rng(0).normal(size=(6, d))
    axes = figures.cloud(points, groups=[0, 0, 1, 1, 2, 2])
    assert len(axes.collections) == 3


def test_clouds_refuse_higher_dimensions():
    with pytest.raises(InvalidInput, match="d = 4"):
        figures.cloud(np.zeros((3, 4)))


def test_unknown_figures_are_refused_with_the_list():
    with pytest.raises(InvalidInput, match="table1"):
        figures.figure(14)
    with pytest.raises(InvalidInput, match="all"):
        command.draw("fourteen", "unused")


def test_command_writes_picture_caption_and_animation(tmp_path):
    written = command.draw("2", tmp_path / "out")
    assert [path.name for path in written] == ["figure_2.png", "figure_2.txt"]
    moving = command.animate(6, tmp_path / "six.gif", frames=3)
    with Image.open(moving) as picture:
        assert picture.n_frames == 3


def test_the_command_line_draws(tmp_path, capsys):
    assert main(["figure", "9", "--out", str(tmp_path / "nine")]) == 0
    assert "figure_9.png" in capsys.readouterr().out
    assert (tmp_path / "nine" / "figure_9.txt").read_text().startswith("Figure 9")
    assert main(["figure", "14", "--out", str(tmp_path / "none")]) == 2
    assert "table1" in capsys.readouterr().err
