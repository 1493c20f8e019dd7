"""Ctrl-C that is not lost: noted where it arrives, raised again where other code kept it to itself."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupts:
    """In its block Ctrl-C interrupts as always, and `check` does it once more where nobody heard of it.

    Python drops an exception that a signal raises in a finalizer or in the callback of a weak reference, and some
    compiled code clears it: a study would go on. Outside the main thread, to which signals belong, nothing is noted.
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
