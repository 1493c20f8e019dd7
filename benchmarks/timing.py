"""Side-by-side timing: the same calls in turn, several times over, medians reported."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def alternate(
    calls: dict[str, Callable[[], object]],
    repeats: int = 5,
    pause: float = 0.02,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of each call over alternated repeats, after one unmeasured round (none for a single repeat).

    On a machine that others use, one thread and `time.process_time` as the clock give numbers that their load hardly
    changes.

    The pause lets the idle threads of one library stop spinning before another is timed.
    """
    for call in calls.values() if repeats > 1 else ():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            time.sleep(pause)
            start = clock()
            call()
            seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}
