"""Pictures, captions and animations in a new folder."""

import base64
import io
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest
from hostile import is_inert
from PIL import Image

from meanfield import figures
from meanfield.app.cli import main
from meanfield.data import figure_cases
from meanfield.figures import command
from particles.errors import InvalidInput


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


def test_workers_draw_the_same_figures(tmp_path):
    here = command.draw("9", tmp_path / "here")
    with ThreadPoolExecutor(1) as pool:
        there = command.draw("9", tmp_path / "there", executor=pool)
    assert [path.name for path in there] == [path.name for path in here]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(here, there, strict=True))
    assert command.draw("9", tmp_path / "made", executor=lambda: ThreadPoolExecutor(1))[0].exists()


def test_workers_that_were_made_are_ended_and_those_that_were_given_stay(tmp_path, monkeypatch):
    """Also where a figure fails: what was not begun by then is not drawn."""
    made = []

    def maker():
        made.append(ThreadPoolExecutor(1))
        return made[-1]

    def ended(pool):
        try:
            pool.submit(int).result()
        except RuntimeError:
            return True
        return False

    def failing(*task):
        raise ZeroDivisionError

    for drawing in (command._draw_one, failing):
        monkeypatch.setattr(command, "_draw_one", drawing)
        raised = pytest.raises(ZeroDivisionError) if drawing is failing else nullcontext()
        with ThreadPoolExecutor(1) as given:
            for k, executor in enumerate((given, maker)):
                with raised:
                    command.draw("2", tmp_path / f"{drawing.__name__}{k}", executor=executor)
            assert not ended(given)
        assert ended(made[-1])


def test_threads_of_the_command_line_draw_no_figures(tmp_path, capsys):
    assert main(["figure", "9", "--out", str(tmp_path / "nine"), "--executor", "threads"]) == 2
    assert "one thread of a process" in capsys.readouterr().err


def test_the_command_line_draws(tmp_path, capsys):
    assert main(["figure", "9", "--out", str(tmp_path / "nine")]) == 0
    assert "figure_9.png" in capsys.readouterr().out
    assert (tmp_path / "nine" / "figure_9.txt").read_text().startswith("Figure 9")
    assert main(["figure", "14", "--out", str(tmp_path / "none")]) == 2
    assert "table1" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_formats_and_resolutions(kind, tmp_path):
    assert main(["figure", "9", "--out", str(tmp_path / "nine"), "--format", kind, "--dpi", "40"]) == 0
    data = (tmp_path / "nine" / f"figure_9.{kind}").read_bytes()
    assert {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG"}[kind] == data[:4].ljust(4) or data.startswith(b"<?xml")
    if kind == "png":
        with Image.open(tmp_path / "nine" / "figure_9.png") as picture:
            assert picture.width == round(3.6 * 40)


def test_a_wrong_format_or_resolution_is_refused(tmp_path, capsys):
    assert main(["figure", "9", "--out", str(tmp_path / "x"), "--format", "bmp"]) == 2
    assert "format must be one of 'png', 'pdf', 'svg', got 'bmp'" in capsys.readouterr().err
    assert main(["figure", "9", "--out", str(tmp_path / "x"), "--dpi", "0"]) == 2
    assert "--dpi must be in 10" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_the_page_of_all_figures_has_each_once_and_no_empty_column(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "NAMES", ("2", "9"))
    written = command.draw("all", tmp_path, True, kind="svg")
    assert written[-1].name == "index.html"
    page = is_inert(written[-1].read_text(encoding="utf-8"))
    assert page.tags.count("img") == 2
    assert "td" not in page.tags
    assert "A polygon K with 5 vertices" in page.words


def test_the_page_shows_each_figure_at_its_own_resolution(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "NAMES", ("2", "9"))
    command.draw("all", tmp_path, dpi=30)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    shown = [base64.b64decode(part) for part in re.findall(r"data:image/png;base64,([^\"']+)", page)]
    sizes = []
    for data in shown:
        with Image.open(io.BytesIO(data)) as picture:
            sizes.append(picture.width)
    assert sizes == [round(3.2 * command.PAGE_DPI), round(3.6 * command.PAGE_DPI)]
    with Image.open(tmp_path / "figure_2.png") as picture:
        assert picture.width == round(3.2 * 30)
    assert "<h1>The figures of arXiv 2305.05465</h1>" in page
    assert [page.count(f"<h2>Figure {name}</h2>") for name in ("2", "9")] == [1, 1]
    assert "The dynamics themselves" not in page


def test_an_animation_has_whole_steps_and_a_size(tmp_path):
    case = figure_cases(6)[0]
    path = command.animate(6, tmp_path / "six.gif", frames=3)
    with Image.open(path) as picture:
        assert picture.size == (340, 340)
        assert picture.info["duration"] == 150
        assert picture.info["loop"] == 0
        assert picture.n_frames == 3
    assert case.times[-1] > 0
