"""
A density and its clusters
==========================

Infinitely many tokens are a density. The same model now moves a law on the plane, on a mesh that travels with the mass,
and the run records how far it is to be trusted.
"""

# %%
# The law, the grid, the run
# --------------------------
# The continuity equation :math:`\partial_t\mu + \operatorname{div}(X_t[\mu]\,\mu) = 0` is (6.1) of the paper. The
# initial law is uniform on a square; the grid is where the density is *shown*, cell averages in cells.
import matplotlib.pyplot as plt
import numpy as np

from meanfield import Grid, Uniform, error_budget, measure_at, plots, solve
from particles import SelfAttention, simulate

V = np.array([[0.64709742, 0.81911926], [0.61210449, 0.63263484]])  # the matrix of Figure 6
model = SelfAttention(Q=np.eye(2), K=np.eye(2), V=V).rescaled()
law = Uniform([(-1, 1), (-1, 1)])
grid = Grid(bounds=[(-1.6, 1.6), (-1.6, 1.6)], shape=(48, 48))
ds = solve(model, grid.measure(law), times=[0, 0.5, 1, 2])
ds

# %%
# Three pictures
# --------------
# The mass leaves the square for two lines, level sets of the left eigenvector of V (Theorem 4.2).
figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
for ax, t in zip(axes, (0, 1, 2), strict=True):
    plots.density(ds, t, ax)
figure.show()

# %%
# Clusters
# --------
# A cluster of tokens is what steps shorter than a chosen distance connect. A moving mesh carries its mass in nodes,
# which are tokens of a kind: 1024 of them here, 0.06 apart at first. From some time on they are two clusters.
from meanfield.analysis.clusters import cluster_count

nodes = ds.rename(node="position", point="particle")
print("t:", ds.time.values, "clusters at distance 0.2:", cluster_count(nodes, distance=0.2).values)

# %%
# How far to trust it
# -------------------
# ``solve`` chose ``Lagrangian()`` by itself, because the law ends sharply and the frame moves: on fixed cells the
# numerical tail outside the support comes to lead the field (:doc:`/explanation/tails`). What a moving mesh knows of
# itself are two lengths, root mean square errors of its points in space and in time, and the mass of cells that have
# turned over.
budget = error_budget(ds)
budget

# %%
# Beside particles
# ----------------
# The same object moves tokens. The distance between 400 of them and the density is exact: a cloud against a density of
# the plane is solved by power cells, without a matrix of pairs.
from meanfield import wasserstein
from particles import EmpiricalMeasure

cloud = simulate(model, law.sample(400, np.random.default_rng(1)), times=[0, 0.5, 1, 2])
for t in (0, 1):
    tokens = EmpiricalMeasure(cloud.position.sel(time=t).values)
    print(f"t = {t}: W₂ between 400 tokens and the density: {wasserstein(tokens, measure_at(ds, t)):.4f}")

# %%
# Fixed cells
# -----------
# In the original frame, or for a law that ends smoothly, fixed cells do well too. A scheme is an object that is handed
# over; it controls its error in time and records it. With V = −I a normal law stays normal, with the covariance
# :math:`S(t) = (S_0^{-1} + 2t I)^{-1}`: a closed form to measure against. The masses of cells of width h, put
# at their centres as here, have a variance that is larger by h²/12 (Sheppard).
from meanfield import WENO, Normal
from meanfield.analysis.diagnostics import covariance

shrink = SelfAttention(np.eye(2), np.eye(2), -np.eye(2))
start = Grid([(-5, 5), (-5, 5)], (48, 48)).measure(Normal([0, 0], 0.5 * np.eye(2)))
run = solve(shrink, start, times=[0, 0.5], scheme=WENO())
width = 10 / 48
variance = float(covariance(run)[-1, 0, 0])
print("variance at t = 0.5:", variance, "less h²/12:", variance - width**2 / 12, "exact:", 1 / (1 / 0.5 + 2 * 0.5))
print("recorded error in time, L¹:", float(run.time_error[-1]))
