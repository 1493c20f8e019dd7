"""Forward passes of small transformers token by token, from the papers, and random checkpoints of every family.

Nothing here is shared with the library: tensors are dictionaries by the names of the state dictionaries, loops run
over tokens, heads and pairs.
"""

import json
import math

import numpy as np
from safetensors.numpy import save_file

VOCABULARY, WIDTH, LAYERS, HEADS, INNER, PLACES = 30, 12, 3, 3, 20, 24


def gelu(s):
    return 0.5 * s * (1 + math.erf(s / math.sqrt(2)))


def gelu_tanh(s):
    return 0.5 * s * (1 + math.tanh(math.sqrt(2 / math.pi) * (s + 0.044715 * s**3)))


def silu(s):
    return s / (1 + math.exp(-s))


def each(function, vector):
    return np.array([function(float(v)) for v in vector])


def layer_norm(x, gain, shift, eps):
    mean = sum(x) / len(x)
    variance = sum((v - mean) ** 2 for v in x) / len(x)
    return np.array([g * (v - mean) / math.sqrt(variance + eps) + s for v, g, s in zip(x, gain, shift, strict=True)])


def rms_norm(x, gain, eps):
    size = math.sqrt(sum(v * v for v in x) / len(x) + eps)
    return np.array([g * v / size for v, g in zip(x, gain, strict=True)])


def turned(vector, position, base, size):
    """Rotary positions: components i and i + size/2 turn by position · base^(−2i/size)."""
    out, half = np.array(vector, dtype=float), size // 2
    for i in range(half):
        angle = position * base ** (-2 * i / size)
        z = complex(vector[i], vector[i + half]) * complex(math.cos(angle), math.sin(angle))
        out[i], out[i + half] = z.real, z.imag
    return out


def attention(queries, keys, values, causal):
    """One head: rows of queries, keys, values in, one row a token out."""
    out = []
    for i, q in enumerate(queries):
        seen = range(i + 1) if causal else range(len(keys))
        weights = [math.exp(float(q @ keys[j]) / math.sqrt(len(q))) for j in seen]
        out.append(sum(w * values[j] for w, j in zip(weights, seen, strict=True)) / sum(weights))
    return np.array(out)


def multi_head(x, maps, n_heads, n_key_heads, causal, rotary=None):
    """All heads and the output map; `maps` are (weight, bias) of q, k, v, o; the bias may be None."""
    q, k, v = (np.array([_affine(m, token) for token in x]) for m in maps[:3])
    size = q.shape[1] // n_heads
    heads = []
    for h in range(n_heads):
        g = h // (n_heads // n_key_heads)
        own, shared = q[:, size * h : size * (h + 1)], slice(size * g, size * (g + 1))
        keys = k[:, shared]
        if rotary:
            own = np.array([turned(row, p, *rotary) for p, row in enumerate(own)])
            keys = np.array([turned(row, p, *rotary) for p, row in enumerate(keys)])
        heads.append(attention(own, keys, v[:, shared], causal))
    return np.array([_affine(maps[3], np.concatenate([head[i] for head in heads])) for i in range(len(x))])


def _affine(pair, x):
    weight, bias = pair
    out = np.array([float(row @ x) for row in weight])
    return out if bias is None else out + bias


class Small:
    """A random small checkpoint: `tensors` and `config` by the names of its family, and `states(ids)`."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.tensors, self.config = {}, {}
        self.build()

    def save(self, folder, dtype=np.float64):
        folder.mkdir(parents=True, exist_ok=True)
        save_file(
            {n: np.ascontiguousarray(t, dtype=dtype) for n, t in self.tensors.items()}, folder / "model.safetensors"
        )
        (folder / "config.json").write_text(json.dumps(self.config))
        return folder

    def draw(self, name, *shape):
        self.tensors[name] = self.rng.normal(0, 0.4, shape)

    def linear(self, name, rows, columns, bias=True):
        self.draw(f"{name}.weight", rows, columns)
        if bias:
            self.draw(f"{name}.bias", rows)

    def norm(self, name):
        self.draw(f"{name}.weight", WIDTH)
        self.draw(f"{name}.bias", WIDTH)

    def pair(self, name):
        return self.tensors[f"{name}.weight"], self.tensors.get(f"{name}.bias")

    def normed(self, x, name, eps):
        return np.array([layer_norm(token, *self.pair(name), eps) for token in x])

    def states(self, ids):
        """The tokens before the first layer and after each, (layers + 1, n, d)."""
        out = [self.embed(ids)]
        for layer in range(self.depth):
            out.append(self.layer(out[-1], layer))
        return np.array(out)

    depth = LAYERS


class Bert(Small):
    def build(self):
        self.config = {
            "model_type": "bert",
            "num_attention_heads": HEADS,
            "layer_norm_eps": 1e-12,
            "hidden_act": "gelu",
        }
        self.draw("bert.embeddings.word_embeddings.weight", VOCABULARY, WIDTH)
        self.draw("bert.embeddings.position_embeddings.weight", PLACES, WIDTH)
        self.draw("bert.embeddings.token_type_embeddings.weight", 2, WIDTH)
        self.norm("bert.embeddings.LayerNorm")
        for layer in range(LAYERS):
            stem = f"bert.encoder.layer.{layer}"
            for part in (
                "attention.self.query",
                "attention.self.key",
                "attention.self.value",
                "attention.output.dense",
            ):
                self.linear(f"{stem}.{part}", WIDTH, WIDTH)
            self.linear(f"{stem}.intermediate.dense", INNER, WIDTH)
            self.linear(f"{stem}.output.dense", WIDTH, INNER)
            self.norm(f"{stem}.attention.output.LayerNorm")
            self.norm(f"{stem}.output.LayerNorm")

    shift = 0

    def embed(self, ids):
        t = self.tensors
        rows = [
            t["bert.embeddings.word_embeddings.weight"][i]
            + t["bert.embeddings.position_embeddings.weight"][p + self.shift]
            + t["bert.embeddings.token_type_embeddings.weight"][0]
            for p, i in enumerate(ids)
        ]
        return self.normed(rows, "bert.embeddings.LayerNorm", 1e-12)

    def layer(self, x, layer):
        stem = f"bert.encoder.layer.{layer}"
        names = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
        moved = multi_head(x, [self.pair(f"{stem}.{n}") for n in names], HEADS, HEADS, False)
        u = self.normed(x + moved, f"{stem}.attention.output.LayerNorm", 1e-12)
        inner = [each(gelu, _affine(self.pair(f"{stem}.intermediate.dense"), token)) for token in u]
        out = np.array([_affine(self.pair(f"{stem}.output.dense"), token) for token in inner])
        return self.normed(u + out, f"{stem}.output.LayerNorm", 1e-12)


class Roberta(Bert):
    """BERT with positions that count from the padding index + 1."""

    shift = 2

    def build(self):
        super().build()
        self.config |= {"model_type": "roberta", "pad_token_id": 1}


class Albert(Small):
    depth = 4
    embedding = 7

    def build(self):
        self.config = {
            "model_type": "albert",
            "num_attention_heads": HEADS,
            "num_hidden_layers": self.depth,
            "layer_norm_eps": 1e-12,
            "hidden_act": "gelu_new",
            "inner_group_num": 1,
        }
        for name, rows in (("word", VOCABULARY), ("position", PLACES), ("token_type", 2)):
            self.draw(f"embeddings.{name}_embeddings.weight", rows, self.embedding)
        for part in ("weight", "bias"):
            self.draw(f"embeddings.LayerNorm.{part}", self.embedding)
        self.linear("encoder.embedding_hidden_mapping_in", WIDTH, self.embedding)
        for group in range(2):
            stem = self.stem(group)
            for part in ("query", "key", "value", "dense"):
                self.linear(f"{stem}.attention.{part}", WIDTH, WIDTH)
            self.linear(f"{stem}.ffn", INNER, WIDTH)
            self.linear(f"{stem}.ffn_output", WIDTH, INNER)
            self.norm(f"{stem}.attention.LayerNorm")
            self.norm(f"{stem}.full_layer_layer_norm")

    def stem(self, group):
        return f"encoder.albert_layer_groups.{group}.albert_layers.0"

    def embed(self, ids):
        tables = [self.tensors[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")]
        rows = [tables[0][i] + tables[1][p] + tables[2][0] for p, i in enumerate(ids)]
        rows = self.normed(rows, "embeddings.LayerNorm", 1e-12)
        return np.array([_affine(self.pair("encoder.embedding_hidden_mapping_in"), row) for row in rows])

    def layer(self, x, layer):
        stem = self.stem(layer // 2)
        maps = [self.pair(f"{stem}.attention.{n}") for n in ("query", "key", "value", "dense")]
        u = self.normed(x + multi_head(x, maps, HEADS, HEADS, False), f"{stem}.attention.LayerNorm", 1e-12)
        inner = [each(gelu_tanh, _affine(self.pair(f"{stem}.ffn"), token)) for token in u]
        out = np.array([_affine(self.pair(f"{stem}.ffn_output"), token) for token in inner])
        return self.normed(u + out, f"{stem}.full_layer_layer_norm", 1e-12)


class Gpt2(Small):
    def build(self):
        self.config = {"model_type": "gpt2", "n_head": HEADS, "layer_norm_epsilon": 1e-5}
        self.draw("transformer.wte.weight", VOCABULARY, WIDTH)
        self.draw("transformer.wpe.weight", PLACES, WIDTH)
        self.norm("transformer.ln_f")
        for layer in range(LAYERS):
            stem = f"transformer.h.{layer}"
            shapes = {"attn.c_attn": (WIDTH, 3 * WIDTH), "attn.c_proj": (WIDTH, WIDTH)}
            shapes |= {"mlp.c_fc": (WIDTH, INNER), "mlp.c_proj": (INNER, WIDTH)}
            for name, (rows, columns) in shapes.items():
                self.draw(f"{stem}.{name}.weight", rows, columns)
                self.draw(f"{stem}.{name}.bias", columns)
            self.norm(f"{stem}.ln_1")
            self.norm(f"{stem}.ln_2")

    def embed(self, ids):
        return np.array(
            [
                self.tensors["transformer.wte.weight"][i] + self.tensors["transformer.wpe.weight"][p]
                for p, i in enumerate(ids)
            ]
        )

    def conv(self, name):
        weight, bias = self.pair(name)
        return weight.T, bias

    def layer(self, x, layer):
        stem = f"transformer.h.{layer}"
        weight, bias = self.conv(f"{stem}.attn.c_attn")
        maps = [(weight[i : i + WIDTH], bias[i : i + WIDTH]) for i in (0, WIDTH, 2 * WIDTH)]
        maps.append(self.conv(f"{stem}.attn.c_proj"))
        u = x + multi_head(self.normed(x, f"{stem}.ln_1", 1e-5), maps, HEADS, HEADS, True)
        inner = [
            each(gelu_tanh, _affine(self.conv(f"{stem}.mlp.c_fc"), y)) for y in self.normed(u, f"{stem}.ln_2", 1e-5)
        ]
        return u + np.array([_affine(self.conv(f"{stem}.mlp.c_proj"), y) for y in inner])

    def final(self, x):
        return self.normed(x, "transformer.ln_f", 1e-5)


class Llama(Small):
    """Four heads of queries, two of keys and values, of a size that does not divide the width."""

    size, heads, groups, base = 6, 4, 2, 5000.0

    def build(self):
        self.config = {
            "model_type": "llama",
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.groups,
            "rms_norm_eps": 1e-5,
            "rope_parameters": {"rope_type": "default", "rope_theta": self.base},
            "hidden_act": "silu",
        }
        self.draw("model.embed_tokens.weight", VOCABULARY, WIDTH)
        self.draw("model.norm.weight", WIDTH)
        for layer in range(LAYERS):
            stem = f"model.layers.{layer}"
            for name, heads in (("q", self.heads), ("k", self.groups), ("v", self.groups)):
                self.linear(f"{stem}.self_attn.{name}_proj", heads * self.size, WIDTH, bias=False)
            self.linear(f"{stem}.self_attn.o_proj", WIDTH, self.heads * self.size, bias=False)
            for name in ("gate", "up"):
                self.linear(f"{stem}.mlp.{name}_proj", INNER, WIDTH, bias=False)
            self.linear(f"{stem}.mlp.down_proj", WIDTH, INNER, bias=False)
            self.draw(f"{stem}.input_layernorm.weight", WIDTH)
            self.draw(f"{stem}.post_attention_layernorm.weight", WIDTH)

    def embed(self, ids):
        return self.tensors["model.embed_tokens.weight"][list(ids)]

    def rms(self, x, name):
        return np.array([rms_norm(token, self.tensors[f"{name}.weight"], 1e-5) for token in x])

    def layer(self, x, layer):
        stem = f"model.layers.{layer}"
        maps = [self.pair(f"{stem}.self_attn.{n}_proj") for n in "qkvo"]
        seen = self.rms(x, f"{stem}.input_layernorm")
        u = x + multi_head(seen, maps, self.heads, self.groups, True, (self.base, self.size))
        gate, up, down = (self.pair(f"{stem}.mlp.{n}_proj") for n in ("gate", "up", "down"))
        seen = self.rms(u, f"{stem}.post_attention_layernorm")
        return u + np.array([_affine(down, each(silu, _affine(gate, y)) * _affine(up, y)) for y in seen])

    def final(self, x):
        return self.rms(x, "model.norm")


class NeoX(Small):
    """Half of the components turn; both parts of a layer act on its input."""

    parallel = True

    def build(self):
        self.config = {
            "model_type": "gpt_neox",
            "num_attention_heads": HEADS,
            "layer_norm_eps": 1e-5,
            "rotary_pct": 0.5,
            "use_parallel_residual": self.parallel,
        }
        self.draw("gpt_neox.embed_in.weight", VOCABULARY, WIDTH)
        self.norm("gpt_neox.final_layer_norm")
        for layer in range(LAYERS):
            stem = f"gpt_neox.layers.{layer}"
            self.linear(f"{stem}.attention.query_key_value", 3 * WIDTH, WIDTH)
            self.linear(f"{stem}.attention.dense", WIDTH, WIDTH)
            self.linear(f"{stem}.mlp.dense_h_to_4h", INNER, WIDTH)
            self.linear(f"{stem}.mlp.dense_4h_to_h", WIDTH, INNER)
            self.norm(f"{stem}.input_layernorm")
            self.norm(f"{stem}.post_attention_layernorm")

    def embed(self, ids):
        return self.tensors["gpt_neox.embed_in.weight"][list(ids)]

    def layer(self, x, layer):
        stem, size = f"gpt_neox.layers.{layer}", WIDTH // HEADS
        weight, bias = self.pair(f"{stem}.attention.query_key_value")
        rows = [[h * 3 * size + part * size + i for h in range(HEADS) for i in range(size)] for part in range(3)]
        maps = [(weight[r], bias[r]) for r in rows] + [self.pair(f"{stem}.attention.dense")]
        seen = self.normed(x, f"{stem}.input_layernorm", 1e-5)
        moved = multi_head(seen, maps, HEADS, HEADS, True, (10_000.0, size // 2))
        u = x if self.parallel else x + moved
        seen = self.normed(u, f"{stem}.post_attention_layernorm", 1e-5)
        inner = [each(gelu, _affine(self.pair(f"{stem}.mlp.dense_h_to_4h"), y)) for y in seen]
        out = np.array([_affine(self.pair(f"{stem}.mlp.dense_4h_to_h"), y) for y in inner])
        return x + moved + out

    def final(self, x):
        return self.normed(x, "gpt_neox.final_layer_norm", 1e-5)


class NeoXInTurn(NeoX):
    parallel = False


FAMILIES = {
    "BERT": Bert,
    "RoBERTa": Roberta,
    "ALBERT": Albert,
    "GPT-2": Gpt2,
    "LLaMA": Llama,
    "GPT-NeoX": NeoX,
    "GPT-NeoX in turn": NeoXInTurn,
}
