"""Float networks to int8 ones, by way of onnxruntime.

``quantize.py`` turns an ONNX network into one in the QDQ format, ``samples.py`` reads what it is
calibrated with, ``pixels.py`` puts what pixels stand for into a network, and ``pytorch.py`` is for
modules of PyTorch.
"""

from kilograd.quantization.pixels import PixelRange
from kilograd.quantization.pytorch import from_torch
from kilograd.quantization.quantize import FloatNetwork, quantize_network, read_float_network
from kilograd.quantization.samples import FloatSamples, read_samples

__all__ = [
    "FloatNetwork",
    "FloatSamples",
    "PixelRange",
    "from_torch",
    "quantize_network",
    "read_float_network",
    "read_samples",
]
