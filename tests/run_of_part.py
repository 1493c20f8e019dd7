"""One part of a study run by itself: the sections of its report, its Datasets and its pictures."""

import pytest
import xarray as xr
from matplotlib.figure import Figure

from meanfield.app.workspace import Workspace


def run_part(part, setting, folder):
    """The study after `part` ran in `folder`, and its figures by name, which were not written."""
    pictures, study = {}, Workspace("T", "", setting, folder, None, False, lambda text: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda figure, path, dpi: (pictures.update({path.stem: figure}), path.touch()))
        patch.setattr(Workspace, "write_report", lambda study: None)
        part.run(study)
    for name, figure in pictures.items():
        # On a page, beside its text: wider than tall, and no taller than half a page.
        width, height = figure.get_size_inches()
        assert 4.0 <= width <= 14.0, name
        assert 3.0 <= height <= 5.0, name
    return study, pictures


def kept(study, name):
    """A Dataset that the study wrote."""
    with xr.open_dataset(study.folder / f"{name}.nc") as ds:
        return ds.load()
