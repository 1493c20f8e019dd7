"""Damaged and hostile files of weights: one error that names file and tensor, and bounded memory."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from meanfield.checkpoints import load_head, tensors
from meanfield.checkpoints.tensors import TensorFile
from particles.errors import InvalidInput, StoreError

NAME = "encoder.layer.0.attention.self.query.weight"
BERT = ("self.query", "self.key", "self.value", "output.dense")


def safetensors(path, entry, raw=None):
    text = raw or json.dumps({NAME: entry}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(512))
    return path


ENTRIES = {
    "no type": {"shape": [8, 8], "data_offsets": [0, 256]},
    "no offsets": {"dtype": "F32", "shape": [8, 8]},
    "negative offsets": {"dtype": "F32", "shape": [8, 8], "data_offsets": [-9999, -9743]},
    "huge offset": {"dtype": "F32", "shape": [8, 8], "data_offsets": [0, 10**30]},
    "offsets reversed": {"dtype": "F32", "shape": [0, 8], "data_offsets": [256, 0]},
    "shape null": {"dtype": "F32", "shape": None, "data_offsets": [0, 256]},
    "entry null": None,
    "another size": {"dtype": "F32", "shape": [8, 8], "data_offsets": [0, 255]},
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_a_damaged_table_is_one_error_with_the_file_s_name(tmp_path, entry):
    with pytest.raises(StoreError, match=r"m\.safetensors is damaged"):
        load_head(safetensors(tmp_path / "m.safetensors", entry), 0, 0, n_heads=2)


def test_a_deeply_nested_table_is_refused(tmp_path):
    path = safetensors(tmp_path / "m.safetensors", None, b"[" * 200_000 + b"]" * 200_000)
    with pytest.raises(StoreError, match=r"m\.safetensors is damaged"):
        load_head(path, 0, 0, n_heads=2)


def test_tensors_that_share_bytes_are_refused(tmp_path):
    entry = {"dtype": "F32", "shape": [8, 8], "data_offsets": [0, 256]}
    text = json.dumps({NAME: entry, "another": entry}).encode()
    (tmp_path / "m.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(256))
    with pytest.raises(StoreError, match=r"m\.safetensors is damaged"):
        TensorFile(tmp_path / "m.safetensors")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04junk"])
def test_bytes_that_are_no_archive(tmp_path, content):
    (tmp_path / "m.npz").write_bytes(content)
    with pytest.raises(StoreError, match=r"m\.npz is damaged"):
        load_head(tmp_path / "m.npz", 0, 0, n_heads=2)


def test_objects_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "m.npz", **{NAME: np.array([1, None], dtype=object)})
    with pytest.raises(StoreError, match=rf"{NAME} in m\.npz has type object"):
        load_head(tmp_path / "m.npz", 0, 0, n_heads=2)


def test_every_flipped_byte_is_found_or_harmless(tmp_path):
    tensors = {f"encoder.layer.0.attention.{part}.weight": np.arange(16.0).reshape(4, 4) for part in BERT}
    path = tmp_path / "m.npz"
    np.savez(path, **tensors)
    whole, good = load_head(path, 0, 0, n_heads=2), path.read_bytes()
    messages = []
    for i in range(0, len(good), 7):
        damaged = bytearray(good)
        damaged[i] ^= 255
        path.write_bytes(damaged)
        try:
            head = load_head(path, 0, 0, n_heads=2)
        except (StoreError, InvalidInput) as error:
            messages.append(str(error))
        else:
            assert all(np.array_equal(getattr(head, k), getattr(whole, k)) for k in ("Q", "K", "output", "value"))
    assert all("m.npz" in message for message in messages)
    assert len(messages) > len(good) // 20


def test_a_small_file_cannot_ask_for_all_memory(tmp_path):
    path = tmp_path / "m.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in BERT:
            with archive.open(f"encoder.layer.0.attention.{part}.weight.npy", "w", force_zip64=True) as file:
                header = {"descr": "<f8", "fortran_order": False, "shape": (3200, 3200)}
                np.lib.format.write_array_header_1_0(file, header)
                for _ in range(200):
                    file.write(bytes(3200 * 3200 * 8 // 200))
    assert path.stat().st_size < 2**20
    code = (
        "import resource, sys\nfrom meanfield.checkpoints import load_head\nfrom particles.errors import StoreError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: load_head(sys.argv[1], 0, 0, n_heads=2)\nexcept StoreError as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    out = subprocess.check_output([sys.executable, "-c", code, str(path)], text=True).splitlines()
    assert f"{NAME} in m.npz would grow" in out[0]
    grown = int(out[1]) * (1 if sys.platform == "darwin" else 1024)
    assert grown < 2**25


def test_an_array_that_grows_too_much_is_refused(tmp_path, monkeypatch):
    """Many times its bytes in the file, and more than may be free: zeros that deflate are no weights."""
    path = tmp_path / "m.npz"
    np.savez_compressed(path, zeros=np.zeros((400, 400)))
    assert not TensorFile(path).read("zeros").any()
    monkeypatch.setattr(tensors, "FREE_BYTES", 1000)
    monkeypatch.setattr(tensors, "LARGEST_EXPANSION", 20)
    with pytest.raises(StoreError, match="would grow from"):
        TensorFile(path).read("zeros")
    np.savez(path, zeros=np.zeros((400, 400)))
    assert not TensorFile(path).read("zeros").any()
