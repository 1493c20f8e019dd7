"""The command line: `meanfield study`, `meanfield figure`, `meanfield models`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from meanfield.data import data_folder
from particles.catalogue import catalogue
from particles.errors import InvalidInput, LibraryError, StoreError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; exit status 0 when done, 2 for input that is refused or a run that stopped, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except LibraryError as error:
        print(f"meanfield: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nmeanfield: interrupted; what is done is kept", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="meanfield", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    study = commands.add_parser("study", help="run a mean-field-limit study")
    study.add_argument("file", nargs="?", type=Path, help="a TOML file; the paper's 2-D example where left out")
    study.add_argument("--out", type=Path, help="a new folder for the results (default: study-NNN here)")
    study.add_argument("--seed", type=int, help="instead of the seed in the file")
    study.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    study.add_argument("--resume", action="store_true", help="take up the interrupted study in --out")
    study.set_defaults(run=_study)
    figure = commands.add_parser("figure", help="draw the paper's figures")
    figure.add_argument("which", help="1 to 13, table1, or all")
    figure.add_argument("--as-published", action="store_true", help="also as the authors' scripts computed them")
    figure.add_argument("--out", type=Path, help="a new folder for the pictures (default: figures-NNN here)")
    figure.set_defaults(run=_figure)
    models = commands.add_parser("models", help="list every model with one line each")
    models.set_defaults(run=_models)
    return parser


def _study(options: argparse.Namespace) -> int:
    from dataclasses import replace

    import matplotlib as mpl
    from threadpoolctl import threadpool_limits

    from meanfield.app.config import read_study
    from meanfield.app.study import run_study

    if options.workers < 1:
        raise InvalidInput(f"--workers must be at least 1, got {options.workers}")
    if options.seed is not None and options.seed < 0:
        raise InvalidInput(f"--seed must not be negative, got {options.seed}")
    if options.resume and options.out is None:
        raise InvalidInput("--resume needs --out: the folder of the study to take up")
    path = _study_file(options.file)
    config = read_study(path)
    if options.seed is not None:
        config = replace(config, seed=options.seed)
    mpl.use("Agg")
    folder = options.out or _new_folder("study")
    print(f"{config.title} (seed {config.seed}, {options.workers} workers)")
    source = f"# seed used: {config.seed}\n{path.read_text(encoding='utf-8')}"
    # The products of a study are small: threads would only wait for each other, and other cores for other bits.
    with threadpool_limits(limits=1, user_api="blas"):
        run_study(config, source, folder, workers=options.workers, progress=True, resume=options.resume, say=print)
    print(f"\nResults, pictures and report.html are in\n{folder.resolve()}")
    return 0


def _figure(options: argparse.Namespace) -> int:
    import matplotlib as mpl

    mpl.use("Agg")
    from meanfield.figures.command import draw

    folder = options.out or _new_folder("figures")
    if folder.exists():
        raise StoreError(f"the output folder {folder} exists: name another")
    draw(options.which, folder, options.as_published, say=print)
    print(f"\nPictures, animations and captions are in\n{folder.resolve()}")
    return 0


def _new_folder(stem: str) -> Path:
    return next(path for i in count(1) if not (path := Path(f"{stem}-{i:03d}")).exists())


def _models(options: argparse.Namespace) -> int:
    lines = catalogue()
    width = max(map(len, lines))
    print("\n".join(f"{name:{width}}  {line}" for name, line in sorted(lines.items())))
    return 0


def _study_file(file: Path | None) -> Path:
    shipped = {path.stem: path for path in sorted((data_folder() / "studies").glob("*.toml"))}
    if file is None:
        return shipped["paper_2d"]
    if file.exists():
        return file
    if str(file) in shipped:
        return shipped[str(file)]
    raise InvalidInput(f"no such study: {file}; give a TOML file, or one that ships: {', '.join(shipped)}")


if __name__ == "__main__":
    raise SystemExit(main())
