"""
Transport between clouds and densities
======================================

Distances are solved to rounding or refused with a word about what to do instead; large problems are bracketed between
two proved bounds. And a distance comes with its plan.
"""

# %%
# Two clouds
# ----------
import matplotlib.pyplot as plt
import numpy as np

from meanfield import Grid, Mixture, Normal, Uniform, transport, wasserstein, wasserstein_bracket
from particles import Circle, EmpiricalMeasure

rng = np.random.default_rng(3)
mu = EmpiricalMeasure(rng.normal(size=(60, 2)))
nu = EmpiricalMeasure(rng.uniform(1, 4, size=(40, 2)))
plan = transport(mu, nu)
print("W₂ =", plan.distance, "| W₁ =", wasserstein(mu, nu, p=1))

# %%
# ``plan.at(s)`` is the geodesic between the two: at s = 1/2 their mean in Wasserstein space.
figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
for s, colour in ((0, "#0072B2"), (0.5, "#009E73"), (1, "#D55E00")):
    middle = plan.at(s)
    ax.scatter(*middle.points.T, s=400 * middle.weights, color=colour, label=f"s = {s}")
ax.set(aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
ax.legend()
figure.show()

# %%
# A cloud and a density
# ---------------------
# In the plane this is semi-discrete transport: every point owns a power cell, and the cells' masses are right to
# 1e-10. No sampling of the density is involved.
target = Grid([(-4, 4), (-4, 4)], (40, 40)).measure(
    Mixture([Normal([-1.5, 0], 0.2 * np.eye(2)), Normal([1.5, 0.5], 0.3 * np.eye(2))], [0.4, 0.6])
)
print("W₂(cloud, density) =", wasserstein(mu, target))

# %%
# On the line any two measures have a closed form through their quantiles, for every p.
line = Grid([(-2, 2)], 100).measure(Uniform((-1, 1)))
print("W₃ on the line:", wasserstein(EmpiricalMeasure(np.array([-0.5, 0.5])), line, p=3))

# %%
# Too large for a matrix of pairs
# -------------------------------
# Two clouds of 4000 points would need 48 bytes for each of 16 million pairs. Within a limit that is refused before any
# memory is taken, and the message names the way out: a bracket, proved on both sides, rounding included.
from particles.errors import DistanceTooLarge

a, b = (EmpiricalMeasure(rng.normal(size=(4000, 2)) + shift) for shift in (0.0, 0.3))
try:
    wasserstein(a, b, max_bytes=2**27)
except DistanceTooLarge as error:
    print(error)
bracket = wasserstein_bracket(a, b)
print(f"{bracket.lower:.5f} ≤ W₂ ≤ {bracket.upper:.5f}  (below by {bracket.lower_by}, above by {bracket.upper_by})")

# %%
# ``effort="dual"`` and ``"certify"`` take longer and are narrower: :doc:`/how_to/large_distances`.

# %%
# On a circle or a torus the space is named by ``ground``: the distance is that of the shorter way around, and mass that
# moves crosses the seam at 0. Measures that know of their circle warn where no ground is named.
near, far = EmpiricalMeasure([0.1, 0.4]), EmpiricalMeasure([6.1, 5.9])
print(f"on the line {wasserstein(near, far):.3f}, on the circle {wasserstein(near, far, ground=Circle()):.3f}")
print(transport(near, far, ground=Circle()).at(0.5).points.ravel().round(3))
