"""One study from its configuration to a folder: Datasets, pictures, tables, report."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from meanfield import limits
from meanfield.app.config import StudyConfig
from meanfield.app.report import Section
from meanfield.app.workspace import Workspace, prepare_folder
from meanfield.studies.executors import Executors
from particles.errors import StoreError

log = logging.getLogger(__name__)


def run_study(
    config: StudyConfig,
    folder: Path,
    *,
    executor: Executors | None = None,
    progress: bool = False,
    resume: bool = False,
    show: Callable[[str], object] = log.info,
) -> Path:
    """Run every part that the configuration names, and write Datasets, pictures and report.html into a new folder.

    Tasks run on `executor`, as in `studies.sweep`; None is this process. With `resume` the folder of an interrupted
    study is taken up: finished tasks are not done again. Whatever was done before an error or Ctrl-C stays. Refused: a
    folder that exists, or with `resume` one that holds anything else.
    """
    prepare_folder(folder, config.source, resume=resume)
    study = Workspace(config.title, config.about, config.setting, folder, executor, progress, show)
    try:
        study.add(_model(study))
        for part in config.parts:
            part.run(study)
    except (StoreError, BrokenPipeError):
        raise
    except OSError as error:
        raise StoreError(f"the study in {folder} stopped: {error}; what is done is kept there") from error
    return folder


def _model(study: Workspace) -> Section:
    return Section(
        "Model",
        "Which of the paper's theorems applies to this model, and the numbers that decide it.",
        verbatim=str(limits.hypotheses_of(study.setting.model, factors=study.setting.factors)),
    )
