"""One study from its configuration to a folder: Datasets, pictures, tables, report."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from meanfield import limits
from meanfield.app.config import StudyConfig
from meanfield.app.report import Section
from meanfield.app.workspace import Workspace, prepare_folder
from meanfield.pages import mathml
from meanfield.studies.executors import Executors
from particles import SoftmaxField
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
    study is taken up: finished tasks are not done again. Whatever was done before an error or Ctrl-C stays, and the
    report names the parts that are missing at its top, with the reason. Refused: a folder that exists, or with `resume`
    one that holds anything else.
    """
    prepare_folder(folder, config.source, resume=resume)
    study = Workspace(config.title, config.about, config.setting, folder, executor, progress, show)
    study.missing = [part.name for part in config.parts]
    try:
        study.add(_model(study))
        for part in config.parts:
            with study.running(part.name, part.cost):
                part.run(study)
    except (StoreError, BrokenPipeError):
        raise
    except OSError as error:
        raise StoreError(f"the study in {folder} stopped: {error}; what is done is kept there") from error
    return folder


_MODEL = (
    "Which of the paper's theorems applies to this model, and the numbers that decide it: each line is one hypothesis, "
    "with the theorem that needs it. A theorem applies only where all its lines end in yes, so that single lines of a "
    "theorem that does not apply may hold."
)
_TERMS = {
    "margin": "how far a number is from where the hypothesis begins to fail, rounding taken off; negative where it "
    "fails.",
    "UNDECIDED": "rounding hides on which side of its threshold the number lies.",
    "λ₁, λ₂": "the eigenvalues of V of largest modulus.",
    "φ₁, φ₁*": "the unit eigenvector of λ₁, and the left eigenvector with φ₁*(φ₁) = 1.",
    "F ⊕ G": "the splitting of the space into the eigenspace of λ₁ and the invariant subspace of all other "
    "eigenvalues.",
    "rescaled": "coordinates z = e^{−tV} x (3.1), in which tokens of growing size may come to rest.",
}


def _model(study: Workspace) -> Section:
    model = study.setting.model
    formulas = [mathml.CONTINUITY]
    if isinstance(model, SoftmaxField):
        formulas.append(mathml.ATTENTION)
    if model.frame is not None:
        formulas.append(mathml.RESCALED)
    words = str(limits.hypotheses_of(model, factors=study.setting.factors))
    terms = {word: text for word, text in _TERMS.items() if any(part in words for part in word.split(", "))}
    return Section("Model", _MODEL, verbatim=words, formulas=formulas, terms=terms)
