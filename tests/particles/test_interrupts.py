"""Ctrl-C: heard at once where it arrives, and once more where other code dropped it."""

import signal
import sys
import threading

import pytest

from meanfield.studies import sweep
from particles.errors import Interrupted
from particles.interrupts import Interrupts, put_off


class Drops:
    """Ctrl-C while a finalizer runs: Python prints the exception and goes on."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def test_what_is_put_off_is_heard_when_the_block_has_ended():
    done = []

    def block():
        with put_off():
            signal.raise_signal(signal.SIGINT)
            done.append("all of it")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert done == ["all of it"]


def test_an_interrupt_is_that_of_ctrl_c_and_what_was_there_before_is_back_afterwards():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Interrupts():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    with Interrupts() as interrupts:
        interrupts.check()


def test_an_interrupt_that_was_dropped_stops_a_study_after_the_task_with_what_is_done(monkeypatch):
    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: dropped.append(found.exc_type))

    def function(k, rng):
        if k == 2:
            Drops()
        return {"x": float(k)}

    with pytest.raises(Interrupted) as caught:
        sweep(function, {"k": [0, 1, 2, 3, 4]}, seeds=1, seed=0)
    assert dropped == [KeyboardInterrupt]
    assert caught.value.dataset["status"].values.ravel().tolist() == ["done", "done", "done", "open", "open"]


def test_a_program_that_ignores_ctrl_c_or_runs_a_study_in_a_thread_keeps_its_handler():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGINT)
            interrupts.check()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    seen = []

    def inside():
        with Interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [before]
