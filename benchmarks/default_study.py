"""Time of the default study by part: `meanfield study`, in processes of its own, with all that it writes.

python benchmarks/default_study.py [--other TREE]

At its own sizes, and at those of its first version: N = 32 … 1024 with 20 seeds each, no certificate in its
convergence, 400 particles in its stability. `--other` runs another checkout in turn, for ratios on a shared machine.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]

FIRST = {
    r"(?m)^sizes = .*$": "sizes = [32, 64, 128, 256, 512, 1024]",
    r"(?m)^seeds = \[.*$": "seeds = 20",
    r"(?m)^certificate = .*\n": "",
    r"(\[stability\]\nparticles = )\d+": r"\g<1>400",
}
"""What makes the study that of the first version."""


def run(tree: Path, study: str) -> tuple[float, float, str]:
    """Wall and processor time of the study in a checkout, and the time of each part as its report has it."""
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder, "study.toml"), Path(folder, "out")
        file.write_text(study, encoding="utf-8")
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "meanfield", "study", str(file), "--out", str(out)]
        subprocess.run(command, cwd=tree, check=True, stdout=subprocess.DEVNULL)
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        page = (out / "report.html").read_text(encoding="utf-8")
    parts = re.findall(r"time of \[(\w+)\]</th><td>([\d.]+) s", page)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, processor, ", ".join(f"{name} {seconds}" for name, seconds in parts)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--other", type=Path, help="another checkout, run in turn")
    other = parser.parse_args().other
    own = (ROOT / "data" / "studies" / "paper_2d.toml").read_text(encoding="utf-8")
    first = own
    for pattern, replacement in FIRST.items():
        first, count = re.subn(pattern, replacement, first)
        assert count == 1, pattern
    for name, study in {"first sizes": first, "own sizes": own}.items():
        for tree in [ROOT] if other is None else [other.resolve(), ROOT]:
            wall, processor, parts = run(tree, study)
            where = "this tree" if tree == ROOT else "other tree"
            print(
                f"{name:12}{where:12}{wall:6.1f} s wall{processor:8.1f} s processor; wall by part: {parts}", flush=True
            )


if __name__ == "__main__":
    main()
