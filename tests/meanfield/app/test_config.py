"""A study's file: every key known and checked, UTF-8 whatever the locale, a byte-order mark read or named."""

import codecs
import re

import pytest
from small_study import SMALL

from meanfield.app.config import PARTS, read_study
from meanfield.app.parts.sweeping import SweepPart
from meanfield.app.parts.trained_network import TrainedNetworkPart
from meanfield.app.table import Table
from meanfield.data import data_folder
from particles import free_memory
from particles.errors import InvalidInput, TooLarge


def scheme(name, parameters=""):
    return f'\n[grid.scheme]\nname = "{name}"\n{parameters}'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seeds = 5", "seeds = 4"), "`convergence.seeds`: seeds must be at least 5"),
        (("sizes = [8, 16]", "sizes = [8]"), "`convergence.sizes`.*at least two growing numbers of particles"),
        (("seeds = 2", "seeds = 0"), "`stability.seeds`.*at least 1"),
        (("particles = 20", "particles = 0"), "`stability.particles`.*at least 1"),
        (("every = 0.5", "every = 0.7"), "`limit.until` must be a whole number of times `limit.every`, got 6 and 0.7"),
        (("seeds = 5", "seed = 5"), "lacks the key `convergence.seeds`"),
        (
            ("particles = 20", "particles = 20\ncolour = 1"),
            "unknown key 'colour' in \\[stability\\]: allowed are times",
        ),
        (("seed = 1", "sede = 1"), "unknown key 'sede' at the top: allowed are title"),
        (('law = "uniform"', 'law = "unifrom"'), "`initial.law`.*one of 'uniform', 'normal'.*got 'unifrom'"),
        (("times = [0.0, 0.25]", "times = [0.25, 0.0]"), "`convergence.times`.*strictly increasing"),
        (("V = 1.0", "W = 1.0"), "SelfAttention has no parameter 'W': its parameters are Q, K, V"),
        (("V = 1.0", ""), "SelfAttention needs the parameter 'V'"),
        (
            ("SelfAttention", "SelfAtention"),
            "the name of the model must be one of 'CausalAttention', .*'SelfAtention': 'SelfAttention' is nearest",
        ),
        (("V = 1.0", "V = nan"), "V must be finite"),
        (("Q = 1.0", "Q = [[1.0], [2.0]]"), "Q and K must have one shape"),
        (("[initial]", "[intial]"), "lacks the table \\[initial\\]"),
        (('title = "A small study"', "title = A small study"), "not valid TOML.*line 2"),
        (("shape = [40]", "shape = [1]"), "at least 2 cells"),
        (('title = "A small study"', 'title = " "'), "`title`.*of one letter at least"),
        (("particles = 10\n", ""), "lacks the key `limit.particles`"),
        (('frame = "rescaled"', 'frame = "resacled"'), "`model.frame`.*one of 'original', 'rescaled', got 'resacled'$"),
        (("shape = [40]", 'shape = [40]\nlimiter = "minmod"'), "unknown key 'limiter' in \\[grid\\]"),
        (("shape = [40]", "shape = [40]" + scheme("FiniteVolume", 'limiter = "mimod"')), "minmod"),
        (("shape = [40]", "shape = [40]" + scheme("Weno")), "the name of the scheme must be one of .*'WENO'.*'Weno'"),
        (("shape = [40]", "shape = [40]" + scheme("WENO", "tau = 1")), "WENO has no parameter 'tau'"),
        (("shape = [40]", "shape = [40]" + scheme("FrozenFlow")), "FrozenFlow needs the parameter 'tau'"),
        (("bounds = [[-1.5, 1.5]]", "bounds = 3.0"), "`grid.bounds` must be one pair \\[low, high\\] an axis"),
        (("bounds = [[-1.5, 1.5]]", "bounds = [[-0.5, 1.5]]"), "holds only 0.75"),
    ],
)
def test_a_study_that_is_wrong_is_refused_by_the_name_of_its_key(tmp_path, change, message):
    path = tmp_path / "small.toml"
    path.write_text(SMALL.replace(*change))
    with pytest.raises(InvalidInput, match=message):
        read_study(path)


def test_the_shipped_studies_are_read_with_all_their_parts():
    for name, absent in (("paper_2d", (TrainedNetworkPart, SweepPart)), ("minilm", (SweepPart,))):
        config = read_study(data_folder() / "studies" / f"{name}.toml")
        assert [type(part) for part in config.parts] == [part for part in PARTS if part not in absent]
        assert config.setting.seed == 20230512


def test_the_parts_run_in_their_order_whatever_the_order_of_their_tables(tmp_path):
    path = tmp_path / "small.toml"
    head, tail = SMALL.split("[convergence]")
    path.write_text(head + "[limit]" + tail.split("[limit]")[1] + "[convergence]" + tail.split("[limit]")[0])
    absent = (TrainedNetworkPart, SweepPart)
    assert [type(part) for part in read_study(path).parts] == [part for part in PARTS if part not in absent]


def test_another_seed_stands_in_the_source(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    assert read_study(path).source == f"# seed used: 1\n{SMALL}"
    config = read_study(path, seed=9)
    assert (config.setting.seed, config.source) == (9, f"# seed used: 9\n{SMALL}")


def test_toml_is_utf_8_with_or_without_a_mark(tmp_path):
    path, text = tmp_path / "greek.toml", SMALL.replace("A small study", "λ → ∞")
    for content in (text.encode(), codecs.BOM_UTF8 + text.encode(), text.replace("\n", "\r\n").encode()):
        path.write_bytes(content)
        config = read_study(path)
        assert (config.title, config.source) == ("λ → ∞", f"# seed used: 1\n{text}")
    for mark in ("utf-16-le", "utf-16-be"):
        path.write_bytes(("\ufeff" + text).encode(mark))
        with pytest.raises(InvalidInput, match="begins with the byte-order mark of UTF-16: TOML is UTF-8"):
            read_study(path)
    path.write_bytes(text.replace("λ", "é").replace("→ ∞", "").encode("latin-1"))
    with pytest.raises(InvalidInput, match="it is not UTF-8 at byte"):
        read_study(path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"cannot read the study .*: Is a directory"):
        read_study(tmp_path)


def test_the_template_is_a_study_and_names_every_key(monkeypatch):
    asked = {}
    get = Table.get

    def noted(table, key, *more):
        asked.setdefault(table._name, set()).add(key)
        return get(table, key, *more)

    monkeypatch.setattr(Table, "get", noted)
    text = (data_folder() / "template.toml").read_text(encoding="utf-8")
    assert len(read_study(data_folder() / "template.toml").parts) == 4
    TrainedNetworkPart.read(Table({}, "network"))
    blocks = re.split(r"^(?:# )?\[([\w.]+)\]", text, flags=re.M)
    written = {"": blocks[0]} | dict(zip(blocks[1::2], blocks[2::2], strict=True))
    tables = {name.split(".")[0] for name in written if name} | {"sweep", "scheme"}
    for name, keys in asked.items():
        for key in keys - tables:
            assert re.search(rf"^(# )?{key} = ", written[name], re.M), f"[{name}] {key} is not in the template"


def test_the_alternatives_of_the_template_are_accepted(tmp_path):
    text = (data_folder() / "template.toml").read_text(encoding="utf-8")
    for line in ('frame = "original"', "seeds = 1 ", "seed = 0", "about = "):
        text = text.replace(f"# {line}", line)
    text = text.replace("# [grid.scheme]", "[grid.scheme]").replace('# name = "FiniteVolume"', 'name = "FiniteVolume"')
    text = text.replace('law = "uniform"', 'law = "normal"').replace("bounds = [[-1.0, 1.0], [-1.0, 1.0]]", "")
    text = text.replace("# mean", "mean").replace("# covariance", "covariance").replace("1.5", "9.5")
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    assert type(read_study(tmp_path / "study.toml").setting.grid.scheme).__name__ == "FiniteVolume"


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        (
            ("particles = 10", "particles = 1000000000"),
            "`limit.particles`: 1000000000 particles in R.1 at 13 saved times",
        ),
        (("particles = 10", "particles = 2000000000000"), "`limit.particles`: 2000000000000 particles"),
        (("particles = 20", "particles = 3000000000000"), "`stability.particles`: 3000000000000 particles"),
        (("shape = [40]", "shape = [4000000000000]"), "`grid.shape`: the masses of 4000000000000 cells"),
    ],
)
def test_sizes_that_do_not_fit_into_memory_are_refused_by_the_name_of_their_key(tmp_path, monkeypatch, change, needed):
    monkeypatch.setattr(free_memory, "free_memory", lambda: 16.0 * 2**30)
    path = tmp_path / "large.toml"
    path.write_text(SMALL.replace(*change))
    with pytest.raises(TooLarge, match=f"the key {needed}.* need .* of which 16 GiB are free"):
        read_study(path)


def test_a_number_of_tokens_that_would_not_be_run_is_refused(tmp_path):
    path = tmp_path / "sentence.toml"
    study = 'title = "t"\n[model]\nname = "SelfAttention"\nhead = "layer0_head6"\n[initial]\nlaw = "sentence"\n'
    path.write_text(study + "[limit]\nparticles = 20\nuntil = 1.0\nevery = 0.5\n")
    with pytest.raises(InvalidInput, match=r"`limit.particles` has the value 20, but .* the 28 tokens .*leave"):
        read_study(path)
    for given in ("", "particles = 28\n"):
        path.write_text(study + f"[limit]\n{given}until = 1.0\nevery = 0.5\n")
        read_study(path)


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ('name = "OnSphere"', "field"),
        ('name = "OnSphere"\nfield = "SelfAttention"', "field"),
        ('name = "PairInteraction"\nW = "Cosine(1)"', "W"),
        ('name = "Diffusion"\nD = 1.0\nspace = "Circle()"', "space"),
        ('name = "Ensemble"\nfields = []', "fields"),
    ],
)
def test_what_a_file_cannot_hold_sends_to_python(tmp_path, model, key):
    path = tmp_path / "sphere.toml"
    path.write_text(re.sub(r'name = "SelfAttention"(.|\n)*?\[initial\]', f"{model}\n[initial]", SMALL))
    with pytest.raises(InvalidInput, match=rf"'{key}' .* cannot stand in a study file.*page “Sweeps”.*SelfAttention"):
        read_study(path)
