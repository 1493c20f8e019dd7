"""Which scheme `solve` takes where it is given none."""

from __future__ import annotations

import numpy as np
import scipy

from meanfield.measures.discs import Ring
from meanfield.measures.grid import GridMeasure
from meanfield.measures.laws import Mixture, PointMasses, ProbabilityLaw, Product, Uniform
from meanfield.measures.material import material
from meanfield.schemes.base import Scheme
from meanfield.schemes.finite_volume import FiniteVolume
from meanfield.schemes.lagrangian import Lagrangian
from particles.fields.field import VelocityField
from particles.measure import EmpiricalMeasure

SHARP = 1e-2
"""Least median density at the rim, against the largest, of cell masses whose support is taken to end there."""

MAX_PAIRS = 2e9
"""Most pairs, nodes times nodes and vertices, of one sum over the material mesh that is chosen unasked."""


def default_scheme(model: VelocityField, initial: GridMeasure) -> Scheme:
    """Lagrangian() where the law ends sharply or the frame moves, without noise, in d ≤ 3; else FiniteVolume().

    Also FiniteVolume() where tokens collide in a finite time, so that no flow goes on, and where one sum over the mesh
    has more than 2e9 pairs (a grid beyond about 200² in the plane).
    """
    if model.noisy or model.events or initial.dim > 3 or not (model.frame is not None or ends_sharply(initial)):
        return FiniteVolume()
    scheme = Lagrangian()
    mesh = material(initial, scheme.nodes)
    count = sum(patch.cell_mass.size for patch in mesh.patches) * scheme.nodes**initial.dim + len(mesh.atoms)
    return scheme if count * (count + len(mesh.vertices)) <= MAX_PAIRS else FiniteVolume()


def ends_sharply(measure: GridMeasure) -> bool:
    """Whether the density jumps at the edge of its support: told by the law where there is one, else by the rim."""
    if isinstance(measure.source, ProbabilityLaw):
        return _jumps(measure.source)
    if isinstance(measure.source, EmpiricalMeasure):
        return True
    full = measure.masses > 0
    # A support that fills the box ends at its walls.
    rim = full & ~scipy.ndimage.binary_erosion(full, border_value=1)
    return bool(rim.any() and np.median(measure.density[rim]) >= SHARP * measure.density.max())


def _jumps(law: ProbabilityLaw) -> bool:
    match law:
        case Mixture():
            return any(map(_jumps, law.laws))
        case Product():
            return any(map(_jumps, law.factors))
    return isinstance(law, Uniform | Ring | PointMasses)
