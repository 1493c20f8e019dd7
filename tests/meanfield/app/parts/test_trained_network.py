"""The part on a trained network reads its tokens, and its section answers every question from the network's numbers."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from oracles import transformers
from run_of_part import kept, run_part

from meanfield import Uniform, checkpoints
from meanfield.app.parts.setting import Setting
from meanfield.app.parts.trained_network import TrainedNetworkPart, _after_layers, _beside_null, _sizes
from meanfield.app.table import Table
from particles import SelfAttention
from particles.errors import InvalidInput, NotSupported, StoreError


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


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The part run on a random BERT of three layers of three heads and 20 tokens: its study and its pictures."""
    folder = tmp_path_factory.mktemp("network")
    stored = str(transformers.Bert().save(folder / "bert"))
    ids = [int(i) for i in np.random.default_rng(0).integers(0, transformers.VOCABULARY, 20)]
    part = read(checkpoint=stored, ids=ids, null_models=2, seeds=3)
    return part, *run_part(part, Setting(SelfAttention(1.0, 1.0, 1.0), Uniform((0, 1)), None, 3), folder)


def test_the_layers_are_told_row_by_row(ran):
    part, study, _ = ran
    section, ds, others = study.sections[0], kept(study, "network_layers"), kept(study, "network_layers_null")
    assert section.title == "A trained network, 3 layers on 20 tokens"
    assert part.sizes == (8,)
    rows = section.table.rows
    assert [row[0] for row in rows] == ["0", "1", "2", "3"]
    for k, row in enumerate(rows):
        assert row[1] == f"{float(ds['mean_cosine'][k]):.3f}"
        assert row[3] == f"{int(ds['cluster_count'][k])}"
        # Every number of the trained network has that of the random ones at its right.
        assert row[2] == f"{float(others['mean_cosine'].isel(state=k).mean()):.3f}"
        assert row[4] == f"{float(others['cluster_count'].isel(state=k).mean()):.4g}"
    for k, row in enumerate(rows[:3]):
        for column, (name, form) in enumerate((("effective_rank", ".2f"), ("entropy", ".2f"), ("leaders", ".1f"))):
            both = [float(each[name].isel(layer=k).mean()) for each in (ds, others)]
            assert row[5 + 2 * column : 7 + 2 * column] == [f"{value:{form}}" for value in both]
    assert rows[3][5:] == [""] * 6
    assert section.table.header[5:7] == ["effective rank of P", "null"]
    assert set(section.terms) == {"effective rank", "entropy of rows", "leaders", "clusters", "null"}
    assert others.sizes["null"] == 2


def test_the_picture_of_the_layers_has_the_trained_network_and_the_random_ones(ran):
    _, study, pictures = ran
    ds, others = kept(study, "network_layers"), kept(study, "network_layers_null")
    left, *lines = pictures["network_layers"].axes
    assert len(left.lines) == 4
    for ax, name in zip(lines, ("effective_rank", "leaders"), strict=True):
        solid, dashed = ax.lines
        np.testing.assert_allclose(solid.get_ydata(), ds[name].mean("head"))
        np.testing.assert_allclose(dashed.get_ydata(), others[name].mean(("head", "null")))
        assert (solid.get_linestyle(), dashed.get_linestyle()) == ("-", "--")
        assert solid.get_color() != dashed.get_color()
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["trained", "null"]
    assert len(pictures["network_flow"].axes[0].lines) == 4
    assert len(pictures["network_heads"].axes[0].collections) == 2
    assert len(pictures["network_tokens"].axes[0].containers) == 2


def test_the_flow_the_heads_and_the_parts_are_told_row_by_row(ran):
    _, study, _ = ran
    _, flow, heads, limit = study.sections
    ds = kept(study, "network_flow")
    names = ("step", "gap", "gap_at_one", "moved", "direction")
    assert flow.table.rows == [[str(k), *(f"{float(ds[name][k]):.3f}" for name in names)] for k in range(3)]
    assert len(flow.table.header) == 6
    rows = []
    for kind, name in (("trained", "network_heads"), ("null", "network_heads_null")):
        ds = kept(study, name)
        fails, total = ds["fails"].values.ravel().tolist(), ds["fails"].size
        holds = [k for k, fail in enumerate(fails) if fail == ""]
        margin = np.median(ds["attracting_margin"].values.ravel()[holds])
        rows.append([kind, "4.2 holds", f"{len(holds)} of {total}", f"{margin:.3f}"])
        for variable, words in checkpoints.HYPOTHESES.items():
            short = words.split(" (")[0]
            here = [k for k, fail in enumerate(fails) if fail == short]
            if here:
                margin = np.median(ds[variable].values.ravel()[here])
                rows.append([kind, f"fails: {short}", f"{len(here)} of {total}", f"{margin:.3f}"])
    assert heads.table.rows == rows
    assert {row[2].split(" of ")[1] for row in rows} == {"9", "18"}
    assert sum(int(row[2].split(" of ")[0]) for row in rows) == 27
    relative = kept(study, "network_tokens")["relative"]
    cells = [f"{float(v.mean()):.3f} ± {float(v.std()):.3f}" for v in (relative[0, :, 0], relative[0, :, -1])]
    assert limit.table.rows == [["8", *cells]]
    assert {"±", "W2"} == set(limit.terms)
    assert "There is no null model beside this one" in limit.text
    assert _beside_null(*(kept(study, name) for name in ("network_heads", "network_heads_null"))) in heads.text
    assert kept(study, "network_tokens").sizes["seed"] == 3
    assert [section.picture.path.name for section in study.sections] == [
        f"network_{name}.png" for name in ("layers", "flow", "heads", "tokens")
    ]


@pytest.mark.parametrize(
    ("trained", "null", "words"),
    [
        ((6, 36), (23, 144), "17% of the trained heads and 16% of the null ones: a difference of no more than two"),
        ((30, 36), (23, 144), "83% of the trained heads and 16% of the null ones: a difference of more than two"),
    ],
)
def test_trained_heads_are_compared_with_their_null_model(trained, null, words):
    both = [xr.Dataset({"theorem": ("head", ["4.2"] * k + [""] * (n - k))}) for k, n in (trained, null)]
    assert f" Theorem 4.2 covers {words} standard errors (" in _beside_null(*both)


def test_whether_layers_bring_parts_nearer_is_told_by_the_numbers():
    def told(before, after):
        relative = np.array([before, after], float).T[:, None, :]
        return _after_layers(xr.Dataset({"relative": (("size", "seed", "state"), relative)}, {"size": [8, 16]}))

    assert told([1.0, 0.8], [1.2, 0.9]) == " At every size its mean is larger after the last layer than before."
    assert told([1.0, 0.8], [0.9, 0.7]) == " At every size its mean is smaller after the last layer than before."
    assert "smaller after the last layer than before for parts of 16 tokens" in told([1.0, 0.8], [1.1, 0.7])


def test_heads_that_no_theorem_can_be_asked_of_are_a_sentence_and_no_part_needs_sizes(ran):
    part, study, _ = ran

    def refuses():
        raise NotSupported("no matrices")

    short = replace(part, checkpoint=SimpleNamespace(heads=refuses), sizes=())
    before = len(study.sections)
    short._heads(study, None)
    short._limit(study, None)
    (section,) = study.sections[before:]
    del study.sections[before:]
    assert (section.title, section.text, section.table) == ("Heads and theorems", "no matrices", None)
    assert [_sizes(n) for n in (15, 16, 64, 256, 1000)] == [
        [],
        [8],
        [8, 16, 32],
        [8, 16, 32, 64, 128],
        [8, 16, 32, 64, 128],
    ]
