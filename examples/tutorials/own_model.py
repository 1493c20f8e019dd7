"""
Your own model in twenty lines
==============================

A model is one method: the velocity at given points in a given measure. Written once, it moves tokens and densities,
takes noise, lives on a circle, streams to disk and resumes.
"""

# %%
# The field
# ---------
# Opinions attract each other up to a distance, with a strength that decays:
# :math:`X[\mu](x) = \int (y - x)\,e^{-|y - x|^2}\,d\mu(y)`. ``mu`` has ``points`` (n, d) and ``weights`` (n,), whether
# it is a cloud or cells of a grid; ``x`` (m, d) are the points at which the field is asked for. ``dim = None`` tells
# that the formula holds in any dimension.
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

from meanfield import FiniteVolume, Grid, Uniform, plots, solve
from particles import VelocityField, simulate


@dataclass(frozen=True)
class Attraction(VelocityField):
    """Pairwise attraction with a Gaussian kernel."""

    range: float = 1.0
    dim = None

    def velocity(self, t, x, mu):
        """X[mu](x), shape (m, d)."""
        apart = mu.points[None, :, :] - x[:, None, :]  # (m, n, d)
        kernel = np.exp(-(apart**2).sum(axis=2) / self.range**2)
        return np.einsum("mn,n,mnd->md", kernel, mu.weights, apart)


model = Attraction(range=0.6)

# %%
# The arrays (m, n, d) of this velocity hold every pair: for 1000 tokens a call takes some 50 ms, most of the time of a
# run, and for 10⁴ tokens gigabytes. A sum over parts of the tokens needs less; a kernel as data, below, is compiled.

# %%
# Tokens and a density
# --------------------
law = Uniform((-2, 2))
times = np.linspace(0, 30, 61)
tokens = simulate(model, np.sort(law.sample(80, np.random.default_rng(4)), axis=0), times)
density = solve(model, Grid([(-2.2, 2.2)], 128).measure(law), [0, 5, 10], FiniteVolume())

figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
plots.trajectories(tokens, axes[0])
for t, colour in ((0, "#000000"), (5, "#0072B2"), (10, "#D55E00")):
    plots.density(density, t, axes[1]).set(color=colour, label=f"t = {t}")
axes[1].legend()
axes[0].set(ylabel="x", title="80 tokens")
axes[1].set(title="the density at t = 0, 5, 10", xlabel="x")
figure.show()

# %%
# A kernel as data
# ----------------
# Where the interaction comes from a pair potential, the potential is enough: it is compiled for particles and becomes a
# convolution on grids. The field above is :math:`W(r) = -\tfrac{1}{2}\ell^2 e^{-r^2/\ell^2}`; its gradient is
# compared with differences before anything runs.
from particles import PairInteraction


def W(z):
    """The potential at displacements z (m, d)."""
    return -0.18 * np.exp(-(z**2).sum(axis=1) / 0.36)


def grad(z):
    """Its gradient."""
    return z * np.exp(-(z**2).sum(axis=1) / 0.36)[:, None]


faster = simulate(PairInteraction(W, grad), tokens.position[0].values, times)
print("largest difference from the run above:", float(abs(faster.position - tokens.position).max()))

# %%
# Fields add
# ----------
# Noise is a field without velocity, and sums of fields are fields. Noise needs a method that knows it; every other
# one refuses, with the name of the one that does. To a field on a circle goes noise on the same,
# `Diffusion(D, space=Circle())`.
from particles import Diffusion, EulerMaruyama
from particles.errors import LibraryError

noisy = model + Diffusion(0.02, dim=1)
jittered = simulate(noisy, np.zeros(200), [0, 1, 2], EulerMaruyama(dt=0.01), rng=5)
print("standard deviation at t = 2:", float(jittered.position[-1].std()))
try:
    simulate(noisy, np.zeros(200), [0, 1, 2])
except LibraryError as error:
    print(f"{type(error).__name__}: {error}")

# %%
# Long runs
# ---------
# With ``store=`` the run is on disk while it goes on. A condition may stop it earlier; this one never holds, and the
# status tells. ``resume`` carries the run further; after a kill it is the same call. A class of one's own is in the
# file by its name, and found again where its module is imported, if it is a frozen dataclass; this one is defined here,
# so that ``resume`` is given the model.
import tempfile
from pathlib import Path

from particles import SteadyState, resume

with tempfile.TemporaryDirectory() as folder:
    store = Path(folder) / "run.zarr"
    first = simulate(model, tokens.position[0].values, times[:21], store=store, stop=SteadyState(1e-12))
    longer = resume(store, times=times[21:31], model=model)
    straight = simulate(model, tokens.position[0].values, times[:31])
    print(first.attrs["status"], "→", longer.sizes["time"], "saved times")
    print("bitwise as in one go:", np.array_equal(longer.position, straight.position))

# %%
# If the field has a formula for its divergence, its diffusion, a state space or jumps in time, it declares so by one
# more method each: :doc:`/extending/fields`.
