"""Models whose particles are known in closed form at an end time, and the error of a method on them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import expm
from user_fields import LinearAttention

from particles import SelfAttention, simulate

from . import gaussian, linear_attention, tokens

I2 = np.eye(2)


@dataclass(frozen=True)
class Case:
    """A model with a solution known in closed form: positions `exact` at time `end` from `start`."""

    name: str
    model: Any
    start: np.ndarray
    end: float
    exact: np.ndarray
    weights: np.ndarray | None = None


def gaussian_on_the_line():
    x, w = gaussian.nodes(0.3, 0.25, 30)
    return Case("gaussian V=-1", SelfAttention(1, 1, -1), x, 1.0, gaussian.contracting_flow(x, [0.3], 0.25, 1.0), w)


def gaussian_in_time():
    """V = −v(t), QK = β(t): v = 1 + ½cos 3t and β = e^{−t}, so ∫v = 1 + sin(3)/6, ∫vβ by parts, at t = 1."""
    x, w = gaussian.nodes(0.3, 0.25, 30)
    a = 1 + np.sin(3) / 6
    b = (1 - np.exp(-1)) + (np.exp(-1) * (3 * np.sin(3) - np.cos(3)) + 1) / 20
    model = SelfAttention(
        lambda t: np.array([[np.exp(-3 * t)]]),
        lambda t: np.array([[np.exp(2 * t)]]),
        lambda t: np.array([[-1 - np.cos(3 * t) / 2]]),
    )
    return Case("gaussian Q(t), K(t), V(t)", model, x, 1.0, gaussian.contracting_in_time(x, 0.3, 0.25, a, b), w)


def gaussian_that_turns():
    S0 = np.array([[0.3, 0.05], [0.05, 0.1]])
    x, w = gaussian.nodes([0, 0], S0, 18)
    return Case("gaussian V=J", SelfAttention(I2, I2, gaussian.J), x, 2.0, gaussian.rotating_flow(x, S0, 2.0), w)


def linear(sign):
    x = 0.7 * np.random.default_rng(3).uniform(-1, 1, (20, 3))
    w = np.random.default_rng(4).dirichlet(np.ones(20))
    model = LinearAttention(sign * np.eye(3), np.eye(3))
    return Case(f"linear V={sign}I", model, x, 1.0, linear_attention.positions(x, 1.0, sign, w), w)


def linear_in_a_frame():
    case = linear(-1)
    A = np.random.default_rng(5).uniform(-0.6, 0.6, (3, 3))
    return Case("linear, frame A", case.model.in_frame(A), case.start, 1.0, case.exact @ expm(-A).T, case.weights)


def two_tokens(frame=None, name="original"):
    m0, r0 = np.array([0.5, -0.2]), np.array([0.4, 0.6])
    m, r = tokens.two_tokens(m0, r0, 1.0)
    model, exact = SelfAttention(I2, I2, I2), np.array([m + r, m - r])
    if frame is not None:
        model, exact = model.in_frame(frame), exact @ expm(-np.asarray(frame)).T
    return Case(f"two tokens, {name}", model, np.array([m0 + r0, m0 - r0]), 1.0, exact)


def pair_in_time():
    """V = v(t)I, v = 1 + t: τ = 3/2 at t = 1."""
    r0 = np.array([0.5, 0.4])
    u = tokens.symmetric_pair(r0 @ r0, 1.5)
    r = r0 * np.sqrt(u / (r0 @ r0))
    return Case("pair V(t)", SelfAttention(I2, I2, lambda t: (1 + t) * I2), np.array([r0, -r0]), 1.0, np.array([r, -r]))


def polygon(rescaled):
    x, radius = 0.8 * tokens.polygon(5), tokens.polygon_radius(5, 0.8, 1.0)
    model = SelfAttention(I2, I2, I2)
    if rescaled:
        return Case("pentagon, rescaled", model.rescaled(), x, 1.0, np.exp(-1) * radius * tokens.polygon(5))
    return Case("pentagon", model, x, 1.0, radius * tokens.polygon(5))


def simplex_rescaled():
    corners = tokens.simplex(4)
    exact = np.exp(-1) * tokens.simplex_radius(4, 0.9, 1.0) * corners
    eye = np.eye(3)
    return Case("simplex, rescaled", SelfAttention(eye, eye, eye).rescaled(), 0.9 * corners, 1.0, exact)


SHEAR = np.array([[0.3, 1.0], [-0.4, 0.2]])


CASES = [
    gaussian_on_the_line(),
    gaussian_in_time(),
    gaussian_that_turns(),
    linear(1),
    linear(-1),
    linear_in_a_frame(),
    two_tokens(),
    two_tokens(SHEAR, "frame A"),
    two_tokens(I2, "rescaled"),
    pair_in_time(),
    polygon(rescaled=False),
    polygon(rescaled=True),
    simplex_rescaled(),
]


def error(case, method):
    ds = simulate(case.model, case.start, [0, case.end], method, weights=case.weights)
    return np.abs(ds.position.values[-1] - case.exact).max()
