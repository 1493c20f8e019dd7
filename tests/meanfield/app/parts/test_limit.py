"""The part on the limit reads its saved times exactly."""

import numpy as np
import pytest
from run_of_part import kept, run_part

from meanfield import Uniform, limits
from meanfield.app.parts.limit import _TERMS, LimitPart, _ranks, _told
from meanfield.app.parts.setting import Setting
from meanfield.app.table import Table
from meanfield.app.workspace import Workspace
from particles import SelfAttention
from particles.errors import InvalidInput, LibraryError


def test_times_are_whole_numbers_of_steps():
    part = LimitPart.read(Table({"until": 0.3, "every": 0.1, "particles": 5}, "limit"))
    np.testing.assert_allclose(part.times, [0.0, 0.1, 0.2, 0.3], rtol=1e-15)
    assert part.particles == 5


@pytest.mark.parametrize(("until", "every"), [(1.0, 0.3), (0.1, 1.0)])
def test_a_last_time_between_two_steps_is_refused(until, every):
    with pytest.raises(InvalidInput, match=r"`limit\.until` must be a whole number of times `limit\.every`"):
        LimitPart.read(Table({"until": until, "every": every, "particles": 5}, "limit"))


@pytest.mark.parametrize(("until", "every"), [(1e308, 0.5), (1e308, 1e-308), (1e12, 1e-3)])
def test_more_saves_than_fit_into_memory_are_refused_before_they_are_made(until, every):
    with pytest.raises(LibraryError, match=r"limit\.until"):
        LimitPart.read(Table({"until": until, "every": every, "particles": 5}, "limit"))


def ran(tmp_path, model, bounds, particles=8, until=6.0, every=0.25):
    setting = Setting(model, Uniform(bounds), None, 3)
    part = LimitPart.read(Table({"until": until, "every": every, "particles": particles}, "limit"))
    study, pictures = run_part(part, setting, tmp_path)
    return study, study.sections[-1], pictures["limit"]


def test_a_theorem_has_its_rate_its_set_and_its_words(tmp_path):
    I2 = np.eye(2)
    study, section, figure = ran(tmp_path, SelfAttention(I2, I2, I2).rescaled(), [(-1, 1)] * 2)
    decay, certificate = kept(study, "clustered"), kept(study, "limit")
    assert section.table.header == ["W2 to the limit", "rate", "rates of its windows", "fitted for t in"]
    (row,) = section.table.rows
    assert row == [
        f"{float(decay['distance'][-1]):.3g} at the end",
        f"{decay.attrs['rate_kind']}, {float(decay['slope']):.4f}",
        f"{float(decay['slope_low']):.4f} … {float(decay['slope_high']):.4f}",
        f"{float(decay['fit_start']):g} … {float(decay['fit_stop']):g}",
    ]
    assert section.title == "Geometry of the limit"
    assert section.text.startswith("The distance of each token to the set that the theorem predicts")
    assert section.verbatim.startswith(f"Limit certificate: {certificate.attrs['status']}\n")
    assert "margin" not in section.verbatim
    shown = section.text + section.verbatim + section.table.text()
    assert "P(t)" in section.terms
    assert set(section.terms) == {word for word in _TERMS if word in shown or word == "P(t)"}
    assert {certificate.attrs["status"], "leader", "largest bound", "rate", "fitted for t in"} <= set(section.terms)
    left, right, rank = figure.axes
    run = kept(study, "limit_run")
    assert run.sizes["particle"] == 8
    assert len(left.lines) == 8 + len(_outlines_of(run))
    assert right.get_ylabel() == "distance to the limit set"
    assert rank.get_ylabel() == "rank of P(t)"
    assert section.picture.caption == (
        "Left: the paths of the tokens, a dot at the last time; grey: the predicted set. Right: the distance of each "
        "token to the set (light blue), the largest (black; white on a dark page); in orange the rank of the attention "
        "matrix P(t), on the axis at the right."
    )


@pytest.mark.parametrize("last", [-0.7, -0.3])
def test_of_tokens_that_tend_to_a_set_no_limit_point_is_told(tmp_path, last):
    """V = diag(1, λ) with λ < 0: rescaled tokens move along their lines like e^{|λ|t}, and come to rest nowhere."""
    I2 = np.eye(2)
    study, section, _ = ran(tmp_path, SelfAttention(I2, I2, np.diag([1.0, last])).rescaled(), [(-1, 1)] * 2, until=5.0)
    certificate, run = kept(study, "limit"), kept(study, "limit_run")
    assert set(certificate["limit_kind"].values) == {"on set"}
    assert "is on where the sets of the tokens lie; where a token ends on its set is not known" in section.text
    assert "limit points of the tokens" not in section.text
    way = np.linalg.norm(np.diff(run["position"].values[-2:], axis=0)[0], axis=1).max()
    assert f"From t = 4.75 to 5, the last two saved times, a token still moves by up to {way:.2g}." in section.text
    assert "W2 to the limit falls at an exponential rate over the fitted times" in section.text
    assert "along its set a token may move on without end" in section.terms["largest bound"]
    # Every Dataset has the call that made it, and tells where its tokens come from.
    for ds in (run, certificate, kept(study, "clustered")):
        assert {"config", "history"} <= ds.attrs.keys()
        assert ds.attrs["initial_points"].endswith(".sample(8, default_rng(SeedSequence(3, spawn_key=(6,))))")
    rng = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(6,)))
    np.testing.assert_array_equal(run["position"][0], Uniform([(-1, 1)] * 2).sample(8, rng))
    assert "enclose" in certificate.attrs["config"]


def test_a_bound_on_limit_points_is_told_as_one_and_the_ranks_are_those_of_the_run(tmp_path):
    I2 = np.eye(2)
    study, section, _ = ran(tmp_path, SelfAttention(I2, I2, I2).rescaled(), [(-1, 1)] * 2)
    rank = kept(study, "limit")["attention_rank"].values
    assert "is on where the limit points of the tokens lie." in section.text
    assert "sets of the tokens" not in section.text
    assert "still moves" not in section.text
    assert f"The rank of P(t) is {rank[0]} at t = 0, at most {rank.max()} (first at t = " in section.text
    assert section.text.endswith(f"and {rank[-1]} at t = 6.")
    summary = kept(study, "limit")
    assert _ranks(summary.assign(attention_rank=0 * summary["attention_rank"] - 1)) == ""


def test_a_distance_that_grows_is_not_said_to_fall(tmp_path):
    I2 = np.eye(2)
    study, _, _ = ran(tmp_path, SelfAttention(I2, I2, I2).rescaled(), [(-1, 1)] * 2)
    run, summary, decay = (kept(study, name) for name in ("limit_run", "limit", "clustered"))
    found = limits.certify(run)
    assert "W2 to the limit falls at an exponential rate" in _told(run, found, summary, decay)
    assert "W2 to the limit grows at an exponential rate" in _told(run, found, summary, decay.assign(slope=0.1))
    assert "W2" not in _told(run, found, summary, None)


def test_an_approach_like_a_power_is_not_called_exponential(tmp_path):
    """V = −I: tokens tend to 0 like t^{−1/2}."""
    I2 = np.eye(2)
    study, section, _ = ran(tmp_path, SelfAttention(I2, I2, -I2), [(-1, 1)] * 2, until=40.0, every=1.0)
    assert kept(study, "clustered").attrs["rate_kind"] == "algebraic"
    assert "falls like a power of t over the fitted times" in section.text
    assert "exponential" not in section.text


def _outlines_of(run):
    return limits.certify(run).limit_set.curves([(-1, 1)] * 2)


@pytest.mark.parametrize(
    ("d", "words"),
    [(1, "the paths of the tokens against time"), (3, "the paths of the tokens in space"), (5, "the first two of 5")],
)
def test_without_a_theorem_the_reasons_are_given_and_no_set(tmp_path, d, words):
    """V = −I with scores that no theorem covers: no table, no set, the rank alone at the right."""
    Q = -np.eye(d) + np.triu(np.ones((d, d)), 1)
    _, section, figure = ran(tmp_path, SelfAttention(Q, np.eye(d), -np.eye(d)), [(-1, 1)] * d, 5, 1.0, 0.5)
    assert section.table is None
    assert section.text.startswith("No theorem of the paper applies to this model")
    assert f"Left: {words}" in section.picture.caption
    assert section.picture.caption.endswith("a dot at the last time. Right: the rank of the attention matrix P(t).")
    assert "undecided" in section.terms
    assert (figure.axes[0].name == "3d") == (d == 3)
    assert figure.axes[1].get_yticks().tolist() == []


def test_a_limit_too_short_for_a_rate_has_no_table(tmp_path):
    _, section, _ = ran(tmp_path, SelfAttention(1.0, 1.0, 1.0).rescaled(), [(-1, 1)], 6, 1.0, 0.5)
    assert section.table is None
    assert section.text.startswith("The distance of each token to the set")
    assert "grey" not in section.picture.caption


def test_a_run_is_certified_once_in_a_study(tmp_path, monkeypatch):
    asked, I2 = [], np.eye(2)
    certify_run = limits.certify_run
    monkeypatch.setattr(limits, "certify_run", lambda ds, **more: (asked.append(more), certify_run(ds, **more))[1])
    setting = Setting(SelfAttention(I2, I2, I2).rescaled(), Uniform([(-1, 1)] * 2), None, 3)
    study = Workspace("T", "", setting, tmp_path, None, False, print)
    part, same, longer = (
        LimitPart.read(Table({"until": until, "every": 0.25, "particles": 8}, "limit")) for until in (6.0, 6.0, 7.0)
    )
    first = part.certified(study, enclose=False)
    assert same.certified(study, enclose=False) is first
    np.testing.assert_array_equal(part.certified(study, enclose=True)[0]["position"], first[0]["position"])
    assert longer.certified(study, enclose=False)[0]["time"][-1] == 7.0
    assert [more["enclose"] for more in asked] == [False, True, False]
