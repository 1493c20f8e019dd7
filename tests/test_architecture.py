"""The house: a file imports only what stands before it, no import runs in a circle, no file or function is long."""

import ast
import re
import sys

import pytest
from source_tree import ROOT, imports, modules, words

LAYERS = [
    ["particles.installation", "particles.submodules"],
    ["particles.errors", "particles.display", "particles.interrupts"],
    ["particles.free_memory"],
    ["particles.checks"],
    ["particles.measure"],
    ["particles.kernels", "particles.progress"],
    ["particles.fields"],
    # Three wings that know nothing of each other; `randomness` is drawn from by steppers and runs.
    ["particles.models", "particles.randomness", "particles.encoding", "particles.dataset", "particles.files"],
    [
        "particles.steppers",
        "particles.catalogue",
        "particles.thinning",
        "particles.recorder",
        "particles.remote",
        "particles.records",
        "particles.states",
        "particles.store",
    ],
    ["particles.watching"],
    ["particles.evolution"],
    ["particles.simulate"],
    ["particles"],
    ["meanfield.data"],
    ["meanfield.measures"],
    ["meanfield.velocity"],
    ["meanfield.schemes"],
    ["meanfield.solve"],
    ["meanfield.distances"],
    ["meanfield.limits"],
    ["meanfield.analysis"],
    ["meanfield"],
    ["meanfield.studies"],
    ["meanfield.checkpoints"],
    ["meanfield.pages"],
    ["meanfield.figures", "meanfield.plots"],
    ["meanfield.accessor"],
    ["meanfield.app"],
    ["meanfield.__main__"],
]
"""The order of dependence: a layer may import those above it in this list, and itself; see docs/architecture.md."""

WINGS = [
    {"particles.models"},
    {"particles.steppers"},
    {
        "particles.encoding",
        "particles.dataset",
        "particles.thinning",
        "particles.files",
        "particles.recorder",
        "particles.remote",
        "particles.records",
        "particles.states",
        "particles.store",
    },
]
"""Wings of the particle layer; none imports another."""

ENTRIES = {"particles", "meanfield"}
"""Packages whose `__init__` exports from every layer below: named exactly, they do not stand for their modules."""

LATE = {"distributed", "matplotlib", "ot", "threadpoolctl", "tqdm", "zarr"}
"""Heavy libraries that may be imported inside a function, where most runs do not need them."""

LATE_MODULES = {"meanfield.app.cli"}
"""Modules that import the library's own modules late, so that `--help` is quick; these imports count like others."""

LONGEST = 400

SCREEN = 50
"""Most lines of a function, its docstring apart: that of a public function is its page of the reference."""

LONG_KERNELS = {"particles.kernels.loops.step_loop.advance_runs"}
"""Compiled loops in one piece: there the field is evaluated in one place, so that every run rounds as if alone."""

WORDS = re.compile(
    r"\b(doors?|felt|ahead|meets?|together|says|speaks|wish|what is none|in one stroke)\b|\b(NOW|WORTH)\b",
    re.IGNORECASE,
)
"""Private words: the field's and Python's own stand for them."""


def layer(module):
    best = max((prefix for names in LAYERS for prefix in names if _stands_for(prefix, module)), key=len, default=None)
    assert best is not None, f"{module} is in no layer: put it into LAYERS of {__file__} and docs/architecture.md"
    return best


def _stands_for(prefix, module):
    return module == prefix or (prefix not in ENTRIES and module.startswith(prefix + "."))


RANK = {prefix: rank for rank, names in enumerate(LAYERS) for prefix in names}
WING = {prefix: wing for wing, names in enumerate(WINGS) for prefix in names}


def own(module, places=("top", "late", "typing")):
    return {name for name, place in imports(module) if name in modules() and place in places and name != module}


def test_a_file_imports_only_what_stands_before_it():
    wrong = set()
    for module in modules():
        here = layer(module)
        for name in own(module):
            there = layer(name)
            wings = here in WING and there in WING and WING[here] != WING[there]
            same_wing = here in WING and WING.get(there) == WING[here]
            against = wings or (RANK[there] >= RANK[here] and not same_wing)
            if there != here and against:
                wrong.add((module, name))
    listed = "\n".join(f"{a} imports {b}" for a, b in sorted(wrong))
    assert not wrong, f"imports against the order of dependence:\n{listed}"


def circles():
    """Strongly connected sets of modules (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(module):
        index[module] = low[module] = len(index)
        stack.append(module)
        for name in own(module):
            if name not in index:
                visit(name)
                low[module] = min(low[module], low[name])
            elif name in stack:
                low[module] = min(low[module], index[name])
        if low[module] == index[module]:
            cut = stack.index(module)
            found.append(sorted(stack[cut:]))
            del stack[cut:]

    for module in modules():
        if module not in index:
            visit(module)
    return [names for names in found if len(names) > 1]


def test_no_import_runs_in_a_circle():
    assert not circles(), f"circles of imports, those inside functions and for types counted: {circles()}"


def test_an_import_inside_a_function_is_a_heavy_library():
    wrong = set()
    for module in modules():
        for name, place in imports(module):
            foreign = name.split(".")[0] in LATE
            command = module in LATE_MODULES and (name in modules() or name.split(".")[0] in sys.stdlib_module_names)
            if place == "late" and not (foreign or command):
                wrong.add((module, name))
    assert not wrong, f"imports inside functions: move them to the top of the file: {sorted(wrong)}"


@pytest.mark.parametrize("folder", ["particles", "meanfield", "tests", "benchmarks", "examples"])
def test_files_are_short(folder):
    lengths = {
        path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / folder).rglob("*.py")
    }
    assert lengths
    assert not {str(path): n for path, n in lengths.items() if n > LONGEST}


def functions(tree, prefix=""):
    """All functions of a module, of its classes and inside functions, by their qualified names."""
    for node in ast.iter_child_nodes(tree):
        name = prefix
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}.{node.name}"
            if not isinstance(node, ast.ClassDef):
                yield name, node
        yield from functions(node, name)


def lines_without_docstring(function):
    first = function.body[0]
    described = ast.get_docstring(function, clean=False) is not None
    return function.end_lineno - function.lineno + 1 - (first.end_lineno - first.lineno + 1 if described else 0)


def test_functions_fit_on_a_screen():
    found = [
        (name, lines_without_docstring(node))
        for module, path in modules().items()
        for name, node in functions(ast.parse(path.read_text(encoding="utf-8")), module)
    ]
    assert len(found) > 1000
    long = {name: n for name, n in found if n > SCREEN}
    assert long.keys() == LONG_KERNELS, f"functions of more than {SCREEN} lines, to be split: {long}"


def private(text):
    for word in WORDS.finditer(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).replace("_", " ")):
        if not word.group(2) or word.group(2).isupper():
            yield word.group(0)


def test_the_words_of_the_source_are_plain():
    found = [(f"{m}:{line}", word) for m in modules() for line, text in words(m) for word in private(text)]
    assert not found, f"private words, to be replaced by plain ones: {found}"


def test_the_words_of_pages_examples_and_benchmarks_are_plain():
    pages = [
        ROOT / "README.md",
        *(p for folder in ("docs", "examples", "benchmarks") for p in (ROOT / folder).rglob("*")),
    ]
    # What the site's build leaves in docs is made of docstrings and captions.
    pages = [path for path in pages if "generated" not in path.parts]
    texts = {path: path.read_text(encoding="utf-8") for path in pages if path.suffix in (".md", ".py", ".toml")}
    assert len(texts) > 30
    found = [(path.name, word) for path, text in texts.items() for word in private(text)]
    assert not found, f"private words, to be replaced by plain ones: {found}"


def test_every_layer_is_described():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    missing = [prefix for names in LAYERS for prefix in names if f"`{prefix}`" not in page]
    assert not missing, f"docs/architecture.md does not name {missing}"
