"""Machine code on disk: kept under a stamp of all sources that it may have been made of, and checked when it is read.

Numba keys a kernel's file on the kernel's own source file only; a part of it that was edited in another file would go
on in its old form. Here a file that is stale, damaged or cannot be written is no file: the kernel is compiled anew.
Of processes that need a kernel at once, as the workers of a pool do, one compiles it and the others wait for its file.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache, wraps
from pathlib import Path
from typing import IO, Any

from numba.core.caching import FunctionCache, IndexDataCacheFile

if sys.platform != "win32":
    import fcntl

KERNELS = Path(__file__).resolve().parent
DIGEST = hashlib.sha256().digest_size


@cache
def sources_stamp(folder: Path) -> str:
    """A hash of the sources of all kernels and of the other files in `folder`."""
    stamp = hashlib.sha256()
    for path in sorted({*KERNELS.rglob("*.py"), *folder.rglob("*.py")}):
        stamp.update(path.name.encode() + b"\0" + path.read_bytes())
    return stamp.hexdigest()


class _CheckedFile(IndexDataCacheFile):
    """Numba's index and data files, each behind the hash of its bytes."""

    def _load_index(self) -> dict[Any, str]:
        try:
            stamp, overloads = self._read(self._index_path)
        except OSError:
            return {}
        return overloads if stamp == self._source_stamp else {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_path, self._dump((self._source_stamp, overloads)))

    def _load_data(self, name: str) -> Any:
        return self._read(self._data_path(name))

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), self._dump(data))

    def _read(self, path: str) -> Any:
        content = Path(path).read_bytes()
        if self._digest(content[DIGEST:]) != content[:DIGEST]:
            raise OSError(f"{path} is damaged, or of another version of Numba")
        return pickle.loads(content[DIGEST:])

    def _write(self, path: str, content: bytes) -> None:
        with self._open_for_write(path) as file:
            file.write(self._digest(content) + content)

    def _digest(self, content: bytes) -> bytes:
        return hashlib.sha256(self._version.encode() + content).digest()


class _KernelCache(FunctionCache):
    """Numba's cache of one function with checked files and the stamp of all sources."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        stamp = (
            sources_stamp(Path(function.__code__.co_filename).resolve().parent),
            self._impl.locator.get_source_stamp(),
        )
        self._cache_file = _CheckedFile(self._cache_path, self._impl.filename_base, stamp)
        self._lock: IO[str] | None = None

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """From disk; where there is nothing, once more when no other process compiles this kernel."""
        found = super().load_overload(sig, target_context)
        if found is None and self._lock is None:
            self._wait()
            found = super().load_overload(sig, target_context)
        return found

    def _wait(self) -> None:
        """Take the right to compile, which ends with this process or with `one_at_a_time`. Numba's own lock is held."""
        # Without a folder to write to, or on a file system without locks, each process compiles.
        with suppress(OSError):
            self._impl.locator.ensure_cache_path()
            file = self._lock = Path(self._cache_path, f"{self._impl.filename_base}.lock").open("a")  # noqa: SIM115
            if sys.platform != "win32":
                fcntl.lockf(file, fcntl.LOCK_EX)

    def one_at_a_time(self, compile_signature: Callable[..., Any]) -> Callable[..., Any]:
        """The `compile` of a dispatcher, which gives back the right to compile when it ends."""

        @wraps(compile_signature)
        def alone(sig: Any) -> Any:
            try:
                return compile_signature(sig)
            finally:
                if self._lock is not None:
                    self._lock.close()
                    self._lock = None

        return alone

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError:
            # A full disk or a folder that has become read-only: the next process compiles again.
            self.disable()


def kept_on_disk(dispatcher: Any, function: Callable[..., Any]) -> Any:
    """The dispatcher with its files; without any where Numba finds no folder to write to, or sources cannot be read."""
    with suppress(RuntimeError, OSError):
        kept = dispatcher._cache = _KernelCache(function)
        dispatcher.compile = kept.one_at_a_time(dispatcher.compile)
    return dispatcher
