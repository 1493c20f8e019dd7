"""Stores as they are after a kill."""

from dataclasses import replace

import pytest

from particles.errors import RunStopped, StoreError
from particles.records import commit, read_head
from particles.store import ZarrRecorder


def cut(store, saved):
    """Make a completed store look as after a kill: fewer times committed. The memo is that of the last time."""
    head, attributes = read_head(store)
    commit(store, replace(head, saved=saved, status="running"), attributes)


def interrupted(run, after):
    """The Dataset of a run that is interrupted when so many records are saved."""
    save = ZarrRecorder.save

    def saving(self, k, record, memo):
        if k == after:
            raise StoreError("interrupted by the test")
        save(self, k, record, memo)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ZarrRecorder, "save", saving)
        with pytest.raises(RunStopped) as caught:
            run()
    return caught.value.dataset
