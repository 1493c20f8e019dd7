"""The library's exception types: each message names the value, what is allowed and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


class LibraryError(Exception):
    """Base of every error that the library raises on purpose."""


class InvalidInput(LibraryError, ValueError):
    """An argument is invalid; nothing was computed."""


class NotSupported(LibraryError, TypeError):
    """The combination asked for has no meaning here (say, a causal model on a grid)."""


class TooLarge(LibraryError, MemoryError):
    """The computation would need more memory than allowed; the message names the bytes and the alternative."""


class DistanceTooLarge(TooLarge):
    """An exact Wasserstein distance would need more memory than allowed."""


class NotConverged(LibraryError, RuntimeError):
    """An iteration stopped short of its tolerance; the number that it had is not returned as a result."""


class StoreError(LibraryError, OSError):
    """A result on disk is missing, damaged, already there, or not one of this library's."""


class RunStopped(LibraryError, RuntimeError):
    """A run could not go on; `dataset` holds all that was saved up to then."""

    def __init__(self, message: str, *, time: float | None = None, dataset: xr.Dataset | None = None) -> None:
        super().__init__(message)
        self.time = time
        self.dataset = dataset


class LeftTheBox(RunStopped):
    """The mass of a run on a grid reaches beyond its box; `found` is what was seen, without what to do about it."""

    def __init__(self, found: str, remedy: str = "", *, time: float | None = None) -> None:
        super().__init__(f"{found}: {remedy}" if remedy else found, time=time)
        self.found = found


class OutOfRange(LibraryError, ArithmeticError):
    """A number left the range of float64: scores that overflow, say; the message names the time."""

    def __init__(self, message: str, *, time: float | None = None) -> None:
        super().__init__(message)
        self.time = time


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run; `dataset` holds all that was saved up to then."""

    def __init__(self, message: str, *, dataset: xr.Dataset | None = None) -> None:
        super().__init__(message)
        self.dataset = dataset
