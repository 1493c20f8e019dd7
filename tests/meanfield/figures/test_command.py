"""Pictures, captions and animations in a new folder."""

import pytest
from PIL import Image

from meanfield import figures
from meanfield.app.cli import main
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


def test_the_command_line_draws(tmp_path, capsys):
    assert main(["figure", "9", "--out", str(tmp_path / "nine")]) == 0
    assert "figure_9.png" in capsys.readouterr().out
    assert (tmp_path / "nine" / "figure_9.txt").read_text().startswith("Figure 9")
    assert main(["figure", "14", "--out", str(tmp_path / "none")]) == 2
    assert "table1" in capsys.readouterr().err
