"""Float networks to int8 ones, by way of onnxruntime.

``quantize.py`` turns an ONNX network into one in the QDQ format, ``samples.py`` reads what it is
calibrated with, ``pytorch.py`` does both for a module of PyTorch.
"""

from kilograd.quantization.pytorch import from_torch
from kilograd.quantization.quantize import FloatNetwork, quantize_network, read_float_network
from kilograd.quantization.samples import FloatSamples, PixelRange, read_samples

__all__ = [
    "FloatNetwork",
    "FloatSamples",
    "PixelRange",
    "from_torch",
    "quantize_network",
    "read_float_network",
    "read_samples",
]
