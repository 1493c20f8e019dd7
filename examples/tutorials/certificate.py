"""
Reading a certificate
=====================

Where do tokens go as t → ∞? A certificate names the theorem, checks its hypotheses with their margins, finds a saved
time from which the leaders provably stay, and bounds each token's limit, or tells plainly that it cannot.
"""

# %%
# First the hypotheses
# --------------------
# Every hypothesis is a number with a margin. A near-tie is "undecided", never rounded to a yes.
import matplotlib.pyplot as plt
import numpy as np

from meanfield import limits, plots
from particles import SelfAttention, simulate

identity = np.eye(2)
model = SelfAttention(identity, identity, identity)
print(limits.hypotheses(model))

# %%
# Then a run
# ----------
x0 = np.random.default_rng(0).uniform(-1, 1, size=(50, 2))
ds = simulate(model.rescaled(), x0, times=np.linspace(0, 10, 101))
certificate = limits.certify(ds)
print(certificate)

# %%
# The four words
# --------------
# **proved**: a statement about the exact solution from the first saved tokens, with nothing assumed.
# **conditional**: a bound for each token, given what is printed, usually the measured integration error of the run.
# It is on the limit of a token whose ``limit_kind`` is "point", as here; of one "on set" it is on the set that the
# token tends to, and along that set the token may move on without end.
# **observed**: no theorem or no leader phase, but the run has settled where a candidate set lies.
# **undecided**: none of these; the reason is printed.
print("status:", certificate.status, "| theorem:", certificate.theorem)
print("limit of token 0:", certificate.limits[0], "within", certificate.bound[0])
print("assumptions:", *certificate.assumptions, sep="\n  ")

# %%
# The picture: the distance of each token to the predicted set, and the rank of the attention matrix, which falls to
# the number of leaders.
figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
plots.limit_distance(certificate.to_dataset(), ax)
figure.show()

# %%
# From measured to proved
# -----------------------
# For V = λI, λ > 0, ``enclose=True`` encloses the exact solution step by step, rounding included, until the lemma of
# the leaders closes. The list of assumptions is then empty (:doc:`/proofs` is the proof, line by line).
few = np.random.default_rng(1).uniform(-1, 1, size=(20, 2))
proved = limits.certify(simulate(model.rescaled(), few, times=np.linspace(0, 10, 21)), enclose=True)
print("status:", proved.status, "| assumptions:", proved.assumptions, "| largest bound:", proved.bound.max())

# %%
# It does not always close: with another draw the radius of the tube passes what the lemma can bear. The certificate
# stays conditional then, and the reason tells where the enclosure ended.
other_draw = np.random.default_rng(0).uniform(-1, 1, size=(20, 2))
tried = limits.certify(simulate(model.rescaled(), other_draw, times=np.linspace(0, 10, 21)), enclose=True)
print("status:", tried.status, "| reason:", tried.reason)

# %%
# Where nothing is known
# ----------------------
# Two heads, noise or another V are outside the theorems: the certificate reports what the run shows and proves nothing.
rotating = SelfAttention(identity, identity, np.array([[0.0, -1.0], [1.0, 0.0]]))
other = limits.certify(simulate(rotating, x0[:20], times=np.linspace(0, 5, 51)))
print("status:", other.status)
print("reason:", other.reason)
