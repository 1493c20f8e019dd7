"""Studies: functions that return Datasets, configured in TOML, drawn and reported by `meanfield study`."""

from meanfield.studies.clustered import clustered_limit
from meanfield.studies.constants import Constants, constants
from meanfield.studies.many_particles import convergence
from meanfield.studies.pairs import stability_of_law
from meanfield.studies.refinement import order, plot_order
from meanfield.studies.stability_bounds import stability
from meanfield.studies.tasks import Ledger, Runner

__all__ = [
    "Constants",
    "Ledger",
    "Runner",
    "clustered_limit",
    "constants",
    "convergence",
    "order",
    "plot_order",
    "stability",
    "stability_of_law",
]
