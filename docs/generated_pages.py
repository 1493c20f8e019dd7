"""Pages made from the code itself: the command line, study files, models."""

import argparse
import json
import re
import shutil
import tempfile
from pathlib import Path

from benchmark_plots import draw_benchmarks

from meanfield.app import config
from meanfield.app.cli import _parser
from meanfield.app.table import _REQUIRED, Table
from meanfield.data import data_folder
from particles.catalogue import catalogue, written_models

PICTURES = Path(__file__).resolve().parent / "pictures"


def write_pages(folder: Path) -> None:
    """Write the pages anew into `generated` below a folder."""
    target = folder / "generated"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    pages = {
        "command_line": command_line(),
        "study_files": study_files(),
        "models": models(),
        "what_runs": what_runs(),
        "figures": figures(),
    }
    for name, text in pages.items():
        (target / f"{name}.md").write_text(text, encoding="utf-8")
    draw_benchmarks(target)


def command_line() -> str:
    """The help of every command, as the parser prints it."""
    parser = _parser()
    lines = ["# Command line", "", "What `meanfield --help` and `meanfield COMMAND --help` print.", ""]
    lines += _console(parser.format_help())
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                lines += [f"## meanfield {name}", "", *_console(command.format_help())]
    lines += [
        "Exit status: 0 when done, 2 for input that is refused or a run that stopped, 130 after Ctrl-C, 141 where the",
        "reader of the output went away.",
        "",
    ]
    return "\n".join(lines)


def _console(text: str) -> list[str]:
    return ["```text", text.rstrip(), "```", ""]


def models() -> str:
    """Every model of the catalogue, as `meanfield models` prints it."""
    rows = [f"| `{name}` | {_cell(line)} |" for name, line in sorted(catalogue().items())]
    head = ["# Models", "", "What `meanfield models` prints; a study file names them so.", ""]
    return "\n".join([*head, "| name | what it is |", "| --- | --- |", *rows, ""])


def what_runs() -> str:
    """What what_runs.py found when it tried every pair: a table for each form, the refusals below it."""
    stored = json.loads((Path(__file__).resolve().parent / "what_runs.json").read_text(encoding="utf-8"))
    lines = [
        "# What runs with what",
        "",
        "Every model was tried with every method of `simulate` and every scheme of `solve`, in every frame, with",
        "noise, and on the sphere and the circle, on six tokens or 16² cells in the plane (24 cells on the circle),",
        "by `python docs/what_runs.py`; a test tries them all again. A tick means that the run ended; a number is",
        "that of the refusal below the table. Whether the result is accurate is another question:",
        "[choose](../../how_to/choose.md).",
        "",
    ]
    for form, rows in stored.items():
        refusals = list(dict.fromkeys(found for row in rows.values() for found in row.values() if found != "runs"))
        ways = list(next(iter(rows.values())))
        lines += [
            f"## {form.capitalize()}",
            "",
            "| model | " + " | ".join(ways) + " |",
            "| --- " * (len(ways) + 1) + "|",
        ]
        for name, row in rows.items():
            cells = ["✓" if found == "runs" else str(refusals.index(found) + 1) for found in row.values()]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        lines += ["", *(f"{k}. {_cell(text)}" for k, text in enumerate(refusals, 1)), ""]
    return "\n".join(lines)


def figures() -> str:
    """The paper's figures with their captions, from the stored pictures; what the scripts did below each."""
    captions = json.loads((PICTURES / "captions.json").read_text(encoding="utf-8"))
    lines = [
        "# The paper's figures",
        "",
        "Figures 1 to 13 and Table 1 of [arXiv 2305.05465](https://arxiv.org/abs/2305.05465), computed here twice: by",
        "the exact dynamics with error control, and as the authors' published scripts computed what was printed, which",
        "is forward Euler with a step of 0.1 ([known errors](../../explanation/known_errors.md)). Each caption tells",
        "what was computed and how it differs. The pictures are stored; `meanfield figure all --as-published` draws",
        "them again, with animations.",
        "",
    ]
    for stem, caption in captions.items():
        name = stem.removesuffix("_as_published")
        title = "Table 1" if name == "table1" else name.replace("_", " ").capitalize()
        if stem == name:
            lines += [f"## {title}", "", f"![{title}, exact](../../pictures/{stem}.png)", ""]
        else:
            lines += ["**As the scripts computed it.**", "", f"![{title}, as published](../../pictures/{stem}.png)", ""]
        lines += [_prose(caption), ""]
    return "\n".join(lines)


def _prose(text: str) -> str:
    return re.sub(r"([][|*_<>$])", r"\\\1", text).replace("\n", "\\\n")


def study_files() -> str:
    """Every table and key of a study file, recorded while the readers read the files that are shipped."""
    keys = recorded_keys()
    lines = [
        "# Study files",
        "",
        "A study is a TOML file; every key is known, typed and checked, and an unknown one is refused with the list of",
        "those allowed. The tables below are recorded from the readers themselves. `name` and the parameters of",
        "`[model]` are those of a [model](models.md); `[grid.scheme]` takes a scheme of `solve` and its parameters.",
        "",
        "A study file has models whose parameters are numbers, texts and matrices, and laws of R^d. Models that are",
        "made from other models (`OnSphere`, `OnCircle`, sums) and laws on the sphere or a circle have no keys:",
        "such a study is a script, see [sweeps](../../sweeps.md) and the gallery of the sphere and the circle. A study",
        "that stopped has a report that names the missing parts at its top; `--resume` takes an interrupted one up.",
        "",
        'Some keys go with another one: `law` of `[initial]` is `"uniform"` with `bounds`, `"normal"` with `mean` and',
        '`covariance`, or `"sentence"` with nothing more; `[limit]` needs `particles` but for a sentence, all of whose',
        "tokens are run; `[sweep]` has `values` of its parameter, or `factors` of its value in `[model]`;",
        "`bounds` are one pair `[low, high]` for each axis. `[model]` has `name`, the parameters of that model,",
        '`frame`, which is `"original"` or `"rescaled"`, and `head`, a trained head in the place of Q, K and V.',
        "",
        f"A study file takes {', '.join(f'`{name}`' for name in written_models())}.",
        "",
    ]
    for table, found in keys.items():
        lines += [
            f"## [{table}]" if table else "## At the top",
            "",
            "| key | value | where left out |",
            "| --- | --- | --- |",
        ]
        lines += [f"| `{key}` | {_cell(what)} | {_cell(default)} |" for key, (what, default) in found.items()]
        lines.append("")
    shipped = (data_folder() / "studies" / "paper_2d.toml").read_text(encoding="utf-8")
    return "\n".join([*lines, "## The default study", "", "```toml", shipped.rstrip(), "```", ""])


EVERY_PART = """
title = "t"
[model]
name = "SelfAttention"
Q = 1.0
K = 1.0
V = 1.0
[initial]
law = "normal"
mean = [0.0]
covariance = [[1.0]]
[grid]
bounds = [[-8.0, 8.0]]
shape = [8]
[grid.scheme]
name = "WENO"
[sweep]
parameter = "model.Q"
values = [1.0]
particles = 2
times = [0.0, 1.0]
seeds = 1
distance = 0.1
[network]
ids = [1]
"""


def recorded_keys() -> dict[str, dict[str, tuple[str, str]]]:
    """By table the keys that its reader asks for, what a value must be, and the default."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    ask = Table.get

    def recorded(self, key, convert, default=_REQUIRED):
        if convert.__name__ not in ("_mapping", "parameter"):
            rest = "needed" if default is _REQUIRED else _default(default)
            found.setdefault(self._name, {}).setdefault(key, (_demand(convert), rest))
        return ask(self, key, convert, default)

    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "every_part.toml"
        written.write_text(EVERY_PART, encoding="utf-8")
        Table.get = recorded
        try:
            for path in (written, *sorted((data_folder() / "studies").glob("*.toml"))):
                config.read_study(path)
        finally:
            Table.get = ask
    return found


def _demand(convert) -> str:
    """What a conversion asks of a value: in its own words, from its refusal of something that is no value at all."""
    try:
        convert(object())
    except Exception as error:
        text = str(error)
        if text.startswith("must"):
            return text.removeprefix("must be ")
    return (convert.__doc__ or convert.__name__).strip().splitlines()[0]


def _default(value) -> str:
    return "nothing" if value is None or value == () or value == "" else f"`{value}`"


def _cell(text: str) -> str:
    return re.sub(r"([][|*_])", r"\\\1", text) if not text.startswith("`") else text
