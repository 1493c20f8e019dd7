"""Functions of a Dataset: diagnostics, clusters, frames, the Gaussian closure."""

from particles.submodules import public_submodules

__all__ = ["clusters", "diagnostics", "frames", "gaussian"]

__getattr__ = public_submodules(__name__, tuple(__all__))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
