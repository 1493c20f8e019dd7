"""Ctrl-C that is not lost: put off where an exception would do harm, and raised again where other code dropped it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self


@contextmanager
def put_off() -> Iterator[None]:
    """Ctrl-C is noted in the block, and heard when it has ended; outside the main thread nothing changes."""
    handler = signal.getsignal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None
    noted: list[int] = []
    if handler is not None:
        signal.signal(signal.SIGINT, lambda number, _: noted.append(number))
    try:
        yield
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
        for number in noted[:1]:
            signal.raise_signal(number)


class Interrupts:
    """In its block Ctrl-C interrupts as always, and `check` does it once more where nobody heard of it.

    Python drops an exception that a signal raises in a finalizer or in a callback from compiled code: a study would go
    on. Outside the main thread, to which signals belong, nothing is noted.
    """

    def __init__(self) -> None:
        self._noted = False
        self._before: Any = None

    def __enter__(self) -> Self:
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(before):
            self._before = before
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted = True
        self._before(number, frame)

    def check(self) -> None:
        """Raise KeyboardInterrupt where Ctrl-C has come since the block began."""
        if self._noted:
            raise KeyboardInterrupt
