"""The attention of a trained layer, d = 384 with twelve heads, beside torch's: processor time on one thread.

python benchmarks/trained_layers.py    (torch 2.13.0 where it is installed)

Ours is float64 from the factors W_v and W_o of each head; no matrix V = W_o W_v of the width d is formed.
"""

from __future__ import annotations

import importlib
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from timing import alternate

from meanfield.checkpoints import Linear, MultiHead
from particles import threads

D, HEADS = 384, 12


def ours(n: int, causal: bool):
    """The call that is timed."""
    rng = np.random.default_rng(0)
    maps = [Linear(rng.normal(size=(D, D)) / 20, rng.normal(size=D)) for _ in range(4)]
    layer = MultiHead(*maps, HEADS, HEADS, causal=causal)
    x, w = rng.normal(size=(n, D)), np.full(n, 1 / n)
    return lambda: layer(x, x, w)


def theirs(torch, n: int, causal: bool, kind: str):
    """The same with torch's scaled dot-product attention."""
    dtype = getattr(torch, kind)
    q, k, v, o = (torch.randn(D, D, dtype=dtype) / 20 for _ in range(4))
    x = torch.randn(n, D, dtype=dtype)

    def call():
        with torch.no_grad():
            parts = [(x @ W.T).view(n, HEADS, D // HEADS).transpose(0, 1)[None] for W in (q, k, v)]
            mean = torch.nn.functional.scaled_dot_product_attention(*parts, is_causal=causal)[0]
            return mean.transpose(0, 1).reshape(n, D) @ o.T

    return call


def main() -> None:
    """Print a row a size and mask."""
    try:
        torch = importlib.import_module("torch")
        torch.set_num_threads(1)
    except ImportError:
        torch = None
    print("n, mask: ours float64 in ms; torch float64, torch float32 over ours")
    with threads(1):
        for n in (250, 1000):
            for causal in (False, True):
                calls = {"ours": ours(n, causal)}
                if torch is not None:
                    calls |= {kind: theirs(torch, n, causal, kind) for kind in ("float64", "float32")}
                found = alternate(calls, 7, clock=time.process_time)
                ratios = [f"{found[kind] / found['ours']:.2f}" for kind in ("float64", "float32") if kind in found]
                print(f"{n}, {'causal' if causal else 'full'}: {1e3 * found['ours']:.1f}; {', '.join(ratios)}")


if __name__ == "__main__":
    main()
