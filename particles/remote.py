"""Stores that are no folder of this machine: a Zarr store object, or the URL of a file system that fsspec knows.

They keep fewer promises than a folder. There is no lock, so two writers at once are not noticed; a store that is
replaced, by `overwrite`, is gone before the new one is whole; a file is written as the store writes it, which is whole
or not at all for objects in the cloud. The checksums are those of a folder, so that damage is an error all the same.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from particles.errors import InvalidInput, StoreError
from particles.files import as_target

if TYPE_CHECKING:
    from zarr.abc.store import Store

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


@dataclass(frozen=True, eq=False)
class Remote:
    """A place in a Zarr store, with what is asked of a pathlib.Path; `name` is told in messages, without secrets."""

    store: Any
    name: str
    key: str = ""

    def __truediv__(self, part: str) -> Remote:
        return Remote(self.store, self.name, f"{self.key}/{part}".strip("/"))

    def __str__(self) -> str:
        return f"{self.name}/{self.key}" if self.key else self.name

    def read_bytes(self) -> bytes:
        """The content; FileNotFoundError where there is none."""
        from zarr.core.buffer import default_buffer_prototype

        found = self._asked(self.store.get(self.key, prototype=default_buffer_prototype()))
        if found is None:
            raise FileNotFoundError(2, "there is no such key", str(self))
        data: bytes = found.to_bytes()
        return data

    def read_text(self, encoding: str) -> str:
        """The content as text."""
        return self.read_bytes().decode(encoding)

    def write_bytes(self, data: bytes) -> None:
        """Replace the content."""
        from zarr.core.buffer import default_buffer_prototype

        self._asked(self.store.set(self.key, default_buffer_prototype().buffer.from_bytes(data)))

    def is_file(self) -> bool:
        """Whether there is something under this very key."""
        return bool(self._asked(self.store.exists(self.key)))

    def exists(self) -> bool:
        """Whether there is anything here or below."""
        return bool(self.files())

    def files(self) -> dict[str, Remote]:
        """All keys below this one, by their names relative to it."""

        async def names() -> list[str]:
            return [name async for name in self.store.list_prefix(self.key)]

        start = f"{self.key}/" if self.key else ""
        found = sorted(name for name in self._asked(names()) if name.startswith(start))
        return {name.removeprefix(start): Remote(self.store, self.name, name) for name in found}

    def clear(self) -> None:
        """Remove everything."""
        self._asked(self.store.delete_dir(self.key))

    def _asked(self, answer: Any) -> Any:
        from zarr.core.sync import sync

        try:
            return sync(answer)
        except OSError:
            raise
        # Every file system has errors of its own.
        except Exception as error:
            raise OSError(5, f"{type(error).__name__}: {error}", str(self)) from None


Place = Path | Remote
"""Where a store is."""


class NoLock:
    """The right to write where nobody can be kept from it."""

    def release(self) -> None:
        """Nothing is held."""


def as_place(value: str | os.PathLike[str] | Store, name: str) -> Place:
    """The place that a path, a URL or a Zarr store object stands for; a local store object is its folder.

    Raises InvalidInput for a URL whose file system is not installed; StoreError as `as_target`.
    """
    if isinstance(value, str | os.PathLike):
        return _of_url(value, name) if isinstance(value, str) and URL.match(value) else as_target(value, name)
    from zarr.abc.store import Store
    from zarr.storage import LocalStore

    if isinstance(value, LocalStore):
        return as_target(value.root, name)
    if isinstance(value, Store):
        if value.read_only:
            raise InvalidInput(f"{name} is a store that is opened to be read only: open it with read_only=False")
        return Remote(value, type(value).__name__)
    return as_target(value, name)


def _of_url(value: str, name: str) -> Place:
    from zarr.storage import FsspecStore

    parts = urlsplit(value)
    if parts.scheme == "file":
        return as_target(unquote(parts.path), name)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
    if find_spec("fsspec") is None:
        raise InvalidInput(f"{name} = {shown} needs fsspec and the package of its file system: pip install fsspec")
    try:
        return Remote(FsspecStore.from_url(value), shown)
    except (ImportError, ValueError) as error:
        raise InvalidInput(f"{name} = {shown} cannot be opened: {_without_secrets(error, value, shown)}") from None
    # Every file system has errors of its own.
    except Exception as error:
        raise StoreError(f"{shown} cannot be opened: {_without_secrets(error, value, shown)}") from None


def _without_secrets(error: Exception, url: str, shown: str) -> str:
    secret = urlsplit(url)
    text = str(error).replace(url, shown)
    for part in (secret.username, secret.password, secret.query):
        text = text.replace(part, "…") if part else text
    return text
