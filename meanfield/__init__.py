"""Grid and measure layer: the continuity equation, distances, limits, studies."""

# First, so that files of another project of this name are named before anything else fails.
try:
    from particles.installation import __version__
except ModuleNotFoundError as error:
    if not str(error.name).startswith("particles"):
        raise
    raise ImportError(
        "`particles`, which meanfield stands on, is missing or not that of attention-meanfield. Another project of the "
        "same import name is installed here: make a fresh environment and install only attention-meanfield there."
    ) from None  # isort: split

from typing import Any

from xarray import Dataset, register_dataset_accessor

from meanfield.analysis.error_budget import error_budget
from meanfield.analysis.saved_measures import measure_at
from meanfield.distances import barycenter, transport, wasserstein, wasserstein_bracket
from meanfield.measures.discs import Disc, Ring
from meanfield.measures.grid import Grid, GridMeasure
from meanfield.measures.laws import Mixture, Normal, PointMasses, Product, Uniform
from meanfield.schemes.base import Scheme
from meanfield.schemes.finite_volume import WENO, FiniteVolume, Upwind
from meanfield.schemes.frozen_flow import FrozenFlow
from meanfield.schemes.lagrangian import Lagrangian
from meanfield.schemes.periodic import PeriodicFiniteVolume
from meanfield.schemes.semi_lagrangian import SemiLagrangian
from meanfield.schemes.tails import IgnoreTails, StopAtTails
from meanfield.solve import solve
from particles.encoding import register
from particles.submodules import public_submodules

__all__ = [
    "WENO",
    "Disc",
    "FiniteVolume",
    "FrozenFlow",
    "Grid",
    "GridMeasure",
    "IgnoreTails",
    "Lagrangian",
    "Mixture",
    "Normal",
    "PeriodicFiniteVolume",
    "PointMasses",
    "Product",
    "Ring",
    "SemiLagrangian",
    "StopAtTails",
    "Uniform",
    "Upwind",
    "__version__",
    "barycenter",
    "error_budget",
    "measure_at",
    "solve",
    "transport",
    "wasserstein",
    "wasserstein_bracket",
]

_MODULES = (
    "accessor",
    "analysis",
    "checkpoints",
    "data",
    "distances",
    "figures",
    "limits",
    "measures",
    "plots",
    "studies",
)
_OBJECTS = {name: globals()[name] for name in __all__ if name != "__version__"}
__all__ += _MODULES
__getattr__ = public_submodules(__name__, _MODULES)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})


def _accessor(ds: Dataset) -> Any:
    """`ds.meanfield`: the module behind it is imported at its first use."""
    return __getattr__("accessor").DatasetMethods(ds)


register_dataset_accessor("meanfield")(_accessor)  # type: ignore[no-untyped-call]


# The public names of the file format that this package adds to those of `particles`.
register(_OBJECTS, roots=(Scheme,))
