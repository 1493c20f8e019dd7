"""The folder of a study: made, taken up after a kill at any moment, never written over."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import matplotlib.pyplot as plt
import pytest

from meanfield.app import workspace
from meanfield.app.report import Section
from meanfield.app.workspace import Workspace, prepare_folder, replace_file
from meanfield.studies.executors import StandingProcesses
from particles.errors import RunStopped, StoreError

SOURCE = "# seed used: 1\ntitle = 'λ'\n"


class Kill(BaseException):
    """The end of the process, as far as the code under test can see."""


def killed_in(monkeypatch, name):
    def kill(*args):
        raise Kill

    monkeypatch.setattr(workspace.os, name, kill)


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_study_killed_before_its_source_is_complete_is_taken_up(tmp_path, monkeypatch, moment):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        killed_in(patch, moment)
        with pytest.raises(Kill):
            prepare_folder(out, SOURCE, resume=False)
    assert not (out / "study.toml").exists()
    with pytest.raises(StoreError, match="exists: name another, or take it up with --resume"):
        prepare_folder(out, SOURCE, resume=False)
    prepare_folder(out, SOURCE, resume=True)
    assert [path.name for path in out.iterdir()] == ["study.toml"]
    assert (out / "study.toml").read_text(encoding="utf-8") == SOURCE


def test_a_study_killed_between_its_folder_and_its_source_is_taken_up(tmp_path):
    (tmp_path / "out").mkdir()
    prepare_folder(tmp_path / "out", SOURCE, resume=True)
    prepare_folder(tmp_path / "out", SOURCE, resume=True)
    assert (tmp_path / "out" / "study.toml").read_text(encoding="utf-8") == SOURCE


def test_another_study_and_other_files_are_left_alone(tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "precious").write_text("x")
    with pytest.raises(StoreError, match="exists: name another"):
        prepare_folder(out, SOURCE, resume=False)
    with pytest.raises(StoreError, match=r"holds no study to resume: it has no study\.toml, but precious"):
        prepare_folder(out, SOURCE, resume=True)
    assert [path.name for path in out.iterdir()] == ["precious"]
    (out / "study.toml").write_bytes(b"\xff")
    with pytest.raises(StoreError, match="holds another study"):
        prepare_folder(out, SOURCE, resume=True)
    assert (out / "study.toml").read_bytes() == b"\xff"


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for path, message in (
        (tmp_path / "file" / "x", "cannot write the study into .*: Not a directory"),
        (tmp_path / ("x" * 300), "cannot write the study into .*: File name too long"),
        (tmp_path / "file", "exists: name another"),
        (tmp_path / "dangling", "exists: name another"),
    ):
        with pytest.raises(StoreError, match=message):
            prepare_folder(path, SOURCE, resume=False)
    with pytest.raises(StoreError, match="cannot write the study into"):
        prepare_folder(tmp_path / "file", SOURCE, resume=True)
    assert (tmp_path / "file").read_text() == "x"
    assert not (tmp_path / "nowhere").exists()


def test_a_file_is_replaced_as_a_whole(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    replace_file(path, "old λ\n")
    killed_in(monkeypatch, "replace")
    with pytest.raises(Kill):
        replace_file(path, "new")
    assert path.read_text(encoding="utf-8") == "old λ\n"
    assert stat.S_ISREG(os.stat(path).st_mode)


def test_pictures_are_written_and_closed(tmp_path):
    space = Workspace("title", "about", None, tmp_path, None, False, print)
    before = plt.get_fignums()
    with space.picture("one", (2, 2)) as (figure, path):
        figure.add_subplot()
    assert path.stat().st_size > 100
    with pytest.raises(Kill), space.picture("two", (2, 2)):
        raise Kill
    assert not (tmp_path / "two.png").exists()
    assert plt.get_fignums() == before


class Settled:
    """A setting whose evidence is not asked for."""


def test_a_report_names_the_parts_that_it_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr(workspace, "evidence", lambda *_: Section("made", "so"))
    study = Workspace("title", "about", Settled(), tmp_path, None, False, print, missing=["one", "two"])
    report = tmp_path / "report.html"
    with study.running("one", "much"):
        study.write_report()
        # What a killed process leaves.
        assert "[one] was running when this report was written; not begun: [two]." in report.read_text()
    assert "[two] was running" in report.read_text()
    with pytest.raises(RunStopped, match="why"), study.running("two", "much"):
        raise RunStopped("why <b>")
    assert "[two] stopped and is not complete. The reason: why &lt;b&gt;</p>" in report.read_text()
    study.stopped = ""
    with study.running("two", "much"):
        pass
    assert "Not finished" not in report.read_text()


def test_worker_processes_start_when_tasks_are_expected(monkeypatch, tmp_path):
    begun = []
    monkeypatch.setattr(StandingProcesses, "begin", lambda self: begun.append(self))
    with ThreadPoolExecutor(1) as pool, StandingProcesses(1) as standing:
        for executor in (None, pool, standing):
            Workspace("t", "a", None, tmp_path, executor, False, print).expect_tasks()
    assert begun == [standing]
