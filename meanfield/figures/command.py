"""`meanfield figure N|all [--as-published] [--out DIR]`: a picture, GIF for the moving ones, a caption beside each."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image

from meanfield.data import figure_cases
from meanfield.figures.panels import figure_with
from meanfield.figures.paper import NAMES, Drawn, figure, leaders_panel, token_panel
from meanfield.figures.runs import exact, published
from meanfield.pages.page import heading, image, page, paragraph
from meanfield.studies.executors import AnyExecutor, Executors, maker
from particles.checks import one_of
from particles.errors import NotSupported
from particles.progress import progress_of

MOVING = ("1", "4", "5", "6", "7", "8", "12", "13")
FRAMES = 31
KINDS = ("png", "pdf", "svg")
PAGE_DPI = 110


@dataclass(frozen=True)
class Entry:
    """A figure of the page: its name, its caption, and itself as PNG, whatever the format of its file."""

    stem: str
    caption: str
    png: bytes


_Drawn = tuple[Entry, list[Path]]


def draw(
    which: str,
    out: str | Path,
    as_published: bool = False,
    show: Callable[[str], object] = lambda text: None,
    *,
    kind: str = "png",
    dpi: int = 150,
    executor: Executors | None = None,
    progress: bool = False,
) -> list[Path]:
    """Draw one figure ("1" to "13", "table1") or "all" into the folder `out`, made if missing; returns the files.

    Each gives figure_N of the `kind` "png", "pdf" or "svg", figure_N.txt (its caption), and figure_N.gif where tokens
    move; `dpi` is for what is no vector. `as_published` adds figure_N_as_published.* computed as the scripts did. "all"
    also writes index.html with everything side by side. `show` receives the files of each figure as soon as they are
    there. Figures are tasks of `executor`, whose workers see the folder; None draws them here, one after the other,
    with a bar for every animation where there is `progress`. Matplotlib draws in one thread of a process.
    """
    chosen = NAMES if one_of(which, (*NAMES, "all"), "figure") == "all" else (which,)
    one_of(kind, KINDS, "format")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    rows: dict[str, list[Entry]] = {name: [] for name in chosen}
    both = [name for name in chosen if as_published and name not in ("2", "9", "table1")]
    wanted = [(name, scripts) for name in chosen for scripts in ((False, True) if name in both else (False,))]
    place, bars = (folder.resolve(), False) if executor else (folder, progress)
    tasks = [(name, place, scripts, kind, dpi, bars) for name, scripts in wanted]
    for task, (entry, fresh) in zip(tasks, _all(tasks, executor), strict=True):
        show("\n".join(map(str, fresh)))
        written += fresh
        rows[task[0]].append(entry)
    if which == "all":
        written.append(_page(folder, list(rows.values())))
    return written


def _all(tasks: Sequence[tuple[str, Path, bool, str, int, bool]], executor: Executors | None) -> Iterator[_Drawn]:
    """Every figure in order, drawn here or by workers."""
    if executor is None:
        yield from (_draw_one(*task) for task in tasks)
        return
    make = maker(executor)
    pool = cast(AnyExecutor, executor) if make is None else make()
    futures = [pool.submit(_draw_one, *task) for task in tasks]
    try:
        yield from (future.result() for future in futures)
    except BrokenExecutor as error:
        raise NotSupported(
            f"a worker process ended before its figure was drawn ({error}): give fewer workers, or none"
        ) from error
    finally:
        for future in futures:
            future.cancel()
        if make is not None and isinstance(pool, Executor):
            pool.shutdown()


def _draw_one(name: str, folder: Path, as_published: bool, kind: str, dpi: int, progress: bool) -> _Drawn:
    stem = ("" if name == "table1" else "figure_") + name + ("_as_published" if as_published else "")
    drawn: Drawn = figure(name, as_published)
    picture, caption = folder / f"{stem}.{kind}", folder / f"{stem}.txt"
    drawn.figure.savefig(picture, dpi=dpi)
    caption.write_text(drawn.caption + "\n", encoding="utf-8")
    file = io.BytesIO()
    drawn.figure.savefig(file, format="png", dpi=PAGE_DPI)
    written = [picture, caption]
    if name in MOVING:
        written.append(animate(int(name), folder / f"{stem}.gif", as_published, progress=progress))
    return Entry(stem, drawn.caption, file.getvalue()), written


def animate(
    number: int, path: str | Path, as_published: bool = False, frames: int = FRAMES, *, progress: bool = False
) -> Path:
    """A GIF of the tokens of Figure `number` from t = 0 to its last time, at about `frames` multiples of its step."""
    case = figure_cases(number)[0]
    times = np.unique(np.round(np.linspace(0.0, case.times[-1], frames) / case.dt)) * case.dt
    run = (published if as_published else exact)(case, times)
    images = []
    with progress_of(progress, f"figure {number}", "frame", len(times)) as advance:
        for k in range(len(times)):
            axes = figure_with(1, 1, dim=case.d, width=3.4, height=3.4)[0]
            (leaders_panel if number == 4 else token_panel)(run, k, axes)
            axes.figure.set_dpi(100)
            images.append(_image(axes.figure))
            advance()
    target = Path(path)
    images[0].save(target, save_all=True, append_images=images[1:], duration=150, loop=0)
    return target


def _image(fig: Any) -> Image.Image:
    fig.canvas.draw()
    return Image.fromarray(np.asarray(fig.canvas.buffer_rgba())).convert("RGB")


def _page(folder: Path, rows: list[list[Entry]]) -> Path:
    """One self-contained page: each figure, its caption, and below it the same as published where it was drawn."""
    parts = [heading("The figures of arXiv 2305.05465", 1)]
    for row in rows:
        parts.append(heading(row[0].stem.replace("_", " ").capitalize(), 2))
        for entry in row:
            if len(row) > 1:
                scripts = entry.stem.endswith("_as_published")
                parts.append(heading("What the published scripts compute" if scripts else "The dynamics themselves", 3))
            parts.append(image(entry.png, "", entry.stem))
            parts += [paragraph(line) for line in entry.caption.splitlines() if line]
    path = folder / "index.html"
    path.write_text(page("The figures of arXiv 2305.05465", "\n".join(parts)), encoding="utf-8")
    return path
