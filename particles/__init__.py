"""Interacting particles for self-attention dynamics and its relatives."""

from particles.dataset import model_of, open_store, write_netcdf
from particles.evolution import resume
from particles.measure import EmpiricalMeasure
from particles.models.attention import SelfAttention, SoftmaxField
from particles.models.base import DiscreteMap, VelocityField
from particles.models.relatives import CausalAttention, HardmaxAttention, L2Attention, LinearAttention
from particles.simulate import simulate
from particles.steppers import RK4, Adaptive, Euler, EulerMaruyama, Iterate

__all__ = [
    "RK4",
    "Adaptive",
    "CausalAttention",
    "DiscreteMap",
    "EmpiricalMeasure",
    "Euler",
    "EulerMaruyama",
    "HardmaxAttention",
    "Iterate",
    "L2Attention",
    "LinearAttention",
    "SelfAttention",
    "SoftmaxField",
    "VelocityField",
    "model_of",
    "open_store",
    "resume",
    "simulate",
    "write_netcdf",
]
