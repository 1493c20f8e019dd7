import numpy as np
import pytest
from oracles import transformers

from meanfield import checkpoints
from particles.errors import InvalidInput


def test_before_the_first_layer_it_is_the_distance_of_the_part(tmp_path):
    opened = checkpoints.open(transformers.Bert(1).save(tmp_path / "m"))
    x = opened.embed(np.arange(20))
    ds = checkpoints.token_limit(opened.network(), x, [1, 10, 19], seeds=3, rng=0)
    assert ds.w2.shape == (3, 3, 4)
    squares = np.array([np.mean(np.sum((x - token) ** 2, axis=1)) for token in x])
    for s in range(3):
        assert min(abs(squares - float(ds.w2[0, s, 0]) ** 2)) < 1e-12
    assert (ds.w2.mean("seed").diff("size") < 0).all()
    spread = np.sqrt(np.mean(np.sum((x - x.mean(0)) ** 2, axis=1)))
    np.testing.assert_allclose(ds.relative[:, :, 0] * spread, ds.w2[:, :, 0], rtol=1e-12)
    again = checkpoints.token_limit(opened.network(), x, [1, 10, 19], seeds=3, rng=0)
    np.testing.assert_array_equal(ds.w2, again.w2)


def test_parts_of_a_decoder_are_windows(tmp_path):
    """A window that begins at the first token has the states of the whole text; the others have not."""
    opened = checkpoints.open(transformers.Gpt2(1).save(tmp_path / "m"))
    x = opened.embed(np.arange(12))
    ds = checkpoints.token_limit(opened.network(), x, [11], seeds=12, rng=0)
    values = np.unique(np.round(ds.w2.values[:, :, 3], 12))
    assert len(values) == 2


@pytest.mark.parametrize("wrong", [[], [0], [20], [1.5], "x", [[3]], [np.nan]])
def test_sizes_that_are_none_are_refused(tmp_path, wrong):
    opened = checkpoints.open(transformers.Bert(1).save(tmp_path / "m"))
    with pytest.raises(InvalidInput, match="sizes must"):
        checkpoints.token_limit(opened.network(), opened.embed(np.arange(20)), wrong)


def test_progress_is_told_of_every_part(tmp_path):
    seen = []
    opened = checkpoints.open(transformers.Bert(1).save(tmp_path / "m"))
    x = opened.embed(np.arange(6))
    checkpoints.token_limit(opened.network(), x, [2, 3], seeds=2, rng=0, progress=lambda k, n: seen.append((k, n)))
    assert seen[-1] == (4, 4)
