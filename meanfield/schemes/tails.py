"""What a fixed grid does about the tails that its scheme leaves beyond the true support.

In the frame z = e^{−tV} x the score between two points grows like e^{2λt}, so that the outermost mass, however small,
leads everything. A scheme leaves a trail of tiny masses outside the true support, and from t* ≈ ½ log(1/h) on that
trail would lead. A mesh that travels with the mass, Lagrangian(), leaves none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from meanfield.measures.grid import Cells
from particles.checks import Array, positive
from particles.errors import NotSupported, RunStopped
from particles.fields.field import VelocityField
from particles.fields.questions import score_matrix

MAX_CONTRAST = 1.0
"""Largest change of the score across a cell up to which the tails of a scheme do not lead the field."""


class Tails(ABC):
    """What is done where the tails of a scheme come to lead the field."""

    @abstractmethod
    def check(self, model: VelocityField, t: float, cells: Cells) -> None:
        """Stop the run where it may not go on."""


@dataclass(frozen=True)
class StopAtTails(Tails):
    """End the run at t*, where attention scores change by more than `contrast` across a cell with mass.

    Parameters
    ----------
    contrast : float
        The largest change of a score across a cell that is let pass, positive.

    Raises
    ------
    InvalidInput
        For a contrast that is not positive.
    """

    contrast: float = MAX_CONTRAST

    def __post_init__(self) -> None:
        """Refuse what is no change of a score."""
        object.__setattr__(self, "contrast", positive(self.contrast, "contrast"))

    def check(self, model: VelocityField, t: float, cells: Cells) -> None:
        """Stop where the scores change by more."""
        if (change := contrast(model, t, cells)) > self.contrast:
            raise RunStopped(
                f"at t* = {t:g} attention scores change by {change:.3g} across a cell, {self.contrast:g} is allowed: "
                "from here on the numerical tails of the measure would lead the field. Move the mesh with the mass, "
                "scheme=Lagrangian(), stop before t*, or refine the grid (t* grows like ½ log(1/h))",
                time=t,
            )


@dataclass(frozen=True)
class IgnoreTails(Tails):
    """Go on whatever leads: `score_change` in the Dataset tells where the tails do."""

    def check(self, model: VelocityField, t: float, cells: Cells) -> None:
        """Nothing."""
        return None


def default_tails(model: VelocityField) -> Tails:
    """To stop, for attention in a moving frame, where scores grow without bound; elsewhere to go on."""
    return StopAtTails() if model.frame is not None and _score_matrices(model, 0.0) else IgnoreTails()


def contrast(model: VelocityField, t: float, cells: Cells) -> float:
    """The largest change of an attention score across a cell, max_{x, k} |(B_A(t) x)_k| h_k over cells x with mass.

    At 1 the atoms of neighbouring cells differ in weight by e: from that time t* on the field is led by single cells.
    Fields without a score matrix count as 0.
    """
    scores = _score_matrices(model, t)
    sizes = np.array([w.max() for w in cells.grid.widths])
    first, *others = cells.grid.centres
    largest = 0.0
    # A layer at a time, so that the points are never laid out.
    for x, layer in zip(first, cells.masses > 0, strict=True):
        where = np.nonzero(layer) if others else (np.zeros(int(layer), int),)
        points = np.stack([np.full(len(where[0]), x), *(c[i] for c, i in zip(others, where, strict=False))], axis=1)
        largest = max([largest, *(float((np.abs(points @ B.T) * sizes).max(initial=0.0)) for B in scores)])
    return largest


def _score_matrices(model: VelocityField, t: float) -> list[Array]:
    """B(t) of every term that has one."""
    found = []
    for term in model.terms:
        with suppress(NotSupported):
            found.append(score_matrix(term, t))
    return found
