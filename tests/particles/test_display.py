"""Objects on a terminal and in a notebook: named by their class, on less than a screen, never markup."""

from dataclasses import dataclass
from html.parser import HTMLParser

import numpy as np
import pytest
from user_fields import ToMean

from meanfield import Grid, Uniform, limits, transport, wasserstein_bracket
from meanfield.checkpoints import trained_heads
from particles import Adaptive, CuckerSmale, Diffusion, EmpiricalMeasure, SelfAttention, VelocityField, simulate
from particles.display import LINES, screen, short

I2 = np.eye(2)
WIDE = np.random.default_rng(0).normal(size=(64, 64))
EVIL = "</script><img src=x onerror=alert(1)>"


@dataclass(frozen=True)
class Own(VelocityField):
    """A model of a user's with a matrix and a text."""

    matrix: np.ndarray
    note: str = ""
    dim: int = 2

    def velocity(self, t, x, mu):
        return x @ self.matrix.T


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.words = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)

    def handle_data(self, data):
        self.words += data


MODEL = SelfAttention(I2, I2, I2)
CLOUD = EmpiricalMeasure([[0.0, 1.0], [1.0, 0.0]])
TOKENS = np.random.default_rng(0).normal(size=(40, 2))
MADE = {
    "model in a frame": MODEL.rescaled,
    "model of wide matrices": lambda: SelfAttention(WIDE, WIDE, WIDE),
    "sum of heads": lambda: MODEL + MODEL,
    "model on the sphere": MODEL.on_sphere,
    "sum of another kind": lambda: CuckerSmale(0.5, 1.0, dim=2) + Diffusion(0.1, dim=2),
    "user's dataclass": lambda: Own(WIDE, EVIL),
    "user's class": lambda: ToMean(1.0, dim=2),
    "cloud": lambda: CLOUD,
    "grid": lambda: Grid([(-1, 1)] * 2, (8, 8)),
    "grid measure": lambda: Grid([(-1, 1)] * 2, (8, 8)).measure(Uniform([(-1, 1)] * 2)),
    "bracket": lambda: wasserstein_bracket(CLOUD, CLOUD),
    "hypotheses": lambda: limits.hypotheses(MODEL),
    "certificate": lambda: limits.certify(simulate(MODEL.rescaled(), TOKENS, [0.0, 1.0, 2.0])),
}


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_an_object_fits_a_screen_in_text_and_in_html(made):
    value = made()
    lines = repr(value).splitlines()
    assert sum(-(-len(line) // 80) for line in lines) <= 24
    tags = Tags(value._repr_html_())
    assert set(tags.found) <= {"div", "strong", "table", "tr", "th", "td"}
    assert type(value).__name__ in tags.words
    assert len(tags.words) < 3000


def test_a_model_is_told_by_its_class_and_what_differs_from_its_defaults():
    assert repr(SelfAttention(2.0, [[1 / 3]], 1.0)) == "SelfAttention(Q=[[2]], K=[[0.333333]], V=[[1]])"
    assert repr(Own(WIDE)) == "Own(matrix=array of shape (64, 64))"
    assert repr(Adaptive(rtol=1e-3)) == "Adaptive(rtol=0.001)"

    class Bare(VelocityField):
        dim = 2

        def velocity(self, t, x, mu):
            return -x

    assert repr(Bare()) == "Bare()"
    assert repr(Bare() + Own(I2)) == "Bare() + Own(matrix=[[1, 0], [0, 1]])"


def test_a_bracket_is_told_with_all_its_digits():
    bracket = wasserstein_bracket(EmpiricalMeasure([[0.0, 0.1]]), EmpiricalMeasure([[0.3, 0.7]]))
    for bound in (bracket.lower, bracket.upper):
        assert repr(bound) in repr(bracket)
        assert repr(bound) in bracket._repr_html_()


def test_a_certificate_has_each_of_its_lines_in_html():
    run = simulate(SelfAttention(I2, I2, I2).rescaled(), [[1.0, 0.2], [0.1, 1.0], [-1.0, 0.3]], [0.0, 1.0])
    found = limits.certify(run)
    assert repr(found).splitlines()[0] == f"Limit certificate: {found.status}"
    words = Tags(found._repr_html_()).words
    assert all(assumption in words for assumption in found.assumptions)
    assert found.hypotheses.theorem in words
    x0 = np.random.default_rng(0).uniform(-1, 1, (12, 2))
    long = limits.certify(simulate(SelfAttention(I2, I2, I2).rescaled(), x0, np.linspace(0.0, 12.0, 61)))._shown()
    assert {"status", "tokens", "largest bound", "given that", "Theorem"} <= long.keys()
    assert not any(name.isdigit() for name in long)


def test_hypotheses_have_a_row_for_each_in_html():
    found = limits.hypotheses(SelfAttention(I2, I2, I2))
    rows = found._shown()
    assert len(rows) == 1 + sum(len(checks) for checks in found.checks.values())
    assert all(told.endswith(("yes", "no", "UNDECIDED")) for name, told in rows.items() if name != "theorem")


def test_plans_and_heads_show_no_arrays():
    rng = np.random.default_rng(0)
    found = transport(EmpiricalMeasure(rng.normal(size=(50, 2))), EmpiricalMeasure(rng.normal(size=(70, 2))))
    for shown in (repr(found), found._repr_html_()):
        assert "between 50 and 70 places" in shown
        assert "Euclidean()" in shown
        assert "array" not in shown
        assert len(shown) < 1600
    assert len(repr(trained_heads())) < 1600
    assert "array of shape (32, 384)" in repr(trained_heads()[0])


def test_text_is_no_markup():
    page = Own(I2, EVIL)._repr_html_()
    assert "<img" not in page
    assert EVIL in Tags(page).words


def test_values_and_lines_are_cut():
    assert short(np.zeros((2, 5))) == "array of shape (2, 5)"
    assert short([1 / 3] * 20).count("0.333333") == 9
    assert short("x" * 1000).endswith("…")
    assert short(np.exp) == "exp"
    assert screen([str(k) for k in range(40)]).splitlines()[-2:] == ["… 18 more lines", "39"]
    assert screen(["x" * 100]) == "x" * 79 + "…"


@pytest.mark.parametrize("more", [-1, 0, 1, 7])
def test_lines_that_fit_are_all_shown_and_else_one_tells_how_many_are_not(more):
    lines = [f"line {k}" for k in range(LINES + more)]
    shown = screen(lines).splitlines()
    if more <= 0:
        assert shown == lines
        return
    assert len(shown) == LINES
    assert shown[-1] == lines[-1]
    hidden = len(lines) - (LINES - 1)
    assert [shown[-2], shown[:-2]] == [f"… {hidden} more lines", lines[: LINES - 2]]
