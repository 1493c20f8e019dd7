"""Recorders: rows in memory and in chunks on disk are those that were saved."""

import numpy as np
import zarr

from particles import SelfAttention, simulate
from particles.recorder import Block

X = np.random.default_rng(0).standard_normal((5, 2))


def test_rows_of_a_block_stand_in_their_chunks_whatever_is_written_last():
    array = zarr.create_array(zarr.storage.MemoryStore(), shape=(2, 7, 3), chunks=(2, 3, 3), dtype="f8", fill_value=-1)
    rows = np.random.default_rng(1).standard_normal((7, 2, 3))
    block = Block(array, 1, -1)
    for k in range(5):
        block.write(k, rows[k])
    # Another one goes on in the middle of a chunk, as after a kill.
    after = Block(array, 1, -1)
    after.load(4)
    for k in (5, 6):
        after.write(k, rows[k])
    np.testing.assert_array_equal(array[:], rows.swapaxes(0, 1))


def test_what_a_recorder_in_memory_keeps_is_a_copy():
    seen = []
    ds = simulate(SelfAttention(1.0, 1.0, -1.0), X[:, :1], [0.0, 1.0, 2.0], callback=lambda t, ds: seen.append(ds))
    for k, one in enumerate(seen):
        np.testing.assert_array_equal(one["position"][0], ds["position"][k])
