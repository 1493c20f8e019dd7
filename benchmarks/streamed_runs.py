"""What a streamed run costs: processor time, peak memory, files and bytes, against the same run in memory.

    python benchmarks/streamed_runs.py [many] [large]

"many": 50 tokens in the plane, 2001 saves. "large": 100 000 tokens, 101 saves, of which three numbers are wanted:
every token is saved, then each 1000th with observables. The field is x' = −x: what is measured is saving. Each case is
a process of its own; the peak is that of the process less what it had before the run. Times are the processor's: a busy
disk adds to them.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from particles import RK4, VelocityField, simulate

CASES = {
    "many": (50, 2001, {"in memory": {}, "stored": {"store": True}, "every 10th": {"store": True, "every": 10}}),
    "large": (
        100_000,
        101,
        {
            "in memory": {},
            "stored": {"store": True},
            "every 1000th, observed": {"store": True, "every": 1000, "observables": True},
        },
    ),
}


class Decay(VelocityField):
    """x' = −x."""

    dim = None

    def velocity(self, t, x, mu):
        """−x."""
        return -x


OBSERVED = {
    "mean": lambda ds: ds["position"].values.mean(axis=1)[0],
    "radius": lambda ds: float(np.linalg.norm(ds["position"].values, axis=-1).max()),
    "second": lambda ds: float((ds["position"].values ** 2).mean()),
}


def measure(case: str, name: str) -> dict[str, float]:
    n, saves, kinds = CASES[case]
    options = dict(kinds[name])
    x0 = np.random.default_rng(0).standard_normal((n, 2))
    times, method = np.linspace(0.0, 1.0, saves), RK4(1.0 / (saves - 1))
    with tempfile.TemporaryDirectory() as folder:
        simulate(Decay(), x0[:2], times[:3], method, store=Path(folder) / "first.zarr")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.zarr"
        if options.pop("store", False):
            options["store"] = path
        if options.pop("observables", False):
            options["observables"] = OBSERVED
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        ds = simulate(Decay(), x0, times, method, **options)
        spent = time.process_time() - start
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        files = [file for file in path.rglob("*") if file.is_file()]
        assert ds.sizes["time"] == saves
        return {
            "seconds": spent,
            "peak": peak,
            "files": len(files),
            "megabytes": sum(f.stat().st_size for f in files) / 1e6,
        }


def main() -> None:
    print(f"{'case':8}{'':26}{'processor s':>12}{'peak MiB':>10}{'files':>8}{'MB':>9}")
    for case in sys.argv[1:] or CASES:
        for name in CASES[case][2]:
            command = [sys.executable, __file__, "--one", case, name]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            row = f"{found['seconds']:12.2f}{found['peak']:10.0f}{found['files']:8d}{found['megabytes']:9.1f}"
            print(f"{case:8}{name:26}{row}", flush=True)


if __name__ == "__main__":
    if "--one" in sys.argv:
        print(json.dumps(measure(*sys.argv[2:])))
    else:
        main()
