"""Errors of the library are also Python's own of their kind, and keep what they carry on the way to another process."""

import copy
import pickle

import pytest

from particles import errors


@pytest.mark.parametrize(
    ("kind", "python"),
    [
        (errors.InvalidInput, ValueError),
        (errors.NotSupported, TypeError),
        (errors.DistanceTooLarge, MemoryError),
        (errors.NotConverged, RuntimeError),
        (errors.StoreError, OSError),
        (errors.RunStopped, RuntimeError),
        (errors.OutOfRange, ArithmeticError),
    ],
)
def test_an_error_is_caught_under_both_names(kind, python):
    with pytest.raises(errors.LibraryError, match="why"):
        raise kind("why")
    with pytest.raises(python, match="why"):
        raise kind("why")


@pytest.mark.parametrize("move", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])
def test_an_error_keeps_what_it_carries(move):
    stopped = move(errors.RunStopped("why", time=1.5, dataset="so far"))
    assert (str(stopped), stopped.time, stopped.dataset) == ("why", 1.5, "so far")
    assert move(errors.OutOfRange("why", time=2.5)).time == 2.5
    assert move(errors.Interrupted("why", dataset="so far")).dataset == "so far"
