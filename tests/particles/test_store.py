import numpy as np
import pytest

from particles import SelfAttention, simulate, write_netcdf
from particles.errors import StoreError

X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
SA = SelfAttention(np.eye(2), np.eye(2), np.eye(2))


def test_a_folder_that_cannot_be_made_is_an_error_of_the_store(tmp_path):
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "run"
    with pytest.raises(StoreError, match="cannot be made"):
        simulate(SA, X, [0, 0.1], store=place)
    with pytest.raises(StoreError, match="cannot be made"):
        write_netcdf(simulate(SA, X, [0, 0.1]), place)
