"""How large a fresh installation is, by distribution: the files of this package and of all that it requires.

    python benchmarks/install_size.py

Read from what is installed where it runs; the package itself is taken from the checkout.
"""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEGABYTE = 1e6


def required(names):
    """The distributions behind some requirements, without extras, and what these require in turn."""
    found, waiting = {}, list(names)
    while waiting:
        text = waiting.pop()
        name = re.match(r"[\w.-]+", text)[0].lower().replace("_", "-")
        if "extra ==" in text or name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        waiting += found[name].requires or []
    return found


def size(files):
    return sum(path.stat().st_size for path in files if path.is_file()) / MEGABYTE


def main():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = [
        path for name in ("particles", "meanfield", "data") for path in (ROOT / name).rglob("*") if path.suffix in KEPT
    ]
    parts = {"attention-meanfield": size(own)}
    for name, found in required(project["dependencies"]).items():
        parts[name] = size(Path(found.locate_file(file)) for file in found.files or ())
    print(f"{sum(parts.values()):8.0f} MB in {len(parts)} distributions")
    for name, megabytes in sorted(parts.items(), key=lambda part: -part[1])[:12]:
        print(f"{megabytes:8.1f}  {name}")


KEPT = {".py", ".js", ".css", ".toml", ".npz", ".json", ".safetensors", ".txt", ".md"}
"""What a wheel of this project holds."""

if __name__ == "__main__":
    main()
