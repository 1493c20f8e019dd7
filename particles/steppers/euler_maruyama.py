"""Euler–Maruyama: a constant step with noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from particles.checks import Array, as_matrix
from particles.errors import InvalidInput
from particles.fields.field import VelocityField
from particles.kernels.loops.step_loop import Rule
from particles.steppers.compiled_runs import Kicks
from particles.steppers.fixed_step import FixedStep
from particles.steppers.method import Model
from particles.steppers.runge_kutta import Euler, tableau
from particles.steppers.state import Particles


@dataclass(frozen=True)
class EulerMaruyama(FixedStep):
    """x + h X(t, x) + √(2hD) ξ, ξ standard normal: weak order 1, and strong order 1 as the noise is additive.

    Kloeden, Platen, Numerical Solution of Stochastic Differential Equations, 10.2.

    Parameters
    ----------
    dt : float
        The step h, positive.

    Raises
    ------
    InvalidInput
        For a step that is not positive.
    """

    random: ClassVar[bool] = True
    order: ClassVar[int] = 1

    def check(self, model: Model, times: Array) -> None:
        """As for every method; and refuse a noise tensor that is not symmetric and positive semi-definite."""
        super().check(model, times)
        assert isinstance(model, VelocityField)
        t = float(times[0])
        if (D := model.diffusion(t)) is not None:
            _check_tensor(D, model.dim, t)

    @property
    def rule(self) -> Rule | None:
        """Euler's, where `step` is as here."""
        return tableau(Euler.nodes, Euler.stages, Euler.weights) if type(self).step is EulerMaruyama.step else None

    def kicks(self, model: VelocityField, t0: float, h: float, state: Particles) -> Kicks | None:
        """The noise of the steps, drawn as `step` draws it."""
        if not model.noisy:
            return None
        root, shape = _Root(), state.x.shape[1:]

        def drawn(rows: slice, first: int, count: int) -> Array:
            found = [root.of(model, t0 + (first + i) * h) for i in range(count)]
            noisy = [i for i, one in enumerate(found) if one is not None]
            roots = np.zeros((count, shape[1], shape[1]))
            noise = np.zeros((len(state.rngs[rows]), count, *shape))
            for i in noisy:
                roots[i] = found[i]
            for run, rng in zip(noise, state.rngs[rows], strict=True):
                run[noisy] = rng.standard_normal((len(noisy), *shape))
            return np.asarray(np.sqrt(2 * h) * (noise @ roots.swapaxes(1, 2)))

        return drawn

    def step(self, field: VelocityField, t: float, h: float, state: Particles) -> Array:
        """One step, each run with its own generator; without diffusion this is Euler's step."""
        moved = state.x + h * field.particle_velocity(t, state.x, state.w)
        D = field.diffusion(t)
        if D is None:
            return moved
        _check_tensor(D, state.x.shape[-1], t)
        noise = np.stack([rng.standard_normal(state.x.shape[1:]) for rng in state.rngs])
        return np.asarray(moved + np.sqrt(2 * h) * (noise @ _square_root(D).T))


class _Root:
    """The square root of a noise tensor, computed where the tensor changes."""

    def __init__(self) -> None:
        self._tensor: Array | None = None
        self._root: Array | None = None

    def of(self, model: VelocityField, t: float) -> Array | None:
        """That at time t; None where there is no noise."""
        D = model.diffusion(t)
        if D is not None and (self._tensor is None or not np.array_equal(D, self._tensor)):
            _check_tensor(D, model.dim, t)
            self._tensor, self._root = np.array(D), _square_root(D)
        return None if D is None else self._root


def _square_root(D: Array) -> Array:
    values, vectors = np.linalg.eigh(D)
    # Only rounding is cut off here: `_check_tensor` has refused what is truly negative.
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _check_tensor(D: Array, dim: int | None, t: float) -> None:
    D = as_matrix(D, f"diffusion({t:g})", shape=(dim, dim))
    slack = 1e-12 * np.abs(D).max()
    if np.abs(D - D.T).max() > slack or np.linalg.eigvalsh(D)[0] < -slack:
        raise InvalidInput(f"diffusion({t:g}) must be symmetric and positive semi-definite, got {D.tolist()}")
