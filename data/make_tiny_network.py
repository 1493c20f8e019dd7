"""Trains the small language model of tiny_network.safetensors and records what its reference implementation computes.

    pip install torch==2.13.0 transformers==5.24.0 safetensors
    python data/make_tiny_network.py

The text is the language reference that CPython ships (`pydoc_data.topics`); the model is GPT-2 of Hugging Face
Transformers, six layers of width 96. Reruns agree to the rounding of the machine's BLAS, not bitwise.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections import Counter
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy

OUTPUT = Path(__file__).resolve().parent / "tiny_network"
WORDS, CONTEXT, BATCH, STEPS, SEED = 2000, 128, 16, 1000, 20261128
LEARNING_RATE = 2e-3
SENTENCES = (
    "The value of the expression is the value of the last item in the list.",
    "An object is an instance of a class, and every class is an object.",
    "If the name is not found in the local scope, it is looked up in the global scope, and then in the built-in scope.",
    "A function definition is an executable statement. Its execution binds the function name in the current local "
    "namespace to a function object. This function object contains a reference to the current global namespace as the "
    "global namespace to be used when the function is called. The function definition does not execute the function "
    "body; this gets executed only when the function is called.",
)
PIECES = re.compile(r" ?\w+| ?[^\w\s]+|\s+")


def vocabulary(text: str) -> list[str]:
    """All characters, and the most frequent words with the space before them."""
    characters = sorted(set(text))
    words = [w for w, _ in Counter(PIECES.findall(text)).most_common(WORDS + len(characters)) if len(w) > 1]
    return characters + words[:WORDS]


def encode(text: str, ids: dict[str, int]) -> list[int]:
    """A word where it is known, its characters where not."""
    out: list[int] = []
    for piece in PIECES.findall(text):
        out += [ids[piece]] if piece in ids else [ids[c] for c in piece]
    return out


def trained(tokens: torch.Tensor, size: int) -> transformers.GPT2LMHeadModel:
    """The model after STEPS steps of AdamW on random windows of the text."""
    torch.manual_seed(SEED)
    config = transformers.GPT2Config(
        vocab_size=size,
        n_positions=256,
        n_embd=96,
        n_layer=6,
        n_head=6,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = transformers.GPT2LMHeadModel(config)
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=STEPS)
    for step in range(STEPS):
        starts = torch.randint(len(tokens) - CONTEXT - 1, (BATCH,))
        batch = torch.stack([tokens[s : s + CONTEXT + 1] for s in starts])
        logits = model(batch[:, :-1]).logits
        loss = cross_entropy(logits.reshape(-1, size), batch[:, 1:].reshape(-1))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == STEPS - 1:
            print(f"step {step}: {loss.item():.3f} nats a token", flush=True)
    return model.eval()


def main() -> None:
    """Trains, rounds the weights to half precision, and records the states of the rounded model in float32."""
    text = "\n".join(topics[name] for name in sorted(topics))
    words = vocabulary(text)
    ids = {word: i for i, word in enumerate(words)}
    tokens = torch.tensor(encode(text, ids))
    model = trained(tokens, len(words))
    half = {name: t.half() for name, t in model.transformer.state_dict().items() if not name.endswith(".attn.bias")}
    model.transformer.load_state_dict({name: t.float() for name, t in half.items()}, strict=False)
    OUTPUT.mkdir(exist_ok=True)
    save_file(half, OUTPUT / "model.safetensors")
    config = {key: value for key, value in model.config.to_dict().items() if isinstance(value, int | float | str)}
    (OUTPUT / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sentences, states = [], {}
    for k, sentence in enumerate(SENTENCES):
        found = encode(sentence, ids)
        sentences.append({"text": sentence, "ids": found, "tokens": [words[i] for i in found]})
        with torch.no_grad():
            hidden = model.transformer(torch.tensor([found]), output_hidden_states=True).hidden_states
        states[f"states_{k}"] = np.stack([h[0].numpy() for h in hidden])
    np.savez_compressed(OUTPUT / "reference.npz", **states)
    note = {
        "text": f"pydoc_data.topics of CPython {platform.python_version()} (Python Software Foundation licence)",
        "reference": f"transformers {transformers.__version__}, torch {torch.__version__}, float32",
        "steps": STEPS,
        "sha256": hashlib.sha256((OUTPUT / "model.safetensors").read_bytes()).hexdigest(),
        "sentences": sentences,
    }
    (OUTPUT / "sentences.json").write_text(json.dumps(note, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
