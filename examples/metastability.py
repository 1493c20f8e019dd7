"""Metastability on the sphere: clusters form at once and then merge one by one, after times exponential in β.

SA and USA dynamics of arXiv:2312.10794, SelfAttention(βI, I, I, normalization=...).on_sphere(), on the circle; the
number of clusters (gaps above 0.05 rad) is a staircase in log t. Adaptive follows it; beside it the projected Euler
step of 0.1. For SA, whose speeds are at most 1, Euler counts right and its tokens are off by about a tenth. For USA,
whose clusters contract at a rate near e^β, the step is unstable once 0.1 e^β passes a few n: its clusters never close.
"""

import numpy as np
import xarray as xr

from particles import Adaptive, Euler, SelfAttention, simulate

TOKENS, GAP = 24, 0.05
TIMES = np.unique(np.round(np.geomspace(1, 2000, 60), 0))


def run(
    beta: float, method: Adaptive | Euler, times: np.ndarray = TIMES, normalization: str = "softmax", seed: int = 3
) -> xr.Dataset:
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, TOKENS)
    x0 = np.column_stack([np.cos(angles), np.sin(angles)])
    model = SelfAttention(beta * np.eye(2), np.eye(2), np.eye(2), normalization=normalization).on_sphere()
    return simulate(model, x0, np.concatenate([[0.0], times]), method)


def clusters(ds: xr.Dataset) -> np.ndarray:
    """The number of clusters at each time: arcs between neighbours longer than GAP."""
    x = ds["position"].values
    angles = np.sort(np.arctan2(x[..., 1], x[..., 0]), axis=1)
    gaps = np.diff(angles, axis=1, append=angles[:, :1] + 2 * np.pi)
    return np.maximum(1, np.sum(gaps > GAP, axis=1))


def draw(ax=None):
    import matplotlib.pyplot as plt

    ax = plt.subplots()[1] if ax is None else ax
    lines = []
    for beta, colour in ((4.0, "#0072B2"), (9.0, "#D55E00")):
        for method, style in ((Adaptive(), "-"), (Euler(dt=0.1), ":")):
            ds = run(beta, method)
            name = "Adaptive" if style == "-" else "Euler(0.1)"
            lines += ax.step(ds["time"][1:], clusters(ds)[1:], style, color=colour, label=f"β = {beta:g}, {name}")
    ax.set(xscale="log", xlabel="t", ylabel="clusters")
    ax.legend()
    return lines


def main() -> int:
    for name, normalization, horizon in (("SA", "softmax", TIMES), ("USA", "none", np.linspace(0.1, 3.0, 30))):
        for beta in (4.0, 9.0):
            exact, euler = (run(beta, method, horizon, normalization) for method in (Adaptive(), Euler(dt=0.1)))
            error = np.linalg.norm(exact["position"].values - euler["position"].values, axis=-1).max(axis=1)
            print(f"{name}, β = {beta:g}, t from {horizon[0]:g} to {horizon[-1]:g}")
            print("  clusters, Adaptive  ", clusters(exact)[1::4])
            print("  clusters, Euler(0.1)", clusters(euler)[1::4])
            at = exact["time"].values[error.argmax()]
            print(f"  largest error of a token under Euler(0.1): {error.max():.3g} at t = {at:g}")
    return int(clusters(run(4.0, Adaptive(), np.array([10.0])))[-1])


if __name__ == "__main__":
    main()
