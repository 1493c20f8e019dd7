"""The README's example works as pasted and prints what its comments claim."""

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_example_works_as_pasted(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(code.strip().splitlines()) <= 12
    scope = {}
    exec(code, scope)
    printed = capsys.readouterr().out
    assert printed.startswith("Limit certificate: conditional\n  Theorem 3.1")
    bound = float(re.search(r"largest bound ([\d.e-]+)", printed)[1])
    assert 0 < bound < 1e-8
    distance = float(printed.strip().splitlines()[-1])
    assert 0.3 < distance < 1.5


def test_its_links_lead_to_files_that_are_there():
    text = README.read_text(encoding="utf-8")
    paths = re.findall(r"`(docs/[^`]+)`", text) + re.findall(r"^\| `([\w/]+)/`", text, re.MULTILINE)
    assert len(paths) >= 7
    assert [path for path in paths if not (README.parent / path).exists()] == []
