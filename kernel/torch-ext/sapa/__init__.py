"""SAPA feature upsampling as one fused kernel, forward and backward, on CPU and CUDA."""

from . import layers, registration
from .affiliation import BORDERS, assemble, sapa_upsample

__all__ = ["BORDERS", "assemble", "layers", "registration", "sapa_upsample"]
