"""[network]: a trained network on a real text, layer by layer, beside null models and the flow of its layers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from meanfield import checkpoints, plots
from meanfield.app.parts.part import Part
from meanfield.app.report import Picture, Section, TextTable
from meanfield.app.table import Table, at_least, counts, text
from meanfield.app.workspace import Workspace
from meanfield.checkpoints import Checkpoint
from meanfield.studies.tasks import seeded
from particles.checks import Array
from particles.errors import InvalidInput, NotSupported

_LAYERS = (
    "How the tokens of one text cluster from layer to layer, beside networks with random weight matrices of the same "
    "singular values: what those show too is not learned. A clustered state has the cosines of its pairs near 1; the "
    "theory predicts a low rank of attention and few leaders in the limit."
)
_THREE = (
    "Left: densities of the cosines between all pairs of tokens, before the first layer (0, faint) and after each "
    "(stronger). Middle: the effective rank of the attention matrices against the layer. Right: the number of leaders. "
    "Lines: means over the heads, solid for the trained network, dashed for random ones; bands: from the least to the "
    "largest head."
)
_LAYER_TERMS = {
    "effective rank": "the exponential of the entropy of the singular values, as shares: 1 for one direction.",
    "entropy of rows": "of the attention of each token, as weights: 0 where it attends to one token.",
    "leaders": "tokens that some token attends to most.",
    "null": "the mean over the random networks.",
    "clusters": "groups of tokens connected by small angles.",
}
_FLOW_TERMS = {
    "nearest time of the flow": "how long the layer's equation runs until it comes nearest to what the layer makes.",
    "gap": "how far it still is from it then, relative to how far the layer moves the tokens.",
    "direction": "the cosine between the layer's step and its velocity at the start.",
}
_HEAD_CAPTION = (
    "The eigenvalues of V of every trained head, each head divided by its largest modulus; blue: the heads under "
    "Theorem 4.2, grey: the others."
)
_FLOW_CAPTION = (
    "Blue: the time of the flow nearest to each layer, 1 for a small step (grey line). Orange, green: the gaps."
)
_LIMIT_CAPTION = (
    "Dots: means over the parts; bars: standard deviations; blue before the first layer, orange after the last. Both "
    "axes are logarithmic."
)
_FLOW = (
    "Each layer beside the flow of its equation x' = A(x) + F(x) from the same tokens. The time at which the flow is "
    "nearest to what the layer makes of the tokens would be 1, with no gap, if the layer were a small step; the gap is "
    "relative to how far the layer moves them."
)
_HEADS = (
    "Which theorem of arXiv 2305.05465 covers a head alone, as the equation (1.1) with its Q, K, V and no biases, and "
    "for the others which hypothesis of Theorem 4.2 fails first. V and QᵀK have rank at most k < d: theorems "
    "about V = λI or definite QᵀK cover none of them, whatever their numbers are. Null: the same heads with V turned "
    "at random against Q and K, which leaves its eigenvalues as they are."
)
_LIMIT = (
    "The limit in the number of tokens: W₂ between the tokens of a part of the text and those of the whole text, after "
    "the last layer and before the first, over the spread of the whole text. A part is a window of the text where the "
    "network knows the order of tokens, else a random subset. There is no null model beside this one: what it shows "
    "need not be learned."
)
_LIMIT_TERMS = {
    "±": "the standard deviation over the parts, squares divided by their number; parts of one text may share tokens.",
    "W2": "the Wasserstein distance: the root of the least mean square way that carries one measure to the other.",
}


@dataclass(frozen=True, eq=False)
class TrainedNetworkPart(Part):
    """The network, the tokens that enter it, the number of null models, and the sizes of parts of the text."""

    name: ClassVar[str] = "network"
    cost: ClassVar[str] = "the layers of all null models, the flow of each layer, and the heads and their null models"

    checkpoint: Checkpoint
    tokens: Array
    null_models: int
    sizes: tuple[int, ...]
    seeds: int

    @classmethod
    def read(cls, table: Table) -> TrainedNetworkPart:
        """The part in its table: `checkpoint`, `text` or `ids`, `null_models`, `sizes`, `seeds`."""
        where = table.get("checkpoint", text, "tiny")
        number, ids = table.get("text", at_least(0), None), table.get("ids", counts, None)
        opened = checkpoints.tiny_network() if where == "tiny" else checkpoints.open(Path(where))
        if ids is None:
            ids = _shipped_ids(where, number)
        elif number is not None:
            raise InvalidInput("[network] has `text` and `ids`: give one of them")
        tokens = opened.embed(ids)
        return cls(
            opened,
            tokens,
            table.get("null_models", at_least(1), 4),
            tuple(int(n) for n in np.atleast_1d(table.get("sizes", counts, _sizes(len(tokens))))),
            table.get("seeds", at_least(1), 8),
        )

    def run(self, study: Workspace) -> None:
        """Follow the tokens through the layers; compare with flows, null models, theorems and parts of the text."""
        network = self.checkpoint.network()
        rng = seeded(study.setting.seed, 7)
        nulls = [checkpoints.null_network(network, rng) for _ in range(self.null_models)]
        found = study.keep(checkpoints.clustering_by_layer(network, self.tokens), "network_layers")
        others = xr.concat([checkpoints.clustering_by_layer(null, self.tokens) for null in nulls], "null")
        study.keep(others, "network_layers_null")
        with study.picture("network_layers", (12.0, 3.8)) as (figure, path):
            left, middle, right = figure.subplots(1, 3)
            plots.cosines(found, left)
            for ax, name in ((middle, "effective_rank"), (right, "leaders")):
                plots.by_layer(found, name, ax, label="trained")
                plots.by_layer(others, name, ax, label="null", color=plots.COLOURS[1], linestyle="--")
                ax.legend()
        study.add(
            Section(
                f"A trained network, {network.depth} layers on {len(self.tokens)} tokens",
                _LAYERS,
                _rows(found, others),
                Picture(path, _THREE),
                terms=_LAYER_TERMS,
            )
        )
        flow = study.keep(checkpoints.layers_and_flow(network, self.tokens), "network_flow")
        with study.picture("network_flow", (6.0, 4.0)) as (figure, path):
            plots.layers_and_flow(flow, figure.add_subplot())
        picture = Picture(path, _FLOW_CAPTION)
        study.add(Section("Layers and their flow", _FLOW, _flow_rows(flow), picture, terms=_FLOW_TERMS))
        self._heads(study, rng)
        self._limit(study, rng)

    def _heads(self, study: Workspace, rng: np.random.Generator) -> None:
        try:
            heads = self.checkpoint.heads()
        except NotSupported as error:
            study.add(Section("Heads and theorems", str(error)))
            return
        study.keep(heads, "network_heads")
        nulls = xr.concat([self.checkpoint.null_heads(rng) for _ in range(self.null_models)], "null")
        study.keep(nulls, "network_heads_null")
        with study.picture("network_heads", (6.0, 4.4)) as (figure, path):
            plots.heads(heads, figure.add_subplot())
        terms = {"median margin": "of the number that decides, over the heads of the row, relative to its own scale."}
        picture = Picture(path, _HEAD_CAPTION)
        text = _HEADS + _beside_null(heads, nulls)
        study.add(Section("Heads and theorems", text, _head_rows(heads, nulls), picture, terms=terms))

    def _limit(self, study: Workspace, rng: np.random.Generator) -> None:
        if not self.sizes:
            return
        network = self.checkpoint.network()
        ds = checkpoints.token_limit(
            network, self.tokens, self.sizes, seeds=self.seeds, rng=rng, progress=study.progress
        )
        study.keep(ds, "network_tokens")
        mean, spread = ds["relative"].mean("seed"), ds["relative"].std("seed")
        rows = [
            [str(int(n)), *(f"{float(mean[i, k]):.3f} ± {float(spread[i, k]):.3f}" for k in (0, -1))]
            for i, n in enumerate(ds["size"])
        ]
        header = ["tokens", "W2 before the first layer", "W2 after the last"]
        with study.picture("network_tokens", (6.0, 4.0)) as (figure, path):
            plots.token_limit(ds, figure.add_subplot())
        picture = Picture(path, _LIMIT_CAPTION)
        title, text = "The limit in the number of tokens", _LIMIT + _after_layers(ds)
        study.add(Section(title, text, TextTable(header, rows), picture, terms=_LIMIT_TERMS))


def _shipped_ids(where: str, number: int | None) -> Any:
    if where != "tiny":
        raise InvalidInput("[network] needs `ids`, the token ids of a text for that checkpoint")
    texts = checkpoints.tiny_texts()
    chosen = len(texts) - 1 if number is None else number
    if chosen >= len(texts):
        raise InvalidInput(f"`network.text` must be in 0 … {len(texts) - 1}, got {chosen}")
    return texts[chosen].ids


def _sizes(n: int) -> list[int]:
    return [size for size in (8, 16, 32, 64, 128) if 2 * size <= n]


def _rows(ds: xr.Dataset, others: xr.Dataset) -> TextTable:
    """What the trained network has in each layer, beside the mean over the random ones (a dimension `null`)."""
    names = {"mean_cosine": (".3f", "mean cosine"), "cluster_count": (".4g", "clusters")}
    names |= {"effective_rank": (".2f", "effective rank of P"), "entropy": (".2f", "entropy of rows")}
    names |= {"leaders": (".1f", "leaders")}
    rows = []
    for k in range(ds.sizes["state"]):
        row = [str(k)]
        for name, (form, _) in names.items():
            along = "layer" if "layer" in ds[name].dims else "state"
            known = k < ds.sizes[along]
            row += [f"{float(each[name].isel({along: k}).mean()):{form}}" if known else "" for each in (ds, others)]
        rows.append(row)
    return TextTable(["tokens before layer", *(title for _, own in names.values() for title in (own, "null"))], rows)


def _beside_null(heads: xr.Dataset, nulls: xr.Dataset) -> str:
    """Whether Theorem 4.2 covers another share of the trained heads than of the null ones, in words."""
    covered = np.array([np.sum(ds["theorem"].values == "4.2") for ds in (heads, nulls)])
    total = np.array([ds["theorem"].size for ds in (heads, nulls)])
    share, both = covered / total, covered.sum() / total.sum()
    error = float(np.sqrt(both * (1.0 - both) * (1.0 / total).sum()))
    apart = abs(share[0] - share[1]) > 2.0 * error
    return (
        f" Theorem 4.2 covers {share[0]:.0%} of the trained heads and {share[1]:.0%} of the null ones: a difference of "
        f"{'more' if apart else 'no more'} than two standard errors ({2.0 * error:.0%}), were all heads independent."
    )


def _after_layers(ds: xr.Dataset) -> str:
    """Whether the layers bring the parts nearer to the whole text in the mean, in words."""
    mean = ds["relative"].mean("seed")
    nearer = np.flatnonzero((mean[:, -1] < mean[:, 0]).values)
    if len(nearer) in (0, ds.sizes["size"]):
        return f" At every size its mean is {'smaller' if len(nearer) else 'larger'} after the last layer than before."
    sizes = ", ".join(str(int(n)) for n in ds["size"].values[nearer])
    return f" Its mean is smaller after the last layer than before for parts of {sizes} tokens, larger for all others."


def _flow_rows(ds: xr.Dataset) -> TextTable:
    names = ("step", "gap", "gap_at_one", "moved", "direction")
    rows = [[str(int(ds["layer"][k])), *(f"{float(ds[n][k]):.3f}" for n in names)] for k in range(ds.sizes["layer"])]
    header = ["layer", "nearest time of the flow", "gap there", "gap at time 1", "moved, of the size", "direction"]
    return TextTable(header, rows)


def _head_rows(heads: xr.Dataset, nulls: xr.Dataset) -> TextTable:
    """How many heads each theorem covers, and where Theorem 4.2 fails first, with the median margin there."""
    rows = []
    for kind, ds in (("trained", heads), ("null", nulls)):
        total = ds["theorem"].size
        fails = ds["fails"].values.ravel()
        covered = int(np.sum(ds["theorem"].values == "4.2"))
        rows.append(
            [
                kind,
                "4.2 holds",
                f"{covered} of {total}",
                f"{float(ds['attracting_margin'].where(ds['fails'] == '').median()):.3f}",
            ]
        )
        for name, words in checkpoints.HYPOTHESES.items():
            short = words.split(" (")[0]
            hit = fails == short
            if hit.any():
                margin = float(np.median(ds[name].values.ravel()[hit]))
                rows.append([kind, f"fails: {short}", f"{int(hit.sum())} of {total}", f"{margin:.3f}"])
    return TextTable(["heads", "Theorem 4.2", "how many", "median margin"], rows)
