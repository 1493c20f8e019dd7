"""Which model runs with which method and which scheme: every pair is tried, in every frame, with noise, in every space.

    python docs/what_runs.py

writes what_runs.json beside it, from which the page is made: for every model, form and way to move it "runs", or the
first line of the refusal. A slow test tries all of it again.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import particles
from meanfield import WENO, FiniteVolume, FrozenFlow, Grid, Lagrangian, Normal, SemiLagrangian, Uniform, Upwind, solve
from particles import (
    RK4,
    Adaptive,
    CausalAttention,
    Confinement,
    CuckerSmale,
    Diffusion,
    DiscreteMap,
    Ensemble,
    Euler,
    EulerMaruyama,
    FeedForward,
    HardmaxAttention,
    HegselmannKrause,
    Iterate,
    Krause,
    L2Attention,
    LieTrotter,
    LinearAttention,
    LogAttraction,
    Morse,
    PairInteraction,
    PowerAttraction,
    Powers,
    RescaledTransformer,
    SelfAttention,
    SinkhornAttention,
    StrangMarchuk,
    UnnormalizedAttention,
    VelocityField,
    Vicsek,
    simulate,
)
from particles.errors import LibraryError

STORED = Path(__file__).resolve().parent / "what_runs.json"
ONE, SHRINK = np.eye(2), -0.5 * np.eye(2)


def near(squared):
    """A kernel of the squared distance."""
    return np.exp(-squared)


class TowardsTheMean(VelocityField):
    """A field of a user's own."""

    dim = None

    def velocity(self, t, x, mu):
        """X[mu](x)."""
        return mu.weights @ mu.points - x


MODELS = {
    "SelfAttention": SelfAttention(ONE, ONE, SHRINK),
    "two heads": SelfAttention(ONE, ONE, SHRINK) + SelfAttention(ONE, -ONE, SHRINK),
    "SelfAttention with Q(t)": SelfAttention(lambda t: (1 + t) * ONE, ONE, SHRINK),
    "FeedForward": FeedForward(SHRINK, ONE, np.zeros(2), "tanh"),
    "SinkhornAttention": SinkhornAttention(ONE, ONE, SHRINK, tolerance=1e-9),
    "UnnormalizedAttention": UnnormalizedAttention(ONE, ONE, SHRINK),
    "LinearAttention": LinearAttention(ONE, ONE, SHRINK),
    "L2Attention": L2Attention(ONE, ONE, SHRINK),
    "CausalAttention": CausalAttention(ONE, ONE, SHRINK),
    "HardmaxAttention": HardmaxAttention(ONE, ONE, SHRINK),
    "Ensemble": Ensemble((SelfAttention(ONE, ONE, SHRINK), SelfAttention(2 * ONE, ONE, SHRINK))),
    "Krause": Krause(near),
    "HegselmannKrause": HegselmannKrause(1.0),
    "PowerAttraction": PowerAttraction(2.0),
    "LogAttraction": LogAttraction(1.0),
    "CuckerSmale": CuckerSmale(0.5, 1.0),
    "Vicsek": Vicsek(1.0, 0.3, 1.0, 5.0),
    "PairInteraction": PairInteraction(Morse(1.0, 1.0, 2.0, 0.5)),
    "Confinement": Confinement(Powers((1.0,), (2.0,))),
    "your own field": TowardsTheMean(),
    "RescaledTransformer": RescaledTransformer(ONE, ONE, SHRINK, 0.1),
}

FORMS = {
    "original frame": lambda model: model,
    "rescaled frame": lambda model: model.rescaled() if hasattr(model, "rescaled") else model.in_frame(SHRINK),
    "with noise": lambda model: model + Diffusion(0.05, dim=2),
    "on the sphere": lambda model: model.on_sphere(),
    "on the circle": lambda model: model.on_circle(),
}

METHODS = {
    "Euler": Euler(0.1),
    "RK4": RK4(0.1),
    "Adaptive": Adaptive(),
    "EulerMaruyama": EulerMaruyama(0.1),
    "LieTrotter": LieTrotter(0.1),
    "StrangMarchuk": StrangMarchuk(0.1),
    "Iterate": Iterate(),
}

SCHEMES = {
    "Upwind": Upwind(),
    "FiniteVolume": FiniteVolume(),
    "WENO": WENO(),
    "SemiLagrangian": SemiLagrangian(),
    "FrozenFlow": FrozenFlow(0.1),
    "Lagrangian": Lagrangian(nodes=1),
}

MODEL = re.compile(
    r"\b(" + "|".join(dir(particles)) + r")\((?=[a-z]\w*=|[QKV]=)(?:[^()]|\([^()]*\))*\)( \+ \w+\([^()]*\))*"
)
"""A model as it is printed in a message."""

JUMPS = "not tried: the velocity jumps or is singular, so that error control takes ever shorter steps"
SLOW = {
    ("HardmaxAttention", "Lagrangian"): JUMPS,
    ("HegselmannKrause", "Lagrangian"): JUMPS,
    ("HegselmannKrause", "FrozenFlow"): JUMPS,
    ("LogAttraction", "FrozenFlow"): JUMPS,
}
"""Pairs that are accepted and end too late; Lagrangian with a fixed step, method=RK4(dt), does end."""

PLANE = Grid([(-4, 4), (-4, 4)], (16, 16)).measure(Normal([0.2, 0.0], 0.25 * ONE))
ROUND = Grid([(0, 2 * np.pi)], 24).measure(Uniform((0, 2 * np.pi)))


def outcome(run) -> str:
    """What comes of a call: "runs", or the refusal."""
    try:
        run()
    except LibraryError as error:
        text = str(error).splitlines()[0]
        if "attention scores change" in text:
            text = "stopped where numerical tails come to lead the field (on these 16² cells)"
        return f"{type(error).__name__}: {MODEL.sub('the model', text)}"
    return "runs"


def tokens(name: str, form: str) -> np.ndarray:
    """Six tokens where the model lives in that form."""
    rng = np.random.default_rng(0)
    if name == "Vicsek":
        return rng.uniform(0, 5, (6, 3))
    x = rng.uniform(0, 6, (6, 1)) if form == "on the circle" else rng.uniform(-1, 1, (6, 2))
    x = x / np.linalg.norm(x, axis=1, keepdims=True) if form == "on the sphere" else x
    return np.stack([x, x]) if name == "Ensemble" else x


def tried(name: str, form: str) -> dict[str, str]:
    """One model in one form: by method and by scheme what comes of it."""
    if form != "original frame" and isinstance(MODELS[name], DiscreteMap):
        return dict.fromkeys((*METHODS, *SCHEMES), "no such form: a map in discrete time is moved as it is")
    made = {}
    refused = outcome(lambda: made.setdefault("model", FORMS[form](MODELS[name])))
    if refused != "runs" or "model" not in made:
        return dict.fromkeys((*METHODS, *SCHEMES), refused)
    model, x0 = made["model"], tokens(name, form)
    times = [0, 1] if name in ("RescaledTransformer", "Vicsek") else [0.0, 0.2]
    measure = ROUND if form == "on the circle" else PLANE
    found = {
        key: outcome(lambda method=method: simulate(model, x0, times, method, rng=0)) for key, method in METHODS.items()
    }
    for key, scheme in SCHEMES.items():
        if (name, key) in SLOW:
            found[key] = SLOW[name, key]
            continue
        found[key] = outcome(lambda scheme=scheme: solve(model, measure, [0.0, 0.2], scheme, wall_tolerance=1e-2))
    return found


def table() -> dict[str, dict[str, dict[str, str]]]:
    """Everything, by form and model."""
    return {form: {name: tried(name, form) for name in MODELS} for form in FORMS}


if __name__ == "__main__":
    STORED.write_text(json.dumps(table(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
