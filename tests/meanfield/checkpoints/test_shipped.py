import hashlib
import json

import numpy as np
import pytest

from meanfield import checkpoints
from meanfield.data import data_folder
from particles.errors import InvalidInput


@pytest.mark.parametrize("text", range(4))
def test_the_shipped_network_is_its_reference_layer_by_layer(text):
    """The reference implementation in float32: deviations are its rounding, of states of size up to about 100."""
    network, model = checkpoints.tiny_network().network(), checkpoints.tiny_network()
    reference = checkpoints.tiny_reference(text)
    x = model.embed(checkpoints.tiny_texts()[text].ids)
    w = np.full(len(x), 1 / len(x))
    for k in range(network.depth):
        np.testing.assert_allclose(x, reference[k], rtol=0, atol=2e-6 * abs(reference[k]).max())
        x = network.layers[k].forward(x, w)
    np.testing.assert_allclose(network.output(x), reference[-1], rtol=0, atol=2e-6 * abs(reference[-1]).max())


def test_what_is_shipped_is_what_its_note_has():
    folder = data_folder() / "tiny_network"
    note = json.loads((folder / "sentences.json").read_text(encoding="utf-8"))
    weights = (folder / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == note["sha256"]
    assert len(weights) < 3_000_000
    for entry, text in zip(note["sentences"], checkpoints.tiny_texts(), strict=True):
        assert "".join(text.tokens) == text.text == entry["text"]
        assert len(text.ids) == len(text.tokens)
    lengths = [len(text.ids) for text in checkpoints.tiny_texts()]
    assert max(lengths) == lengths[-1] > 60


def test_the_text_after_the_last_is_refused():
    many = len(checkpoints.tiny_texts())
    assert len(checkpoints.tiny_reference(many - 1)) > 0
    with pytest.raises(InvalidInput, match=rf"text must be in 0 … {many - 1}, got {many}"):
        checkpoints.tiny_reference(many)
