"""The command line: one small study from a file to a folder, and the output of a command."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
import xarray as xr
from hostile import is_inert
from small_study import SMALL, run

import particles
from meanfield.app.cli import main
from meanfield.app.workspace import prepare_folder
from meanfield.measures.grid import grid_of

FIXED = '\n[grid.scheme]\nname = "FiniteVolume"'


def test_a_study_writes_datasets_pictures_and_a_report_and_ends_with_the_folder(small, tmp_path, capsys):
    out = tmp_path / "results"
    assert run(small, "--out", out, "--executor", "threads", "--workers", 1) == 0
    printed = capsys.readouterr().out.strip().splitlines()
    assert printed[-1] == str(out.resolve())
    names = {path.name for path in out.iterdir()}
    assert {"solution.nc", "convergence.nc", "stability.nc", "limit_run.nc", "limit.nc"} <= names
    assert {"solution.png", "convergence.png", "stability.png", "limit.png", "report.html", "study.toml"} <= names
    page = (out / "report.html").read_text()
    # The hypotheses are long: once is enough, on the page and in the terminal; those that hold only of theorems that
    # apply, Theorem 3.1 here and not 8.5.
    assert page.count("V a multiple of I: max") == 1
    assert sum("V a multiple of I: max" in line for line in printed) == 1
    assert page.count("data:image/png;base64,") == 4
    found = is_inert(page)
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    # The solution and the run towards its limit can be played.
    assert found.tags.count("canvas") == 2
    assert all(f'<mi>{name}</mi><mo stretchy="false">=</mo>' in page for name in "QKV")
    assert all(word in found.words for word in ("margin", "law at finite N", "vacuous", "leader", "seed"))
    for part in ("convergence", "stability", "limit"):
        assert re.search(rf"time of \[{part}\]\d+\.\d s: ", found.words)
    assert "Lagrangian(" in found.words
    assert "the law at finite N at t = 0, at its own height" in found.words
    assert any(line.startswith("slope") for line in printed)
    assert any(line.startswith("law at finite N") and "-0.500" in line for line in printed)
    assert "the expected square at finite N is known exactly, with nothing fitted; its slope, -0.500" in page
    with xr.open_dataset(out / "convergence.nc", engine="h5netcdf") as ds:
        assert ds["distance"].dims == ("time", "size", "seed")


def test_a_template_is_written_and_runs(tmp_path, capsys):
    file = tmp_path / "own.toml"
    # Sent into a file by the shell it is a study file too.
    assert main(["study", "--template"]) == 0
    printed = capsys.readouterr().out
    assert main(["study", "--template", "--out", str(file)]) == 0
    assert file.read_text() == printed
    assert capsys.readouterr().out.splitlines()[-1] == str(file)
    assert main(["study", "--template", "--out", str(file)]) == 2
    assert "exists: name another" in capsys.readouterr().err
    smaller = {
        "[32, 100, 316]": "[4, 8]",
        "seeds = 10": "seeds = 5",
        "particles = 100": "particles = 6",
        "[48, 48]": "[8, 8]",
        "until = 6.0": "until = 0.5",
        "times = [0.0, 0.5, 1.0]": "times = [0.0, 0.1]",
        "times = [2.0]": "times = [0.1]",
    }
    tiny = file.read_text()
    for much, little in smaller.items():
        tiny = tiny.replace(much, little)
    file.write_text(tiny)
    assert run(file, "--out", tmp_path / "out", "--executor", "threads", "--workers", 1) == 0
    assert {"solution.nc", "stability.nc", "limit.nc", "sweep.nc"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"attention-meanfield {particles.__version__}\n"


def test_a_grid_too_coarse_for_the_field_is_named_in_the_report_and_on_the_terminal(tmp_path, capsys):
    path, out = tmp_path / "coarse.toml", tmp_path / "out"
    coarse = SMALL[: SMALL.index("[stability]")].replace("Q = 1.0", "Q = 4.0").replace('"rescaled"', '"original"')
    path.write_text(coarse.replace("[[-1.5, 1.5]]\nshape = [40]", "[[-3.0, 3.0]]\nshape = [12]" + FIXED))
    assert run(path, "--out", out, "--executor", "threads", "--workers", 1) == 0
    warning = "Warning: from t = 0 on attention scores change by more than 1 across a cell"
    assert warning in capsys.readouterr().out
    assert warning in (out / "report.html").read_text()


def test_ctrl_c_keeps_what_is_done_and_says_so_in_one_line(small, tmp_path):
    small.write_text(SMALL.replace("seeds = 5", "seeds = 400"))
    out = tmp_path / "cut"
    command = [sys.executable, "-m", "meanfield", "study", str(small), "--out", str(out), "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    while process.poll() is None and not (out / "tasks" / "convergence.zarr").exists():
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert b"Traceback" not in error
    kept = f"what is done is kept: meanfield study {small} --resume --out {out} goes on from there"
    assert error.decode().strip().splitlines()[-1] == f"meanfield: interrupted; {kept}"
    assert (out / "solution.nc").exists()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Not finished.</strong> [convergence] stopped and is not complete; not begun: [stability], [limit]." in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such.toml"], "no such study: no-such.toml; give a TOML file, or one that ships: .*paper_2d"),
        (["--executor", "cluster"], "one of processes, threads, dask://HOST:PORT, got 'cluster'"),
        (["--workers", "0"], "--workers must be at least 1, got 0"),
        (["--seed", "-1"], "--seed must not be negative, got -1"),
        (["--resume"], "--resume needs --out"),
    ],
)
def test_wrong_options_are_refused_in_one_line(capsys, arguments, message):
    assert run(*arguments) == 2
    assert re.search(message, capsys.readouterr().err)


def test_a_study_of_another_model(small, tmp_path):
    small.write_text(
        SMALL.replace(
            'name = "SelfAttention"\nframe = "rescaled"\nQ = 1.0\nK = 1.0\nV = 1.0',
            'name = "PowerAttraction"\nexponent = 3.0',
        )
        .replace("[40]", "[40]" + FIXED)
        .split("[stability]")[0]
    )
    assert run(small, "--out", tmp_path / "out", "--executor", "threads", "--workers", 1) == 0
    with xr.open_dataset(tmp_path / "out" / "solution.nc", engine="h5netcdf") as ds:
        assert float((ds["density"][-1] * grid_of(ds).cell_volumes).sum()) == pytest.approx(1.0, abs=1e-13)


def test_models_lists_every_model_with_one_line(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) > 10
    assert any(re.match(r"SelfAttention +\S", line) for line in lines)
    assert all(len(line) < 200 for line in lines)
    last = " ".join(lines[lines.index("") + 1 :])
    assert re.match(r"A study file takes CausalAttention, .*SelfAttention.*; the others are for Python\.$", last)
    assert not re.search("OnCircle|OnSphere|PairInteraction|Ensemble|RescaledTransformer", last)


def test_figure_draws_into_a_new_folder_and_refuses_another_number(tmp_path, capsys):
    out = tmp_path / "pictures"
    assert main(["figure", "2", "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1] == str(out.resolve())
    assert {path.name for path in out.iterdir()} == {"figure_2.png", "figure_2.txt"}
    assert main(["figure", "2", "--out", str(out)]) == 2
    assert "exists: name another" in capsys.readouterr().err
    assert main(["figure", "14", "--out", str(tmp_path / "none")]) == 2
    assert re.search("figure must be one of '1', .*'all', got '14'", capsys.readouterr().err)
    assert not (tmp_path / "none").exists()


def command(*arguments, **environment):
    """A command in a process of its own, with what it wrote to its error stream."""
    done = subprocess.run(
        [sys.executable, "-m", "meanfield", *map(str, arguments)],
        capture_output=True,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}],
    ids=["cp1252", "ascii"],
)
def test_what_a_terminal_cannot_show_is_a_question_mark(environment):
    status, out, error = command("models", **environment)
    assert (status, error) == (0, b"")
    assert b"?" in out
    assert b"SelfAttention" in out


def test_a_closed_pipe_ends_a_command_silently():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "meanfield", "models"], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no device that is always full")
def test_an_output_that_cannot_be_written_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "meanfield", "models"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.decode() == "meanfield: error: cannot write the output: No space left on device\n"


def test_a_folder_that_exists_is_refused_before_anything_is_printed(tmp_path, small, capsys):
    assert main(["study", str(small), "--out", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "exists: name another, or take it up with --resume" in printed.err


def test_ctrl_c_tells_how_to_go_on(tmp_path, small, capsys, monkeypatch):
    def stopped(config, folder, **given):
        prepare_folder(folder, config.source, resume=False)
        raise KeyboardInterrupt

    monkeypatch.setattr("meanfield.app.study.run_study", stopped)
    out = tmp_path / "a folder"
    assert main(["study", str(small), "--seed", "3", "--executor", "threads", "--out", str(out)]) == 130
    words = capsys.readouterr().err.strip()
    command = f"meanfield study {small} --seed 3 --resume --out '{out}'"
    assert words == f"meanfield: interrupted; what is done is kept: {command} goes on from there"


def test_an_inherited_backend_stops_no_command_that_writes_files(tmp_path):
    status, _, error = command("figure", "2", "--out", tmp_path / "out", MPLBACKEND="module://no_such_backend.inline")
    assert (status, error) == (0, b"")
    assert (tmp_path / "out" / "figure_2.png").exists()


def test_an_output_below_a_file_is_one_error(tmp_path, small, capsys):
    (tmp_path / "file").write_text("x")
    for arguments in (["study", small], ["figure", "2"]):
        assert main([*map(str, arguments), "--out", str(tmp_path / "file" / "x")]) == 2
        assert re.search("meanfield: error: cannot .*Not a directory", capsys.readouterr().err)
