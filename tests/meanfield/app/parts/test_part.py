"""Every part of a study has a table of its own name; a class without one of the two methods is no part."""

import pytest

from meanfield.app.config import PARTS
from meanfield.app.parts.part import Part


def test_every_part_has_a_name_of_its_own():
    names = [part.name for part in PARTS]
    assert len(set(names)) == len(names) >= 3
    assert all(issubclass(part, Part) for part in PARTS)


def test_what_a_part_costs_is_told_without_what_not_every_study_has():
    """A study without a grid has no density, one of many pairs no coupling, one outside all theorems no proof."""
    told = " ".join(part.cost for part in PARTS)
    assert not [word for word in ("density", "coupling", "inverse", "proof", "once more") if word in told]


def test_a_part_reads_and_runs():
    class Half(Part):
        name = "half"

        @classmethod
        def read(cls, table):
            return cls()

    with pytest.raises(TypeError, match="run"):
        Half()
