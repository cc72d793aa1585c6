"""SAPA feature upsampling as one fused kernel, forward and backward, on CPU and CUDA."""

from . import layers, registration
from .affiliation import assemble, sapa_upsample

__all__ = ["assemble", "layers", "registration", "sapa_upsample"]
