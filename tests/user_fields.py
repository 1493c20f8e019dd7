"""Small fields of a user's making, for the tests of the time loop."""

import signal
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from particles import DiscreteMap, SelfAttention, VelocityField


@dataclass(frozen=True, eq=False)
class LinearAttention(VelocityField):
    """x_i' = Σ_j w_j ⟨Bx_i, x_j⟩ V x_j."""

    V: np.ndarray
    B: np.ndarray

    @property
    def dim(self):
        return len(self.V)

    def velocity(self, t, x, mu):
        moment = (mu.points.T * mu.weights) @ mu.points
        return x @ (self.V @ moment @ self.B).T


class Halved(SelfAttention):
    """Half the velocity of the head that it inherits from."""

    def aggregate(self, t, x, y, w):
        return 0.5 * super().aggregate(t, x, y, w)


class Named(SelfAttention):
    """The equation of SelfAttention under another name."""

    same_equation = True


class Inherited(Named):
    """A declaration counts for the class that makes it alone."""


@dataclass(frozen=True, eq=False)
class ToMean(VelocityField):
    """x' = rate · (mean − x), from a user's notebook."""

    rate: float
    dim: int = 2

    def velocity(self, t, x, mu):
        return self.rate * (mu.weights @ mu.points - x)


@dataclass(frozen=True)
class Spin(VelocityField):
    """x' = |x|² J x: each token turns by the angle |x|² t on its own circle."""

    dim: int = 2

    def velocity(self, t, x, mu):
        return (x**2).sum(axis=1, keepdims=True) * np.stack([-x[:, 1], x[:, 0]], axis=1)


@dataclass(frozen=True)
class Clock(VelocityField):
    """x' = (p + 1) t^p, so x(t) = x(s) + t^{p+1} − s^{p+1}; NaN from t = `nan_after` on."""

    power: int
    nan_after: float = np.inf
    dim: int = 1

    def velocity(self, t, x, mu):
        return np.full_like(x, (self.power + 1) * t**self.power if t < self.nan_after else np.nan)


@dataclass(frozen=True)
class Burst(VelocityField):
    """x' = x², so x(t) = x₀/(1 − x₀t): gone at t = 1/x₀."""

    dim: int = 1

    def velocity(self, t, x, mu):
        return x**2


@dataclass(frozen=True, eq=False)
class NoisyPull(VelocityField):
    """x' = mean − x + √(2D) dW."""

    D: np.ndarray = field(default_factory=lambda: np.array([[0.2, 0.05], [0.05, 0.1]]))

    @property
    def dim(self):
        return len(self.D)

    def velocity(self, t, x, mu):
        return mu.weights @ mu.points - x

    def diffusion(self, t):
        return self.D


@dataclass(frozen=True)
class Shuffle(DiscreteMap):
    """x ← x/2 + a standard normal."""

    dim: int = 2

    def step(self, k, x, w, rng):
        return x / 2 + rng.standard_normal(x.shape)


@dataclass(frozen=True, eq=False)
class PressedCtrlC(NoisyPull):
    """NoisyPull during which someone presses Ctrl-C, once, at the first evaluation after the time `at`."""

    at: float = np.inf
    armed: ClassVar[list[bool]] = []

    def velocity(self, t, x, mu):
        if self.armed and t > self.at:
            self.armed.clear()
            signal.raise_signal(signal.SIGINT)
        return super().velocity(t, x, mu)


@dataclass(frozen=True, eq=False)
class PressedCtrlCQuietly(PressedCtrlC):
    """The same without noise."""

    def diffusion(self, t):
        return None

    @property
    def noisy(self):
        return False


class Prescribed(VelocityField):
    """A given velocity, whatever the measure; with noise √(2D) dW if asked."""

    def __init__(self, dim, velocity, D=None):
        self._dim, self._velocity, self._D = dim, velocity, D

    @property
    def dim(self):
        return self._dim

    def velocity(self, t, x, mu):
        return self._velocity(t, x)

    def diffusion(self, t):
        return self._D


class Wind(VelocityField):
    """x' = f(t)."""

    dim = 1

    def __init__(self, f, breakpoints=()):
        self.f, self.breakpoints = f, breakpoints

    def velocity(self, t, x, mu):
        return np.full_like(x, self.f(t))


class Alignment(VelocityField):
    """x' = 3 ∫ y dμ: a mean that grows like e^{3t} out of next to nothing."""

    dim = 1

    def velocity(self, t, x, mu):
        return np.full_like(x, 3 * mu.weights @ mu.points[:, 0])
