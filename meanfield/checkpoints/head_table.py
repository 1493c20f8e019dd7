"""What decides the long-time limit of every head of a network, from the factors of V = W_o W_v and QᵀK alone.

No matrix of the width d is formed: the eigenvalues of V other than 0 are those of W_v W_o (k, k), and norms of
products of rank k are traces of products (k, k).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from meanfield.checkpoints.heads import Head
from meanfield.limits.applicability import hypotheses
from particles.checks import Array
from particles.kernels.threads import on_one_blas_thread
from particles.models.attention import SelfAttention

EIGENVALUES = 8
"""Eigenvalues of V that a row of the table shows, the largest in modulus."""

NEAR_TIE = 1e-8
"""Relative margins below which rounding, or a double eigenvalue that it splits, does not let a number decide."""

HYPOTHESES = {
    "scalar_margin": "V a multiple of I (Theorems 3.1, 8.5): minus the relative distance min_λ ‖V − λI‖/‖V‖, Frobenius",
    "symmetric_margin": "QᵀK symmetric (3.1, 5.2, 8.5): minus ‖QᵀK − KᵀQ‖/(2‖QᵀK‖), Frobenius",
    "definite_margin": "QᵀK positive definite (3.1, 5.2, 8.5): smallest eigenvalue of its symmetric part over ‖QᵀK‖",
    "real_margin": "λ₁ of V real (4.2, 5.2): minus |Im λ₁|/|λ₁|",
    "positive_margin": "λ₁ of V positive (4.2, 5.2): Re λ₁/|λ₁|",
    "simple_margin": "λ₁ of V simple and largest in modulus (4.2): (|λ₁| − |λ₂|)/|λ₁|",
    "attracting_margin": "⟨Qφ₁, Kφ₁⟩ > 0 (4.2): its cosine; NaN where φ₁ is not real",
}
"""The hypotheses by the names of their margins: above 0 a strict inequality holds, an equality holds at 0."""

LEADING = ("real_margin", "positive_margin", "simple_margin", "attracting_margin")
"""The hypotheses of Theorem 4.2, in the order in which they are asked."""


@on_one_blas_thread
def head_table(heads: Sequence[Sequence[Head]], source: str) -> xr.Dataset:
    """The spectrum of V and every hypothesis with its margin, for heads listed layer by layer.

    Returns
    -------
    xarray.Dataset
        Dims layer, head, eigenvalue. `eigenvalue_real`, `eigenvalue_imag` (layer, head, eigenvalue); `size` the
        rank bound k; `rank_deficient` whether k < d, so that V and QᵀK have the eigenvalue 0 whatever the numbers are;
        `positive_eigenvalues` how many have positive real part; the margins of HYPOTHESES, (layer, head); `theorem`,
        "" where none applies, "undecided" where rounding hides it; `fails`, the first hypothesis of Theorem 4.2 that
        does not hold.
    """
    rows = [[_row(head) for head in layer] for layer in heads]
    count = max(len(row["eigenvalues"]) for layer in rows for row in layer)
    values = np.full((len(rows), len(rows[0]), count), np.nan, dtype=complex)
    for i, layer in enumerate(rows):
        for j, row in enumerate(layer):
            values[i, j, : len(row["eigenvalues"])] = row["eigenvalues"]
    dims = ("layer", "head")
    names = ("size", "rank_deficient", "positive_eigenvalues", *HYPOTHESES, "theorem", "fails")
    table: dict[str, Any] = {name: (dims, np.array([[row[name] for row in layer] for layer in rows])) for name in names}
    table["eigenvalue_real"] = ((*dims, "eigenvalue"), values.real)
    table["eigenvalue_imag"] = ((*dims, "eigenvalue"), values.imag)
    out = xr.Dataset(
        table,
        coords={"layer": [layer[0].layer for layer in heads], "head": np.arange(len(rows[0]))},
        attrs={"source": source, "d": heads[0][0].dim, "title": "hypotheses of the theorems of arXiv 2305.05465"},
    )
    for name, text in HYPOTHESES.items():
        out[name].attrs["long_name"] = text
    return out


def _row(head: Head) -> dict[str, Any]:
    small = head.value @ head.output
    values, vectors = np.linalg.eig(small)
    order = np.lexsort((-values.imag, -values.real, -np.abs(values)))
    values = values[order]
    phi = head.output @ vectors[:, order[0]]
    margins = _product_margins(head) | _leading_margins(head, values, phi)
    margins["scalar_margin"] = -_distance_from_scalar(head, small)
    theorem, fails = _verdict(head, margins)
    scale = float(np.abs(values[0]))
    return {
        "eigenvalues": values[:EIGENVALUES],
        "size": len(head.Q),
        "rank_deficient": len(head.value) < head.dim,
        "positive_eigenvalues": int(np.sum(values.real > NEAR_TIE * scale)),
        "theorem": theorem,
        "fails": fails,
        **margins,
    }


def _distance_from_scalar(head: Head, small: Array) -> float:
    """min_λ ‖V − λI‖_F/‖V‖_F = √(1 − (tr V)²/(d ‖V‖_F²)); 0 for V = 0."""
    square = float(np.sum((head.output.T @ head.output) * (head.value @ head.value.T)))
    if square == 0.0:
        return 0.0
    return float(np.sqrt(max(0.0, 1.0 - float(np.trace(small)) ** 2 / (head.dim * square))))


def _product_margins(head: Head) -> dict[str, float]:
    """Symmetry and definiteness of QᵀK: its symmetric part has the eigenvalues of ½ J Z Zᵀ, Z = (Q; K), and 0."""
    Q, K = head.Q, head.K
    square = float(np.sum((Q @ Q.T) * (K @ K.T)))
    twice = float(np.sum((Q @ K.T) * (Q @ K.T).T))
    if square == 0.0:
        return {"symmetric_margin": 0.0, "definite_margin": 0.0}
    Z = np.vstack([Q, K])
    least = float(np.linalg.eigvals(0.5 * np.roll(Z @ Z.T, len(Q), axis=0)).real.min())
    if len(Z) < head.dim or len(Q) < head.dim:
        least = min(least, 0.0)
    return {
        "symmetric_margin": -float(np.sqrt(max(0.0, 0.5 * (1.0 - twice / square)))),
        "definite_margin": least / float(np.sqrt(square)),
    }


def _leading_margins(head: Head, values: Array, phi: Array) -> dict[str, float]:
    lead, second = values[0], abs(values[1]) if len(values) > 1 else 0.0
    size = abs(lead)
    if size == 0.0:
        return dict.fromkeys(LEADING, 0.0)
    attracting = np.nan
    if lead.imag == 0.0:
        query, key = head.Q @ phi.real, head.K @ phi.real
        norms = float(np.linalg.norm(query) * np.linalg.norm(key))
        attracting = float(query @ key) / norms if norms else 0.0
    return {
        "real_margin": -abs(lead.imag) / size,
        "positive_margin": lead.real / size,
        "simple_margin": (size - second) / size,
        "attracting_margin": attracting,
    }


def _verdict(head: Head, margins: dict[str, float]) -> tuple[str, str]:
    """The theorem that applies and the first hypothesis of Theorem 4.2 that does not hold."""
    holds = {name: margins[name] > 0.0 for name in LEADING} | {"real_margin": margins["real_margin"] == 0.0}
    fails = next((name for name in LEADING if not holds[name]), "")
    text = HYPOTHESES[fails].split(" (")[0] if fails else ""
    if len(head.value) >= head.dim or len(head.Q) >= head.dim:
        found = hypotheses(SelfAttention(head.Q, head.K, head.V))
        return found.theorem or ("undecided" if found.undecided else ""), text
    least = min(margins[name] for name in LEADING[1:]) if not fails else margins[fails]
    if abs(least) <= NEAR_TIE:
        return "undecided", text
    return ("" if fails else "4.2"), text
