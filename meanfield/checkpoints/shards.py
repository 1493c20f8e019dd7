"""The weights of a model as one set of named tensors, whether they lie in one file or in several with an index."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from meanfield.checkpoints.tensors import TensorFile
from particles.checks import Array, as_path
from particles.errors import InvalidInput, StoreError

INDEX = ".safetensors.index.json"
LARGEST_JSON = 2**25
"""Bytes of an index or of a config.json beyond which it is refused."""


class Weights:
    """Named tensors of one model: `names`, `read(name)`, `rows(name, which)`, `shape(name)`; `path` names their origin.

    Parameters: `path`, a .safetensors or .npz file, an index of shards (*.safetensors.index.json), or a folder with
    one of them. Raises StoreError for a missing or damaged file or index, InvalidInput for a folder with several.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = _shards(path) if path.name.endswith(INDEX) else _one(TensorFile(path))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all tensors."""
        return tuple(self._files)

    def read(self, name: str) -> Array:
        """A tensor in float64."""
        return self._files[name].read(name)

    def rows(self, name: str, which: npt.NDArray[np.int64]) -> Array:
        """Some rows of a matrix in float64."""
        return self._files[name].rows(name, which)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor."""
        return self._files[name].shape(name)


def locate(path: str | Path) -> Path:
    """The file of weights, or the index, that a path means; a folder means the one in it."""
    found = as_path(path, "path")
    if not found.is_dir():
        return found
    files = sorted(found.glob(f"*{INDEX}")) or sorted([*found.glob("*.safetensors"), *found.glob("*.npz")])
    if not files:
        raise StoreError(f"no weights in the folder {found}: it has no .safetensors, .npz or *{INDEX}")
    if len(files) > 1 and (usual := [f for f in files if f.name in ("model.safetensors", f"model{INDEX}")]):
        files = usual
    if len(files) > 1:
        names = ", ".join(file.name for file in files[:8])
        raise InvalidInput(f"the folder {found} holds several files of weights ({names}): give the path of one")
    return files[0]


def read_json(path: Path) -> Mapping[str, Any]:
    """A JSON object from a file; StoreError where it is too large, damaged or no object."""
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise ValueError(f"it has more than {LARGEST_JSON} bytes")
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path.name} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise StoreError(f"{path.name} must hold one JSON object, got a {type(content).__name__}")
    return content


def _one(file: TensorFile) -> dict[str, TensorFile]:
    return dict.fromkeys(file.names, file)


def _shards(index: Path) -> dict[str, TensorFile]:
    """The shard of each tensor; a shard is a file beside the index, and has the tensors that the index lists in it."""
    if not index.is_file():
        raise StoreError(f"no such file: {index}")
    where = read_json(index).get("weight_map")
    if not isinstance(where, dict) or not where or not all(isinstance(name, str) for name in where.values()):
        raise StoreError(f"{index.name} is no index of shards: it has no table `weight_map` of file names")
    for name in set(where.values()):
        if name in (".", "..") or Path(name).name != name or "\\" in name or not name.endswith(".safetensors"):
            raise StoreError(f"{index.name} names the shard {name!r}: shards are .safetensors files beside the index")
    files = {name: TensorFile(index.parent / name) for name in sorted(set(where.values()))}
    for tensor, name in where.items():
        if tensor not in files[name].names:
            raise StoreError(f"{index.name} lists {tensor} in {name}, where it is not: the copy is incomplete")
    return {tensor: files[name] for tensor, name in where.items()}
