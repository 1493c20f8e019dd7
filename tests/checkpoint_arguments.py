"""Right arguments of the public names of meanfield.checkpoints, rows of the table of arguments."""

import numpy as np
from argument_call import Call

from meanfield import checkpoints

I2 = np.eye(2)
X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
W = np.full(3, 1 / 3)
MAP = checkpoints.Linear(I2)
NORM = checkpoints.RMSNorm(np.ones(2), 1e-5)
PARTS = {
    "attention": checkpoints.MultiHead(MAP, MAP, MAP, MAP, 1, 1),
    "attention_norm": NORM,
    "feed_forward": checkpoints.Mlp(MAP, MAP, "relu"),
}
LAYER = checkpoints.PostNormLayer(**PARTS, output_norm=NORM)
NETWORK = checkpoints.Network((LAYER,))
LAYERS = checkpoints.clustering_by_layer(NETWORK, X)
HEAD = checkpoints.Head(I2, I2, I2, I2, 0, 0, "by hand")

CHECKPOINTS = {
    "Head": [
        Call(
            checkpoints.Head,
            {"Q": I2, "K": I2, "output": I2, "value": I2},
            {"layer": 0, "head": 0, "source": "by hand"},
        )
    ],
    "load_head": [
        Call(
            checkpoints.load_head,
            {"path": "heads.npz", "layer": 0, "head": 0, "n_heads": 1},
        )
    ],
    "open": [Call(checkpoints.open, {"path": "heads.npz", "n_heads": 1})],
    "Linear": [Call(checkpoints.Linear, {"weight": I2, "bias": np.ones(2)})],
    "LayerNorm": [Call(checkpoints.LayerNorm, {"gain": np.ones(2), "shift": np.ones(2), "eps": 1e-5})],
    "RMSNorm": [Call(checkpoints.RMSNorm, {"gain": np.ones(2), "eps": 1e-5})],
    "Mlp": [Call(checkpoints.Mlp, {"inner": MAP, "outer": MAP, "activation": "relu"})],
    "GatedMlp": [Call(checkpoints.GatedMlp, {"gate": MAP, "inner": MAP, "outer": MAP, "activation": "relu"})],
    "Rotary": [Call(checkpoints.Rotary, {"base": 100.0, "size": 2})],
    "MultiHead": [
        Call(
            checkpoints.MultiHead,
            {"query": MAP, "key": MAP, "value": MAP, "output": MAP, "n_heads": 1, "n_key_heads": 1}
            | {"causal": True, "rotary": checkpoints.Rotary(100.0, 2)},
        )
    ],
    "PreNormLayer": [Call(checkpoints.PreNormLayer, PARTS | {"feed_forward_norm": NORM})],
    "ParallelLayer": [Call(checkpoints.ParallelLayer, PARTS | {"feed_forward_norm": NORM})],
    "PostNormLayer": [
        Call(checkpoints.PostNormLayer, PARTS | {"output_norm": NORM}),
        Call(LAYER.attention_matrices, {"x": X, "w": W}),
    ],
    "Network": [Call(checkpoints.Network, {"layers": (LAYER,), "final_norm": NORM})],
    "LayerFlow": [Call(checkpoints.LayerFlow, {"layers": (LAYER,)})],
    "clustering_by_layer": [
        Call(checkpoints.clustering_by_layer, {"network": NETWORK, "tokens": X, "angle": 0.5, "bins": 4})
    ],
    "layers_and_flow": [Call(checkpoints.layers_and_flow, {"network": NETWORK, "tokens": X, "longest": 0.1})],
    "token_limit": [
        Call(
            checkpoints.token_limit,
            {"network": NETWORK, "tokens": X, "sizes": [2], "seeds": 1, "rng": 0},
            valid={"rng": {"too large for a float"}},
        )
    ],
    "null_network": [
        Call(checkpoints.null_network, {"network": NETWORK, "rng": 0}, valid={"rng": {"too large for a float"}})
    ],
    "null_head": [Call(checkpoints.null_head, {"head": HEAD, "rng": 0}, valid={"rng": {"too large for a float"}})],
    "tiny_reference": [Call(checkpoints.tiny_reference, {"text": 0})],
}
