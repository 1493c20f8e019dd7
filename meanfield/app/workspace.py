"""A study while it runs: its setting, its folder, and the sections of the report written so far."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from meanfield.app.evidence import evidence
from meanfield.app.parts.setting import Setting
from meanfield.app.report import Section, html_report
from meanfield.limits import LimitCertificate
from meanfield.studies.executors import Executors, StandingProcesses
from particles import write_netcdf
from particles.errors import StoreError

_SOURCE = "study.toml"
_UNFINISHED = f".{_SOURCE}.partial"


@dataclass
class Workspace:
    """What a part of a study works with: where its tasks run, and `show`, which receives each line for the terminal.

    `missing` are the parts that have not ended, in their order, `stopped` is why the first of them did not. `certified`
    has the runs whose limit was certified, for another part that asks for the same one.
    """

    title: str
    about: str
    setting: Setting
    folder: Path
    executor: Executors | None
    progress: bool
    show: Callable[[str], object]
    sections: list[Section] = field(default_factory=list)
    times: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    stopped: str = ""
    certified: dict[tuple[int, bytes, bool], tuple[xr.Dataset, LimitCertificate]] = field(default_factory=dict)

    def add(self, section: Section) -> None:
        """Take a section into the report, which is complete after every one; print its table."""
        self.sections.append(section)
        self.write_report()
        self.show(f"\n{section.title}")
        if section.table is not None:
            self.show(section.table.text())
        if section.verbatim:
            self.show(section.verbatim)

    def write_report(self) -> None:
        """Write the report as far as it is, with how it was made at its end."""
        made = evidence(self.setting, self.times, self.executor)
        page = html_report(self.title, self.about, [*self.sections, made], self._unfinished())
        replace_file(self.folder / "report.html", page)

    def _unfinished(self) -> str:
        """Which parts the report lacks, and why; nothing where it has all of them."""
        if not self.missing:
            return ""
        first, *others = (f"[{name}]" for name in self.missing)
        rest = f"; not begun: {', '.join(others)}" if others else ""
        if not self.stopped:
            return f"{first} was running when this report was written{rest}."
        return f"{first} stopped and is not complete{rest}. The reason: {self.stopped}"

    @contextmanager
    def running(self, name: str, cost: str) -> Iterator[None]:
        """Run a part: the report has the time that it took, or why it stopped."""
        start = time.perf_counter()
        try:
            yield
        except BaseException as error:
            self.stopped = str(error) or type(error).__name__
            with suppress(OSError):
                self.write_report()
            raise
        self.missing.remove(name)
        self.times[f"time of [{name}]"] = f"{time.perf_counter() - start:.1f} s: {cost}"
        self.write_report()

    def keep(self, ds: xr.Dataset, name: str) -> xr.Dataset:
        """Write a Dataset into the folder."""
        write_netcdf(ds, self.folder / f"{name}.nc", overwrite=True)
        return ds

    def expect_tasks(self) -> None:
        """Let worker processes import the library while this one is busy with what comes before their tasks."""
        if isinstance(self.executor, StandingProcesses):
            self.executor.begin()

    def tasks(self, name: str) -> Path:
        """The store of the tasks of a part: a study that is taken up does not run again what stands there."""
        (self.folder / "tasks").mkdir(exist_ok=True)
        return self.folder / "tasks" / f"{name}.zarr"

    @contextmanager
    def picture(self, name: str, size: tuple[float, float], between: float = 0.02) -> Iterator[tuple[Figure, Path]]:
        """A figure that is saved when the block ends; between two axes `between` of their width stays free."""
        figure = plt.figure(figsize=size, layout=ConstrainedLayoutEngine(wspace=between))
        path = self.folder / f"{name}.png"
        try:
            yield figure, path
            figure.savefig(path, dpi=150)
        finally:
            plt.close(figure)


def prepare_folder(folder: Path, source: str, *, resume: bool) -> None:
    """Make the folder of a new study with its source inside, or check that it is the folder of this one.

    A folder killed before its source was complete holds nothing of a study yet, so it is taken up like a new one.
    """
    try:
        if not os.path.lexists(folder):
            folder.mkdir(parents=True)
        elif not resume:
            raise StoreError(f"the output folder {folder} exists: name another, or take it up with --resume")
        elif _begun(folder, source):
            return
        replace_file(folder / _SOURCE, source)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"cannot write the study into {folder}: {error.strerror}; name another folder") from None


def _begun(folder: Path, source: str) -> bool:
    """Whether the folder holds this study already; refused where it holds another one, or anything else."""
    if (folder / _SOURCE).is_file():
        if (folder / _SOURCE).read_bytes() != source.encode():
            raise StoreError(f"{folder} holds another study: give the same file and seed, or start in a new folder")
        return True
    foreign = sorted({path.name for path in folder.iterdir()} - {_UNFINISHED})
    if foreign:
        raise StoreError(f"{folder} holds no study to resume: it has no {_SOURCE}, but {foreign[0]}")
    return False


def replace_file(path: Path, content: str) -> None:
    """Write a text file so that a kill leaves the old one or the new one, never a part."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
