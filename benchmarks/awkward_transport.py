"""Exact W₂ of generated points to generated densities, as awkward as runs and their late times make them.

    python benchmarks/awkward_transport.py [--first 0] [--stop 200] [--largest 5000] [--bracket 1500]

The cases of `tests/transport_cases.py` with at most `largest` points. A line for each that is not solved, that raises
anything but NotConverged, or that takes more than 10 s of processor time; for each of at most so many points as
`--bracket` tells, also one where the distance is outside `wasserstein_bracket` of the same pair by more than rounding.
Then the counts.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from meanfield import wasserstein, wasserstein_bracket
from particles.errors import NotConverged

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from transport_cases import case

ROUNDING = 1e-14
"""Of the squared extent of the union of both sides: what W₂² may differ by from the bracket's ends."""

LONG = 10.0


def outside(cloud, density, value):
    """How far W₂² is outside the bracket, in units of the rounding allowed, and the bracket."""
    bracket = wasserstein_bracket(cloud, density)
    extent = np.ptp(np.vstack((cloud.points, density.points)), axis=0)
    rounding = ROUNDING * float(extent @ extent)
    return max(bracket.lower**2 - value**2, value**2 - bracket.upper**2) / rounding, bracket


def arguments():
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser()
    for name, value in (("first", 0), ("stop", 200), ("largest", 5000), ("bracket", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def main():
    """Print what is not as it should be, and the counts."""
    asked, counts = arguments(), dict.fromkeys(("cases", "solved", "not converged", "brackets", "outside"), 0)
    for seed in range(asked.first, asked.stop):
        cloud, density = case(seed)
        if len(cloud.points) > asked.largest:
            continue
        label, start = f"seed {seed}, N = {len(cloud.points)}", time.process_time()
        counts["cases"] += 1
        try:
            value = wasserstein(cloud, density)
        except NotConverged as error:
            counts["not converged"] += 1
            print(f"{label}: {str(error)[:70]}", flush=True)
            continue
        except Exception as error:
            print(f"{label}: {type(error).__name__} {error}", flush=True)
            continue
        counts["solved"] += 1
        seconds = time.process_time() - start
        if seconds > LONG:
            print(f"{label}: {seconds:.0f} s", flush=True)
        if len(cloud.points) <= asked.bracket:
            counts["brackets"] += 1
            excess, bracket = outside(cloud, density, value)
            if excess > 1.0:
                counts["outside"] += 1
                print(f"{label}: {value!r} outside {bracket}", flush=True)
    seconds = f"{time.process_time() - SECONDS:.0f} s of processor time"
    print(", ".join(f"{name} {count}" for name, count in counts.items()), f"({seconds})", flush=True)


SECONDS = time.process_time()

if __name__ == "__main__":
    main()
