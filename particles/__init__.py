"""Interacting particles for self-attention dynamics and its relatives."""

from particles.dataset import model_of, open_store, write_netcdf
from particles.evolution import resume
from particles.measure import EmpiricalMeasure
from particles.models.aggregation import LogAttraction, PowerAttraction
from particles.models.attention import SelfAttention, SoftmaxField
from particles.models.base import DiscreteMap, VelocityField
from particles.models.discrete import RescaledTransformer
from particles.models.ensemble import Ensemble
from particles.models.flocking import CuckerSmale, Vicsek
from particles.models.network import FeedForward
from particles.models.noise import Diffusion
from particles.models.opinion import HegselmannKrause, Krause
from particles.models.relatives import CausalAttention, HardmaxAttention, L2Attention, LinearAttention
from particles.simulate import simulate
from particles.splitting import LieTrotter, StrangMarchuk
from particles.steppers import RK4, Adaptive, Euler, EulerMaruyama, Iterate

__all__ = [
    "RK4",
    "Adaptive",
    "CausalAttention",
    "CuckerSmale",
    "Diffusion",
    "DiscreteMap",
    "EmpiricalMeasure",
    "Ensemble",
    "Euler",
    "EulerMaruyama",
    "FeedForward",
    "HardmaxAttention",
    "HegselmannKrause",
    "Iterate",
    "Krause",
    "L2Attention",
    "LieTrotter",
    "LinearAttention",
    "LogAttraction",
    "PowerAttraction",
    "RescaledTransformer",
    "SelfAttention",
    "SoftmaxField",
    "StrangMarchuk",
    "VelocityField",
    "Vicsek",
    "model_of",
    "open_store",
    "resume",
    "simulate",
    "write_netcdf",
]
