"""The part on a trained network reads its tokens, and its section answers every question from the network's numbers."""

import pytest
from oracles import transformers

from meanfield import checkpoints
from meanfield.app.parts.trained_network import TrainedNetworkPart
from meanfield.app.table import Table
from particles.errors import InvalidInput, StoreError


def read(**content):
    return TrainedNetworkPart.read(Table(content, "network"))


def test_the_shipped_network_and_text_are_the_default():
    part = read()
    assert part.checkpoint.depth == 6
    assert len(part.tokens) == len(checkpoints.tiny_texts()[-1].ids)
    assert part.sizes[0] == 8
    assert all(2 * size <= len(part.tokens) for size in part.sizes)
    assert len(read(text=0).tokens) == len(checkpoints.tiny_texts()[0].ids)


def test_a_checkpoint_of_the_user_s_needs_ids(tmp_path):
    folder = str(transformers.Bert().save(tmp_path / "m"))
    assert read(checkpoint=folder, ids=[1, 2, 3]).tokens.shape == (3, 12)
    with pytest.raises(InvalidInput, match="needs `ids`"):
        read(checkpoint=folder)
    with pytest.raises(InvalidInput, match="give one of them"):
        read(text=0, ids=[1, 2])
    with pytest.raises(InvalidInput, match=r"`network\.text` must be in 0 … 3"):
        read(text=9)
    with pytest.raises(StoreError, match="no such file"):
        read(checkpoint="nowhere")
