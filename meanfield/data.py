"""The files shipped with the library: the paper's figure parameters, reference numbers, a trained head."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from particles.checks import Array, as_matrix, frozen, whole
from particles.errors import InvalidInput, StoreError

PACKAGE = Path(__file__).resolve().parent


def data_folder(package: Path = PACKAGE) -> Path:
    """Where the files are: `_data` inside the installed package, or `data` beside its source folder.

    Parameters
    ----------
    package : Path
        The folder of the package.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    StoreError
        Where there is none.
    """
    candidates = (package / "_data", package.parent / "data")
    for folder in candidates:
        if (folder / "paper_figures.toml").is_file():
            return folder
    raise StoreError(f"the shipped data is in none of {', '.join(map(str, candidates))}: reinstall the package")


def data_path(name: str) -> Path:
    """The path of one shipped file; an unknown name is refused with the list of those there are.

    Parameters
    ----------
    name : str
        The name of a shipped file.

    Returns
    -------
    Path
        Its path.

    Raises
    ------
    InvalidInput
        For a name that there is not.
    """
    folder = data_folder()
    names = sorted(p.name for p in folder.iterdir() if p.is_file())
    if not isinstance(name, str) or name not in names:
        raise InvalidInput(f"no shipped file {name!r}; there are {', '.join(names)}")
    return folder / name


def read_toml(name: str) -> dict[str, Any]:
    """One shipped TOML file as a dictionary.

    Parameters
    ----------
    name : str
        The name of a shipped TOML file.

    Returns
    -------
    dict
        Its tables.

    Raises
    ------
    InvalidInput
        For a name that there is not.
    """
    return tomllib.loads(data_path(name).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class FigureCase:
    """One run behind a figure of the paper.

    Q, K (k, d), V (d, d); tokens independent and uniform on [low, high]^d; snapshots at `times`, step `dt`.
    `frame` is "original", (1.1), or "rescaled", (3.1). `entry` is the whole TOML table: the source's sentence,
    what the source leaves open (`chosen`), the printed numbers and the known misprints (`notes`).

    Parameters
    ----------
    number : int
        The figure.
    panel : str
        Which of its runs, empty where it has one.
    n, d : int
        Tokens and their dimension.
    Q, K : array (k, d)
        Queries and keys.
    V : array (d, d)
        Values.
    low, high : float
        The interval of the initial tokens.
    times : tuple of float
        The printed times.
    dt : float
        The step of the script.
    frame : str
        "original" or "rescaled".
    seed : int
        Of the initial tokens, chosen here.
    entry : dict
        The whole table of the file.
    """

    number: int
    panel: str
    n: int
    d: int
    Q: Array
    K: Array
    V: Array
    low: float
    high: float
    times: tuple[float, ...]
    dt: float
    frame: str
    seed: int
    entry: dict[str, Any]

    def initial(self) -> Array:
        """The initial tokens (n, d), drawn with the entry's own seed (the source states none)."""
        return np.random.default_rng(self.seed).uniform(self.low, self.high, size=(self.n, self.d))


def figure_cases(number: int) -> tuple[FigureCase, ...]:
    """The runs behind Figure `number`, one a row; schematic figures (2 and 9) have none and are refused.

    Parameters
    ----------
    number : int
        1 to 13, but for 2 and 9.

    Returns
    -------
    tuple of FigureCase
        The runs.

    Raises
    ------
    InvalidInput
        For a figure without a run.
    """
    number = whole(number, "number")
    figures = read_toml("paper_figures.toml")["figure"]
    rows = [entry for entry in figures if entry["number"] == number and entry["kind"] == "run"]
    if not rows:
        runs = sorted({entry["number"] for entry in figures if entry["kind"] == "run"})
        raise InvalidInput(f"no run belongs to Figure {number!r}; the figures with runs are {runs}")
    return tuple(_case(entry) for entry in rows)


def _case(entry: dict[str, Any]) -> FigureCase:
    d = entry["d"]
    rng = np.random.default_rng(entry["matrix_seed"]) if "matrix_seed" in entry else None
    Q, K, V = (frozen(_matrix(entry[name], name, d, rng)) for name in "QKV")
    low, high = entry["initial"]
    return FigureCase(
        number=entry["number"],
        panel=entry.get("panel", ""),
        n=entry["n"],
        d=d,
        Q=Q,
        K=K,
        V=V,
        low=low,
        high=high,
        times=tuple(entry["times"]),
        dt=entry["dt"],
        frame=entry["frame"],
        seed=entry["seed"],
        entry=entry,
    )


def _matrix(value: str | list[list[float]], name: str, d: int, rng: np.random.Generator | None) -> Array:
    """A matrix as the file writes it: rows, "identity", or "random W W^T" with W uniform on [-1, 1]^(d x d)."""
    if value == "identity":
        return np.eye(d)
    if value == "random W W^T":
        if rng is None:
            raise StoreError(f"{name} is random but its entry has no matrix_seed")
        W = rng.uniform(-1.0, 1.0, size=(d, d))
        return np.asarray(W @ W.T)
    return as_matrix(value, name, shape=(d, d))
