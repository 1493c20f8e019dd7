"""Places on disk that are written whole or not at all, by one process at a time."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from types import TracebackType

from particles.checks import as_path
from particles.errors import StoreError

if sys.platform != "win32":
    import fcntl

LONGEST_NAME = 240
"""Bytes of a name up to which ".name.replaced" is a name too; longer ones are shortened."""

_held: set[Lock] = set()


def as_target(value: str | os.PathLike[str], name: str) -> Path:
    """The absolute path that is written to: "~" is the home folder, a link stands for what it points to.

    Raises StoreError for a link that points to nothing, and for what cannot be a path here.
    """
    path = as_path(value, name)
    try:
        if path.is_symlink() and not path.exists():
            raise StoreError(f"{path} is a link to {os.readlink(path)}, which is not there: choose another name")
        # From Python 3.14 on `exists` keeps to itself that a name is too long or a folder closed.
        with suppress(FileNotFoundError, NotADirectoryError):
            path.stat()
        return path.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{str(path)[:200]!r} cannot be a path here ({_reason(error)}): choose another") from None


def beside(path: Path, what: str) -> Path:
    """The hidden name next to `path` for what is there for a while only."""
    name = path.name
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f"{name[:50]}~{blake2b(os.fsencode(name), digest_size=8).hexdigest()}"
    return path.with_name(f".{name}.{what}")


class Lock:
    """The right to write at a path, from its making until `release` or the end of the process, however it ends.

    The system's advisory lock on the file `.name.lock` beside the path, which names the holder. A lock whose process
    has died is free. On Windows, and where a file system has no locks, nothing is refused.
    Raises StoreError, which names the host and process that hold it, or where the folder cannot be made.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the folder of {path} cannot be made ({_reason(error)}): choose another place") from None
        self._place = beside(path, "lock")
        self._file: int | None = None
        with storing(path):
            self._file = _opened(self._place, path)
            _held.add(self)
            try:
                os.ftruncate(self._file, 0)
                since = datetime.now(UTC).isoformat(timespec="seconds")
                os.write(self._file, json.dumps([socket.gethostname(), os.getpid(), since]).encode())
            except BaseException:
                self.release()
                raise

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Let others write; a second call changes nothing."""
        if self._file is not None:
            with suppress(OSError):
                self._place.unlink(missing_ok=True)
            self.forget()

    def forget(self) -> None:
        """Close the file of the lock; where another process shares it, that one keeps the lock."""
        _held.discard(self)
        if self._file is not None:
            os.close(self._file)
        self._file = None


def _forget_all() -> None:
    # A child of a fork shares the locks of its parent, and would keep them after the parent has died.
    for lock in list(_held):
        lock.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def _opened(place: Path, path: Path) -> int:
    while True:
        file = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _take(file, path)
            # Its holder may have removed it since it was opened: then the lock is on a file that nobody sees.
            if place.exists() and os.path.samestat(os.fstat(file), place.stat()):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _take(file: int, path: Path) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreError(f"{path} is being written by {_holder(file)}: wait until it ends, or choose another") from None
    except OSError:
        # A file system without locks.
        return


def _holder(file: int) -> str:
    # It may have taken the lock and not written its name yet.
    for _ in range(100):
        with suppress(ValueError):
            host, pid, since = json.loads(os.pread(file, 1000, 0))
            return f"process {pid} on {host} since {since}"
        time.sleep(0.002)
    return "another process"


def recover(path: Path) -> None:
    """Bring in order, under the lock, what a killed process left beside `path`: a store that it was replacing is back.

    Without the lock nothing here may be touched.
    """
    old = beside(path, "replaced")
    with storing(path):
        if old.exists() and not path.exists():
            os.replace(old, path)
        for left in (old, beside(path, "partial"), beside(path, "head")):
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink(missing_ok=True)


def recover_lost(path: Path) -> None:
    """Bring back a store that a killed process had moved away to replace it; nothing where there is no such thing."""
    if not path.exists() and beside(path, "replaced").exists():
        with Lock(path):
            recover(path)


def replace_folder(partial: Path, path: Path) -> None:
    """Give a finished folder its name, under the lock; one that has the name is gone after that, and not before."""
    old = beside(path, "replaced")
    if path.exists():
        os.replace(path, old)
    os.replace(partial, path)
    shutil.rmtree(old, ignore_errors=True)


def write_whole(path: Path, text: str, partial: Path) -> None:
    """Replace a file atomically."""
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def reserve(path: Path, size: int) -> None:
    """Raise OSError now where the disk, a quota or a limit leaves no room for a file of `size` bytes."""
    with open(path, "wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        elif shutil.disk_usage(path.parent).free < size:
            raise OSError(f"{size} bytes are needed")


@contextmanager
def storing(path: object) -> Iterator[None]:
    """Turn the system's errors into one StoreError that names the path."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else path
        raise StoreError(
            f"{path} cannot be written ({_reason(error)}: {where}); what was there before is kept: make room or choose "
            "another place"
        ) from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
