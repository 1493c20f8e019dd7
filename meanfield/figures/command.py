"""`meanfield figure N|all [--as-published] [--out DIR]`: PNG, GIF for the moving ones, and a caption beside each."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from meanfield.data import figure_cases
from meanfield.figures.panels import figure_with
from meanfield.figures.paper import NAMES, Drawn, figure, leaders_panel, token_panel
from meanfield.figures.runs import exact, published
from particles.checks import one_of

MOVING = ("1", "4", "5", "6", "7", "8", "12", "13")
FRAMES = 31


def draw(
    which: str, out: str | Path, as_published: bool = False, show: Callable[[str], object] = lambda text: None
) -> list[Path]:
    """Draw one figure ("1" to "13", "table1") or "all" into the folder `out`, made if missing; returns the files.

    Each gives figure_N.png and figure_N.txt (its caption), and figure_N.gif where tokens move. `as_published` adds
    figure_N_as_published.* computed as the scripts did. "all" also writes index.html with everything side by side.
    `show` receives the files of each figure as soon as they are there.
    """
    chosen = NAMES if one_of(which, (*NAMES, "all"), "figure") == "all" else (which,)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name in chosen:
        both = as_published and name not in ("2", "9", "table1")
        for kind in (False, True) if both else (False,):
            fresh = _draw_one(name, folder, as_published=kind)
            show("\n".join(map(str, fresh)))
            written += fresh
    if which == "all":
        written.append(_page(folder, written))
    return written


def _draw_one(name: str, folder: Path, *, as_published: bool) -> list[Path]:
    stem = ("" if name == "table1" else "figure_") + name + ("_as_published" if as_published else "")
    drawn: Drawn = figure(name, as_published)
    picture, caption = folder / f"{stem}.png", folder / f"{stem}.txt"
    drawn.figure.savefig(picture)
    caption.write_text(drawn.caption + "\n", encoding="utf-8")
    written = [picture, caption]
    if name in MOVING:
        written.append(animate(int(name), folder / f"{stem}.gif", as_published))
    return written


def animate(number: int, path: str | Path, as_published: bool = False, frames: int = FRAMES) -> Path:
    """A GIF of the tokens of Figure `number` from t = 0 to its last time, at about `frames` multiples of its step."""
    case = figure_cases(number)[0]
    times = np.unique(np.round(np.linspace(0.0, case.times[-1], frames) / case.dt)) * case.dt
    run = (published if as_published else exact)(case, times)
    images = []
    for k in range(len(times)):
        axes = figure_with(1, 1, dim=case.d, width=3.4, height=3.4)[0]
        (leaders_panel if number == 4 else token_panel)(run, k, axes)
        axes.figure.set_dpi(100)
        images.append(_image(axes.figure))
    target = Path(path)
    images[0].save(target, save_all=True, append_images=images[1:], duration=150, loop=0)
    return target


def _image(fig: Any) -> Image.Image:
    fig.canvas.draw()
    return Image.fromarray(np.asarray(fig.canvas.buffer_rgba())).convert("RGB")


def _page(folder: Path, files: list[Path]) -> Path:
    """One self-contained page: each figure, its caption, and beside it the same as published where it was drawn."""
    stems = [file.stem for file in files if file.suffix == ".png"]
    rows = []
    for stem in stems:
        if stem.endswith("_as_published"):
            continue
        both = [name for name in (stem, f"{stem}_as_published") if name in stems]
        cells = "".join(f"<td>{_cell(folder, name)}</td>" for name in both)
        rows.append(f"<tr>{cells}</tr>")
    page = folder / "index.html"
    style = "td{vertical-align:top;padding:1em}img,pre{max-width:46vw}pre{white-space:pre-wrap;font-size:small}"
    about = "Left: the dynamics themselves. Right: what the published scripts compute."
    page.write_text(
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Figures</title>"
        f"<style>{style}</style><h1>The figures of arXiv 2305.05465</h1>"
        f"<p>{about}</p><table>{''.join(rows)}</table>",
        encoding="utf-8",
    )
    return page


def _cell(folder: Path, stem: str) -> str:
    picture = base64.b64encode((folder / f"{stem}.png").read_bytes()).decode("ascii")
    caption = html.escape((folder / f"{stem}.txt").read_text(encoding="utf-8"))
    return f"<img src='data:image/png;base64,{picture}' alt='{html.escape(stem)}'><pre>{caption}</pre>"
