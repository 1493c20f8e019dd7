"""One study from its configuration to a folder: Datasets, pictures, tables, report."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from meanfield import limits
from meanfield.app.config import StudyConfig
from meanfield.app.report import Section
from meanfield.app.workspace import Workspace, prepare_folder
from meanfield.limits.theorems.listed import theorem
from meanfield.pages import mathml
from meanfield.studies.executors import Executors
from particles import SoftmaxField
from particles.dataset import REFERENCES
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
    "Which theorem applies to this model, and the numbers that decide it: each line is one hypothesis. Of a theorem "
    "that does not apply only the hypotheses stand here that do not hold, or that rounding leaves open. Theorems and "
    f"formulas with numbers, (6.1) say, are those of {REFERENCES}, where no other paper is named."
)
_TERMS = {
    "margin": "how far a number is from where the hypothesis begins to fail, rounding taken off; negative where it "
    "fails. Of an equality: how far the number is below what rounding may leave of 0.",
    "UNDECIDED": "rounding hides on which side of its threshold the number lies.",
    "λ₁, λ₂": "the eigenvalues of V of largest modulus.",
    "φ₁, φ₁*": "the unit eigenvector of λ₁, and the left eigenvector with φ₁*(φ₁) = 1.",
    "F ⊕ G": "the splitting of the space into the eigenspace of λ₁ and the invariant subspace of all other "
    "eigenvalues.",
    "resolved in float64": "the two parts are far enough from each other that rounding does not mix them up.",
    "rescaled": "the coordinates z = exp(−tV) x of (3.1): what grows like exp(tV) stays bounded in them, and what "
    "exp(tV) makes shrink may grow.",
}


def hypotheses_told(found: limits.Hypotheses) -> str:
    """The hypotheses of the theorems that apply, then of each other theorem what is in its way."""
    if not found.checks:
        return str(found)
    applies = [name for name in (found.theorem, *found.others) if name]
    lines = [] if applies else ["No theorem applies."]
    for name in applies:
        lines += [f"Theorem {name} applies: {theorem(name).statement}", *(f"  {check}" for check in found.checks[name])]
    for name, checks in found.checks.items():
        if name in applies:
            continue
        how = "is undecided" if name in found.undecided else "does not apply"
        lines.append(f"Theorem {name} {how}: {theorem(name).statement}")
        lines += [f"  {check}" for check in checks if not check.holds]
    eigenvalues = [line for line in str(found).splitlines() if line.startswith("  eigenvalues of V")]
    return "\n".join([*lines, *(line.strip() for line in eigenvalues)])


def _model(study: Workspace) -> Section:
    model = study.setting.model
    formulas = [mathml.CONTINUITY]
    if isinstance(model, SoftmaxField):
        formulas.append(mathml.ATTENTION)
    if model.frame is not None:
        formulas.append(mathml.RESCALED)
    words = hypotheses_told(limits.hypotheses_of(model, factors=study.setting.factors))
    terms = {word: text for word, text in _TERMS.items() if any(part in words for part in word.split(", "))}
    return Section("Model", _MODEL, verbatim=words, formulas=formulas, terms=terms)
