"""A study as a TOML file: its title, its setting, and a table for each of its parts."""

from __future__ import annotations

import codecs
import tomllib
from dataclasses import dataclass
from pathlib import Path

from meanfield.app.parts.convergence import ConvergencePart
from meanfield.app.parts.limit import LimitPart
from meanfield.app.parts.part import Part
from meanfield.app.parts.setting import Setting, read_setting
from meanfield.app.parts.stability import StabilityPart
from meanfield.app.parts.sweeping import SweepPart
from meanfield.app.parts.trained_network import TrainedNetworkPart
from meanfield.app.table import Table, count, heading, text
from particles.errors import InvalidInput

PARTS: tuple[type[Part], ...] = (ConvergencePart, StabilityPart, LimitPart, TrainedNetworkPart, SweepPart)
"""The parts of a study in the order in which they run; a new part is one file and one name in this list."""


@dataclass(frozen=True, eq=False)
class StudyConfig:
    """Everything that a study is; `source` is its text, with the seed that is used above it."""

    title: str
    about: str
    setting: Setting
    parts: tuple[Part, ...]
    source: str


def read_study(path: Path, seed: int | None = None) -> StudyConfig:
    """The study in a TOML file; `seed` replaces the seed of the file.

    Refused by name: malformed TOML, missing, unknown and unusable keys.
    """
    written = _text_of(path)
    try:
        content = tomllib.loads(written)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path} is not valid TOML: {error}") from None
    top = Table(content, "")
    title, about, own = top.get("title", heading), top.get("about", text, ""), top.get("seed", count, 0)
    setting = read_setting(top, own if seed is None else seed)
    parts = []
    for kind in PARTS:
        table = top.table(kind.name)
        if table is not None:
            parts.append(kind.read(table))
            table.close()
    top.close()
    for part in parts:
        part.check(setting)
    return StudyConfig(title, about, setting, tuple(parts), f"# seed used: {setting.seed}\n{written}")


def _text_of(path: Path) -> str:
    """The text of a TOML file, UTF-8 whatever the locale, with or without a byte-order mark."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"cannot read the study {path}: {error.strerror}") from None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InvalidInput(f"{path} begins with the byte-order mark of UTF-16: TOML is UTF-8, save it so")
    try:
        # TOML ends a line by \n or \r\n; the copy beside the results has one kind.
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not valid TOML: it is not UTF-8 at byte {error.start}; save it so") from None
