"""Interacting particles for self-attention dynamics and its relatives."""

# First, so that files of another project of this name are named before anything else fails.
from particles.installation import __version__  # isort: split

from particles import errors
from particles.dataset import model_of
from particles.encoding import register
from particles.evolution import resume
from particles.fields.discrete_map import DiscreteMap
from particles.fields.field import Derived, MovingFrame, Sum, VelocityField
from particles.fields.restriction import OnCircle, OnSphere
from particles.fields.spaces import Circle, Euclidean, Space, Sphere, Torus
from particles.kernels.threads import threads
from particles.measure import EmpiricalMeasure
from particles.models.aggregation import LogAttraction, PowerAttraction
from particles.models.attention import Automatic, SelfAttention, SoftmaxField
from particles.models.discrete import RescaledTransformer
from particles.models.ensemble import Ensemble
from particles.models.flocking import CuckerSmale, Vicsek
from particles.models.interaction import Confinement, PairInteraction
from particles.models.network import FeedForward
from particles.models.noise import Diffusion
from particles.models.normalization import SinkhornAttention, UnnormalizedAttention
from particles.models.opinion import HegselmannKrause, Krause
from particles.models.profiles import BoundedConfidence, Cosine, Formula, Morse, Powers, Profile, Radial
from particles.models.relatives import CausalAttention, HardmaxAttention, L2Attention, LinearAttention
from particles.simulate import simulate
from particles.steppers.adaptive import Adaptive
from particles.steppers.euler_maruyama import EulerMaruyama
from particles.steppers.iterate import Iterate
from particles.steppers.method import Method
from particles.steppers.runge_kutta import RK4, Euler
from particles.steppers.splitting import LieTrotter, StrangMarchuk
from particles.store import open_store, write_netcdf
from particles.thinning import whole_states
from particles.watching import ClusterCount, SteadyState

__all__ = [
    "RK4",
    "Adaptive",
    "BoundedConfidence",
    "CausalAttention",
    "Circle",
    "ClusterCount",
    "Confinement",
    "Cosine",
    "CuckerSmale",
    "Derived",
    "Diffusion",
    "DiscreteMap",
    "EmpiricalMeasure",
    "Ensemble",
    "Euclidean",
    "Euler",
    "EulerMaruyama",
    "FeedForward",
    "Formula",
    "HardmaxAttention",
    "HegselmannKrause",
    "Iterate",
    "Krause",
    "L2Attention",
    "LieTrotter",
    "LinearAttention",
    "LogAttraction",
    "Morse",
    "OnCircle",
    "OnSphere",
    "PairInteraction",
    "PowerAttraction",
    "Powers",
    "Radial",
    "RescaledTransformer",
    "SelfAttention",
    "SinkhornAttention",
    "SoftmaxField",
    "Space",
    "Sphere",
    "SteadyState",
    "StrangMarchuk",
    "Torus",
    "UnnormalizedAttention",
    "VelocityField",
    "Vicsek",
    "__version__",
    "errors",
    "model_of",
    "open_store",
    "resume",
    "simulate",
    "threads",
    "whole_states",
    "write_netcdf",
]

# The public names of the file format: what is exported, and the classes of defaults and of what operators make.
_MADE = (Automatic, MovingFrame, Sum)
register(
    {name: globals()[name] for name in __all__ if name not in ("__version__", "errors")}
    | {cls.__name__: cls for cls in _MADE},
    roots=(VelocityField, DiscreteMap, Method, Profile),
)
