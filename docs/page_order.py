"""The order of the tutorials; the gallery's scripts stand in that of their names."""

from pathlib import Path

TUTORIALS = (
    "first_run",
    "density",
    "many_tokens",
    "own_model",
    "transport",
    "certificate",
    "trained_network",
    "sweep",
)


class PageOrder:
    """The sort key that sphinx-gallery asks for each file of a folder."""

    def __init__(self, src_dir):
        self.folder = Path(src_dir)

    def __call__(self, filename):
        """Where a script stands."""
        stem = Path(filename).stem
        return (TUTORIALS.index(stem) if stem in TUTORIALS else len(TUTORIALS), stem)

    def __repr__(self):
        return "PageOrder"
