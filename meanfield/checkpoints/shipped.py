"""A small trained language model that is shipped with the library, and texts for it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from meanfield.checkpoints.pretrained import Checkpoint, open
from meanfield.data import data_folder
from particles.checks import Array, whole
from particles.errors import InvalidInput

FOLDER = "tiny_network"


@dataclass(frozen=True)
class Text:
    """A text as a model reads it: `text`, the pieces `tokens`, and their ids."""

    text: str
    tokens: tuple[str, ...]
    ids: tuple[int, ...]


def tiny_network() -> Checkpoint:
    """A language model of GPT-2's shape, six layers of width 96, trained on the language reference of CPython.

    data/make_tiny_network.py made it; data/tiny_network/sentences.json has where it comes from.

    Returns
    -------
    Checkpoint
        As `open` gives it.
    """
    return open(data_folder() / FOLDER)


def tiny_texts() -> tuple[Text, ...]:
    """Texts of several lengths with their token ids in the tiny network's vocabulary, the longest last.

    Returns
    -------
    tuple of Text
        Each with its `text`, its `tokens` and their `ids`.
    """
    entries = json.loads((data_folder() / FOLDER / "sentences.json").read_text(encoding="utf-8"))["sentences"]
    return tuple(Text(entry["text"], tuple(entry["tokens"]), tuple(entry["ids"])) for entry in entries)


def tiny_reference(text: int) -> Array:
    """The states of the tiny network for a text as its reference implementation has them in float32, (7, n, 96).

    The last one is after the final normalisation.

    Parameters
    ----------
    text : int
        The place of the text in `tiny_texts()`.

    Returns
    -------
    array, shape (7, n, 96)
        The tokens before the first layer and after each.

    Raises
    ------
    InvalidInput
        For a text that is not there.
    """
    number = whole(text, "text", least=0)
    if number >= (many := len(tiny_texts())):
        raise InvalidInput(f"text must be in 0 … {many - 1}, got {text}")
    with np.load(data_folder() / FOLDER / "reference.npz", allow_pickle=False) as store:
        return np.asarray(store[f"states_{number}"], dtype=float)
