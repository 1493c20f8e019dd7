"""Machine code on disk: kept under a stamp of all sources that it may have been made of, and checked when it is read.

Numba keys a kernel's file on the kernel's own source file only; a part of it that was edited in another file would go
on in its old form. Here a file that is stale, damaged or cannot be written is no file: the kernel is compiled anew.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile

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

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError:
            # A full disk or a folder that has become read-only: the next process compiles again.
            self.disable()


def kept_on_disk(dispatcher: Any, function: Callable[..., Any]) -> Any:
    """The dispatcher with its files; without any where Numba finds no folder to write to, or sources cannot be read."""
    with suppress(RuntimeError, OSError):
        dispatcher._cache = _KernelCache(function)
    return dispatcher
