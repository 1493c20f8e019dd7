import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from oracles import transformers

from meanfield import checkpoints
from meanfield.checkpoints.families import FAMILIES
from meanfield.checkpoints.families.family import SHOWN, Settings, Source
from particles.errors import InvalidInput, NotSupported

IDS = [3, 7, 1, 3, 29, 0, 12]


@pytest.mark.parametrize("name", transformers.FAMILIES)
def test_every_layer_is_that_of_the_papers(tmp_path, name):
    small = transformers.FAMILIES[name](seed=1)
    opened = checkpoints.open(small.save(tmp_path / "model"))
    states, w = small.states(IDS), np.full(len(IDS), 1 / len(IDS))
    np.testing.assert_allclose(opened.embed(IDS), states[0], rtol=0, atol=1e-14)
    network = opened.network()
    assert network.depth == opened.depth == small.depth
    for k in range(small.depth):
        np.testing.assert_allclose(network.layers[k].forward(states[k], w), states[k + 1], rtol=0, atol=3e-14)
    if hasattr(small, "final"):
        np.testing.assert_allclose(network.output(states[-1]), small.final(states[-1]), rtol=0, atol=1e-14)
    else:
        np.testing.assert_array_equal(network.output(states[-1]), states[-1])


@pytest.mark.parametrize("name", transformers.FAMILIES)
def test_a_tensor_that_the_layer_does_not_use_is_refused(tmp_path, name):
    small = transformers.FAMILIES[name]()
    layer = next(n for n in small.tensors if n.endswith("dense.weight") or "proj.weight" in n)
    small.tensors[layer.replace(".weight", ".lora_A")] = np.ones((2, 2))
    with pytest.raises(NotSupported, match="lora_A"):
        checkpoints.open(small.save(tmp_path / "model")).layer(0)


@pytest.mark.parametrize("name", [name for name in transformers.FAMILIES if name != "LLaMA"])
def test_a_layer_without_one_of_its_biases_is_incomplete(tmp_path, name):
    """A file that lost the biases of its queries would give other tokens in silence."""
    small = transformers.FAMILIES[name]()
    lost = next(n for n in small.tensors if n.endswith((".query.bias", "c_attn.bias", "query_key_value.bias")))
    del small.tensors[lost]
    opened = checkpoints.open(small.save(tmp_path / "m"))
    with pytest.raises(InvalidInput, match=f"has no tensor {lost}"):
        opened.network()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_names_and_prefixes(family):
    names = tuple(prefix + family.marker.format(k) for prefix in ("", "a.b.") for k in (0, 3))
    assert family.prefixes(names) == ["", "a.b."]
    assert family.prefixes(("x" + family.marker.format(0),)) == []
    assert family.name
    assert family.model_types


def test_the_number_of_heads_is_said_once():
    assert Settings(None, 3).heads() == Settings({"n_head": 3}).heads() == Settings({"n_head": 3}, 3).heads() == 3
    with pytest.raises(InvalidInput, match="n_heads = 4, but num_attention_heads = 3"):
        Settings({"num_attention_heads": 3}, 4).heads()
    with pytest.raises(InvalidInput, match="give n_heads"):
        Settings(None).heads()


@pytest.mark.parametrize("wrong", ["mish", 3, ["gelu"]])
def test_an_activation_that_is_not_known_is_refused(wrong):
    with pytest.raises(NotSupported, match=r"hidden_act in config\.json"):
        Settings({"hidden_act": wrong}).activation("hidden_act", "gelu")


def test_a_missing_tensor_is_named_with_those_that_are_there_and_how_many_more():
    for kept in (2, SHOWN, SHOWN + 3):
        names = tuple(f"layer.{k}.attention.weight" for k in range(kept))
        weights = SimpleNamespace(names=names, path=Path("m.safetensors"))
        with pytest.raises(InvalidInput, match=r"m\.safetensors has no tensor lost; it has layer") as caught:
            Source(weights, "", Settings(None)).full("lost")
        assert ("and 3 more" in str(caught.value)) == (kept > SHOWN)


PAGE = Path(__file__).parents[4] / "docs" / "transformers.md"


def listed(cell):
    """The names in the code spans of a cell, for layer 0; {a,b} is each of its words."""
    names = []
    for span in re.findall(r"`([^`]*)`", cell):
        parts = re.split(r"\{(.*?)\}", span.replace("{l}", "0"))
        choices = [part.split(",") if k % 2 else [part] for k, part in enumerate(parts)]
        names += ["".join(words) for words in itertools.product(*choices)]
    return set(names)


@pytest.mark.parametrize("name", transformers.FAMILIES)
def test_the_tensors_on_the_page_are_those_that_are_read(tmp_path, name):
    """All of them together are a network; those of the first column alone have heads, and one less has none."""
    family = name.removesuffix(" in turn")
    row = next(
        line.split("|")[2:]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if re.match(rf"\| .*{family}", line)
    )
    heads, layers, ends = map(listed, row[:3])
    small = transformers.FAMILIES[name](seed=1)
    prefix = {"BERT": "bert.", "RoBERTa": "bert.", "GPT-2": "transformer.", "LLaMA": "model.", "ALBERT": ""}
    start = prefix.get(family, "gpt_neox.")
    later = re.compile(r"(layer|layers|h|albert_layer_groups)\.[1-9]")
    first = {n.removeprefix(start): value for n, value in small.tensors.items() if not later.search(n)}
    assert heads | layers | ends == first.keys()
    only = {n: first[n] for n in heads}
    small.tensors = only
    assert checkpoints.open(small.save(tmp_path / "some")).head(0, 1, without_positions=True).dim == 12
    del only[max(heads)]
    with pytest.raises(InvalidInput):
        checkpoints.open(small.save(tmp_path / "less")).head(0, 1, without_positions=True)
