"""The command line: `meanfield study`, `meanfield view`, `meanfield figure`, `meanfield models`."""

from __future__ import annotations

import argparse
import io
import os
import shlex
import sys
import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from meanfield.data import data_folder
from particles.catalogue import catalogue, written_models
from particles.errors import InvalidInput, LibraryError, StoreError
from particles.installation import DISTRIBUTION, __version__

if TYPE_CHECKING:
    from meanfield.studies.executors import Executors

CLOSED_PIPE = 141
"""Exit status where the reader of the output went away: 128 and the number of SIGPIPE, as of other commands."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; exit status 0 when done, 2 for input that is refused or a run that stopped, 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or file that cannot show a letter shows '?' in its place.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more at its end, which must find an open file.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except LibraryError as error:
        print(f"meanfield: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nmeanfield: interrupted{_how_to_go_on(options)}", file=sys.stderr)
        return 130
    except OSError as error:
        # As above; a full disk, say, in the place of the terminal.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # An error of a stream names no file.
        where = "cannot write the output" if error.filename is None else error.filename
        print(f"meanfield: error: {where}: {error.strerror or error}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="meanfield", description=__doc__)
    parser.add_argument("--version", action="version", version=f"{DISTRIBUTION} {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    study = commands.add_parser("study", help="run a mean-field-limit study")
    study.add_argument("file", nargs="?", type=Path, help="a TOML file; the paper's 2-D example where left out")
    study.add_argument("--out", type=Path, help="a new folder for the results (default: study-NNN here)")
    study.add_argument("--seed", type=int, help="instead of the seed in the file")
    study.add_argument("--executor", default="processes", help="processes, threads, or dask://HOST:PORT")
    study.add_argument("--workers", type=int, help="processes or threads (default: one for each core)")
    study.add_argument("--resume", action="store_true", help="take up the interrupted study in --out")
    study.add_argument("--template", action="store_true", help="print a commented study file, or write --out")
    study.set_defaults(run=_study)
    view = commands.add_parser("view", help="write an HTML file that shows a run, or any Dataset of the library")
    view.add_argument("dataset", metavar="RUN", help="a netCDF file, a Zarr store, or the URL of one")
    view.add_argument("--out", type=Path, help="a new HTML file (default: view-NNN.html here)")
    view.set_defaults(run=_view)
    figure = commands.add_parser("figure", help="draw the paper's figures")
    figure.add_argument("which", help="1 to 13, table1, or all")
    figure.add_argument("--as-published", action="store_true", help="also as the authors' scripts computed them")
    figure.add_argument("--out", type=Path, help="a new folder for the pictures (default: figures-NNN here)")
    figure.add_argument("--format", default="png", help="png, pdf or svg (default: png)")
    figure.add_argument("--dpi", type=int, default=150, help="dots per inch (default: 150)")
    figure.add_argument("--executor", help="processes, or dask://HOST:PORT (default: one after the other, here)")
    figure.add_argument("--workers", type=int, help="processes (default: one for each core)")
    figure.set_defaults(run=_figure)
    models = commands.add_parser("models", help="list every model with one line each")
    models.set_defaults(run=_models)
    return parser


def _study(options: argparse.Namespace) -> int:
    if options.template:
        return _template(options.out)
    if options.workers is not None and options.workers < 1:
        raise InvalidInput(f"--workers must be at least 1, got {options.workers}")
    if options.seed is not None and options.seed < 0:
        raise InvalidInput(f"--seed must not be negative, got {options.seed}")
    if options.resume and options.out is None:
        raise InvalidInput("--resume needs --out: the folder of the study to take up")
    _draw_into_files()
    from meanfield.app.config import read_study
    from meanfield.app.study import run_study
    from meanfield.studies.executors import named_executor
    from particles.kernels.threads import available_processors, on_one_blas_thread

    workers = options.workers or available_processors()
    config = read_study(_study_file(options.file), options.seed)
    folder = options.out or _new("study")
    if os.path.lexists(folder) and not options.resume:
        raise StoreError(f"the output folder {folder} exists: name another, or take it up with --resume")
    options.out = folder
    name = options.executor if options.executor.startswith("dask:") else f"{workers} {options.executor}"
    # Bars stand in the error stream of a terminal, never among the tables; in a file they would be noise.
    # The products of a study are small: threads would only wait for each other, and other cores for other bits.
    run = on_one_blas_thread(run_study)
    with named_executor(options.executor, workers) as executor:
        print(f"{config.title} (seed {config.setting.seed}, {name})")
        run(config, folder, executor=executor, progress=sys.stderr.isatty(), resume=options.resume, show=_show)
    print(f"\nResults, pictures and report.html are in\n{folder.resolve()}")
    return 0


def _how_to_go_on(options: argparse.Namespace) -> str:
    """What is kept of an interrupted study, and the command that takes it up."""
    if options.run is not _study or options.out is None or not (options.out / "study.toml").is_file():
        return ""
    file = [] if options.file is None else [str(options.file)]
    seed = [] if options.seed is None else ["--seed", str(options.seed)]
    command = shlex.join(["meanfield", "study", *file, *seed, "--resume", "--out", str(options.out)])
    return f"; what is done is kept: {command} goes on from there"


def _template(file: Path | None) -> int:
    from meanfield.app.workspace import replace_file

    template = (data_folder() / "template.toml").read_text(encoding="utf-8")
    if file is None:
        print(template, end="")
        return 0
    if os.path.lexists(file):
        raise StoreError(f"the output file {file} exists: name another")
    try:
        replace_file(file, template)
    except OSError as error:
        raise StoreError(f"cannot write {file}: {error.strerror}") from error
    print(f"A study to be changed is in\n{file.resolve()}")
    return 0


def _view(options: argparse.Namespace) -> int:
    _draw_into_files()
    from meanfield.app.view import write_view

    out = options.out or _new("view", ".html")
    write_view(options.dataset, out)
    print(f"The Dataset is shown by\n{out.resolve()}")
    return 0


def _figure(options: argparse.Namespace) -> int:
    _draw_into_files()
    from meanfield.figures.command import draw

    if not 10 <= options.dpi <= 2400:
        raise InvalidInput(f"--dpi must be in 10 … 2400, got {options.dpi}")
    folder = options.out or _new("figures")
    if os.path.lexists(folder):
        raise StoreError(f"the output folder {folder} exists: name another")
    try:
        with _drawers(options.executor, options.workers) as executor:
            given = {"kind": options.format, "dpi": options.dpi, "executor": executor}
            draw(options.which, folder, options.as_published, _show, **given, progress=sys.stderr.isatty())
    except (LibraryError, BrokenPipeError):
        raise
    except OSError as error:
        raise StoreError(f"cannot draw into {folder}: {error}") from error
    print(f"\nPictures, animations and captions are in\n{folder.resolve()}")
    return 0


def _drawers(name: str | None, workers: int | None) -> AbstractContextManager[Executors | None]:
    from meanfield.studies.executors import named_executor

    if name == "threads":
        raise InvalidInput("figures are drawn in one thread of a process: --executor processes, or dask://HOST:PORT")
    return nullcontext() if name is None else named_executor(name, workers)


def _show(text: str) -> None:
    print(text, flush=True)


def _draw_into_files() -> None:
    """Choose the drawing backend that needs no screen, whatever backend this process was started with."""
    os.environ["MPLBACKEND"] = "agg"
    import matplotlib as mpl

    mpl.use("agg")


def _new(stem: str, ending: str = "") -> Path:
    return next(path for i in count(1) if not os.path.lexists(path := Path(f"{stem}-{i:03d}{ending}")))


def _models(options: argparse.Namespace) -> int:
    lines = catalogue()
    width = max(map(len, lines))
    print("\n".join(f"{name:{width}}  {line}" for name, line in sorted(lines.items())))
    print("\n" + textwrap.fill(f"A study file takes {', '.join(written_models())}; the others are for Python.", 100))
    return 0


def _study_file(file: Path | None) -> Path:
    shipped = {path.stem: path for path in sorted((data_folder() / "studies").glob("*.toml"))}
    if file is None:
        return shipped["paper_2d"]
    if os.path.exists(file):
        return file
    if str(file) in shipped:
        return shipped[str(file)]
    raise InvalidInput(f"no such study: {file}; give a TOML file, or one that ships: {', '.join(shipped)}")


if __name__ == "__main__":
    raise SystemExit(main())
