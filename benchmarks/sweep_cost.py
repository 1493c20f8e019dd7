"""What a sweep of tasks that do nothing costs: processor time a task, peak memory of the driver, files at the end.

    python benchmarks/sweep_cost.py [TASKS ...]

Scalar tasks, 10⁴ and 10⁵ where no numbers are given, in this process and on two threads, with a store and without. Each
case is a process of its own; the peak is that of the process less what it had after a sweep of ten tasks. `records` are
the most files that stood in the store while it ran.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from meanfield import studies

KINDS = ("in memory", "stored", "threads, stored")


def tiny(*, k, rng):
    return {"x": float(k)}


def measure(tasks: int, kind: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        executor = pool if "threads" in kind else None
        studies.sweep(tiny, {"k": range(10)}, seeds=1, store=Path(folder) / "first.zarr", executor=executor)
        store = Path(folder) / "sweep.zarr" if "stored" in kind else None
        most = 0

        def look(done: int, total: int) -> None:
            nonlocal most
            if store is not None and done % max(1, total // 20) == 0:
                most = max(most, files(store))

        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        ds = studies.sweep(tiny, {"k": range(tasks // 100)}, seeds=100, store=store, executor=executor, progress=look)
        spent = time.process_time() - start
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert ds.attrs["status"] == "completed"
        return {"seconds": spent, "peak": peak, "records": most, "files": 0 if store is None else files(store)}


def files(folder: Path) -> int:
    return sum(file.is_file() for file in folder.rglob("*"))


def main() -> None:
    print(f"{'tasks':>9} {'kind':16}{'ms a task':>12}{'peak MiB':>10}{'B a task':>10}{'records':>9}{'files':>7}")
    for tasks in [int(float(given)) for given in sys.argv[1:]] or [10**4, 10**5]:
        for kind in KINDS:
            command = [sys.executable, __file__, "--one", str(tasks), kind]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            row = f"{1000 * found['seconds'] / tasks:12.3f}{found['peak']:10.0f}{found['peak'] * 2**20 / tasks:10.0f}"
            print(f"{tasks:9d} {kind:16}{row}{found['records']:9d}{found['files']:7d}", flush=True)


if __name__ == "__main__":
    if "--one" in sys.argv:
        print(json.dumps(measure(int(sys.argv[2]), sys.argv[3])))
    else:
        main()
