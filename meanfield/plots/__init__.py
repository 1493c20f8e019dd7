"""Pictures of Datasets: each function draws on `ax`, or on a new figure, and returns what it drew."""

from meanfield.plots.animation import animate
from meanfield.plots.any_picture import overview
from meanfield.plots.drawing import COLOURS
from meanfield.plots.limit_pictures import clustered, limit_distance
from meanfield.plots.network_pictures import by_layer, cosines, heads, layers_and_flow, token_limit
from meanfield.plots.run_pictures import density, particles, trajectories
from meanfield.plots.study_pictures import convergence, order, phase_diagram, stability, sweep

__all__ = [
    "COLOURS",
    "animate",
    "by_layer",
    "clustered",
    "convergence",
    "cosines",
    "density",
    "heads",
    "layers_and_flow",
    "limit_distance",
    "order",
    "overview",
    "particles",
    "phase_diagram",
    "stability",
    "sweep",
    "token_limit",
    "trajectories",
]
