"""Every part of a study has a table of its own name; a class without one of the two methods is no part."""

import pytest

from meanfield.app.config import PARTS
from meanfield.app.parts.part import Part


def test_every_part_has_a_name_of_its_own():
    names = [part.name for part in PARTS]
    assert len(set(names)) == len(names) >= 3
    assert all(issubclass(part, Part) for part in PARTS)


def test_a_part_reads_and_runs():
    class Half(Part):
        name = "half"

        @classmethod
        def read(cls, table):
            return cls()

    with pytest.raises(TypeError, match="run"):
        Half()
