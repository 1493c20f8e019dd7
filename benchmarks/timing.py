"""Side-by-side timing: the same calls in turn, several times over, medians reported."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def alternate(calls: dict[str, Callable[[], object]], repeats: int = 5, pause: float = 0.02) -> dict[str, float]:
    """Median seconds of each call over alternated repeats, after one unmeasured round.

    The pause lets the idle threads of one library stop spinning before another is timed.
    """
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            time.sleep(pause)
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}
