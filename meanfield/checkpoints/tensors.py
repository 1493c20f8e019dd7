"""Named tensors in a file of weights, .safetensors or .npz; whatever is wrong with the file is one StoreError.

Only what is asked for is read, after its type, shape and size have been compared with the bytes that are there.
"""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  registers bfloat16 with NumPy
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from particles.checks import Array, as_finite
from particles.errors import InvalidInput, StoreError

SAFETENSORS_TYPES = ("F64", "F32", "F16", "BF16")

FREE_BYTES, LARGEST_EXPANSION = 2**24, 50
"""An array of an .npz file above so many bytes is refused where it is packed to less than a fiftieth of its size:
weights are not, and a small file could ask for all memory."""

DAMAGE = (
    SafetensorError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    MemoryError,
    SyntaxError,
)
"""What the readers of both formats raise on bytes that they cannot read."""


@contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (InvalidInput, StoreError):
        raise
    except DAMAGE as error:
        raise StoreError(
            f"{path.name} is damaged or incomplete: {what} cannot be read ({type(error).__name__}: {error}); "
            "copy or download the file again"
        ) from error


class TensorFile:
    """A file of named tensors: `names`, and `read(name)` as a float64 array."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StoreError(f"no such file: {path}; give the path of a .safetensors or .npz file")
        if path.suffix not in (".npz", ".safetensors"):
            raise InvalidInput(f"path must end in .safetensors or .npz, got {path.name!r}")
        self.path = path
        with _reading(path, "its table of tensors"):
            self.names = tuple(_npz_names(path) if path.suffix == ".npz" else _safetensors_names(path))

    def read(self, name: str) -> Array:
        """The tensor in float64; refused: damage, a type that holds no weights, NaN, infinity."""
        read = _npz_array if self.path.suffix == ".npz" else _safetensors_array
        with _reading(self.path, name):
            return as_finite(read(self.path, name), f"{name} in {self.path.name}")

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, which is not read where the format allows."""
        with _reading(self.path, name):
            if self.path.suffix == ".npz":
                return _npz_array(self.path, name).shape
            with safe_open(self.path, framework="numpy") as file:
                return tuple(file.get_slice(name).get_shape())

    def rows(self, name: str, which: npt.NDArray[np.int64]) -> Array:
        """Some rows of a matrix in float64, of a table of embeddings say, (len(which), d); only they are widened."""
        with _reading(self.path, name):
            if self.path.suffix == ".npz":
                return as_finite(_npz_array(self.path, name)[which], f"{name} in {self.path.name}")
            with safe_open(self.path, framework="numpy") as file:
                table = file.get_slice(name)
                _check_kind(table.get_dtype(), name, self.path)
                found = [np.asarray(table[int(i) : int(i) + 1], dtype=np.float64) for i in which]
        return as_finite(np.concatenate(found), f"{name} in {self.path.name}")


def _safetensors_names(path: Path) -> list[str]:
    with safe_open(path, framework="numpy") as file:
        return list(file.keys())


def _safetensors_array(path: Path, name: str) -> npt.NDArray[Any]:
    with safe_open(path, framework="numpy") as file:
        _check_kind(file.get_slice(name).get_dtype(), name, path)
        return np.asarray(file.get_tensor(name), dtype=np.float64)


def _check_kind(kind: str, name: str, path: Path) -> None:
    if kind not in SAFETENSORS_TYPES:
        raise InvalidInput(f"{name} in {path.name} has type {kind}; allowed are {', '.join(SAFETENSORS_TYPES)}")


def _npz_names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if len(set(names)) < len(names):
        raise StoreError(f"{path.name} is damaged: it holds two arrays of the same name")
    return [name.removesuffix(".npy") for name in names if name.endswith(".npy")]


def _npz_array(path: Path, name: str) -> npt.NDArray[Any]:
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
        with archive.open(member) as file:
            major, _ = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
            shape, _, dtype = header(file)
            size = math.prod(shape) * dtype.itemsize
            if dtype.kind not in "fiu":
                raise StoreError(f"{name} in {path.name} has type {dtype}; allowed are real numbers")
            if size != member.file_size - file.tell():
                raise StoreError(f"{path.name} is damaged: {name} of shape {shape} has not the bytes of its shape")
            if size > max(FREE_BYTES, LARGEST_EXPANSION * member.compress_size):
                raise StoreError(
                    f"{name} in {path.name} would grow from {member.compress_size} to {size} bytes, more than "
                    f"{LARGEST_EXPANSION} times: not an array of weights; save it uncompressed if it is"
                )
        with archive.open(member) as file:
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
