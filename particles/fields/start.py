"""Whether a model can move the particles that a run starts from."""

from __future__ import annotations

from particles.checks import Array
from particles.errors import InvalidInput
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import VelocityField
from particles.fields.linear_flow import linear_flow


def check_start(model: VelocityField | DiscreteMap, t: float, x: Array) -> None:
    """Refuse an initial ensemble x (n, d) or (run, n, d) at time t that the model cannot move.

    That is another number of runs than the field moves, points that are not on its space (those of a frame are taken
    back to the original coordinates x = e^{tA} z), and noise on particles that a term does not bear.
    """
    if isinstance(model, DiscreteMap):
        model.space.check(x)
        return
    if model.runs is not None and (x.ndim != 3 or len(x) != model.runs):
        raise InvalidInput(f"x0 must have shape ({model.runs}, n, d) for a model of {model.runs} runs, got {x.shape}")
    model.space.check(x if model.frame is None else x @ linear_flow(model.frame, t).T)
    if model.noisy:
        for term in model.terms:
            term.check_noise(x.shape[-1])
