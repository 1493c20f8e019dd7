"""The stored pictures of the long experiments, each from the script in examples/ that it is named after.

    python docs/make_pictures.py [NAME ...]

metastability, phase_diagram, sweep_beta, saddle: some minutes of processor time each. figures: the paper's, exactly and
as the published scripts computed them, with their captions. Written to docs/pictures.
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
sys.path[:0] = [str(ROOT), str(ROOT / "examples")]
mpl.use("agg")

import faces_and_saddles  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402
import metastability  # noqa: E402
import phase_diagram  # noqa: E402
import sweep_beta  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

from meanfield import plots  # noqa: E402
from meanfield.figures.paper import NAMES  # noqa: E402
from meanfield.figures.paper import figure as paper_figure  # noqa: E402
from particles import Adaptive, Euler  # noqa: E402


def draw_metastability(figure):
    """Staircases of the number of clusters, SA on the left and USA on the right."""
    cases = (("SA", "softmax", metastability.TIMES), ("USA", "none", np.linspace(0.1, 3.0, 30)))
    for ax, (name, normalization, times) in zip(figure.subplots(1, 2), cases, strict=True):
        for beta, colour in ((4.0, "#0072B2"), (9.0, "#D55E00")):
            for method, style in ((Adaptive(), "-"), (Euler(dt=0.1), ":")):
                count = metastability.clusters(metastability.run(beta, method, times, normalization))[1:]
                label = f"β = {beta:g}, {type(method).__name__}"
                ax.step(times, count, style, where="post", color=colour, label=label)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xscale="log", xlabel="t", ylabel="clusters", title=f"{name}, 24 tokens on the circle", ylim=(0, None))
        ax.legend(fontsize="small")


def draw_phase_diagram(figure):
    """The part of close pairs over time and inverse temperature, in d = 2 and d = 128."""
    for ax, (dim, draws) in zip(figure.subplots(1, 2), ((2, 12), (128, 4)), strict=True):
        phase_diagram.draw(phase_diagram.fractions(dim, draws=draws), ax)
        ax.set_title(f"d = {dim}")


def draw_sweep_beta(figure):
    """Clusters at t = 30 against the inverse temperature, 20 seeds at each of 30 values."""
    sweep_beta.draw(sweep_beta.run(), figure.subplots())


def draw_saddle(figure):
    """Distances of tokens to the predicted set where symmetry holds some of them on faces and on a saddle."""
    for ax, found in zip(figure.subplots(1, 2), (faces_and_saddles.face(), faces_and_saddles.saddle()), strict=True):
        plots.limit_distance(found.to_dataset(), ax)


DRAWN = {
    "metastability": draw_metastability,
    "phase_diagram": draw_phase_diagram,
    "sweep_beta": draw_sweep_beta,
    "saddle": draw_saddle,
}


def paper_figures():
    """Figures 1 to 13 and Table 1, and what the scripts did where that differs; captions as JSON."""
    captions = {}
    for name in NAMES:
        for as_published in (False, True) if name not in ("2", "9", "table1") else (False,):
            stem = ("" if name == "table1" else "figure_") + name + ("_as_published" if as_published else "")
            drawn = paper_figure(name, as_published)
            drawn.figure.savefig(PICTURES / f"{stem}.png", dpi=110)
            plt.close(drawn.figure)
            captions[stem] = drawn.caption
            print(PICTURES / f"{stem}.png", flush=True)
    text = json.dumps(captions, indent=1, ensure_ascii=False)
    (PICTURES / "captions.json").write_text(text + "\n", encoding="utf-8")


def main(names):
    """Draw these, or all."""
    PICTURES.mkdir(exist_ok=True)
    for name in names or (*DRAWN, "figures"):
        if name == "figures":
            paper_figures()
            continue
        figure = plt.figure(figsize=(6, 4) if name == "sweep_beta" else (10, 4), layout="constrained")
        DRAWN[name](figure)
        figure.savefig(PICTURES / f"{name}.png", dpi=110)
        print(PICTURES / f"{name}.png")


if __name__ == "__main__":
    main(sys.argv[1:])
