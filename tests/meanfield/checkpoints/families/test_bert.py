import pytest
from oracles.transformers import Bert, Roberta

from meanfield import checkpoints
from particles.errors import InvalidInput, NotSupported


@pytest.mark.parametrize(("key", "value"), [("position_embedding_type", "relative_key"), ("is_decoder", True)])
def test_settings_that_change_the_scores_are_refused(tmp_path, key, value):
    small = Bert()
    small.config[key] = value
    with pytest.raises(NotSupported, match=f"{key} in config.json is {value!r}"):
        checkpoints.open(small.save(tmp_path / "m"))


def test_positions_of_roberta_count_from_the_padding_index(tmp_path):
    ids = [3, 1, 4]
    bert, roberta = (checkpoints.open(cls(5).save(tmp_path / cls.__name__)) for cls in (Bert, Roberta))
    assert abs(bert.embed(ids) - roberta.embed(ids)).max() > 0.1


def test_more_tokens_than_positions_are_refused(tmp_path):
    opened = checkpoints.open(Bert().save(tmp_path / "m"))
    with pytest.raises(InvalidInput, match=r"position_embeddings\.weight must lie in 0 … 23, got 0 … 24"):
        opened.embed([1] * 25)
    with pytest.raises(InvalidInput, match=r"word_embeddings\.weight must lie in 0 … 29, got 1 … 30"):
        opened.embed([1, 30])
