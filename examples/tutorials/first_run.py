"""
A first run, and the Dataset that comes out
===========================================

Fifty tokens follow self-attention in the rescaled frame. You will see what a model is, what a run returns, where the
error control stands, and how a file on disk answers for itself a year later.
"""

# %%
# The equation
# ------------
# Tokens :math:`x_1, \dots, x_n` in :math:`\mathbb R^d` move by
#
# .. math:: \dot x_i = \sum_j P_{ij} V x_j, \qquad
#           P_{ij} = \frac{e^{\langle Q x_i, K x_j\rangle}}{\sum_k e^{\langle Q x_i, K x_k\rangle}},
#
# which is (1.1)–(1.2) of the paper. With :math:`V = I` they run away like :math:`e^t`, so one looks at
# :math:`z_i = e^{-tV} x_i` instead, equation (3.1). In the library this is the same model in another frame.
import matplotlib.pyplot as plt
import numpy as np

from meanfield import plots
from particles import SelfAttention, simulate

identity = np.eye(2)
model = SelfAttention(Q=identity, K=identity, V=identity).rescaled()
model

# %%
# The run
# -------
# ``times`` are the times that are saved. The method is left out: ``Adaptive(1e-8, 1e-10)``, a Runge–Kutta method of
# order 8 whose step is chosen so that *every token* keeps its tolerance. Which times are saved changes no number
# beyond that tolerance.
#
# The first run of up to 512 tokens on a machine compiles its loop before it starts, for 15 to 25 seconds, once: later
# runs, in this process or another, find it on disk. ``progress=True`` shows a bar.
x0 = np.random.default_rng(0).uniform(-1, 1, size=(50, 2))
ds = simulate(model, x0, times=np.linspace(0, 10, 101))
ds

# %%
# What it holds
# -------------
# ``position`` has named dimensions, so no index needs to be remembered. The attributes hold the whole call: model,
# matrices, method, seed, version. ``model_of`` makes the model again, bit for bit.
from particles import EmpiricalMeasure, model_of

again, mu0 = model_of(ds), EmpiricalMeasure(x0)
print("same velocity, bit for bit:", np.array_equal(again.velocity(0.5, x0, mu0), model.velocity(0.5, x0, mu0)))
print("frame:", ds.attrs["frame"], "| status:", ds.attrs["status"], "| made by:", ds.attrs["source"])

# %%
# A picture
# ---------
# Every function in ``meanfield.plots`` takes a Dataset, draws on ``ax`` if it is given one, and returns what it drew.
figure, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
plots.trajectories(ds, axes[0])
plots.particles(ds, 10.0, axes[1])
axes[0].set(aspect="equal", title="paths of all tokens")
axes[1].set(aspect="equal")
figure.show()

# %%
# Tokens end in a few places: the leaders, vertices of a convex polygon (Theorem 3.1). How many, and who follows whom,
# are functions of the Dataset too.
from meanfield.analysis.clusters import cluster_count, leaders

print("clusters within 0.01:", cluster_count(ds, distance=0.01).sel(time=[0, 2, 5, 10]).values)
print("leaders at t = 10:", np.unique(leaders(ds).isel(time=-1)))

# %%
# On disk
# -------
# One file to share is netCDF. A long run is given ``store=`` instead and writes to a Zarr folder while it goes on;
# killed at any moment, ``resume`` carries it to its end with the same bits (:doc:`/how_to/resume`).
import tempfile
from pathlib import Path

import xarray as xr

from particles import write_netcdf

with tempfile.TemporaryDirectory() as folder:
    write_netcdf(ds, Path(folder) / "run.nc")
    with xr.open_dataset(Path(folder) / "run.nc") as stored:
        print("identical after a round trip:", stored.identical(ds))
        print("made again from the file:", model_of(stored))

# %%
# Next: :doc:`a density and its clusters </tutorials/density>`, or what can be
# :doc:`proved about the limit </tutorials/certificate>` of this very run.
