"""A theorem added by hand: what it states of a field that no other theorem is about."""

import numpy as np

from meanfield.limits.conditions import Check
from meanfield.limits.finding import nothing_known
from meanfield.limits.run import read_run
from meanfield.limits.theorems.statement import FieldTheorem
from particles import HegselmannKrause, simulate


class Nothing(FieldTheorem):
    """Of bounded confidence, nothing."""

    name = "nothing"
    statement = "nothing is stated"

    def checks(self, model):
        return (Check("a radius", 1.0, 1.0, True),) if isinstance(model, HegselmannKrause) else ()

    def finding(self, run, checks):
        return nothing_known(run, "nothing is stated", "original")


def test_a_theorem_needs_checks_and_a_finding_and_covers_every_run():
    run = read_run(simulate(HegselmannKrause(1.0, dim=1), [[0.0], [0.5]], [0.0, 1.0]))
    stated = Nothing()
    assert stated.covers(run)
    assert stated.checks(run.model)[0].holds
    assert stated.finding(run, stated.checks(run.model)).status == "undecided"
    assert np.isnan(stated.finding(run, ()).limits).all()
