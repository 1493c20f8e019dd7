"""
A trained network
=================

The weights of a trained transformer are models of this library: one head is a triple (Q, K, V) of (1.1), a layer is a
discrete map, a network is a run. Here is the small language model that is shipped; your own file goes the same way.
"""

# %%
# Open it
# -------
# ``checkpoints.open(path)`` reads a folder or a file of the BERT, ALBERT, GPT-2, LLaMA and GPT-NeoX shapes. The shipped
# one has GPT-2's shape, six layers of width 96, and was trained on the Python language reference.
import matplotlib.pyplot as plt
import numpy as np

from meanfield import checkpoints, plots
from particles import SelfAttention, simulate

model = checkpoints.tiny_network()
heads = model.heads()
heads[["theorem", "fails"]].isel(layer=0)

# %%
# Which theorem covers which head?
# --------------------------------
# A trained V = W_o W_v has rank k < d, so 0 is an eigenvalue, and no theorem about V = λI or a definite QᵀK applies.
# Theorem 4.2 covers some. Beside it belongs the null model: heads whose V is turned at random against Q and K.
null = model.null_heads(np.random.default_rng(0))
for name, table in (("trained", heads), ("null", null)):
    covered = table.theorem.values != ""
    print(f"{name}: {int(covered.sum())} of {covered.size} heads are covered by a theorem")

# %%
# One head as a model
# -------------------
# Head 0 of layer 0 moves the tokens of a text as in (1.1), alone, without biases, norms and the other heads. In a
# time of 4, which is four layers of unit length, it does not gather them: the spread falls by millionths.
head = model.head(0, 0)
text = checkpoints.tiny_texts()[0]
tokens = model.embed(text.ids)
run = simulate(SelfAttention(head.Q, head.K, head.V), tokens, times=[0.0, 1.0, 4.0])
print(text.text)
spread = run.position.std("particle").mean("component")
moved = np.linalg.norm(run.position[-1] - run.position[0], axis=1).max()
print(f"{len(text.ids)} tokens of width {head.dim}; spread in a coordinate at t = 0: {float(spread[0]):.4f}")
print("its change until t = 1, 4:", (spread - spread[0]).values[1:], "; the farthest that a token moves:", float(moved))
print("what fails first:", str(heads.fails.sel(layer=0, head=0).values))

# %%
# Weights of your own
# -------------------
# Arrays need no file. With Q and K of shape (k, d) and V of shape (d, d) a head is a model; a factor 1/√k belongs into
# Q and K. Several heads are their sum.
rng = np.random.default_rng(1)
d, n_heads = 16, 4
k = d // n_heads
W_q, W_k, W_v, W_o = (rng.normal(size=(d, d)) / np.sqrt(d) for _ in range(4))


def one_head(h):
    own = slice(k * h, k * (h + 1))
    return SelfAttention(W_q[own] / k**0.25, W_k[own] / k**0.25, W_o[:, own] @ W_v[own])


all_heads = sum((one_head(h) for h in range(1, n_heads)), one_head(0))
print(all_heads)

# %%
# For the table of all heads, and for null models, give the arrays the names of a family and write them into a file:
# those of BERT are the plainest, whatever network the weights are from. ``np.savez`` does, and so does ``safetensors``.
# The names of all families stand in :doc:`/transformers`.
import tempfile
from pathlib import Path

layer = "encoder.layer.0.attention"
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "own.npz"
    named = {f"{layer}.self.query.weight": W_q, f"{layer}.self.key.weight": W_k, f"{layer}.self.value.weight": W_v}
    np.savez(path, **named, **{f"{layer}.output.dense.weight": W_o})
    own = checkpoints.open(path, n_heads=n_heads)
    print(own)
    print("fails first, head by head:", own.heads().fails.values[0])
    same = own.head(0, 2)

x0 = rng.normal(size=(6, d))
w = np.full(6, 1 / 6)
from_file = SelfAttention(same.Q, same.K, same.V).particle_velocity(0.0, x0, w)
print("head 2 is the same either way:", np.allclose(from_file, one_head(2).particle_velocity(0.0, x0, w), atol=1e-14))

# %%
# Layer by layer
# --------------
# The whole network, with everything in it: does what the theory of clustering looks at happen in a trained network?
network = model.network()
layers = checkpoints.clustering_by_layer(network, tokens)
print("mean cosine between tokens, before each layer:", np.round(layers.mean_cosine.values, 3))
print("clusters:", layers.cluster_count.values)

figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
plots.cosines(layers, axes[0])
plots.by_layer(layers, "effective_rank", axes[1])
figure.show()

# %%
# More: :doc:`/transformers`, and ``meanfield study minilm``, which answers four questions about six layers of a
# sentence encoder with pictures.
