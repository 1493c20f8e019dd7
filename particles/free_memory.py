"""How much memory there is, and the refusal of arrays that do not fit into it, before any of them is made."""

from __future__ import annotations

import math
import os
from pathlib import Path

from particles.errors import TooLarge

_ACCOUNTS = Path("/proc/meminfo")
_LIMIT = Path("/sys/fs/cgroup/memory.max")
_USED = Path("/sys/fs/cgroup/memory.current")
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def free_memory() -> float:
    """Bytes that arrays may take here: what the system calls available, within the limit of its control group.

    The memory of the whole machine where the system does not tell, infinity where that is unknown too.
    """
    try:
        lines = dict(line.split(":", 1) for line in _ACCOUNTS.read_text().splitlines())
        free = 1024.0 * int(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        free = _installed()
    try:
        return min(free, float(_LIMIT.read_text()) - float(_USED.read_text()))
    except (OSError, ValueError):
        return free


def require_memory(needed: float, what: str, remedy: str) -> None:
    """Refuse arrays of `needed` bytes that are more than there are; `what` names them as a subject in the plural."""
    free = free_memory()
    if needed > free:
        raise TooLarge(f"{what} need {_size(needed)} of memory, of which {_size(max(free, 0.0))} are free: {remedy}")


def _installed() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE")) * float(os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return math.inf


def _size(amount: float) -> str:
    power = min(int(math.log2(max(amount, 1.0)) // 10), len(_UNITS) - 1)
    return f"{amount / 1024.0**power:.3g} {_UNITS[power]}"
