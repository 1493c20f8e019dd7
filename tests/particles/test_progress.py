"""Progress: a flag or a function, and nothing else."""

import pytest

from particles.errors import InvalidInput
from particles.progress import as_progress, progress_of, reaching


def test_a_function_is_called_with_what_is_done():
    calls = []
    with progress_of(lambda done, total: calls.append((done, total)), "run", "save", 4, 1) as advance:
        advance()
        advance()
    assert calls == [(2, 4), (3, 4)]


def test_a_bar_counts_and_no_bar_is_silent(capsys):
    for flag in (True, False):
        with progress_of(flag, "run", "save", 2) as advance:
            advance()
            advance()
        assert ("2/2" in capsys.readouterr().err) is flag


@pytest.mark.parametrize("wrong", [1, "yes", None])
def test_anything_else_is_refused(wrong):
    with pytest.raises(InvalidInput, match="progress must be True or False"):
        as_progress(wrong)


def test_several_may_be_passed_at_once_and_none_is_counted_twice():
    calls = []
    with progress_of(lambda done, total: calls.append(done), "run", "save", 5) as advance:
        reach = reaching(advance)
        for count in (0, 2, 1, 2, 5):
            reach(count)
    assert calls == [1, 2, 3, 4, 5]
