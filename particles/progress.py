"""How far a run or a study is: a bar, or a function of the caller's; what they do changes no number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from particles.checks import flag

Progress = bool | Callable[[int, int], object]
"""True for a bar, False for none, or a function that is called with what is done and how much there is."""


def as_progress(value: Progress) -> Progress:
    """A flag or a function; anything else is refused."""
    return value if callable(value) else flag(value, "progress")


@contextmanager
def progress_of(progress: Progress, label: str, unit: str, total: int, done: int = 0) -> Iterator[Callable[[], None]]:
    """A function to be called whenever one more of `total` is done."""
    if callable(progress):
        report, count = progress, done

        def advance() -> None:
            nonlocal count
            count += 1
            report(count, total)

        yield advance
        return
    if not progress:
        yield _nothing
        return
    # A widget of a notebook is lost where that is kept or shown without widgets, and stands at 0 there; text stays.
    from tqdm import tqdm

    with tqdm(total=total, initial=done, desc=label, unit=unit) as bar:
        yield lambda: _update(bar)


def reaching(advance: Callable[[], None]) -> Callable[[int], None]:
    """A function that is told how much is done in all, for what may pass several at once."""
    done = 0

    def reach(count: int) -> None:
        nonlocal done
        while done < count:
            advance()
            done += 1

    return reach


def _nothing() -> None:
    """Nothing is shown."""


def _update(bar: Any) -> None:
    bar.update()
