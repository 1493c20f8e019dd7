"""What a part of a study is: a table of its file, how it runs, and its section of the report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

from meanfield.app.parts.setting import Setting
from meanfield.app.table import Table
from meanfield.app.workspace import Workspace


class Part(ABC):
    """One part of a study; a subclass is a frozen dataclass of what its table holds."""

    name: ClassVar[str]
    """The name of its table in the TOML file."""

    cost: ClassVar[str]
    """What takes its time, for the report."""

    @classmethod
    @abstractmethod
    def read(cls, table: Table) -> Self:
        """The part in its table; keys that are not asked for are refused afterwards."""

    def check(self, setting: Setting) -> None:  # noqa: B027
        """Refuse, before anything runs, what does not fit the setting; a part that fits every setting has no check."""

    @abstractmethod
    def run(self, study: Workspace) -> None:
        """Compute the part, keep its Datasets in the study's folder and add its section to the report."""
