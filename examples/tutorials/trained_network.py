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
# time of 4, which is four layers of unit length, it hardly gathers them.
head = model.head(0, 0)
text = checkpoints.tiny_texts()[0]
tokens = model.embed(text.ids)
run = simulate(SelfAttention(head.Q, head.K, head.V), tokens, times=[0.0, 1.0, 4.0])
print(text.text)
spread = run.position.std("particle").mean("component")
print(f"{len(text.ids)} tokens of width {head.dim}, spread at t = 0, 1, 4: {np.round(spread.values, 5)}")
print("what fails first:", str(heads.fails.sel(layer=0, head=0).values))

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
